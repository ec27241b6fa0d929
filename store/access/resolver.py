"""The resolver: who asks, found once for each credential and cached until something changes.

Each process looks at the changes every second, so that what is granted, revoked or logged out holds in all of them
within two seconds. Caches are read on the event loop without input or output.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth import get_user
from django.db import DatabaseError, InterfaceError
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest

from ..db import sqlstates, threads
from ..exceptions import Unauthenticated
from . import identities, oidc, tokens
from .actors import Actor, author_of, make_stranger
from .credentials import NOBODY, Credentials
from .grants import load_grants
from .models import AccessChange, User, UserKind
from .permissions import OPEN, Grants, Permission

log = logging.getLogger(__name__)

#: Seconds between two looks at the changes, and between two at the database while nothing has changed.
REFRESH_SECONDS = 1.0
#: Seconds that an answer is cached; what changes is forgotten at the next look.
CACHE_SECONDS = 60.0
#: Seconds without a look after which the cache is not believed: the database cannot be reached.
STALE_SECONDS = 10.0
#: Credentials that are cached, at most.
MOST_CACHED = 10_000

#: The number of changes, and the number of the last one: transactions may end in another order than they began.
Revision = tuple[int, int | None]


class _Entry(NamedTuple):
    outcome: Actor | Unauthenticated
    #: By the monotonic clock.
    until: float


class _Login(NamedTuple):
    """A person who has logged in to pages."""

    user: User
    expires_at: datetime
    #: The groups that the identity provider named at the login.
    groups: Sequence[str]


class Cache:
    """The callers of a process by their credentials."""

    def __init__(self) -> None:
        self.entries: OrderedDict[Credentials, _Entry] = OrderedDict()
        self.revision: Revision | None = None
        self.refreshed_at = -STALE_SECONDS
        #: Rows of tokens that were used since `last_used_at` was written.
        self.used: set[int] = set()

    def get(self, credentials: Credentials) -> Actor | None:
        """Get the caller; None if it has to be resolved. Raises Unauthenticated."""
        entry = self.entries.get(credentials)
        now = time.monotonic()
        if entry is None or entry.until <= now or now - self.refreshed_at > STALE_SECONDS:
            return None
        outcome = entry.outcome
        if isinstance(outcome, Unauthenticated):
            raise Unauthenticated(outcome.message)
        if outcome.token is not None:
            self.used.add(outcome.token)
        return outcome

    def put(
        self, credentials: Credentials, outcome: Actor | Unauthenticated, revision: Revision | None
    ) -> None:
        """Cache an outcome, unless something has changed since it was looked up."""
        if revision is None or revision != self.revision:
            return
        seconds = CACHE_SECONDS
        if isinstance(outcome, Actor) and outcome.expires_at:
            seconds = min(seconds, (outcome.expires_at - datetime.now(UTC)).total_seconds())
        self.entries[credentials] = _Entry(outcome, time.monotonic() + seconds)
        while len(self.entries) > MOST_CACHED:
            self.entries.popitem(last=False)

    def note(self, revision: Revision) -> bool:
        """Note the changes that there are now. Returns True if something changed, and forgets everything then."""
        self.refreshed_at = time.monotonic()
        if revision == self.revision:
            return False
        self.revision = revision
        self.entries.clear()
        return True


cache = Cache()


def cached(credentials: Credentials) -> Actor | None:
    """Get the caller without input or output; None if it has to be resolved. Raises Unauthenticated."""
    if credentials is NOBODY and settings.EXEMPLAR_OPEN:
        return OPEN_STRANGER
    return cache.get(credentials)


async def find(credentials: Credentials) -> Actor:
    """Find the caller, from the cache or on a thread. Raises Unauthenticated."""
    if actor := cached(credentials):
        return actor
    return await threads.run(resolve, credentials)


def resolve(credentials: Credentials) -> Actor:
    """Find the caller, and cache it. Raises Unauthenticated for credentials that do not hold."""
    if actor := cached(credentials):
        return actor
    revision = cache.revision
    try:
        actor = _look_up(credentials)
    except Unauthenticated as refusal:
        if not is_vouched_for(credentials):  # the provider may publish its key in the next second
            cache.put(credentials, refusal, revision)
        raise
    cache.put(credentials, actor, revision)
    if actor.token is not None:
        cache.used.add(actor.token)
    return actor


#: Whoever brings nothing to an open server, without a look at the database.
OPEN_STRANGER = make_stranger(None, Grants(OPEN))


def _look_up(credentials: Credentials) -> Actor:
    """Look a caller up. Raises Unauthenticated."""
    if credentials.bearer is not None and is_vouched_for(credentials):
        return _find_by_claims(credentials.bearer)
    strangers = load_stranger_grants()
    if credentials.bearer is not None:
        return _find_bearer(credentials.bearer, strangers)
    login = _find_login(credentials.session) if credentials.session else None
    if login is None:
        return make_stranger(credentials.session, strangers, *load_stranger_rates())
    grants = strangers | load_grants(login.user, login.groups)
    return make_actor(
        login.user, grants, credential="session", expires_at=login.expires_at, groups=login.groups
    )


def is_vouched_for(credentials: Credentials) -> bool:
    """Return True for a bearer credential that is no token of this server, but may be one of the identity provider."""
    return credentials.bearer is not None and not tokens.is_token(credentials.bearer)


def _find_bearer(bearer: str, strangers: Grants) -> Actor:
    token = tokens.verify(bearer)
    # A superuser's token is limited to its scope like any other.
    own = load_grants(token.user) if not token.user.is_superuser else Grants(frozenset(Permission))
    return make_actor(
        token.user,
        strangers | tokens.scope(token, own),
        superuser=token.user.is_superuser and token.permissions is None and token.products is None,
        credential=f"token {token.prefix}",
        token=token.pk,
        expires_at=token.expires_at,
    )


def _find_by_claims(bearer: str) -> Actor:
    """Find the caller for whom the identity provider vouches. The groups of its token hold with this token alone."""
    if not oidc.accepts_tokens():
        raise Unauthenticated(tokens.REFUSED)
    claims = oidc.verify(bearer)
    user = identities.find_user(claims)
    return make_actor(
        user,
        load_stranger_grants() | load_grants(user, claims.groups),
        superuser=identities.is_superuser(user, claims),
        credential="jwt",
        expires_at=claims.expires_at,
        groups=claims.groups,
    )


def make_actor(
    user: User,
    grants: Grants,
    *,
    credential: str,
    superuser: bool | None = None,
    token: int | None = None,
    expires_at: datetime | None = None,
    groups: Collection[str] = (),
) -> Actor:
    """Make the actor of a user or program."""
    name = user.get_username()
    return Actor(
        author=author_of(name),
        name=name,
        program=user.kind == UserKind.PROGRAM,
        rate=user.rate,
        quota=user.quota,
        superuser=user.is_superuser if superuser is None else superuser,
        grants=grants,
        groups=frozenset(groups),
        credential=credential,
        token=token,
        expires_at=expires_at,
    )


def load_stranger_grants() -> Grants:
    """Load what all callers may do: the grants of `anonymous`, and those of EXEMPLAR_ANONYMOUS."""
    return load_grants(strangers_row().first()) | declared_stranger_grants()


def load_stranger_rates() -> tuple[str, str]:
    """Load the rate and the quota of each stranger; empty: those of the settings."""
    return strangers_row().values_list("rate", "quota").first() or ("", "")


def strangers_row() -> QuerySet[User]:
    """The row that stands for all strangers."""
    return User.objects.filter(kind=UserKind.STRANGERS)


def declared_stranger_grants() -> Grants:
    """The grants that EXEMPLAR_ANONYMOUS declares."""
    declared: dict[str | None, list[str]] = settings.EXEMPLAR_ANONYMOUS
    by_product = {name: frozenset(map(Permission, own)) for name, own in declared.items() if name}
    return Grants(frozenset(map(Permission, declared.get(None, ()))), by_product)


def _find_login(session_key: str) -> _Login | None:
    """Find the login of a session; None if nobody has logged in with it, or may log in no longer."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    if not isinstance(user, User) or not user.is_active or user.kind != UserKind.PERSON:
        return None
    groups = request.session.get(identities.SESSION_GROUPS, ())
    return _Login(user, request.session.get_expiry_date(), groups)


