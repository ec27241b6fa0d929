"""Rows of the clinic, versions that can serve, and threads that meet."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any, TypeVar

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from pytest_django import DjangoDbBlocker
from sklearn.dummy import DummyClassifier, DummyRegressor

from learning.estimators.families import Candidate as Recipe
from learning.model import Model
from learning.problem import Classification
from learning.selection.steps import Fitted
from store.builds.builds import Build
from store.builds.candidates import Candidate
from store.products import catalogue
from store.products.features import Join
from store.products.product import DataProduct
from store.registry.versions import ModelVersion
from store.snapshots.snapshots import Snapshot
from tests.clinic.models import Anamnesis, Lab, Operation, Visit
from tests.waiting import PATIENCE, eventually

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
T = TypeVar("T")


@pytest.fixture
def tables(transactional_db: None) -> Iterator[None]:
    """Rows that are really committed; the snapshots' tables, which Django does not know, are dropped afterwards."""
    drop_snapshots()
    yield
    drop_snapshots()


@pytest.fixture(scope="module")
def module_tables(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Rows that a fixture of the module commits once, such as those of a build, which takes seconds.

    The module's tests take `db`, and no other rows: what one of them writes is rolled back.
    """
    with django_db_blocker.unblock():
        drop_snapshots()
        yield
        call_command("flush", verbosity=0, interactive=False)
        drop_snapshots()


def drop_snapshots() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA snapshots CASCADE; CREATE SCHEMA snapshots")


@pytest.fixture
def stay() -> DataProduct:
    return catalogue.get("stay")


@pytest.fixture
def relapse() -> DataProduct:
    return catalogue.get("relapse")


@pytest.fixture
def diabetes() -> DataProduct:
    return catalogue.get("diabetes")


def declared(
    features: dict[str, Any],
    rows: Any = None,
    label: str | None = "relapsed",
    at: str | None = None,
    group: str | None = None,
    **more: Any,
) -> DataProduct:
    """A product over the clinic's operations that no app declares."""
    join = Join(
        Operation.objects.all() if rows is None else rows, features=features, label=label, at=at, group=group
    )
    return DataProduct(**{"name": "declared", "problem": Classification(folds=3), **more}, join=join)


def operate(
    *,
    at: datetime = NOON,
    age: int | None = 50,
    relapsed: bool | None = None,
    visits: Sequence[tuple[timedelta, float]] = (),
    labs: Sequence[tuple[timedelta, float]] = (),
    pk: int | None = None,
    **columns: Any,
) -> Operation:
    """An operation with its anamnesis (unless `age` is None); visits and labs are (time from the event, value)."""
    known = {"urgency": "planned", "cost": 100} | {
        k: columns.pop(k) for k in ("urgency", "cost", "ward") if k in columns
    }
    operation = Operation.objects.create(pk=pk, done_at=at, relapsed=relapsed, **known)
    if age is not None:
        Anamnesis.objects.create(operation=operation, age=age, **columns)
    Visit.objects.bulk_create(
        Visit(operation=operation, on=at + when, minutes=value) for when, value in visits
    )
    Lab.objects.bulk_create(
        Lab(operation=operation, taken_at=at + when, marker=value) for when, value in labs
    )
    return operation


def examples(n: int) -> None:
    """`n` operations, every other one relapsed, and nearly all old people but hardly any young one."""
    for number in range(n):
        relapsed = number % 2 == 0
        operate(age=40 + number % 16 + 15 * relapsed, relapsed=relapsed, at=NOON + number * HOUR)


#: Features of `stay` that are right.
STAY = {"age": 61, "smokes": None, "born": None, "note": "", "urgency": "planned", "cost": 10}


@transaction.atomic
def version(product: DataProduct, estimator: Any = None, **changes: Any) -> ModelVersion:
    """A registered version of this estimator, by default of one that says the same of everything."""
    regression = product.task == "REGRESSION"
    dummy = DummyRegressor() if regression else DummyClassifier(strategy="prior")
    if estimator is None:
        estimator = dummy.fit([[0.0]] * 4, [1.5] * 4 if regression else [0, 1, 1, 1])
    model = Model(signature=product.signature, family="baseline", hyperparameters={}, estimator=estimator)
    build, _ = Build.objects.request(product, by="a test", enqueue=False)
    build.snapshot = snapshot_row(product)
    build.save()
    recipe = Recipe("baseline", {})
    Candidate.objects.draw(build, (recipe,))
    step = Fitted(percent=99.0, candidate=recipe, model=model, metric=product.metric, score=0.5, winner=True)
    registered = ModelVersion.objects.register(build, step)
    Build.objects.filter(pk=build.pk).update(status="SUCCEEDED", model=registered)
    ModelVersion.objects.filter(pk=registered.pk).update(**changes)
    return ModelVersion.objects.get(pk=registered.pk)


def snapshot_row(product: DataProduct) -> Snapshot:
    number = Snapshot.objects.filter(product=product.name).count() + 1
    return Snapshot.objects.create(
        product=product.name, number=number, rows_in=0, incomplete=0, fingerprint=f"{number}", sql=""
    )


def at_once(*functions: Callable[[], Any]) -> list[Any]:
    """What the functions return, called at the same moment, each on a thread with a connection of its own."""
    ready = Barrier(len(functions))

    def call(function: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            ready.wait(PATIENCE)
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result(PATIENCE) for future in [pool.submit(call, function) for function in functions]]


def wait_for_locks(waiting: int) -> None:
    """Wait until so many transactions of this database wait for a lock."""
    statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    def count() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(statement)
            return int(cursor.fetchone()[0])

    assert eventually(lambda: count() >= waiting)


async def with_rows(function: Callable[..., T], *arguments: Any) -> T:
    """Return what a function that uses rows returns, called on a thread with a connection of its own."""

    def call() -> T:
        try:
            return function(*arguments)
        finally:
            connection.close()

    return await asyncio.to_thread(call)
