"""Limits of callers, by their rows and by the settings."""

from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.core.signals import setting_changed

from . import rates
from .actors import Actor
from .addresses import network_of
from .rate_limiter import Limit

#: Strangers may have so much less of what a process holds open.
STRANGERS_PART = 10


@dataclass(frozen=True)
class CallerLimits:
    """The limits that hold for a caller."""

    #: Of operations, in a short time and in a day.
    rates: tuple[Limit, ...]
    #: Of one operation, as `schema.compiled.costs` computes it.
    cost: int
    #: Bytes of a body.
    body: int
    #: Open WebSockets.
    sockets: int
    #: Streams over sockets and server-sent events.
    subscriptions: int


def limits_of(actor: Actor) -> CallerLimits:
    """Get the limits of a caller."""
    return _limits(actor.anonymous, actor.rate, actor.quota)


@lru_cache(1_000)
def _limits(anonymous: bool, rate: str, quota: str) -> CallerLimits:
    if not anonymous:
        return CallerLimits(
            rates=_rates(rate or settings.EXEMPLAR_RATE, quota or settings.EXEMPLAR_QUOTA),
            cost=settings.EXEMPLAR_COST,
            body=settings.EXEMPLAR_BODY,
            sockets=settings.EXEMPLAR_SOCKETS,
            subscriptions=settings.EXEMPLAR_SUBSCRIPTIONS,
        )
    part = 1 if settings.EXEMPLAR_OPEN else STRANGERS_PART
    return CallerLimits(
        rates=_rates(
            rate or settings.EXEMPLAR_STRANGER_RATE,
            quota or settings.EXEMPLAR_STRANGER_QUOTA,
        ),
        cost=settings.EXEMPLAR_STRANGER_COST,
        body=settings.EXEMPLAR_STRANGER_BODY,
        sockets=max(settings.EXEMPLAR_SOCKETS // part, 1),
        subscriptions=max(settings.EXEMPLAR_SUBSCRIPTIONS // part, 1),
    )


def _rates(rate: str, quota: str) -> tuple[Limit, ...]:
    named = (("rate", rates.parse(rate)), ("quota", rates.parse(quota)))
    return tuple(Limit(name, each) for name, each in named if each is not None)


def has_rates() -> bool:
    """Return True if the settings limit anybody's operations; rows may limit some as well."""
    return any(_limits(anonymous, "", "").rates for anonymous in (False, True))


def is_among(actor: Actor, audience: str) -> bool:
    """Return True if the caller is of an audience: `everybody`, `grantees` or `nobody`."""
    return audience == "everybody" or (audience == "grantees" and not actor.anonymous)


def key_of(actor: Actor, address: str) -> str:
    """Get the name under which a caller is counted: a grantee by its own, a stranger by its address.

    A socket of the file system has none.
    """
    return f"address {network_of(address) or 'local'}" if actor.anonymous else f"grantee {actor.author}"


setting_changed.connect(lambda **_: _limits.cache_clear(), weak=False)
