"""Builds with early versions and with time limits: what serves meanwhile, and what is left after an interruption."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from rich.console import Console
from rich.progress import Progress

from learning.exceptions import TimedOut
from learning.problem import MOST_SECONDS, Classification
from learning.selection import early as early_module
from learning.selection.steps import Fitted
from store.builds.builds import Build, BuildEvent, describe_seconds
from store.builds.runner import _BuildRun, run
from store.jobs.jobs import CANCELLED, FAILED, RUNNING, SUCCEEDED, Superseded
from store.management.commands.build import PROGRESS_COLUMNS, EventBar
from store.products import catalogue
from store.products.product import DataProduct
from store.registry.product_states import ProductState
from store.registry.promotions import Promotion
from store.registry.versions import ModelVersion
from store.snapshots.snapshots import Snapshot

from ..conftest import HOUR, NOON, declared, operate

pytestmark = pytest.mark.usefixtures("tables")

PROBLEM = Classification(families=("baseline", "linear"), candidates=2, folds=3, pictures=0.0, early=True)


@pytest.fixture
def relapses(monkeypatch: pytest.MonkeyPatch) -> DataProduct:
    """A product with early versions, and 60 operations whose patients' age nearly tells the label."""
    for number in range(60):
        relapsed = number % 2 == 0
        operate(relapsed=relapsed, age=40 + number % 17 + 15 * relapsed, cost=number, at=NOON + number * HOUR)
    product = declared({"age": F("anamnesis__age") + 0, "cost": "cost"}, problem=PROBLEM)
    monkeypatch.setitem(catalogue._products, product.name, product)
    return product


