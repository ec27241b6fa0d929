"""Logins of people through the identity provider: the authorization code flow, with state, nonce and PKCE.

What a login has to remember until the browser comes back is a signed text for a cookie of that browser, so that
strangers cannot fill a table with logins that they never finish.
"""

import base64
import hashlib
import hmac
import http.client
import logging
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

from django.conf import settings
from django.core import signing

from ..exceptions import Unauthenticated, Unavailable
from .oidc import Claims, provider, verify_id_token
from .provider import ProviderRefusal, fetch_json

log = logging.getLogger(__name__)

#: Seconds that a login may take at the provider.
LONGEST_LOGIN = 600
#: Seconds that the provider may take to answer a code.
EXCHANGE_SECONDS = 10.0
#: Characters of a code and of a state that come back, at most.
LONGEST_PARAMETER = 4_096

_SALT = "store.access.code_flow"

STALE = "This login was begun in another browser, or too long ago. Begin again."
DENIED = "The identity provider did not log you in."
UNREACHABLE = "The identity provider cannot be reached. Try again in a moment."


def accepts_logins() -> bool:
    """Return True if people log in through an identity provider."""
    return bool(settings.EXEMPLAR_OIDC_ISSUER and settings.EXEMPLAR_OIDC_CLIENT_ID)


def secret() -> str:
    """Generate a secret of 256 bits for a URL."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, kw_only=True)
class ProviderLogin:
    """A login that has begun and waits for the browser to come back."""

    redirect_uri: str
    #: The page to open afterwards.
    next: str
    #: Binds the answer to the browser.
    state: str = field(default_factory=secret)
    #: Binds the ID token to this login.
    nonce: str = field(default_factory=secret)
    #: Proves to the provider that whoever redeems the code began the login (PKCE).
    verifier: str = field(default_factory=secret)

    def sign(self) -> str:
        """Write the login for a cookie."""
        return signing.dumps(asdict(self), salt=_SALT)

    @classmethod
    def read(cls, cookie: str | None) -> "ProviderLogin":
        """Read a login from its cookie. Raises Unauthenticated."""
        try:
            return cls(**signing.loads(cookie or "", salt=_SALT, max_age=LONGEST_LOGIN))
        except (signing.BadSignature, ValueError, TypeError):
            raise Unauthenticated(STALE) from None

    def authorization_url(self) -> str:
        """Build the provider's URL to which the browser is sent. Raises Unavailable."""
        challenge = hashlib.sha256(self.verifier.encode()).digest()
        parameters = {
            "response_type": "code",
            "client_id": settings.EXEMPLAR_OIDC_CLIENT_ID,
            "redirect_uri": self.redirect_uri,
            "scope": settings.EXEMPLAR_OIDC_SCOPES,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return add_parameters(_endpoint("authorization_endpoint"), parameters)

    def finish(self, parameters: Mapping[str, str]) -> Claims:
        """Verify what the browser came back with. Raises Unauthenticated, Unavailable."""
        code, state = parameters.get("code", ""), parameters.get("state", "")
        if not hmac.compare_digest(state.encode(), self.state.encode()):
            raise Unauthenticated(STALE)
        issuer = settings.EXEMPLAR_OIDC_ISSUER
        if parameters.get("iss", issuer) != issuer:  # RFC 9207
            raise Unauthenticated(DENIED)
        if not 0 < len(code) <= LONGEST_PARAMETER:
            log.warning(
                "A login failed at the identity provider: %.200r.", parameters.get("error", "no code")
            )
            raise Unauthenticated(DENIED)
        return verify_id_token(self._redeem(code), self.nonce)

    def _redeem(self, code: str) -> str:
        """Redeem a code for the ID token. Raises Unauthenticated, Unavailable."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        url, headers = _endpoint("token_endpoint"), authenticate_client(form)
        try:
            answer = fetch_json(url, EXCHANGE_SECONDS, urlencode(form).encode(), headers)
        except (OSError, ValueError, http.client.HTTPException) as error:
            log.warning("The identity provider's token endpoint failed: %s.", error)
            raise (
                Unauthenticated(DENIED) if isinstance(error, ProviderRefusal) else Unavailable(UNREACHABLE)
            ) from None
        token = answer.get("id_token")
        if not isinstance(token, str):
            log.warning(
                "The identity provider's token endpoint gave no ID token: has EXEMPLAR_OIDC_SCOPES openid?"
            )
            raise Unauthenticated(DENIED)
        return token


def authenticate_client(form: dict[str, str]) -> dict[str, str]:
    """Add the client's credentials to a form, or return the header that has them. Raises Unavailable."""
    client, password = settings.EXEMPLAR_OIDC_CLIENT_ID, settings.EXEMPLAR_OIDC_CLIENT_SECRET
    methods = provider(settings.EXEMPLAR_OIDC_ISSUER).get_list("token_endpoint_auth_methods_supported")
    if not password or "client_secret_post" in methods:
        form |= {"client_id": client, **({"client_secret": password} if password else {})}
        return {}
    credentials = f"{quote_plus(client)}:{quote_plus(password)}".encode()
    return {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}


def logout_url(return_to: str) -> str | None:
    """Build the provider's URL that ends the session there, too; None if it has none, or cannot be reached."""
    try:
        url = provider(settings.EXEMPLAR_OIDC_ISSUER).get_endpoint("end_session_endpoint")
    except Unavailable:
        return None
    parameters = {"client_id": settings.EXEMPLAR_OIDC_CLIENT_ID, "post_logout_redirect_uri": return_to}
    return add_parameters(url, parameters) if url else None


def _endpoint(name: str) -> str:
    url = provider(settings.EXEMPLAR_OIDC_ISSUER).get_endpoint(name)
    if url is None:
        log.warning("The discovery document of the identity provider has no %s with https.", name)
        raise Unavailable(UNREACHABLE)
    return url


def add_parameters(url: str, parameters: Mapping[str, Any]) -> str:
    """Add parameters to a URL that may have some."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"
