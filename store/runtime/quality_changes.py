"""Changes of live quality, as they happen: a word, a retraction or a prediction of a product.

One reader in each process compares a product's rows every two seconds while somebody subscribes. Those who store rows
do nothing for it.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ..products import catalogue
from ..products.product import DataProduct
from ..quality import rollups
from .event_streams import POLL_SECONDS, read_when_reachable

log = logging.getLogger(__name__)


class QualityWatch:
    """The reader of one product's changes in this process; it reads while it has subscribers."""

    def __init__(self, product: DataProduct):
        self.product = product
        self.subscribers: set[asyncio.Event] = set()
        self.beginning: asyncio.Task[Any] | None = None
        self.watching: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def subscription(self) -> AsyncIterator[asyncio.Event]:
        """Subscribe to the changes from now on; the event is set by each."""
        changed = asyncio.Event()
        self.subscribers.add(changed)
        try:
            self.beginning = self.beginning or asyncio.create_task(self._read())
            mark = await asyncio.shield(self.beginning)
            self.watching = self.watching or asyncio.create_task(self._watch(mark), name="quality changes")
            yield changed
        finally:
            self.subscribers.discard(changed)
            if not self.subscribers:
                for task in filter(None, (self.beginning, self.watching)):
                    task.cancel()
                self.beginning = self.watching = None

    async def _read(self) -> Any:
        return await read_when_reachable(rollups.read_mark, self.product)

    async def _watch(self, mark: Any) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                newest = await self._read()
            except Exception:  # one failure must not end all streams
                log.exception("The quality of %s could not be read; it is tried again.", self.product.name)
                continue
            if newest != mark:
                mark = newest
                for changed in self.subscribers:
                    changed.set()


#: By the product's name.
_watches: dict[str, QualityWatch] = {}


async def follow(name: str) -> AsyncGenerator[DataProduct, None]:
    """Stream a product: at once, and whenever its quality may have changed. Raises UnknownProduct."""
    product = catalogue.get(name)
    watch = _watches.setdefault(name, QualityWatch(product))
    async with watch.subscription() as changed:
        while True:
            yield product
            await changed.wait()
            changed.clear()
