"""Micro-batching: requests that arrive while a batch runs form the next batch, without a timer."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Generic, TypeVar

from ..exceptions import Cancelled, Overloaded
from ..telemetry import tracing

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")

#: Items of a batch: larger ones are no faster per item, and other keys wait longer.
MOST = 256
#: Batches of one key that run at once, if the second is as large as the first: a smaller one costs more than it saves.
AT_ONCE = 2
#: Items of one key that may wait: some seconds' work, and more than one request may bring. More are refused.
MOST_WAITING = 20_000
#: Seconds after which a refused client may try again.
RETRY_AFTER = 1.0
#: Seconds of waiting after which a batch checks that the client is still there.
LONG_WAIT = 0.1


@dataclass(eq=False, slots=True)
class PendingRequest(Generic[Item, Result]):
    """Items that wait for a batch, and the future of their results."""

    items: Sequence[Item]
    results: "asyncio.Future[Sequence[Result]]"
    #: Returns True once the client has hung up; called only after a long wait.
    gone: Callable[[], bool]
    #: The event loop's time of the request.
    since: float
    #: The span that the request belongs to; None without one.
    span: Any


def never_gone() -> bool:
    """The default of `gone`: the client is there."""
    return False


def ignore_wait(key: Any, seconds: float) -> None:
    """The default of `observe_wait`: nobody measures how long requests wait."""


class MicroBatcher(Generic[Key, Item, Result]):
    """Micro-batch items per key. A lone request is dispatched at once; each key has batches of its own.

    `work(key, items)` returns a result for each item. If it raises one of `fatal`, all waiting requests fail with that
    error at once. If it raises another, each request of the batch is retried alone, as one must not fail the others.
    """

    def __init__(
        self,
        work: Callable[[Key, Sequence[Item]], Awaitable[Sequence[Result]]],
        fatal: type[Exception] | tuple[type[Exception], ...] = (),
        observe_wait: Callable[[Key, float], None] = ignore_wait,
    ):
        self.work = work
        self.fatal = fatal
        #: Called with the seconds that the oldest request of a batch has waited.
        self.observe_wait = observe_wait
        self.waiting: dict[Key, deque[PendingRequest[Item, Result]]] = {}
        self.sizes: Counter[Key] = Counter()
        #: The sizes of the batches that run, by key.
        self.running: dict[Key, list[int]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    def check(self, key: Key, size: int) -> None:
        """Check that so many more items may wait. Raises Overloaded."""
        if self.sizes[key] + size > MOST_WAITING:
            raise Overloaded("Too many requests wait for this already; try again.", retry_after=RETRY_AFTER)

    async def submit(
        self, key: Key, items: Sequence[Item], gone: Callable[[], bool] = never_gone
    ) -> Sequence[Result]:
        """Submit items, and return their results in order. Raises Overloaded, Cancelled, and the errors of `work`."""
        self.check(key, len(items))
        if len(items) <= MOST:
            return await self._put(key, items, gone)
        parts = [self._put(key, items[start : start + MOST], gone) for start in range(0, len(items), MOST)]
        return [result for part in await asyncio.gather(*parts) for result in part]

    def _put(
        self, key: Key, items: Sequence[Item], gone: Callable[[], bool]
    ) -> "asyncio.Future[Sequence[Result]]":
        loop = asyncio.get_running_loop()
        results: asyncio.Future[Sequence[Result]] = loop.create_future()
        queue = self.waiting.setdefault(key, deque())
        queue.append(PendingRequest(items, results, gone, loop.time(), tracing.current_span()))
        self.sizes[key] += len(items)
        if len(queue) == 1 or (key in self.running and self._may_start(key)):
            loop.call_soon(self.dispatch, key)  # not now, so that requests of this turn join the batch
        return results

    def dispatch(self, key: Key) -> None:
        """Start as many batches as may run at once."""
        while self._may_start(key) and (batch := self._take(key)):
            size = sum(len(request.items) for request in batch)
            self.running.setdefault(key, []).append(size)
            task = asyncio.create_task(self._run(key, batch, size), name="batch")
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def _may_start(self, key: Key) -> bool:
        running = self.running.get(key, ())
        return not running or (len(running) < AT_ONCE and self.sizes[key] >= max(running))

    def _take(self, key: Key) -> "list[PendingRequest[Item, Result]]":
        """Take the next batch: the oldest requests whose clients still wait; empty if there are none."""
        queue = self.waiting.get(key, deque())
        batch: list[PendingRequest[Item, Result]] = []
        size = 0
        long_ago = asyncio.get_running_loop().time() - LONG_WAIT
        while queue and (not batch or size + len(queue[0].items) <= MOST):
            request = queue.popleft()
            self.sizes[key] -= len(request.items)
            if request.since < long_ago and request.gone():
                fail([request], Cancelled())
            elif not request.results.done():
                batch.append(request)
                size += len(request.items)
        if not queue:
            self.waiting.pop(key, None)
            self.sizes.pop(key, None)
        return batch

    async def _run(self, key: Key, batch: "list[PendingRequest[Item, Result]]", size: int) -> None:
        tracing.join([request.span for request in batch])
        self.observe_wait(key, asyncio.get_running_loop().time() - batch[0].since)
        try:
            await self._work_on(key, batch)
        finally:
            self.running[key].remove(size)
            if not self.running[key]:
                del self.running[key]
            self.dispatch(key)

    async def _work_on(self, key: Key, batch: "list[PendingRequest[Item, Result]]") -> None:
        try:
            results = await self.work(key, [item for request in batch for item in request.items])
        except self.fatal as error:
            fail([*batch, *chain.from_iterable(self.waiting.values())], error)
        except Exception as error:
            if len(batch) == 1:
                fail(batch, error)
                return
            for request in batch:
                await self._work_on(key, [request])
        else:
            resolve(batch, results)


def resolve(batch: Sequence[PendingRequest[Any, Result]], results: Sequence[Result]) -> None:
    """Resolve the requests of a batch with their results, which are in order."""
    remaining = iter(results)
    for request in batch:
        own = list(islice(remaining, len(request.items)))
        if not request.results.done():
            request.results.set_result(own)


def fail(batch: Sequence[PendingRequest[Any, Any]], error: Exception) -> None:
    """Fail requests with an error."""
    for request in batch:
        if not request.results.done():
            request.results.set_exception(error)
