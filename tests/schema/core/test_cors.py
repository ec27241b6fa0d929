"""CORS: the fast path's headers are those of Starlette's middleware, and a session stays at home."""

from typing import Any

import httpx
import pytest
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from schema.core.cors import Cors
from schema.core.responses import HEADERS

SHOP, OTHER = "https://shop.example", "https://evil.example"


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await Response("{}", headers=HEADERS)(scope, receive, send)


def client(app: Cors) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


def cors(settings: Any, *origins: str) -> Cors:
    settings.EXEMPLAR_ORIGINS = list(origins)
    return Cors(answer)


@pytest.mark.parametrize("origins", [(), (SHOP,), (SHOP, "http://localhost:5173"), ("*",)])
@pytest.mark.parametrize("origin", [None, SHOP, OTHER, "null", ""])
async def test_the_fast_path_adds_what_the_middleware_adds(
    settings: Any, origins: tuple[str, ...], origin: str | None
) -> None:
    allowed = cors(settings, *origins)
    sent = {} if origin is None else {"Origin": origin}
    async with client(allowed) as caller:
        expected = (await caller.post("/graphql/", headers=sent)).headers
    headers = MutableHeaders(headers={"content-length": "2", **HEADERS})
    allowed.add_headers(headers, origin)
    assert dict(headers) == dict(expected)


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [((SHOP,), SHOP, SHOP), ((SHOP,), OTHER, None), ((), SHOP, None), (("*",), OTHER, "*")],
)
async def test_a_preflight_allows_the_origins_of_the_setting_and_no_cookies(
    settings: Any, origins: tuple[str, ...], origin: str, allowed: str | None
) -> None:
    wanted = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-exemplar-preflight",
    }
    async with client(cors(settings, *origins)) as caller:
        response = await caller.options("/graphql/", headers=wanted)
    assert response.status_code == (403 if allowed is None else 200)
    assert response.headers.get("Access-Control-Allow-Origin") == allowed
    assert "Access-Control-Allow-Credentials" not in response.headers
    if allowed:
        assert "authorization" in response.headers["Access-Control-Allow-Headers"]
    else:
        (error,) = response.json()["errors"]
        assert error["extensions"]["code"] == "FORBIDDEN"
        assert origin in error["message"] and "EXEMPLAR_ORIGINS" in error["message"]
