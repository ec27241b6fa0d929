"""Changes of products, as they happen: another champion, a build or a trial that begins or ends, a hold.

One reader in each process compares the rows: when an event says that something has changed, and every two seconds.
"""

import asyncio
import enum
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from ..builds.builds import Build
from ..db import clock
from ..jobs.events import hub
from ..products import catalogue
from ..products.product import DataProduct
from ..registry.product_states import ProductState
from ..registry.promotions import Promotion
from ..registry.trials import Trial
from .event_streams import POLL_SECONDS, read_when_reachable
from .live_rows import OVERLAP, RowPosition

log = logging.getLogger(__name__)

#: Seconds between two looks at the rows, at least: a build has many events.
PAUSE_SECONDS = 0.2


class ProductChange(enum.Enum):
    """A part of a product's state that changes."""

    CHAMPION = "CHAMPION"
    BUILD = "BUILD"
    HOLD = "HOLD"
    TRIAL = "TRIAL"


class State(NamedTuple):
    """The state of a product that is compared."""

    champion: int | None = None
    hold: str = ""
    build: int | None = None
    build_status: str | None = None
    trial: int | None = None

    def changes_since(self, before: "State") -> set[ProductChange]:
        """List what differs from an earlier state."""
        parts = {
            ProductChange.CHAMPION: self.champion != before.champion,
            ProductChange.HOLD: self.hold != before.hold,
            ProductChange.BUILD: self[2:4] != before[2:4],
            ProductChange.TRIAL: self.trial != before.trial,
        }
        return {change for change, is_changed in parts.items() if is_changed}


States = Mapping[str, State]


@dataclass(frozen=True)
class ChangedProduct:
    """A product that has changed, and in what."""

    product: DataProduct
    changes: frozenset[ProductChange]
    #: When the rows were read, as a cursor.
    cursor: str


class PendingChanges:
    """The products that have changed since one subscriber heard of them: one that is slow hears of each once."""

    def __init__(self) -> None:
        self.pending: dict[str, set[ProductChange]] = {}
        self.at: datetime | None = None
        self.changed = asyncio.Event()

    def put(self, product: str, changes: set[ProductChange], at: datetime) -> None:
        """Note a change."""
        self.pending.setdefault(product, set()).update(changes)
        self.at = at
        self.changed.set()

    async def next(self) -> ChangedProduct | None:
        """Wait for the next change; None where its product is no longer declared."""
        await self.changed.wait()
        name = next(iter(self.pending))
        changes = frozenset(self.pending.pop(name))
        if not self.pending:
            self.changed.clear()
        assert self.at
        product = catalogue.find(name)
        return ChangedProduct(product, changes, RowPosition(self.at).encode()) if product else None


class ProductWatch:
    """The reader of all products' states in this process; it reads while it has subscribers."""

    def __init__(self) -> None:
        self.subscribers: set[PendingChanges] = set()
        self.beginning: asyncio.Task[States] | None = None
        self.watching: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def subscription(self) -> AsyncIterator[PendingChanges]:
        """Subscribe to the changes from now on."""
        subscriber = PendingChanges()
        self.subscribers.add(subscriber)
        try:
            self.beginning = self.beginning or asyncio.create_task(read_when_reachable(read_states))
            states = await asyncio.shield(self.beginning)
            self.watching = self.watching or asyncio.create_task(self._watch(states), name="product changes")
            yield subscriber
        finally:
            self.subscribers.discard(subscriber)
            if not self.subscribers:
                self._end()

    def _end(self) -> None:
        for task in filter(None, (self.beginning, self.watching)):
            task.cancel()
        self.beginning = self.watching = None

    async def _watch(self, states: States) -> None:
        async with hub.subscription() as events:
            while True:
                event = await events.next(POLL_SECONDS)
                if event is not None and event["kind"] not in ("build", "promotion", "trial"):
                    continue
                await asyncio.sleep(PAUSE_SECONDS)
                try:
                    states = self._distribute(states, *await read_when_reachable(read_states_at))
                except Exception:  # one failure must not end all streams
                    log.exception("The states of the products could not be read; it is tried again.")

    def _distribute(self, before: States, states: States, at: datetime) -> States:
        for product, state in states.items():
            if changes := state.changes_since(before.get(product, State())):
                for subscriber in self.subscribers:
                    subscriber.put(product, changes, at)
        return states


watch = ProductWatch()


async def follow(product: str | None, cursor: str | None) -> AsyncGenerator[ChangedProduct, None]:
    """Stream the changes of a product, or of all; with a cursor, first what has changed since.

    Raises: UnknownProduct, BadInput.
    """
    if product is not None:
        catalogue.get(product)
    since = None if cursor is None else RowPosition.decode(cursor).at - OVERLAP
    async with watch.subscription() as subscriber:
        if since is not None:
            changes, at = await read_when_reachable(read_changes, since)
            for name in sorted(changes):
                subscriber.put(name, changes[name], at)
        while True:
            changed = await subscriber.next()
            if changed and product in (None, changed.product.name):
                yield changed


def read_states_at() -> tuple[States, datetime]:
    """Read the states of all products, and the time before that."""
    at = clock.now()
    return read_states(), at


def read_states() -> States:
    """Read the states of all products."""
    newest = Build.objects.order_by("product", "-pk").distinct("product")
    builds = {product: build for product, *build in newest.values_list("product", "pk", "status")}
    rows = ProductState.objects.values_list("product", "champion", "hold")
    products = {product: state for product, *state in rows}
    trials = dict(Trial.objects.running().values_list("product", "pk"))
    return {
        name: State(*products.get(name, (None, "")), *builds.get(name, (None, None)))._replace(
            trial=trials.get(name)
        )
        for name in products.keys() | builds.keys() | trials.keys()
    }


def read_changes(since: datetime) -> tuple[dict[str, set[ProductChange]], datetime]:
    """Read which products have changed since a time, and the time of reading.

    A hold begins and ends with a promotion, so that both count after one.
    """
    at = clock.now()
    promoted = Promotion.objects.filter(at__gte=since).values_list("product", flat=True)
    moments = ("requested_at", "started_at", "ended_at")
    any_moment = Q(*((f"{moment}__gte", since) for moment in moments), _connector=Q.OR)
    built = Build.objects.filter(any_moment).values_list("product", flat=True)
    changes = {product: {ProductChange.CHAMPION, ProductChange.HOLD} for product in promoted.distinct()}
    tried = Trial.objects.filter(Q(started_at__gte=since) | Q(ended_at__gte=since))
    for product in tried.values_list("product", flat=True).distinct():
        changes.setdefault(product, set()).add(ProductChange.TRIAL)
    for product in built.distinct():
        changes.setdefault(product, set()).add(ProductChange.BUILD)
    return changes, at
