"""Headers of pages and static files: the content security policy, and what else browsers enforce."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias
from urllib.parse import urlsplit

from django.conf import settings
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: A name in lower case, and a value.
Header: TypeAlias = tuple[bytes, bytes]

#: What a page may load and do, by directive. Nothing inline, nothing from elsewhere; images may be in the page.
DIRECTIVES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
#: What no page needs of the browser.
UNUSED_FEATURES = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")


def build_policy(changes: Mapping[str, str] | None = None) -> str:
    """Build a content security policy; `changes` are the directives in which a page differs."""
    return "; ".join(f"{name} {sources}" for name, sources in (DIRECTIVES | dict(changes or {})).items())


def build_headers() -> dict[str, str]:
    """Build the headers that no response of a page lacks."""
    headers = {
        "Content-Security-Policy": build_policy(),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": ", ".join(f"{feature}=()" for feature in UNUSED_FEATURES),
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    if seconds := settings.SECURE_HSTS_SECONDS:
        headers["Strict-Transport-Security"] = f"max-age={seconds}"
    return headers


class PageHeaders:
    """An ASGI application whose responses have all headers of a page."""

    def __init__(self, app: ASGIApp):
        self.app = app
        self.headers = [(name.lower().encode(), value.encode()) for name, value in build_headers().items()]
        self.static = urlsplit(settings.STATIC_URL).path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A static file has the same name in the next release: browsers ask whether theirs is the newest.
        caching = b"no-cache" if scope["path"].startswith(self.static) else b"no-store"

        async def send_complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                message["headers"] = complete(headers, [*self.headers, (b"cache-control", caching)])
            await send(message)

        await self.app(scope, receive, send_complete)


def complete(headers: Iterable[Header], defaults: Iterable[Header]) -> list[Header]:
    """Add the headers that are missing. Django writes names in upper case, too."""
    present = [(name.lower(), value) for name, value in headers]
    names = {name for name, _ in present}
    return [*present, *(header for header in defaults if header[0] not in names)]