def find_session_actor(session_key: str | None) -> Actor:
    """Find the actor of a session; a stranger for None. For Django's pages, which run on threads."""
    return resolve(Credentials(session=session_key) if session_key else NOBODY)


#: Those who wait for the next change.
_waiting: set["asyncio.Future[None]"] = set()


def next_change(expires_at: datetime | None = None) -> "asyncio.Future[None]":
    """Get a future of the next change of who may do what, or of the moment at which a credential ends."""
    loop = asyncio.get_running_loop()
    change: asyncio.Future[None] = loop.create_future()
    _waiting.add(change)
    change.add_done_callback(_waiting.discard)
    if expires_at is not None:
        seconds = max(0.0, (expires_at - datetime.now(UTC)).total_seconds())
        ending = loop.call_later(seconds, _finish, change)
        change.add_done_callback(lambda _: ending.cancel())
    return change


def _finish(change: "asyncio.Future[None]") -> None:
    if not change.done():
        change.set_result(None)


def read_revision() -> Revision:
    """Read the number of changes, and that of the last one."""
    row = AccessChange.objects.aggregate(n=Count("pk"), last=Max("pk"))
    return row["n"], row["last"]


async def refresh() -> None:
    """Look for changes once, forget what has changed, and note which tokens were used."""
    if cache.note(await threads.run(read_revision)):
        for change in list(_waiting):
            _finish(change)
    if cache.used:
        used, cache.used = cache.used, set()
        await threads.run(tokens.touch, used)


async def refresh_forever() -> None:
    """Look for changes every second; while the database cannot be reached, cached callers hold for some seconds."""
    while True:
        try:
            await refresh()
        except (DatabaseError, InterfaceError) as error:
            log.warning("%s", sqlstates.explain(error))
        except Exception:  # one failure must not end the looks for the life of the process
            log.exception(
                "Who may do what could not be looked at; it is tried again in %g s.", REFRESH_SECONDS
            )
        await asyncio.sleep(REFRESH_SECONDS)
