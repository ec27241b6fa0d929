"""The identity provider: its endpoints and public keys, fetched within time limits and refreshed while it is asked."""

import http.client
import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from learning.lazy_imports import LazyModule

from ..exceptions import Unavailable

if TYPE_CHECKING:
    import jwt
else:
    jwt = LazyModule("jwt")

log = logging.getLogger(__name__)

#: The kind of key of each algorithm that may sign tokens. All have public keys, with which a client cannot sign.
KINDS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    "EdDSA": "OKP",
}
UNREACHABLE = "The keys of the identity provider cannot be fetched now; try again in a moment."
#: Bytes of a document of the provider, at most.
LARGEST_DOCUMENT = 1024 * 1024
#: Keys that are read of a set, at most.
MOST_KEYS = 100
#: Bits of an RSA key, at least.
SHORTEST_RSA_KEY = 2_048


@dataclass(frozen=True, kw_only=True)
class Times:
    """Time limits of fetching keys, in seconds."""

    #: How long documents and keys may take to come.
    fetch: float = 5.0
    #: How long a request waits for keys if others are known: a token may name any key.
    wait: float = 1.0
    #: Age from which keys are fetched again in the background.
    fresh: float = 600.0
    #: Age up to which keys are used while the provider cannot be reached.
    usable: float = 86_400.0
    #: Time between two fetches, however many tokens name unknown keys.
    between: float = 10.0


TIMES = Times()


@dataclass(frozen=True)
class PublicKey:
    """A public key that verifies tokens."""

    #: The provider's name of it, which tokens have as `kid`.
    id: str | None
    #: `RSA`, `OKP`, or the curve of an elliptic key.
    kind: str
    #: The only algorithm that it may be used with; None: each of its kind.
    algorithm: str | None
    value: Any

    def fits(self, algorithm: str) -> bool:
        """Return True if the algorithm may use the key."""
        return self.kind == KINDS[algorithm] and self.algorithm in (None, algorithm)


@dataclass(frozen=True)
class ProviderState:
    """The endpoints and keys of a provider, as they were last fetched."""

    document: dict[str, Any]
    keys: tuple[PublicKey, ...]
    #: By the monotonic clock.
    fetched_at: float

    def find_key(self, key_id: str | None, algorithm: str) -> PublicKey | None:
        """Find the key that a token names; for one that names none, the only key that fits its algorithm."""
        fitting = [key for key in self.keys if key.fits(algorithm)]
        if key_id is None:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.id == key_id), None)


class Provider:
    """An identity provider. Keys are fetched by one thread at a time, for which others wait a limited time."""

    def __init__(self, issuer: str, times: Times = TIMES):
        self.issuer = issuer
        self.times = times
        self._lock = threading.Lock()
        self._state: ProviderState | None = None
        self._running: Future[ProviderState] | None = None
        #: By the monotonic clock.
        self._started_at = float("-inf")

    def find_key(self, key_id: str | None, algorithm: str) -> PublicKey | None:
        """Find a public key; None if the provider has none by this name. Raises Unavailable."""
        state = self.get_state()
        if key := state.find_key(key_id, algorithm):
            return key
        state = self._refresh(self.times.wait) or self._state or state
        if key := state.find_key(key_id, algorithm):
            return key
        if self._started_at > state.fetched_at:  # the last fetch failed, or takes too long to wait for
            raise Unavailable(UNREACHABLE, retry_after=self.times.between)
        return None

    def get_list(self, name: str) -> list[Any]:
        """Get a list of the discovery document; empty if there is none. Raises Unavailable."""
        values = self.get_state().document.get(name)
        return values if isinstance(values, list) else []

    def get_endpoint(self, name: str) -> str | None:
        """Get the URL of an endpoint; None if the provider has none. Raises Unavailable."""
        url = self.get_state().document.get(name)
        return url if isinstance(url, str) and is_secure(url) else None

    def get_state(self) -> ProviderState:
        """Get the last known endpoints and keys. Raises Unavailable if there are none that are young enough."""
        state = self._state
        if state is None or self._is_older(state, self.times.usable):
            # Another thread may have fetched them in between.
            state = self._refresh(self.times.fetch) or self._state
            if state is None or self._is_older(state, self.times.usable):
                raise Unavailable(UNREACHABLE, retry_after=self.times.between)
        elif self._is_older(state, self.times.fresh):
            self._refresh(0)
        return state

    def _is_older(self, state: ProviderState, seconds: float) -> bool:
        return time.monotonic() - state.fetched_at > seconds

    def _refresh(self, seconds: float) -> ProviderState | None:
        """Fetch the keys, unless they just were, and wait for them; None if there is nothing new by then."""
        fetching = self._start()
        if fetching is None:
            return None
        try:
            return fetching.result(timeout=seconds)
        except (
            OSError,
            ValueError,
            http.client.HTTPException,
        ):  # it takes too long, or its thread has logged why
            return None

    def _start(self) -> "Future[ProviderState] | None":
        """Start to fetch, or join who does; None if the last fetch began too recently."""
        with self._lock:
            now = time.monotonic()
            if self._running and not self._running.done() and now - self._started_at < self.times.fetch:
                return self._running
            if now - self._started_at < self.times.between:
                return None
            self._started_at, self._running = now, Future()
            name = "identity provider's keys"
            threading.Thread(target=self._fetch, args=(self._running,), name=name, daemon=True).start()
            return self._running

    def _fetch(self, fetching: "Future[ProviderState]") -> None:
        """Fetch endpoints and keys; a fetch that fails leaves the last ones in use."""
        try:
            self._state = state = fetch_state(self.issuer, self.times.fetch)
        except Exception as error:
            # Whatever is wrong with a document of others, whoever waits for it must hear so.
            log.warning("The keys of %s could not be fetched: %s", self.issuer, error)
            fetching.set_exception(
                error if isinstance(error, (OSError, ValueError)) else ValueError(str(error))
            )
        else:
            fetching.set_result(state)


