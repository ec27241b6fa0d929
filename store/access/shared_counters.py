"""Counters of operations that all web processes share, in Valkey."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings

from learning.lazy_imports import LazyModule

if TYPE_CHECKING:
    import redis
    import redis.backoff
    import redis.retry
    from limits import storage
else:
    redis, storage = LazyModule("redis"), LazyModule("limits.storage")

#: What the names of the counters begin with.
PREFIX = "exemplar:limits"
#: Seconds that Valkey may take; a process that gets no answer counts alone.
TIMEOUT = 1.0
#: Counters of one round trip, at most: the lines of a thousand are 100 kB.
MOST_AT_ONCE = 1_000


class Addition(NamedTuple):
    """Operations to add to a counter."""

    counter: str
    amount: int
    #: Seconds after which the counter may be forgotten.
    expiry: int


class SharedCounters:
    """The counters, by a connection that is opened when it is first used."""

    def __init__(self) -> None:
        self._storage: storage.RedisStorage | None = None

    def add(self, additions: Sequence[Addition]) -> list[int]:
        """Add to the counters and return what each of them is then. Blocks; raises redis.RedisError."""
        totals: list[int] = []
        for first in range(0, len(additions), MOST_AT_ONCE):
            totals += self._add(additions[first : first + MOST_AT_ONCE])
        return totals

    def _add(self, additions: Sequence[Addition]) -> list[int]:
        store = self.open()
        with store.storage.pipeline(transaction=False) as pipeline:
            for counter, amount, expiry in additions:
                # `RedisStorage.incr` would wait for each counter.
                store.lua_incr_expire([store.prefixed_key(counter)], [expiry, amount], client=pipeline)
            return [int(total) for total in pipeline.execute()]

    def open(self) -> "storage.RedisStorage":
        """Get the storage; the first call imports its library, and none connects."""
        if self._storage is None:
            self._storage = storage.RedisStorage(
                settings.REDIS_URL,
                key_prefix=PREFIX,
                socket_connect_timeout=TIMEOUT,  # type: ignore[arg-type]
                socket_timeout=TIMEOUT,
                retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),  # type: ignore[arg-type]
            )
        return self._storage
