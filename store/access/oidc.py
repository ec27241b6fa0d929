"""Tokens of the identity provider: JWTs, verified by its public keys, and their claims about the caller."""

import hmac
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeGuard

from django.conf import settings

from learning.lazy_imports import LazyModule

from ..exceptions import Unauthenticated
from .provider import KINDS, Provider, PublicKey

if TYPE_CHECKING:
    import jwt
else:
    jwt = LazyModule("jwt")

log = logging.getLogger(__name__)

#: Characters of a token, at most.
LONGEST_TOKEN = 8_192
#: Seconds that the provider's clock may be ahead of this one, or behind.
CLOCK_SKEW = 60
#: Types in a header, beside those without one. Others are of tokens for something else, as `logout+jwt`.
ACCESS_TYPES = ("jwt", "at+jwt")
#: Kinds of Keycloak's tokens that are not to be sent to servers.
NOT_ACCESS = ("ID", "Refresh", "Offline", "Logout")
#: Groups that are read of a claim, at most; providers leave the claim out where there are more than some hundred.
MOST_GROUPS = 1_000
#: Characters of a subject, a name and an address, at most.
LONGEST_NAME = 254

REFUSED = "The token is not accepted here: get a new one for this server from your identity provider."
EXPIRED = "The token has expired: get a new one from your identity provider."


@dataclass(frozen=True)
class Claims:
    """Verified claims about the caller."""

    #: The provider and its name of the caller: together they never change, and are nobody else's.
    issuer: str
    subject: str
    #: What the provider calls the caller; people may change it.
    name: str
    email: str
    #: The groups that the claim names, whether or not they exist here.
    groups: tuple[str, ...]
    expires_at: datetime
    #: True for a program that identified itself by its own credentials.
    is_program: bool

    @property
    def is_administrator(self) -> bool:
        """True for a member of the group whose members EXEMPLAR_OIDC_ADMINISTRATORS makes superusers."""
        return (
            bool(settings.EXEMPLAR_OIDC_ADMINISTRATORS)
            and settings.EXEMPLAR_OIDC_ADMINISTRATORS in self.groups
        )


@cache
def provider(issuer: str) -> Provider:
    """Get the provider of this process, whose keys are fetched when a token first asks for one."""
    return Provider(issuer)


def accepts_tokens() -> bool:
    """Return True if tokens of an identity provider are accepted here."""
    return bool(settings.EXEMPLAR_OIDC_ISSUER and settings.EXEMPLAR_OIDC_AUDIENCE)


def verify(token: str) -> Claims:
    """Verify a bearer token. Raises Unauthenticated, and Unavailable if there are no keys to verify it with."""
    if not accepts_tokens():
        raise Unauthenticated(REFUSED)
    claims = _decode(token, settings.EXEMPLAR_OIDC_AUDIENCE, ACCESS_TYPES)
    if claims.get("typ") in NOT_ACCESS or "events" in claims:
        raise refuse("it is not an access token")
    if "cnf" in claims:
        raise refuse("it is bound to a key (DPoP or mTLS), which a bearer token does not prove")
    clients = settings.EXEMPLAR_OIDC_CLIENTS
    if clients and not clients_of(claims) & set(clients):
        raise refuse("its client is not in EXEMPLAR_OIDC_CLIENTS")
    return read_claims(claims)


def verify_id_token(token: str, nonce: str) -> Claims:
    """Verify the ID token of a sign-in that began with this nonce. Raises Unauthenticated, Unavailable."""
    client = settings.EXEMPLAR_OIDC_CLIENT_ID
    claims = _decode(token, [client], ("jwt",))
    sent = claims.get("nonce")
    if not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), nonce.encode()):
        raise refuse("its nonce is not that of this sign-in")
    if claims.get("azp", client) != client:
        raise refuse("it was made for another client")
    return read_claims(claims)


