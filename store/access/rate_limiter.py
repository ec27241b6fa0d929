"""The rate limiter of a web process: each operation is counted here at once, and in Valkey with others of its time.

No operation waits for Valkey while its caller has allowance here. In each window, a process may admit a sixteenth of
the limit before Valkey knows of it; beyond that, it reserves further sixteenths there ahead of their use. So all
processes together admit at most the limit and one sixteenth of it for each of them, and a caller may be refused while
processes have reserved at most as much without using it. While Valkey cannot be reached, each process counts alone.

Windows are those of the clock, of the same length for all: every process knows when one ends.
"""

import asyncio
import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from learning.lazy_imports import LazyModule

from ..exceptions import RateLimited
from .rates import Rate
from .shared_counters import Addition, SharedCounters

if TYPE_CHECKING:
    import redis
else:
    redis = LazyModule("redis")

log = logging.getLogger(__name__)

#: The part of a limit that a process admits ahead of Valkey's answer, and reserves at once.
SHARE = 16
#: Shares of so many operations and more are reserved before they are needed; smaller ones are few, and wait.
LARGE_SHARE = 8
#: Seconds after which admitted operations are reported to Valkey, unless a reservation is due earlier.
SYNC_SECONDS = 0.1
#: Seconds that an operation waits for a reservation; then its process counts alone.
PATIENCE = 1.0
#: Seconds after which a Valkey that could not be reached is tried again.
RETRY_SECONDS = 1.0
#: Callers whose windows are kept, at most; strangers come from many addresses.
MOST_CALLERS = 50_000


NO_HEADERS: Mapping[str, str] = {}


class Limit(NamedTuple):
    """A rate under the name that clients see."""

    name: str
    rate: Rate