def fetch_state(issuer: str, seconds: float) -> ProviderState:
    """Fetch the discovery document and the keys of an issuer. Raises OSError, ValueError, HTTPException."""
    started_at = time.monotonic()
    document = fetch_json(f"{issuer.rstrip('/')}/.well-known/openid-configuration", seconds)
    if document.get("issuer") != issuer:
        raise ValueError(
            f"its discovery document is of the issuer {document.get('issuer')!r}: set EXEMPLAR_OIDC_ISSUER to that"
        )
    url = document.get("jwks_uri")
    if not isinstance(url, str) or not is_secure(url):
        raise ValueError("its discovery document has no jwks_uri with https")
    remaining = max(0.1, seconds - (time.monotonic() - started_at))
    return ProviderState(document, read_keys(fetch_json(url, remaining)), started_at)


def read_keys(document: dict[str, Any]) -> tuple[PublicKey, ...]:
    """Read the public keys that sign, and leave out all others. Raises ValueError if there are none."""
    entries = document.get("keys")
    listed = entries[:MOST_KEYS] if isinstance(entries, list) else []
    keys = tuple(key for entry in listed if (key := read_key(entry)))
    if not keys:
        raise ValueError("it has no public key for signatures of a kind that is accepted here")
    return keys


def read_key(entry: Any) -> PublicKey | None:
    """Read one public key; None if it is secret, too short, for encryption, or of a kind that is not known."""
    if not isinstance(entry, dict) or entry.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    algorithm, key_id = entry.get("alg"), entry.get("kid")
    if entry.get("use", "sig") != "sig" or not isinstance(key_id, str | None):
        return None
    try:
        # Without its algorithm, which may be one that is not known: that is compared with each token's.
        key = jwt.PyJWK({name: value for name, value in entry.items() if name not in ("alg", "d")}).key
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        return None
    if entry["kty"] == "RSA" and key.key_size < SHORTEST_RSA_KEY:
        return None
    return PublicKey(key_id, entry["crv"] if entry["kty"] == "EC" else entry["kty"], algorithm, key)


class ProviderRefusal(OSError):
    """The provider answered with a status of 400 to 499: it understood the request and refuses it."""


class _NoRedirect(HTTPRedirectHandler):
    """Follow no redirect: the addresses are those that the operator and the provider named."""

    def redirect_request(self, *_: Any) -> None:
        return None


def fetch_json(
    url: str, seconds: float, data: bytes | None = None, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """Get a JSON object, or post a form and get one. Raises OSError, ValueError, HTTPException."""
    until = time.monotonic() + seconds
    request = Request(url, data, {"Accept": "application/json", **(headers or {})})
    try:
        with build_opener(_NoRedirect).open(request, timeout=seconds) as response:
            body = read_body(response.read1, until)
    except HTTPError as error:
        with error:
            kind = ProviderRefusal if 400 <= error.code < 500 else OSError
            raise kind(f"{url} responded {error.code}") from None
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError(f"{url} is no JSON object")
    return document


def read_body(read: Callable[[int], bytes], until: float) -> bytes:
    """Read a body to its end. Raises TimeoutError, and ValueError if it is too large."""
    chunks: list[bytes] = []
    while chunk := read(65_536):
        chunks.append(chunk)
        if sum(map(len, chunks)) > LARGEST_DOCUMENT:
            raise ValueError(f"a document of more than {LARGEST_DOCUMENT} bytes")
        if time.monotonic() > until:
            raise TimeoutError("its response took too long")
    return b"".join(chunks)


def is_secure(url: str) -> bool:
    """Return True for https, and for http on this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    )
