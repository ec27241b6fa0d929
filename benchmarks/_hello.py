"""The lower bound of a server's times: an ASGI application that reads a body and answers with a constant."""

from typing import Any

HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"17")]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer every HTTP request with the same JSON."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b'{"hello":"world"}'})
