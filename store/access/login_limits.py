"""Limits on failed logins: by user and address, by address, and by user; a browser that is known has its own.

Nobody is locked out: a limit ends some minutes after the first failure, whatever comes meanwhile, and the failures of
strangers do not count against a browser in which the user has logged in before.
"""

import hashlib
import logging
import secrets
import threading
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.core import signing

from learning.lazy_imports import LazyModule

from .addresses import network_of

if TYPE_CHECKING:
    import redis
    import redis.backoff
    import redis.retry
else:
    redis = LazyModule("redis")

log = logging.getLogger(__name__)

#: Seconds from the first failure until failures are forgotten.
WINDOW = 300
#: Failures of one user from one address, or in one known browser.
OF_USER_AT_ADDRESS = 5
#: Failures from one address, whoever the users are.
OF_ADDRESS = 50
#: Failures of one user from all addresses, known browsers aside.
OF_USER = 20
#: Days for which a browser is known after a login.
KNOWN_DAYS = 90
#: Seconds that Valkey may take; a process that gets no answer counts alone.
TIMEOUT = 0.5
#: Counters that are kept here while Valkey is away, at most.
MOST_COUNTERS = 100_000

_SALT = "store.access.login_limits"


@dataclass(frozen=True)
class Attempt:
    """One attempt to log in with a password."""

    username: str
    address: str
    #: The value of the cookie that a login leaves in a browser; None without it.
    browser: str | None = None

    @property
    def limits(self) -> tuple["LoginLimit", ...]:
        """The limits that hold for the attempt."""
        if browser := read_browser(self.browser, self.username):
            return (LoginLimit(digest("browser", browser), OF_USER_AT_ADDRESS),)
        user, address = fold(self.username), network_of(self.address)
        return (
            LoginLimit(digest("both", user, address), OF_USER_AT_ADDRESS),
            LoginLimit(digest("address", address), OF_ADDRESS),
            LoginLimit(digest("user", user), OF_USER),
        )


class LoginLimit(NamedTuple):
    """A counter of failures, and how many there may be."""

    counter: str
    failures: int


class SharedFailures:
    """The counters of all web processes, in Valkey."""

    @cached_property
    def _server(self) -> "redis.Redis":
        return redis.Redis.from_url(
            settings.REDIS_URL,
            socket_connect_timeout=TIMEOUT,
            socket_timeout=TIMEOUT,
            retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
        )

    def add(self, counters: Sequence[str], amount: int) -> list[int]:
        """Add to the counters and return what each of them is then. Raises RedisError."""
        with self._server.pipeline() as pipeline:
            for counter in counters:
                pipeline.set(counter, 0, ex=WINDOW, nx=True)
                pipeline.incrby(counter, amount)
            return pipeline.execute()[1::2]


class LocalFailures:
    """The counters of this process, for as long as Valkey is away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: By counter: its value, and when it ends by the monotonic clock.
        self._counters: dict[str, tuple[int, float]] = {}

    def add(self, counters: Sequence[str], amount: int) -> list[int]:
        """Add to the counters and return what each of them is then."""
        with self._lock:
            now = time.monotonic()
            if len(self._counters) >= MOST_COUNTERS:
                running = {name: entry for name, entry in self._counters.items() if entry[1] > now}
                self._counters = running if len(running) < MOST_COUNTERS else {}
            return [self._add(counter, amount, now) for counter in counters]

    def _add(self, counter: str, amount: int, now: float) -> int:
        value, until = self._counters.get(counter, (0, 0.0))
        if until <= now:
            value, until = 0, now + WINDOW
        self._counters[counter] = value + amount, until
        return value + amount


_shared: SharedFailures | LocalFailures = SharedFailures()
_local = LocalFailures()


def begin(attempt: Attempt) -> bool:
    """Count an attempt as a failure, before its password is looked at; return False if there were too many.

    So no number of attempts at once passes the limits. `forgive` takes back what was none.
    """
    limits = attempt.limits
    totals = _add(limits, 1)
    return all(total <= limit.failures for total, limit in zip(totals, limits, strict=True))


def forgive(attempt: Attempt) -> None:
    """Take back the attempt, which was no failure; earlier failures of others at the address stay."""
    _add(attempt.limits, -1)


def _add(limits: Sequence[LoginLimit], amount: int) -> list[int]:
    counters = [limit.counter for limit in limits]
    try:
        return _shared.add(counters, amount)
    except (redis.RedisError, OSError) as error:
        log.warning("Valkey cannot be reached; this process counts failed logins alone: %s", error)
        return _local.add(counters, amount)


def digest(*parts: str) -> str:
    """Get the name of a counter, from which no user's name can be read."""
    return "exemplar:login:" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def fold(username: str) -> str:
    """Fold the spellings of a name into one."""
    return unicodedata.normalize("NFKC", username).casefold().strip()


def write_browser(username: str) -> str:
    """Make the value of the cookie of a browser in which the user has logged in."""
    return signing.dumps([fold(username), secrets.token_urlsafe(12)], salt=_SALT)


def read_browser(cookie: str | None, username: str) -> str | None:
    """Read the cookie's name of a browser; None if the user has not logged in there."""
    if not cookie:
        return None
    try:
        user, browser = signing.loads(cookie, salt=_SALT, max_age=KNOWN_DAYS * 86_400)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return str(browser) if user == fold(username) else None
