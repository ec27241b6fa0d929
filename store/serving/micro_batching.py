"""Batches: whatever is asked while others are being answered is answered together, without a timer."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Generic, TypeVar

from ..exceptions import Cancelled, Overloaded

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")

#: Items of a batch: more at once are no faster, and others wait longer.
MOST = 256
#: Batches of one key that are worked on at once, where the second is as large as the first: a smaller one costs more
#: than it saves.
AT_ONCE = 2
#: Items of one key that may wait, some seconds' work and more than one request may bring; whoever comes then is told
#: when to come again.
MOST_WAITING = 20_000
RETRY_AFTER = 1.0
#: Seconds after which somebody who waits may have hung up.
LONG = 0.1


@dataclass(eq=False, slots=True)
class PendingRequest(Generic[Item, Result]):
    """What somebody asked, and what becomes of it."""

    items: Sequence[Item]
    results: "asyncio.Future[Sequence[Result]]"
    #: Whether whoever asked has hung up; asked only of those who have waited for long.
    gone: Callable[[], bool]
    since: float


def here() -> bool:
    return False


class MicroBatcher(Generic[Key, Item, Result]):
    """Answers items key by key, so that no key waits for more than its turn; who asks alone waits for nobody.

    `work(key, items)` gives a result for each item. Where it raises one of `fatal`, all who wait get that error at
    once; where it raises another, each of the batch is tried alone, as one's items must not refuse the others'.
    """

    def __init__(
        self,
        work: Callable[[Key, Sequence[Item]], Awaitable[Sequence[Result]]],
        fatal: type[Exception] | tuple[type[Exception], ...] = (),
    ):
        self.work = work
        self.fatal = fatal
        self.waiting: dict[Key, deque[PendingRequest[Item, Result]]] = {}
        self.sizes: Counter[Key] = Counter()
        #: The sizes of the batches that are worked on.
        self.running: dict[Key, list[int]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    def check(self, key: Key, size: int) -> None:
        """Raises Overloaded where too many wait already."""
        if self.sizes[key] + size > MOST_WAITING:
            raise Overloaded("Too many wait for this already; try again.", retry_after=RETRY_AFTER)

    async def ask(self, key: Key, items: Sequence[Item], gone: Callable[[], bool] = here) -> Sequence[Result]:
        """The items' results, in order. Raises Overloaded, and what the work raises."""
        self.check(key, len(items))
        if len(items) <= MOST:
            return await self.put(key, items, gone)
        parts = [self.put(key, items[start : start + MOST], gone) for start in range(0, len(items), MOST)]
        return [result for part in await asyncio.gather(*parts) for result in part]

    def put(
        self, key: Key, items: Sequence[Item], gone: Callable[[], bool]
    ) -> "asyncio.Future[Sequence[Result]]":
        loop = asyncio.get_running_loop()
        results: asyncio.Future[Sequence[Result]] = loop.create_future()
        queue = self.waiting.setdefault(key, deque())
        queue.append(PendingRequest(items, results, gone, loop.time()))
        self.sizes[key] += len(items)
        if len(queue) == 1 or (key in self.running and self.may_begin(key)):
            loop.call_soon(self.dispatch, key)  # not now: who asks in the same moment comes along
        return results

    def dispatch(self, key: Key) -> None:
        """Begin as many batches as may run at once."""
        while self.may_begin(key) and (batch := self.take(key)):
            size = sum(len(asked.items) for asked in batch)
            self.running.setdefault(key, []).append(size)
            task = asyncio.create_task(self.run(key, batch, size), name="batch")
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def may_begin(self, key: Key) -> bool:
        running = self.running.get(key, ())
        return not running or (len(running) < AT_ONCE and self.sizes[key] >= max(running))

    def take(self, key: Key) -> "list[PendingRequest[Item, Result]]":
        """The next batch: those who have waited longest and still wait; empty where nobody does."""
        queue = self.waiting.get(key, deque())
        batch: list[PendingRequest[Item, Result]] = []
        size = 0
        long_ago = asyncio.get_running_loop().time() - LONG
        while queue and (not batch or size + len(queue[0].items) <= MOST):
            asked = queue.popleft()
            self.sizes[key] -= len(asked.items)
            if asked.since < long_ago and asked.gone():
                refuse([asked], Cancelled())
            elif not asked.results.done():
                batch.append(asked)
                size += len(asked.items)
        if not queue:
            self.waiting.pop(key, None)
            self.sizes.pop(key, None)
        return batch

    async def run(self, key: Key, batch: "list[PendingRequest[Item, Result]]", size: int) -> None:
        try:
            await self.answer(key, batch)
        finally:
            self.running[key].remove(size)
            if not self.running[key]:
                del self.running[key]
            self.dispatch(key)

    async def answer(self, key: Key, batch: "list[PendingRequest[Item, Result]]") -> None:
        try:
            results = await self.work(key, [item for asked in batch for item in asked.items])
        except self.fatal as error:
            refuse([*batch, *chain.from_iterable(self.waiting.values())], error)
        except Exception as error:
            if len(batch) == 1:
                refuse(batch, error)
                return
            for asked in batch:
                await self.answer(key, [asked])
        else:
            deliver(batch, results)


def deliver(batch: Sequence[PendingRequest[Any, Result]], results: Sequence[Result]) -> None:
    remaining = iter(results)
    for asked in batch:
        own = list(islice(remaining, len(asked.items)))
        if not asked.results.done():
            asked.results.set_result(own)


def refuse(batch: Sequence[PendingRequest[Any, Any]], error: Exception) -> None:
    for asked in batch:
        if not asked.results.done():
            asked.results.set_exception(error)
