"""HTTP caches: what may be kept follows from what was selected; what is large is compressed."""

import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from graphql import GraphQLObjectType, parse
from starlette.responses import Response

from schema import schema as served
from schema.core.request import RequestHead
from schema.core.responses import HEADERS
from schema.execution.freshness import REGISTRY, Freshness, freshness_of
from schema.transport import http_caching
from schema.transport.http import GraphQLApp

NEVER, ASKED, KEPT = Freshness.NOT_STORED, Freshness.REVALIDATED, Freshness.UNCHANGING


@pytest.mark.parametrize(
    ("query", "freshness"),
    [
        ("{ products { name title champion { number score status } } }", ASKED),
        ("{ tumor { models(first: 3) { nodes { number } pageInfo { endCursor } } } }", ASKED),
        ("{ __schema { types { name } } }", ASKED),
        ('{ modelVersion(id: "x") { id number hyperparameters { name } } }', KEPT),
        ('{ modelVersion(id: "x") { number diagnostics { title } } }', ASKED),
        ('{ modelVersion(id: "x") { number status } }', ASKED),
        ('{ modelVersion(id: "x") { number } tumor { predictions { totalCount } } }', NEVER),
        ('{ node(id: "x") { id } }', NEVER),
        ("{ viewer { name } }", NEVER),
        ("{ tumor { entities { nodes { key } } } }", NEVER),
        ('mutation { promote(input: {model: "x", reason: "y"}) { promotion { id } } }', NEVER),
        ('subscription { promotions { model { number } } }', NEVER),
    ],
)  # fmt: skip
def test_what_may_be_kept_follows_from_what_is_selected(query: str, freshness: Freshness) -> None:
    assert freshness_of(served.schema._schema, parse(query)) is freshness


def test_every_type_of_the_table_is_in_the_schema() -> None:
    types = served.schema._schema.type_map
    for name, fields in REGISTRY.items():
        type_: Any = types["TumorProduct" if name == "Product" else name]
        if isinstance(type_, GraphQLObjectType):
            assert set(fields.split()) - {"*"} <= set(type_.fields), name


def head(method: str = "GET", **headers: str) -> RequestHead:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return RequestHead(method, b"", pairs)


def answer(body: str = "{}" * 1_000) -> Response:
    return Response(body, headers=HEADERS, media_type="application/json")


@pytest.fixture
async def caller() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole application, in this process."""
    app: Any = GraphQLApp(served.schema)
    page = {"Sec-Fetch-Site": "same-origin"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=page) as client:
        yield client


FEATURES = '{ product(name: "tumor") { name features { name description title } } }'


async def test_a_registry_read_by_get_is_revalidated_and_compressed(caller: httpx.AsyncClient) -> None:
    first = await caller.get("/graphql/", params={"query": FEATURES})
    assert first.json()["data"]["product"]["name"] == "tumor"
    assert first.headers["Cache-Control"].startswith("private, no-cache")
    assert first.headers["Content-Encoding"] == "gzip"
    tag = {"If-None-Match": first.headers["ETag"]}
    again = await caller.get("/graphql/", params={"query": FEATURES}, headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    posted = await caller.post("/graphql/", json={"query": FEATURES}, headers=tag)
    assert posted.json() == first.json() and "ETag" not in posted.headers
    assert "no-store" in posted.headers["Cache-Control"]


async def test_an_answer_with_an_error_is_not_kept(caller: httpx.AsyncClient) -> None:
    wrong_kind = '{ modelVersion(id: "QnVpbGQ6MQ") { number } }'
    refused = await caller.get("/graphql/", params={"query": wrong_kind})
    unknown = await caller.get("/graphql/", params={"query": "{ nope }"})
    for response in (refused, unknown):
        assert response.json()["errors"]
        assert "no-store" in response.headers["Cache-Control"] and "ETag" not in response.headers


async def test_what_never_changes_is_kept_only_where_it_is_there() -> None:
    document = served.schema.document_cache.get('{ modelVersion(id: "x") { number } }')
    for data, directive in (
        ({"modelVersion": {"number": 1}}, "immutable"),
        ({"modelVersion": None}, "no-cache"),
    ):
        response = await http_caching.finish(head(), answer(), document, data)
        assert directive in response.headers["Cache-Control"]


def test_a_client_that_has_the_answer_gets_no_body() -> None:
    first = http_caching.set_freshness(head(), answer(), ASKED)
    assert first.headers["Cache-Control"].startswith("private, no-cache")
    tag = first.headers["ETag"]
    for tags in (tag, f'"other", {tag}', "*", tag.removeprefix("W/")):
        again = http_caching.set_freshness(head(if_none_match=tags), answer(), ASKED)
        assert (again.status_code, again.body) == (304, b"")
        assert again.headers["ETag"] == tag and "Authorization" in again.headers["Vary"]
        assert "content-type" not in again.headers
    other = http_caching.set_freshness(head(if_none_match=tag), answer("{ }"), ASKED)
    assert other.status_code == 200 and other.headers["ETag"] != tag


def test_what_is_not_to_be_kept_has_no_tag() -> None:
    response = http_caching.set_freshness(head(if_none_match="*"), answer(), NEVER)
    assert response.status_code == 200 and "no-store" in response.headers["Cache-Control"]
    assert "ETag" not in response.headers


@pytest.mark.parametrize(
    ("accept", "is_compressed"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("gzip;q=0, *", False),
        ("br", False),
        ("", False),
    ],
)
def test_a_large_answer_is_compressed_where_the_client_takes_it(accept: str, is_compressed: bool) -> None:
    response = answer()
    plain = response.body
    http_caching.compress(head(accept_encoding=accept), response)
    assert ("Content-Encoding" in response.headers) is is_compressed
    assert (gzip.decompress(response.body) if is_compressed else response.body) == plain
    assert response.headers["Content-Length"] == str(len(response.body))
    assert "Accept-Encoding" in response.headers["Vary"]


def test_a_small_answer_and_one_for_a_page_of_elsewhere_are_not_compressed() -> None:
    small, forged = answer("{}"), answer()
    http_caching.compress(head(accept_encoding="gzip"), small)
    http_caching.compress(
        head(accept_encoding="gzip", sec_fetch_site="cross-site", cookie="sessionid=" + "s" * 32), forged
    )
    assert "Content-Encoding" not in small.headers and "Content-Encoding" not in forged.headers