class Window:
    """The operations of one caller under one limit, in the running window of the clock."""

    __slots__ = (
        "allowed",
        "begins",
        "ends",
        "exhausted",
        "is_noted",
        "key",
        "limit",
        "number",
        "reported",
        "reserve_at",
        "share",
        "tell_at",
        "total",
        "used",
    )

    def __init__(self, key: str, limit: Limit):
        self.key = key
        self.limit = limit
        #: The part of the limit that is admitted ahead, and reserved at once.
        self.share = -(-limit.rate.amount // SHARE)
        #: When the window begins and ends, by the clock.
        self.begins = self.ends = 0.0

    def roll(self, now: float, alone: bool) -> None:
        """Begin the window of this moment."""
        seconds = self.limit.rate.seconds
        self.number = int(now // seconds)
        self.begins, self.ends = self.number * seconds, (self.number + 1) * seconds
        #: Operations that were admitted here.
        self.used = 0
        #: Operations that were reported to Valkey: admitted or reserved here.
        self.reported = 0
        #: Operations that all processes have reported, as far as this one knows.
        self.total = 0
        #: True while there is something to report.
        self.is_noted = False
        self.set_allowed(self.limit.rate.amount if alone else self.share, exhausted=alone)

    def set_allowed(self, allowed: int, exhausted: bool) -> None:
        """Set how many operations may be admitted here without further news, and whether none are left to reserve."""
        self.allowed, self.exhausted = allowed, exhausted
        #: The number of operations at which a reservation is due, ahead of its need where shares are large.
        ahead = self.share // 2 if self.share >= LARGE_SHARE else 0
        self.reserve_at = math.inf if exhausted or not ahead else allowed - ahead
        #: The number of operations from which responses say what is left: when half of the limit is used.
        self.tell_at = self.limit.rate.amount // 2 - (self.total - self.reported)

    @property
    def counter(self) -> str:
        return f"{self.key}/{self.limit.name}/{self.limit.rate.seconds}/{self.number}"

    @property
    def must_reserve(self) -> bool:
        """True where less than half a share is left, and there may be more."""
        return not self.exhausted and self.allowed - self.used <= self.share // 2

    def addition(self) -> Addition:
        """Get the report for Valkey: the operations that were admitted, and those to reserve."""
        target = self.used + (self.share if self.must_reserve else 0)
        return Addition(self.counter, max(target - self.reported, 0), 2 * self.limit.rate.seconds)

    def learn(self, addition: Addition, total: int) -> None:
        """Take in the total that all processes have reported, with this addition, unless its window has ended."""
        if addition.counter != self.counter:
            return
        self.reported += addition.amount
        self.total = total
        left = self.limit.rate.amount - total
        ahead = max(self.share - self.reported, 0)
        self.set_allowed(self.reported + min(ahead, left), exhausted=left <= 0)

    def count_alone(self) -> None:
        """Count without Valkey until the window ends."""
        self.set_allowed(self.limit.rate.amount - (self.total - self.reported), exhausted=True)

    @property
    def remaining(self) -> int:
        """The operations that the caller has left, as far as this process knows."""
        return max(self.limit.rate.amount - (self.total - self.reported) - self.used, 0)

    def seconds_left(self, now: float) -> float:
        """The seconds until the window ends."""
        return self.ends - now


class Allowance:
    """The windows of one caller, by all limits that hold for it."""

    __slots__ = ("policy", "windows")

    def __init__(self, key: str, limits: Sequence[Limit]):
        self.windows = [Window(key, limit) for limit in limits]
        #: The value of the header `RateLimit-Policy`.
        self.policy = ", ".join(
            f'"{limit.name}";q={limit.rate.amount};w={limit.rate.seconds}' for limit in limits
        )

    def headers(self) -> Mapping[str, str]:
        """The headers by which a client learns what is left, as the IETF's draft names them, once that is not much."""
        for window in self.windows:
            if window.used >= window.tell_at:
                break
        else:
            return NO_HEADERS
        now = time.time()
        left = ", ".join(
            f'"{each.limit.name}";r={each.remaining};t={max(math.ceil(each.seconds_left(now)), 1)}'
            for each in self.windows
        )
        return {"RateLimit": left, "RateLimit-Policy": self.policy}


class RateLimiter:
    """Admits the operations of one event loop."""

    def __init__(self, counters: SharedCounters | None = None):
        self.counters = counters or SharedCounters()
        self.allowances: dict[str, tuple[Sequence[Limit], Allowance]] = {}
        #: The windows with something to tell Valkey.
        self.dirty: set[Window] = set()
        self.timer: asyncio.TimerHandle | None = None
        #: The running exchange with Valkey.
        self.exchange: asyncio.Task[None] | None = None
        #: True while Valkey cannot be reached.
        self.alone = False
        self.retry_at = 0.0
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="limits")

    def allowance(self, key: str, limits: Sequence[Limit]) -> Allowance:
        """Get the allowance of a caller; changed limits begin a new one."""
        cached = self.allowances.get(key)
        if cached is not None and cached[0] == limits:
            return cached[1]
        while len(self.allowances) >= MOST_CALLERS:
            self.allowances.pop(next(iter(self.allowances)))
        allowance = Allowance(key, limits)
        self.allowances[key] = limits, allowance
        return allowance

    def take(self, allowance: Allowance) -> bool | None:
        """Count one operation. True: it is admitted; False: it is refused; None: Valkey has to be asked."""
        now = time.time()
        pending = False
        for window in allowance.windows:
            if not window.begins <= now < window.ends:
                window.roll(now, self.alone)
            if window.used >= window.allowed:
                if window.exhausted:
                    return False
                pending = True
        if pending:
            return None
        for window in allowance.windows:
            window.used += 1
            if not window.is_noted or window.used >= window.reserve_at:
                self._note(window)
        return True

    async def admit(self, allowance: Allowance) -> None:
        """Count one operation; wait for a reservation if there must be one. Raises RateLimited."""
        admitted = self.take(allowance)
        if admitted is None:
            admitted = await self._take_when_reserved(allowance)
        if not admitted:
            raise refusal(allowance)

    async def _take_when_reserved(self, allowance: Allowance) -> bool:
        """Count one operation once there is a reservation for it, or without one after some time."""
        try:
            async with asyncio.timeout(PATIENCE):
                while (admitted := self.take(allowance)) is None:
                    await asyncio.shield(self._reserve(allowance.windows))
        except TimeoutError:
            self._count_alone(allowance.windows)
            admitted = self.take(allowance)
        return bool(admitted)

    def _note(self, window: Window) -> None:
        """Have an admitted operation reported to Valkey: soon, or at once if a reservation is due."""
        if self.alone and time.monotonic() < self.retry_at:
            return
        window.is_noted = True
        self.dirty.add(window)
        if window.used >= window.reserve_at:
            self._begin_exchange()
        elif self.timer is None and self.exchange is None:
            self.timer = asyncio.get_running_loop().call_later(SYNC_SECONDS, self._begin_exchange)

    def _reserve(self, windows: Iterable[Window]) -> "asyncio.Task[None]":
        """Have Valkey asked for reservations; the exchange that may bring them."""
        self.dirty.update(windows)
        return self._begin_exchange()

    def _begin_exchange(self) -> "asyncio.Task[None]":
        """Begin an exchange with Valkey, unless one is running; another one follows it then."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.exchange is None:
            self.exchange = asyncio.get_running_loop().create_task(self._run_exchange(), name="limits")
        return self.exchange

    async def _run_exchange(self) -> None:
        try:
            await self._exchange()
        finally:
            self.exchange = None
        if self.dirty:
            self.timer = asyncio.get_running_loop().call_later(SYNC_SECONDS, self._begin_exchange)

    async def _exchange(self) -> None:
        """Report to Valkey what was admitted, reserve, and learn what all processes have reported."""
        windows, self.dirty = [*self.dirty], set()
        for window in windows:
            window.is_noted = False
        if time.monotonic() < self.retry_at:
            self._count_alone(windows)
            return
        additions = [window.addition() for window in windows]
        try:
            totals = await asyncio.get_running_loop().run_in_executor(
                self.thread, self.counters.add, additions
            )
        except (redis.RedisError, OSError) as error:
            self._note_failure(error)
            self._count_alone(windows)
            return
        self._note_success()
        for window, addition, total in zip(windows, additions, totals, strict=True):
            window.learn(addition, total)

    def _count_alone(self, windows: Iterable[Window]) -> None:
        for window in windows:
            window.count_alone()

    def _note_failure(self, error: Exception) -> None:
        self.retry_at = time.monotonic() + RETRY_SECONDS
        if not self.alone:
            log.warning("Valkey cannot be reached; this process counts requests alone: %s", error)
        self.alone = True

    def _note_success(self) -> None:
        if self.alone:
            log.warning("Valkey can be reached again: all processes share the limits.")
        self.alone = False

    def close(self) -> None:
        """Stop telling Valkey."""
        if self.timer is not None:
            self.timer.cancel()
        if self.exchange is not None:
            self.exchange.cancel()
        self.thread.shutdown(wait=False, cancel_futures=True)


def refusal(allowance: Allowance) -> RateLimited:
    """The error for a caller that has used up a limit: the one that lasts longest."""
    now = time.time()
    spent = [window for window in allowance.windows if window.used >= window.allowed] or allowance.windows
    window = max(spent, key=lambda each: each.seconds_left(now))
    wait = max(window.seconds_left(now), 0.001)
    return RateLimited(
        f"You may send {window.limit.rate}: wait {math.ceil(wait)} s.",
        maximum=window.limit.rate.amount,
        retry_after=round(wait, 3),
    )
