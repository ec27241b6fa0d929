"""A small schema of its own behind a real server, so that protocols are tested without products and rows."""

import asyncio
import enum
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import strawberry
import uvicorn
from django.db import OperationalError
from django.utils.timezone import now
from strawberry.types import Info

from learning.model import ClassAnswer
from schema.execution.execution import Schema
from schema.transport.http import GraphQLApp
from store import models
from store.access.permissions import Grants
from store.db import threads
from store.exceptions import OutOfRange
from store.predictions import upsert
from store.predictions.feedback import About
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products import catalogue
from tests.store.pools import close_connections
from tests.waiting import PATIENCE


@strawberry.enum
class Label(enum.Enum):
    BENIGN = "B"
    MALIGNANT = "M"


@strawberry.input
class Features:
    radius: float
    texture: float | None = strawberry.UNSET
    label: Label | None = strawberry.UNSET


@strawberry.input
class Row:
    features: Features
    reference: str | None = strawberry.UNSET


@strawberry.input(one_of=True)
class Target:
    prediction: strawberry.ID | None = strawberry.UNSET
    entity: strawberry.ID | None = strawberry.UNSET


@strawberry.interface
class Prediction:
    answer: str


@strawberry.type
class TumorPrediction(Prediction):
    radius: float

    @strawberry.field
    def again(self) -> "TumorPrediction":
        return self


@strawberry.type
class PredictionEdge:
    node: Prediction


@strawberry.type
class PredictionConnection:
    edges: list[PredictionEdge]
    total_count: int


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"Hello, {name}"

    @strawberry.field
    def thread(self) -> str:
        return threading.current_thread().name

    @strawberry.field
    def predict(self, features: Features) -> TumorPrediction | None:
        return TumorPrediction(answer="B", radius=features.radius)

    @strawberry.field
    def predict_many(self, rows: list[Row]) -> list[TumorPrediction | None] | None:
        return [TumorPrediction(answer="B", radius=row.features.radius) for row in rows]

    @strawberry.field
    def predictions(self) -> PredictionConnection:
        return PredictionConnection(edges=[], total_count=0)

    @strawberry.field
    def about(self, target: Target) -> str:
        return target.entity or "nobody"

    @strawberry.field
    def refused(self) -> str | None:
        raise OutOfRange("Mean radius is large.", argument=("rows", 3, "mean_radius"), minimum=0, maximum=10)

    @strawberry.field
    def broken(self) -> str | None:
        raise ZeroDivisionError("the password is hunter2")

    @strawberry.field
    def required(self) -> str:
        raise OutOfRange("Too large.")

    @strawberry.field
    def without_database(self) -> str | None:
        raise OperationalError("could not connect to server at 10.0.0.7")

    @strawberry.field
    def pin(self, info: Info[Any, None]) -> int:
        info.context.pins["count"] = info.context.pins.get("count", 0) + 1
        return info.context.pins["count"]


@strawberry.type
class Mutation:
    @strawberry.mutation
    def write(self, text: str) -> str | None:
        return text


@strawberry.type
class Tick:
    number: int

    @strawberry.field
    def thread(self) -> str:
        return threading.current_thread().name

    @strawberry.field
    def pins(self, info: Info[Any, None]) -> int:
        info.context.pins[self.number] = True
        return len(info.context.pins)


#: Streams of `forever` that somebody listens to.
listening: set[object] = set()


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self, to: int) -> AsyncIterator[Tick]:
        for number in range(to):
            yield Tick(number=number)

    @strawberry.subscription
    async def refused_after(self, number: int) -> AsyncIterator[Tick]:
        """Ticks until there is no more."""
        for tick in range(number):
            yield Tick(number=tick)
        raise OutOfRange("There is no more.", argument=("number",), maximum=number)

    @strawberry.subscription
    async def forever(self) -> AsyncIterator[Tick]:
        me = object()
        listening.add(me)
        try:
            yield Tick(number=0)
            await asyncio.Event().wait()
        finally:
            listening.discard(me)


schema = Schema(query=Query, mutation=Mutation, subscription=Subscription, types=[TumorPrediction])


def serve(app: Any) -> Iterator[str]:
    """Serve an ASGI application on a port of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/graphql/"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
        close_connections(threads.pool)


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """The address of the small schema."""
    yield from serve(GraphQLApp(schema))


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    headers = {"Accept": "application/graphql-response+json"}
    with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE) as client:
        yield client


@pytest.fixture
def ask(client: httpx.Client) -> Any:
    """Post a query with variables; answers with the body."""

    def post(query: str, variables: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        return client.post("", json={"query": query, "variables": variables, **more}).json()

    return post


@pytest.fixture
def registry(db: None) -> list[models.ModelVersion]:
    """Eight versions of tumor, each promoted after the other."""
    versions: list[models.ModelVersion] = []
    for number in range(1, 9):
        snapshot = models.Snapshot.objects.create(
            product="tumor", number=number, rows_in=1, incomplete=0, fingerprint="", sql="", dropped_at=now()
        )  # it has no table
        build = models.Build.objects.create(
            product="tumor",
            number=number,
            status="SUCCEEDED",
            requested_by="tests",
            seed=0,
            snapshot=snapshot,
        )
        candidate = models.Candidate.objects.create(
            build=build, key="k", position=0, family="linear", hyperparameters={}
        )
        version = models.ModelVersion.objects.create(
            product="tumor", number=number, build=build, snapshot=snapshot, candidate=candidate, family="linear",
            hyperparameters={}, metric="roc_auc", score=0.9, signature={"classes": ["benign", "malignant"]},
            versions={}, artifact=b"", size=0, digest="", seal="",
        )  # fmt: skip
        for fold in range(2):
            scored = models.FoldScore.objects.create(
                candidate=candidate,
                round="contest",
                fold=fold,
                score=0.9,
                fit_seconds=0.1,
                predict_seconds=0.1,
            )
            for metric, label in (("roc_auc", ""), ("recall", "benign"), ("recall", "malignant")):
                value = number + fold / 8 if label != "benign" else None
                models.Score.objects.create(fold=scored, metric=metric, label=label, value=value)
        models.Build.objects.filter(pk=build.pk).update(model=version)
        models.Promotion.objects.record(models.ProductState.objects.lock("tumor"), version, "a test", "tests")
        versions.append(version)
    return versions


@pytest.fixture
def predictions(registry: list[models.ModelVersion]) -> list[Any]:
    """Twenty predictions of two versions, each with feedback."""
    product = catalogue.get("tumor")
    answer = ClassAnswer("benign", 0.75, (0.75, 0.25))
    rows = [ValidRequest(instance=[float(n)] * 30, reference=f"r{n}") for n in range(10)]
    stored = [
        p for v in registry[:2] for p in upsert.store(PredictionBatch(product, v, rows, [answer] * len(rows)))
    ]
    for prediction in stored:
        models.Feedback.objects.give(product, About(prediction=prediction.pk), "malignant", "tests")
    return stored


@pytest.fixture
def closed(settings, monkeypatch) -> None:
    """A server on which strangers may do nothing, without a database to say so."""
    settings.EXEMPLAR_OPEN = False
    monkeypatch.setattr("store.access.resolver.load_stranger_grants", Grants)
    monkeypatch.setattr("store.access.resolver.load_stranger_rates", lambda: ("", ""))
