"""Compiled documents answer byte for byte what executing them would."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from random import Random
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from learning.model import Answer, ClassAnswer, ClusterAnswer, Model, ValueAnswer
from schema.hot import Taken
from schema.http import GraphQLApp
from schema.served import schema
from store import answering, catalogue, predictions, serving, threads
from store.predictions import Prediction
from store.product import DataProduct
from tests.schema.drawing import Drawing, Request
from tests.store.conftest import NOON, operate, version

pytestmark = pytest.mark.django_db(transaction=True)

#: Documents for each product, and the requests that are drawn with them.
DOCUMENTS = 400
PRODUCTS = ["stay", "relapse", "tumor", "diabetes", "wine", "manual"]
JSON = {"content-type": "application/json", "host": "127.0.0.1"}


@dataclass(frozen=True)
class Oracle(Model):
    """Answers anything, the same to the same."""

    def predict(self, rows: Any) -> list[Answer]:
        return [self.answer(blake2b(repr(list(row)).encode()).digest()) for row in rows]

    def answer(self, drawn: bytes) -> Answer:
        share = drawn[0] / 256
        match self.signature.task:
            case "CLASSIFICATION":
                classes = self.signature.classes
                rest = (1 - share) / (len(classes) - 1)
                return ClassAnswer(classes[0], share, (share, *[rest] * (len(classes) - 1)))
            case "REGRESSION":
                return ValueAnswer(share * 10 ** (drawn[1] % 30))
        return ClusterAnswer(drawn[1] % 3 - 1, (share, 1 / 3, 0.0))


@pytest.fixture
def champions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of each product that serves."""
    monkeypatch.setattr(serving, "_promoted", {name: champion(catalogue.get(name)) for name in PRODUCTS})


def champion(product: DataProduct) -> serving.Champion:
    model = Oracle(signature=product.signature, family="x", hyperparameters={}, estimator=None)
    return serving.Champion(product, version(product), model, microseconds=1.0)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Threads of the test's own, whose connections are closed at its end."""
    with ThreadPoolExecutor(2) as pool:
        monkeypatch.setattr(threads, "pool", pool)
        yield
        together = Barrier(2)
        for _ in range(2):
            pool.submit(lambda: (together.wait(10), connection.close()))


@pytest.fixture
def unstamped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are told as if each had been asked for once, at the same time."""
    stamps = (NOON, datetime(2024, 5, 18, 1, 2, 3, 450_000, tzinfo=UTC), 1)
    monkeypatch.setattr(predictions, "stamps_by_id", lambda rows: {row[0]: stamps for row in rows})


@dataclass
class Response:
    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Ways:
    """The same API twice, once without the hot way; `taken` counts what that took."""

    def __init__(self) -> None:
        self.app, self.ordinary = GraphQLApp(schema), GraphQLApp(schema)
        self.take, self.app.hot_way.take = self.app.hot_way.take, self.counted  # type: ignore[method-assign]
        self.ordinary.hot_way.take = self.never  # type: ignore[method-assign]
        self.taken = 0

    async def counted(self, *request: Any) -> Taken:
        taken = await self.take(*request)
        self.taken += taken.answered
        return taken

    async def never(self, scope: Any, receive: Any, send: Any) -> Taken:
        return Taken(False, receive)

    async def both(self, body: bytes, **more: str) -> tuple[Response, Response]:
        hot = await self.ask(self.app, body, **more)
        return hot, await self.ask(self.ordinary, body, **more)

    async def ask(
        self, app: Any, body: bytes, method: str = "POST", query: str = "", **headers: str
    ) -> Response:
        sent: list[Any] = []
        named = JSON | {name.replace("_", "-"): value for name, value in headers.items()}
        scope = {
            "type": "http",
            "method": method,
            "path": "/graphql/",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }
        messages = [{"type": "http.request", "body": body}]

        async def receive() -> Any:
            if messages:
                return messages.pop()
            return await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)
        return Response(sent[0]["status"], dict(sent[0]["headers"]), b"".join(m["body"] for m in sent[1:]))


def with_desk(test: Callable[[Ways], Awaitable[None]]) -> None:
    async def run() -> None:
        await answering.start()
        try:
            await test(Ways())
        finally:
            await answering.stop()

    asyncio.run(run())


@pytest.mark.parametrize("name", PRODUCTS)
def test_both_ways_answer_the_same_bytes(name: str, champions: None, pool: None, unstamped: None) -> None:
    keys = [str(operate(age=50 if n % 2 else None, cost=n).pk) for n in range(6)]
    product = catalogue.get(name)

    async def test(ways: Ways) -> None:
        statuses: Counter[Any] = Counter()
        for seed in range(DOCUMENTS):
            drawing = Drawing(Random(f"{name} {seed}"), product, keys if name in ("stay", "relapse") else ())
            request = drawing.request()
            hot, ordinary = await ways.both(request.body())
            assert hot == ordinary, f"seed {seed}: {request}"
            answer = json.loads(hot.body)
            statuses["errors" in answer, "data" in answer] += 1
        print(name, statuses, ways.taken)

    with_desk(test)