def refuse(reason: str) -> Unauthenticated:
    """Log why a token is refused, for the operator; the caller gets one sentence for all reasons."""
    log.warning("A token of the identity provider was refused: %s.", reason)
    return Unauthenticated(REFUSED)


def _decode(token: str, audiences: Sequence[str], types: Sequence[str]) -> dict[str, Any]:
    """Verify signature, times, issuer and audience, and return the claims."""
    if len(token) > LONGEST_TOKEN or not token.isascii():
        raise refuse("it is too long, or has other characters than a token's")
    try:
        header = jwt.get_unverified_header(token)
        key = _find_key(header, types)
        return jwt.decode(
            token,
            key.value,
            algorithms=[header["alg"]],
            audience=audiences,
            issuer=settings.EXEMPLAR_OIDC_ISSUER,
            leeway=CLOCK_SKEW,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except jwt.ExpiredSignatureError:
        raise Unauthenticated(EXPIRED) from None
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise refuse(str(error).rstrip(".")) from None


def _find_key(header: Mapping[str, Any], types: Sequence[str]) -> PublicKey:
    """Find the key of a token by its header, of which nothing else is believed."""
    algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if algorithm not in KINDS:
        raise refuse("its algorithm is not one of those with a public key")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in types:
        raise refuse("its type is that of a token for something else")
    if "crit" in header or not isinstance(key_id, str | None):
        raise refuse("its header asks for what is not known here")
    key = provider(settings.EXEMPLAR_OIDC_ISSUER).find_key(key_id, algorithm)
    if key is None:
        raise refuse("it is signed with a key that the provider does not publish")
    return key


def read_claims(claims: Mapping[str, Any]) -> Claims:
    """Read verified claims. Raises Unauthenticated if the subject is no name."""
    subject = claims["sub"]
    if not is_name(subject):
        raise refuse("its subject is empty or too long")
    names = (claims.get(claim) for claim in ("preferred_username", "email", "name", "client_id"))
    email = claims.get("email")
    return Claims(
        issuer=claims["iss"],
        subject=subject,
        name=next(filter(is_name, names), subject),
        email=email if is_name(email) else "",
        groups=read_groups(claims, settings.EXEMPLAR_OIDC_GROUPS_CLAIM),
        expires_at=read_time(claims["exp"]),
        is_program=is_program(claims),
    )


def is_name(value: Any) -> TypeGuard[str]:
    """Return True for a text that a row can hold."""
    return (
        isinstance(value, str)
        and len(value.strip()) > 0
        and len(value) <= LONGEST_NAME
        and value.isprintable()
    )


def read_time(seconds: float) -> datetime:
    """Read a time in seconds since 1970; one too far away is the last that there is."""
    try:
        return datetime.fromtimestamp(math.floor(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def read_groups(claims: Mapping[str, Any], claim: str) -> tuple[str, ...]:
    """Read the names of groups from a claim, or from a path of claims such as `realm_access.roles`."""
    value: Any = claims.get(claim)
    if value is None and "." in claim:
        value = claims
        for part in claim.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    values = [value] if isinstance(value, str) else value
    return tuple(filter(is_name, values[:MOST_GROUPS])) if isinstance(values, list) else ()


def clients_of(claims: Mapping[str, Any]) -> set[str]:
    """The client that a token was made for, by the names that providers give this claim."""
    names = (claims.get(claim) for claim in ("azp", "client_id", "cid", "appid"))
    return {name for name in names if isinstance(name, str) and name}


def is_program(claims: Mapping[str, Any]) -> bool:
    """Return True for a token that a program got by its own credentials, as the providers mark it.

    Auth0 by `gty`, Entra by `idtyp`, Keycloak by the name of a service account, others by the subject (RFC 9068, 2.2).
    """
    clients = clients_of(claims)
    return (
        claims.get("gty") == "client-credentials"
        or claims.get("idtyp") == "app"
        or str(claims["sub"]).removesuffix("@clients") in clients
        or any(claims.get("preferred_username") == f"service-account-{client.lower()}" for client in clients)
    )