@pytest.fixture
def dies(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the attempt end without a word at the first step after an early version."""
    record = _BuildRun.record

    def record_until_early(self: _BuildRun, step: Any) -> None:
        if self.early is not None:
            raise Superseded("The worker is gone.")
        record(self, step)

    monkeypatch.setattr(_BuildRun, "record", record_until_early)
    return lambda: monkeypatch.setattr(_BuildRun, "record", record)


def start(product: DataProduct) -> Build:
    build = Build.objects.claim(Build.objects.request(product, by="ann", enqueue=False)[0].pk)
    assert build is not None
    run(build)
    return Build.objects.get(pk=build.pk)


def test_an_early_version_serves_before_its_build_has_ended(relapses: DataProduct) -> None:
    build = start(relapses)
    assert build.status == SUCCEEDED, build.problem_message
    version = ModelVersion.objects.get()
    assert version.early and version == ModelVersion.objects.champion_of(relapses.name)
    promotion = Promotion.objects.get()
    assert promotion.reason.startswith("An early version, until the search has ended. Chose linear")
    kinds = [event.kind for event in BuildEvent.objects.after(build.pk)]
    assert kinds.index("ModelPromoted") < kinds.index("CandidateScored") < kinds.index("ChampionKept")
    # Nothing was better, and it has learned from all examples.
    assert (build.model, build.promoted) == (version, True)
    assert "nothing was fitted" in build.decision


def test_an_early_version_of_a_sample_is_replaced_or_defended_and_learns_from_all_rows_next_time(
    relapses: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early_module, "ROWS", 20)
    build = start(relapses)
    assert build.status == SUCCEEDED, build.problem_message
    first = ModelVersion.objects.order_by("number")[0]
    assert first.early and first.hyperparameters["rows"] == 20
    assert build.promoted and build.model == ModelVersion.objects.champion_of(relapses.name)
    attempt = _BuildRun(build, None)  # type: ignore[arg-type]
    attempt.champion = first
    assert build.snapshot
    incumbent = attempt.incumbent(build.snapshot.dataset(relapses))
    assert incumbent and "rows" not in incumbent.hyperparameters and incumbent.fingerprint == ""


def test_an_early_version_outlives_a_crash_and_a_cancellation(
    relapses: DataProduct, dies: Callable[[], None]
) -> None:
    build = start(relapses)
    assert build.status == RUNNING
    version = ModelVersion.objects.champion_of(relapses.name)
    assert version and version.early and version.load(relapses)
    dies()
    Build.objects.abandon(build.pk, 1)
    again = Build.objects.claim(build.pk)
    assert again
    run(again)
    again.refresh_from_db()
    assert again.status == SUCCEEDED, again.problem_message
    assert (again.model, again.promoted) == (version, True)
    assert Promotion.objects.count() == 1 and ModelVersion.objects.champion_of(relapses.name) == version


def test_a_build_whose_settings_changed_after_its_early_version_asks_for_a_new_one(
    relapses: DataProduct, dies: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    build = start(relapses)
    version = ModelVersion.objects.get()
    scores = version.candidate.folds.count()
    dies()
    Build.objects.abandon(build.pk, 1)
    other = replace(relapses, problem=replace(PROBLEM, folds=4))
    monkeypatch.setitem(catalogue._products, relapses.name, other)
    again = Build.objects.claim(build.pk)
    assert again
    run(again)
    again.refresh_from_db()
    assert again.status == FAILED and again.problem_message.startswith("Version 1 was scored on other folds")
    assert ModelVersion.objects.champion_of(relapses.name) == version
    assert version.candidate.folds.count() == scores
    assert start(other).status == SUCCEEDED


def test_a_build_that_has_decided_ends_with_its_version_although_the_settings_changed(
    relapses: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_worker(self: _BuildRun, step: Fitted) -> None:
        raise Superseded("The worker is gone.")

    product = replace(relapses, problem=replace(PROBLEM, early=False))
    monkeypatch.setitem(catalogue._products, relapses.name, product)
    with monkeypatch.context() as patch:
        patch.setattr(_BuildRun, "record_reference", lose_worker)
        build = start(product)
    assert build.status == RUNNING and build.promoted
    Build.objects.abandon(build.pk, 1)
    other = replace(product, problem=replace(product.problem, folds=4))
    monkeypatch.setitem(catalogue._products, relapses.name, other)
    again = Build.objects.claim(build.pk)
    assert again
    run(again)
    again.refresh_from_db()
    assert (again.status, again.model, again.promoted) == (SUCCEEDED, build.model, True)


def test_a_cancelled_build_leaves_its_early_version(relapses: DataProduct, dies: Callable[[], None]) -> None:
    build = start(relapses)
    assert Build.objects.cancel(build.pk, by="bob").status == CANCELLED
    version = ModelVersion.objects.champion_of(relapses.name)
    assert version and version.early


def test_a_hold_keeps_an_early_version_from_serving(
    relapses: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    register = _BuildRun.register

    def register_and_look(self: _BuildRun, step: Fitted) -> None:
        register(self, step)
        state = ProductState.objects.get(product=relapses.name)
        seen.append(f"{bool(step.early)} {state.champion}")

    monkeypatch.setattr(_BuildRun, "register", register_and_look)
    ProductState.objects.create(product=relapses.name, hold="Rolled back by ann: wrong.")
    build = start(relapses)
    assert seen[0] == "True None"
    messages = [event.message for event in BuildEvent.objects.after(build.pk)]
    assert any("does not serve. Rolled back by ann: wrong." in message for message in messages)
    # Nothing was better, and nothing else can serve.
    version = ModelVersion.objects.champion_of(relapses.name)
    assert version and (build.model, build.promoted) == (version, True)
    assert "It serves although it would be held, as nothing else can: Rolled back by ann" in build.decision


def test_a_build_with_a_limit_says_when_it_ends_and_keeps_to_it(
    relapses: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = replace(relapses, problem=replace(PROBLEM, early=False, seconds=600))
    monkeypatch.setitem(catalogue._products, relapses.name, limited)
    build = start(limited)
    first = BuildEvent.objects.after(build.pk)[0]
    assert build.started_at and build.ends_by and build.ended_at
    assert timedelta(seconds=590) < build.ends_by - build.started_at < timedelta(seconds=610)
    assert build.ended_at < build.ends_by
    assert first.kind == "BuildStarted" and f"{build.ends_by:%H:%M:%S} UTC" in first.message


def test_tables_may_be_joined_for_longer_than_a_statement_may_take(relapses: DataProduct) -> None:
    assert Snapshot.objects.take(relapses, MOST_SECONDS).rows == 60


def test_tables_that_cannot_be_joined_in_time_are_an_error(relapses: DataProduct) -> None:
    slow = declared(
        {"age": F("anamnesis__age") + 0}, rows=relapses.join.queryset.extra(where=["pg_sleep(1) IS NOT NULL"])
    )
    with pytest.raises(TimedOut, match=r"could not be joined within 0\.05 s: allow more"):
        Snapshot.objects.take(slow, 0.05)
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(90, "90 s"), (400, "400 s"), (0.5, "0.5 s"), (1800, "30 min"), (9000, "2 h 30 min"), (7200, "2 h")],
)
def test_times_are_described_in_round_units(seconds: float, text: str) -> None:
    assert describe_seconds(seconds) == text


def test_the_progress_bar_shows_when_the_build_ends() -> None:
    build = Build(ends_by=datetime(2024, 5, 17, 12, 30, tzinfo=UTC))
    event = BuildEvent(build=build, message="Joined.", percent=1.0)
    with Progress(*PROGRESS_COLUMNS, console=Console(file=StringIO())) as progress:
        EventBar(progress).show(event)
        assert progress.tasks[0].fields["ends_by"] == "ends by 12:30:00 UTC  "
        assert "ends by 12:30:00 UTC" in PROGRESS_COLUMNS[-1].render(progress.tasks[0]).plain
