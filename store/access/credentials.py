"""Credentials: what a request brings to say who it is from."""

from collections.abc import Sequence
from typing import NamedTuple

from django.conf import settings
from django.http.cookie import parse_cookie

from ..exceptions import Unauthenticated

#: Bytes of a bearer credential, at most; JWTs with many groups have some thousands.
LONGEST_BEARER = 8_192


class Credentials(NamedTuple):
    """The session's key or the bearer credential of a request; at most one of them is not None."""

    session: str | None = None
    bearer: str | None = None


NOBODY = Credentials()


def read_credentials(headers: Sequence[tuple[bytes, bytes]]) -> Credentials:
    """Read the credentials in the headers of a request, without verifying them.

    Raises Unauthenticated for two of them, since nobody can tell which one counts, and for other schemes.
    """
    bearers = [value for name, value in headers if name == b"authorization"]
    cookies = b"; ".join(value for name, value in headers if name == b"cookie")
    session = parse_cookie(cookies.decode("latin-1")).get(settings.SESSION_COOKIE_NAME) if cookies else None
    if len(bearers) + bool(session) > 1:
        raise Unauthenticated(
            "The request has two credentials: send one Authorization header without the cookie of a session "
            "(`credentials: 'omit'` in a browser's fetch), or the cookie alone."
        )
    if bearers:
        return Credentials(bearer=read_bearer(bearers[0].decode("latin-1")))
    return Credentials(session=session) if session else NOBODY


def read_bearer(header: str) -> str:
    """Read an Authorization header's bearer credential. Raises Unauthenticated."""
    scheme, _, credential = header.partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential or not credential.isascii() or " " in credential:
        raise Unauthenticated("Send the token as `Authorization: Bearer TOKEN`.")
    if len(credential) > LONGEST_BEARER:
        raise Unauthenticated(f"A token has at most {LONGEST_BEARER} characters.")
    return credential
