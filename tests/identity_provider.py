"""An OpenID provider on a socket of this machine, which issues tokens, rotates its keys and misbehaves on demand."""

import base64
import hashlib
import html
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

CLIENT_ID, CLIENT_SECRET = "exemplar-pages", "the pages' secret"
AUDIENCE = "exemplar"


class SigningKey:
    """A private key, and its public form in a set of keys."""

    def __init__(self, algorithm: str = "RS256", **published: Any):
        self.algorithm = algorithm
        self.id = secrets.token_hex(4)
        self.private = private_key(algorithm)
        form = jwt.get_algorithm_by_name(algorithm).to_jwk(self.private.public_key(), as_dict=True)
        self.published = {**form, "kid": self.id, "use": "sig", "alg": algorithm, **published}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        return jwt.encode(claims, self.private, self.algorithm, headers={"kid": self.id, **header})


def private_key(algorithm: str) -> Any:
    match algorithm:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "ES384":
            return ec.generate_private_key(ec.SECP384R1())
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa_key(next(RSA_KEYS))


#: Which of the process's keys is taken next: to make one takes a tenth of a second, and a test uses few.
RSA_KEYS = cycle(range(6))


@cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


class IdentityProvider:
    """The provider. `broken` says how it misbehaves: see `Handler.misbehave`."""

    def __init__(self) -> None:
        self.keys = [SigningKey()]
        self.broken = ""
        #: Requests by path.
        self.requests: Counter[str] = Counter()
        #: Claims of the person who signs in.
        self.person: dict[str, Any] = {"sub": "ada-1", "preferred_username": "ada", "groups": ["labellers"]}
        #: Claims that are put over those of every ID token.
        self.instead: dict[str, Any] = {}
        #: Requests of authorization by their codes.
        self.codes: dict[str, dict[str, str]] = {}
        #: Requests that the token endpoint refused, with the reason.
        self.refused: list[str] = []
        self.release = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.provider = self  # type: ignore[attr-defined]
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.document = {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "end_session_endpoint": f"{self.issuer}/end",
            "code_challenge_methods_supported": ["S256"],
        }

    @property
    def environment(self) -> dict[str, str]:
        """The settings of an Exemplar that trusts this provider."""
        return {
            "EXEMPLAR_OIDC_ISSUER": self.issuer,
            "EXEMPLAR_OIDC_AUDIENCE": AUDIENCE,
            "EXEMPLAR_OIDC_CLIENT_ID": CLIENT_ID,
            "EXEMPLAR_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "EXEMPLAR_OIDC_LABEL": "Example Corp",
        }

    def configure(self, settings: Any) -> None:
        """Have this process trust the provider."""
        for name, value in self.environment.items():
            setattr(settings, name, value)
        settings.EXEMPLAR_OIDC_AUDIENCE = [AUDIENCE]

    def rotate(self, *keep: SigningKey) -> SigningKey:
        """Sign with a new key from now on, and publish it beside those to keep."""
        self.keys = [SigningKey(), *keep]
        return self.keys[0]

    def claims(self, **claims: Any) -> dict[str, Any]:
        """The claims of an access token; None leaves one out."""
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": AUDIENCE, "sub": "ada-1", "iat": now, "exp": now + 300}
        return {name: value for name, value in {**usual, **claims}.items() if value is not None}

    def token(self, **claims: Any) -> str:
        """An access token."""
        return self.keys[0].sign(self.claims(**claims))

    def id_token(self, request: dict[str, str]) -> str:
        own = {"aud": CLIENT_ID, "nonce": request.get("nonce"), **self.person, **self.instead}
        return self.token(**own)


class Handler(BaseHTTPRequestHandler):
    """The provider's side of one connection."""

    @property
    def provider(self) -> IdentityProvider:
        return self.server.provider  # type: ignore[attr-defined]

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.provider.requests[parts.path] += 1
        if self.provider.broken and parts.path in ("/.well-known/openid-configuration", "/keys"):
            return self.misbehave(self.provider.broken)
        match parts.path:
            case "/.well-known/openid-configuration":
                self.answer(self.provider.document)
            case "/keys":
                self.answer({"keys": [key.published for key in self.provider.keys]})
            case "/authorize":
                self.page(parts.query)
            case "/end":
                self.answer({"signed out": dict(parse_qsl(parts.query))})
            case _:
                self.send_error(404)

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        self.provider.requests[parts.path] += 1
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if parts.path == "/authorize":
            self.authorize(dict(parse_qsl(parts.query)), form)
        elif parts.path == "/token":
            self.exchange(form)
        else:
            self.send_error(404)

    def misbehave(self, how: str) -> None:
        match how:
            case "hangs":
                self.provider.release.wait(60)
            case "trickles":
                self.send_response(200)
                self.end_headers()
                while not self.provider.release.wait(0.05):
                    self.wfile.write(b" ")
            case "is not JSON":
                self.answer_with(200, "text/html", b"<h1>Welcome</h1>")
            case "is a list":
                self.answer_with(200, "application/json", b"[]")
            case "redirects":
                self.send_response(302)
                self.send_header("Location", f"{self.provider.issuer}/elsewhere")
                self.end_headers()
            case "is huge":
                self.answer_with(200, "application/json", b'{"a": "' + b"a" * 2_000_000 + b'"}')
            case status:
                self.send_error(int(status))

    def page(self, query: str) -> None:
        buttons = "<button name=ok value=yes>Continue</button><button name=ok value=no>No</button>"
        form = f"<form method=post action='/authorize?{html.escape(query)}'>{buttons}</form>"
        self.answer_with(200, "text/html", f"<title>Example Corp</title>{form}".encode())

    def authorize(self, request: dict[str, str], form: dict[str, str]) -> None:
        code = secrets.token_urlsafe(8)
        self.provider.codes[code] = request
        answer = {"code": code} if form["ok"] == "yes" else {"error": "access_denied"}
        self.send_response(302)
        self.send_header(
            "Location", f"{request['redirect_uri']}?{urlencode({**answer, 'state': request['state']})}"
        )
        self.send_header("Content-Length", "0")
        self.end_headers()

    def exchange(self, form: dict[str, str]) -> None:
        """Answer a code once, to the client that it was made for, which knows what the challenge was made of."""
        request = self.provider.codes.pop(form.get("code", ""), None)
        reason = self.reason_against(request, form)
        if reason or request is None:
            self.provider.refused.append(reason)
            self.answer_with(400, "application/json", json.dumps({"error": "invalid_grant"}).encode())
        else:
            self.answer(
                {
                    "id_token": self.provider.id_token(request),
                    "access_token": "opaque",
                    "token_type": "Bearer",
                }
            )

    def reason_against(self, request: dict[str, str] | None, form: dict[str, str]) -> str:
        basic = "Basic " + base64.b64encode(f"{CLIENT_ID}:the+pages%27+secret".encode()).decode()
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if request is None:
            return "code"
        if self.headers["Authorization"] != basic and form.get("client_secret") != CLIENT_SECRET:
            return "client"
        if request["redirect_uri"] != form.get("redirect_uri"):
            return "redirect_uri"
        if request["code_challenge"] != base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
            return "code_verifier"
        return ""

    def answer(self, document: dict[str, Any]) -> None:
        self.answer_with(200, "application/json", json.dumps(document).encode())

    def answer_with(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running() -> Iterator[IdentityProvider]:
    """A provider that serves until the block ends."""
    provider = IdentityProvider()
    thread = threading.Thread(target=provider.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.release.set()
        provider.server.shutdown()
        provider.server.server_close()
        thread.join()
