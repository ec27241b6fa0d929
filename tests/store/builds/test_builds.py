"""Builds: one at a time, run by one attempt after another, ended exactly once."""

import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from learning.estimators.families import Candidate as Recipe
from learning.fits.running import FitStage, RunningFits
from learning.problem import Clustering, Regression
from project.processes import members
from store.builds import retention
from store.builds.builds import Build, BuildEvent
from store.builds.candidates import Candidate, FoldScore, Score
from store.builds.runner import run, run_job
from store.db.pagination import PageRequest
from store.exceptions import BadInput, JobEnded, NoChampion, UnknownId
from store.jobs import jobs, leases, queue
from store.jobs.jobs import CANCELLED, FAILED, READY, RUNNING, SUCCEEDED, Superseded
from store.notices.deliveries import Delivery
from store.notices.kinds import EventKind
from store.notices.receivers import Receiver
from store.products import catalogue
from store.products.product import DataProduct
from store.registry.product_states import ProductState
from store.registry.promotions import Promotion
from store.registry.versions import ModelVersion
from store.serving import champions
from store.snapshots.snapshots import Snapshot
from tests.clinic.models import Anamnesis, Lab
from tests.waiting import PATIENCE, eventually

from ..conftest import HOUR, NOON, at_once, declared, examples, operate, wait_for_locks

pytestmark = pytest.mark.usefixtures("tables")


def request(product: DataProduct, **options: Any) -> Build:
    return Build.objects.request(product, by="ann", options=options, enqueue=False)[0]


def claimed(product: DataProduct) -> Build:
    build = Build.objects.claim(request(product).pk)
    assert build is not None
    return build


def built(product: DataProduct, **options: Any) -> Build:
    """The product's next build, run here to its end."""
    build = Build.objects.claim(request(product, **options).pk)
    assert build is not None
    run(build)
    return Build.objects.get(pk=build.pk)


def test_fits_that_run_are_noted_with_the_lease(stay: DataProduct) -> None:
    build = claimed(stay)
    recipe, ahead = Recipe("linear", {"C": 1.0}), Recipe("forest", {})
    Candidate.objects.draw(build, (recipe,))
    build.in_progress = RunningFits()
    futures = [Future[None]() for _ in range(3)]
    for future, candidate in zip(futures, (recipe, ahead, ahead), strict=True):
        build.in_progress.add(future, candidate, FitStage.SEARCH, 1)
    for future in futures[:2]:
        future.set_running_or_notify_cancel()
    assert build.renew()
    row = Build.objects.get(pk=build.pk)
    [first, second] = Candidate.objects.running_of([row])[build.pk]
    assert first.candidate == build.candidates.get() and first.candidate.seconds is None
    assert (first.family, first.stage, first.fold) == ("linear", FitStage.SEARCH, 1)
    assert (second.family, second.candidate) == ("forest", None)
    futures[0].set_result(None)
    assert build.renew()
    row.refresh_from_db()
    assert [fit.family for fit in Candidate.objects.running_of([row])[build.pk]] == ["forest"]
    Build.objects.cancel(build.pk, by="ann")
    row.refresh_from_db()
    assert not Candidate.objects.running_of([row]), "nothing runs of a build that has ended"
    assert not build.renew()


COMMAND = """
import json, sys
from django.conf import settings
settings.DATABASES["default"].update(json.loads(sys.argv[1]))
settings.REDIS_URL = sys.argv[2]
settings.EXEMPLAR_CPUS = 2
import django
django.setup()
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv[2:])
"""


def command(*arguments: str) -> "subprocess.Popen[str]":
    """A command of manage.py on the tests' rows, in a session of its own."""
    database = {name: connection.settings_dict[name] for name in ("HOST", "PORT", "USER", "PASSWORD", "NAME")}
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, json.dumps(database), settings.REDIS_URL, *arguments],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kinds(build: Build) -> list[str]:
    return [event.kind for event in BuildEvent.objects.after(build.pk)]


def finals(build: Build) -> list[str]:
    return [event.kind for event in BuildEvent.objects.after(build.pk) if event.final]


def snapshots() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'snapshots'")
        return {name for (name,) in cursor.fetchall()}


def test_a_product_has_one_unfinished_build(stay: DataProduct, relapse: DataProduct) -> None:
    first, started = Build.objects.request(stay, by="ann", enqueue=False)
    again, started_again = Build.objects.request(stay, by="bob", enqueue=False)
    assert (started, started_again, first) == (True, False, again)
    assert again.requested_by == "ann"
    assert request(relapse) != first
    Build.objects.claim(first.pk)
    assert request(stay) == first


def test_concurrent_requests_start_one_build(stay: DataProduct) -> None:
    ask = lambda: Build.objects.request(stay, by="ann", enqueue=False)  # noqa: E731
    for _ in range(3):
        answers = at_once(*[ask] * 4)
        assert sorted(started for _, started in answers) == [False, False, False, True]
        assert len({build.pk for build, _ in answers}) == 1
        Build.objects.cancel(answers[0][0].pk, "ann")
    assert list(Build.objects.order_by("pk").values_list("number", flat=True)) == [1, 2, 3]


def test_the_database_forbids_a_second_unfinished_build(stay: DataProduct) -> None:
    request(stay)
    with pytest.raises(IntegrityError, match="one_unfinished_build_per_product"):
        Build.objects.create(product="stay", number=2, requested_by="ann", seed=0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"candidates": 0}, "candidates=0"),
        ({"seconds": 0.0}, "leaves no time to learn"),
        ({"seed": -1}, "is not between"),
        ({"families": ["magic"]}, "No family for a classification is called 'magic'"),
        ({"families": []}, "leaves nothing to choose from"),
    ],
)
def test_options_that_cannot_be_learned_with_are_refused(
    stay: DataProduct, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence) as refused:
        request(stay, **options)
    assert refused.value.argument[0] == "options"
    assert not Build.objects.exists()


def test_options_override_the_declaration(stay: DataProduct) -> None:
    build = request(stay, seed=7, candidates=None, auto_promote=False)
    assert (build.seed, build.problem().seed, build.problem().candidates) == (7, 7, 2)
    assert not build.problem().auto_promote


def test_a_request_queues_a_job_once_it_is_committed(stay: DataProduct) -> None:
    with transaction.atomic():
        build, _ = Build.objects.request(stay, by="ann")
        assert build.pk not in (queue.find_queued("build") or ())
    assert build.pk in (queue.find_queued("build") or ())


def test_one_of_many_claims_a_build(stay: DataProduct) -> None:
    build = request(stay)
    claims = at_once(*[lambda: Build.objects.claim(build.pk)] * 4)
    [winner] = [claim for claim in claims if claim]
    assert (winner.status, winner.attempt) == (RUNNING, 1)
    assert winner.lease and winner.started_at


def test_a_ready_build_is_cancelled(stay: DataProduct) -> None:
    build = request(stay)
    cancelled = Build.objects.cancel(build.pk, "bob")
    assert (cancelled.status, finals(build)) == (CANCELLED, ["BuildCancelled"])
    assert BuildEvent.objects.get(final=True).by == "bob"
    assert Build.objects.claim(build.pk) is None
    assert request(stay) != build


def test_a_running_build_that_is_cancelled_writes_nothing_any_more(stay: DataProduct) -> None:
    build = claimed(stay)
    Build.objects.cancel(build.pk, "bob")
    assert not build.renew()
    with pytest.raises(Superseded), transaction.atomic():
        build.hold()
    assert finals(build) == ["BuildCancelled"]


def test_an_ended_job_cannot_be_cancelled(stay: DataProduct) -> None:
    build = request(stay)
    Build.objects.cancel(build.pk, "bob")
    with pytest.raises(JobEnded, match="Build 1 of stay has already ended as CANCELLED"):
        Build.objects.cancel(build.pk, "bob")
    with pytest.raises(UnknownId):
        Build.objects.cancel(0, "bob")
    assert finals(build) == ["BuildCancelled"]


def test_a_build_is_cancelled_once_by_two_at_once(stay: DataProduct) -> None:
    build = claimed(stay)

    def cancel() -> bool:
        try:
            return bool(Build.objects.cancel(build.pk, "bob"))
        except JobEnded:
            return False

    assert sorted(at_once(cancel, cancel, cancel)) == [False, False, True]
    assert finals(build) == ["BuildCancelled"]


def test_the_database_forbids_a_second_end(stay: DataProduct) -> None:
    build = claimed(stay)
    Build.objects.cancel(build.pk, "bob")
    with pytest.raises(IntegrityError, match="one_final_event_per_build"), transaction.atomic():
        build.end(SUCCEEDED, "BuildSucceeded", "Twice.")


def test_an_abandoned_build_is_started_again_as_a_new_attempt(stay: DataProduct) -> None:
    first = claimed(stay)
    Build.objects.abandon(first.pk, first.attempt)
    first.refresh_from_db()
    assert (first.status, first.job) == (READY, "")
    second = Build.objects.claim(first.pk, "job 2")
    assert second and (second.attempt, second.job) == (2, "job 2")
    Build.objects.abandon(first.pk, 1)  # news of the first attempt's death may come late
    assert second.renew()
    assert not first.renew()


def test_an_attempt_that_holds_its_row_for_longer_than_a_lease_runs_on(stay: DataProduct) -> None:
    build = claimed(stay)
    Build.objects.filter(pk=build.pk).update(lease=Now() - timedelta(seconds=jobs.LEASE_SECONDS + 1))
    is_held = threading.Event()

    def record_step() -> None:
        with transaction.atomic():
            build.hold()
            is_held.set()
            wait_for_locks(2)

    def renew() -> None:
        assert is_held.wait(PATIENCE) and Build.objects.get(pk=build.pk).renew()

    def reconcile() -> None:
        assert is_held.wait(PATIENCE)
        wait_for_locks(1)
        Build.objects.reconcile()

    at_once(record_step, renew, reconcile)
    build.refresh_from_db()
    assert (build.status, build.attempt) == (RUNNING, 1)


def test_an_attempt_that_was_slow_and_not_dead_does_no_harm(stay: DataProduct) -> None:
    slow = claimed(stay)
    Build.objects.abandon(slow.pk, slow.attempt)
    assert Build.objects.claim(slow.pk)
    with pytest.raises(Superseded), transaction.atomic():
        slow.hold()
    run(slow)  # it notices at its first write
    slow.refresh_from_db()
    assert (slow.status, slow.attempt, kinds(slow)) == (RUNNING, 2, [])


def test_an_unused_snapshot_is_deleted_once_no_build_runs(stay: DataProduct) -> None:
    examples(6)
    unused = f"stay_{Snapshot.objects.take(stay).number}"
    build = claimed(stay)
    retention.delete_old_builds("stay")
    assert unused in snapshots()
    Build.objects.cancel(build.pk, "ann")
    run(build)  # which has ended
    assert unused not in snapshots()


def test_the_last_attempt_that_is_lost_fails_the_build(stay: DataProduct) -> None:
    build = request(stay)
    for _ in range(jobs.MAX_ATTEMPTS):
        attempt = Build.objects.claim(build.pk)
        assert attempt
        Build.objects.abandon(attempt.pk, attempt.attempt)
    build.refresh_from_db()
    assert (build.status, build.problem_code, finals(build)) == (FAILED, "WORKER_LOST", ["BuildFailed"])
    assert "lost 3 times" in build.problem_message


def test_a_lease_in_the_future_does_not_keep_a_dead_build_running(stay: DataProduct) -> None:
    """The database's clock was set back by an hour."""
    claimed(stay)
    Build.objects.update(lease=Now() + timedelta(hours=1))
    Build.objects.reconcile()
    assert Build.objects.filter(status=RUNNING, lease__lte=Now()).exists()  # had it lived, it would renew it
    Build.objects.update(lease=F("lease") - timedelta(seconds=jobs.LEASE_SECONDS + 1))
    Build.objects.reconcile()
    assert Build.objects.get().status == READY


def test_a_build_with_an_expired_lease_is_started_again(stay: DataProduct) -> None:
    build = claimed(stay)
    Build.objects.reconcile()
    assert Build.objects.get().status == RUNNING
    Build.objects.update(lease=Now() - timedelta(seconds=jobs.LEASE_SECONDS + 1))
    at_once(*[Build.objects.reconcile] * 3)
    build.refresh_from_db()
    assert (build.status, build.attempt) == (READY, 1)
    assert build.pk in (queue.find_queued("build") or ())


@pytest.mark.parametrize("seconds", [-jobs.MAINTENANCE_INTERVAL - 1, 3_600])
def test_a_ready_build_without_a_job_is_queued(stay: DataProduct, seconds: float) -> None:
    """A request in the future is from before the database's clock was set back."""
    build = request(stay)
    Build.objects.reconcile()
    assert build.pk not in (queue.find_queued("build") or ())  # it may have come this moment
    Build.objects.update(requested_at=Now() + timedelta(seconds=seconds))
    Build.objects.reconcile()
    Build.objects.reconcile()
    waiting = [job for job in queue.get_queue().get_job_ids() if job.startswith(f"build-{build.pk}-")]
    assert len(waiting) == 1


def test_events_come_in_pages_without_loss(stay: DataProduct) -> None:
    build = claimed(stay)
    for number in range(7):
        build.add_event("CandidateScored", f"{number}", percent=float(10 * number))
    seen, cursor, more = [], None, True
    while more:
        page = BuildEvent.objects.page(build, PageRequest(first=3, after=cursor))
        seen += [event.message for event in page.nodes]
        cursor, more = page.cursor(page.nodes[-1]), page.has_next
    assert seen == [str(number) for number in range(7)]
    assert page.total() == 7
    assert [event.message for event in BuildEvent.objects.after(build.pk, f"{build.pk}.5")] == ["5", "6"]


@pytest.mark.parametrize(
    "cursor", ["x", "-1", "5", ".", "1.", "{}.", "{}.-1", "{}.1.5", "{}.٣", "{}." + "9" * 10, "\0"]
)
def test_an_invalid_cursor_of_events_is_refused(stay: DataProduct, cursor: str) -> None:
    with pytest.raises(BadInput, match="no cursor of this build's events"):
        build = request(stay)
        BuildEvent.objects.page(build, PageRequest(after=cursor.format(build.pk)))


def test_progress_never_goes_back(stay: DataProduct) -> None:
    build = claimed(stay)
    told = [build.add_event("CandidateScored", "", percent).percent for percent in (10.0, 5.0, None, 20.0)]
    assert told == [10.0, 10.0, 10.0, 20.0]


def test_an_event_is_the_same_after_its_ride_through_redis(stay: DataProduct) -> None:
    event = claimed(stay).add_event("CandidateScored", "…", 12.5, best=0.5, findings=["odd"])
    ridden = BuildEvent.from_json(orjson.loads(orjson.dumps(event.to_json())))
    stored = BuildEvent.objects.get()
    for name in (
        "pk",
        "build_id",
        "sequence",
        "kind",
        "at",
        "percent",
        "message",
        "final",
        "best",
        "findings",
    ):
        assert getattr(ridden, name) == getattr(stored, name)


def test_a_product_is_built_and_built_again(stay: DataProduct) -> None:
    examples(30)
    first = built(stay)
    assert (first.status, first.promoted, first.percent) == (SUCCEEDED, True, 100.0), first.problem_message
    assert first.snapshot and first.snapshot.rows == 30
    model = ModelVersion.objects.champion_of("stay")
    assert model == first.model and model and model.load(stay)
    assert kinds(first)[0] == "SnapshotTaken"
    assert kinds(first)[-1] == "BuildSucceeded" and finals(first) == ["BuildSucceeded"]
    assert kinds(first).count("ModelRegistered") == ModelVersion.objects.count()
    assert kinds(first).count("ModelPromoted") == 1
    sequences = [event.sequence for event in BuildEvent.objects.after(first.pk)]
    assert sequences == list(range(1, len(sequences) + 1))
    scored = Candidate.objects.filter(build=first, score__isnull=False)
    assert {c.folds.filter(round="search").count() for c in scored} == {3}
    assert Score.objects.of_candidate(model.candidate_id, "contest", metric="roc_auc")

    same = built(stay)
    assert (same.status, same.model, same.promoted) == (SUCCEEDED, None, False)
    assert "nothing was fitted" in same.decision
    assert "ChampionKept" in kinds(same)

    operate(relapsed=True, age=70)
    more = built(stay)
    assert more.model and more.model.number > model.number
    assert Candidate.objects.filter(build=more, incumbent=True).count() == 1


def test_a_model_that_serves_in_spite_of_an_objection_says_so(stay: DataProduct, monkeypatch: Any) -> None:
    careful = replace(stay, problem=replace(stay.problem, auto_promote=False))
    monkeypatch.setitem(catalogue._products, stay.name, careful)
    examples(30)
    first = built(careful)
    assert first.promoted
    assert first.decision.endswith(
        "It serves although it would be held, as nothing else can: Automatic promotion is switched off."
    )


def test_a_build_after_a_rollback_is_held_until_a_person_promotes(stay: DataProduct, settings: Any) -> None:
    settings.EXEMPLAR_WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    Receiver.objects.create_webhook("stay", "http://127.0.0.1/", [EventKind.MODEL_HELD], "ann")
    examples(30)
    first = built(stay).model
    operate(relapsed=True, age=70)
    second = built(stay).model
    assert first and second and ModelVersion.objects.champion_of("stay") == second
    Promotion.objects.rollback("stay", second, "It was worse.", "ann")

    operate(relapsed=False, age=20)
    held = built(stay)
    assert (held.status, held.promoted) == (SUCCEEDED, False)
    assert "waits for a person" in held.decision and "Rolled back by ann: It was worse." in held.decision
    assert " on rows held out of " in held.decision and "is of other rows" in held.decision
    assert held.model and ModelVersion.objects.champion_of("stay") == first
    event = Delivery.objects.get().data
    assert (event["build"], event["version"]) == (held.number, held.model.number)
    assert "waits for a person" in event["message"]

    Promotion.objects.promote(held.model, "Looked at it.", "ann")
    assert ProductState.objects.get(product="stay").hold == ""
    operate(relapsed=False, age=21)
    assert built(stay).promoted


def test_a_first_model_that_is_too_good_to_be_true_waits_and_is_not_built_again_at_start(
    stay: DataProduct,
) -> None:
    for number in range(200):
        relapsed = number % 2 == 0
        operate(age=20 + number // 2 % 5 + 60 * relapsed, relapsed=relapsed, at=NOON + number * HOUR)
    first = built(stay)
    assert (first.status, first.promoted) == (SUCCEEDED, False), first.decision
    assert "is too good to be true: age nearly decides the label all by itself" in first.decision
    assert ModelVersion.objects.champion_of("stay") is None
    champions.load()
    assert not Build.objects.filter(product="stay").exclude(pk=first.pk).exists()

    assert first.model is not None
    Promotion.objects.promote(first.model, "The age is known.", "ann")
    operate(relapsed=True, age=95)
    assert built(stay).promoted


def test_a_first_model_that_learned_nothing_waits_and_may_be_promoted(stay: DataProduct) -> None:
    for number in range(40):
        operate(age=40 + number * 7 % 11, relapsed=number % 4 < 2, at=NOON + number * HOUR)
    first = built(stay)
    assert (first.status, first.promoted) == (SUCCEEDED, False), first.decision
    assert "is no better than chance, as far as 40 rows can tell" in first.decision
    with pytest.raises(NoChampion, match="waits for a person to promote it"):
        champions.get_champion(stay)
    assert first.model is not None
    Promotion.objects.promote(first.model, "To try it.", "ann")
    operate(relapsed=True, age=45)
    assert built(stay).promoted  # the champion is no better


def test_nothing_is_held_while_no_champion_can_be_loaded(stay: DataProduct) -> None:
    examples(30)
    first = built(stay, auto_promote=False)
    assert first.promoted  # there was none at all
    ModelVersion.objects.filter(product="stay").update(seal="0" * 64)
    second = built(stay, auto_promote=False)
    assert second.promoted and second.model != first.model
    operate(relapsed=False, age=21)
    assert not built(stay, auto_promote=False).promoted


def test_an_interrupted_build_continues_where_it_stopped(stay: DataProduct) -> None:
    examples(30)
    build = claimed(stay)
    run(build)
    first = Build.objects.get(pk=build.pk)
    folds = dict(FoldScore.objects.values_list("pk", "fit_seconds"))
    # As if the worker had died after the last fold: what it wrote is there, and it has not ended.
    BuildEvent.objects.filter(final=True).delete()
    Build.objects.filter(pk=build.pk).update(status=RUNNING)
    Build.objects.abandon(build.pk, 1)
    again = Build.objects.claim(build.pk)
    assert again
    run(again)
    again.refresh_from_db()
    assert (again.status, again.model, again.snapshot) == (SUCCEEDED, first.model, first.snapshot)
    assert dict(FoldScore.objects.values_list("pk", "fit_seconds")) == folds
    assert finals(again) == ["BuildSucceeded"]
    assert Promotion.objects.count() == 1


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], "NO_ROWS"),
        ([None] * 9, "NO_ROWS"),
        ([True] * 9, "ONE_CLASS"),
        ([True] * 9 + [False], "TOO_FEW_INSTANCES"),
    ],
)
def test_a_build_that_cannot_learn_fails_with_the_reason(
    stay: DataProduct, rows: list[bool | None], code: str
) -> None:
    for relapsed in rows:
        operate(relapsed=relapsed)
    build = built(stay)
    assert (build.status, build.problem_code, finals(build)) == (FAILED, code, ["BuildFailed"])
    assert build.problem_message in BuildEvent.objects.get(final=True).message
    assert not build.traceback
    assert request(stay) != build


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Callable[..., DataProduct]:
    """Declare a product over the markers of the laboratory."""

    def declare(**options: Any) -> DataProduct:
        problem = Regression(folds=3, candidates=1, families=("baseline", "linear"), pictures=0.0)
        features = {"cost": "operation__cost", "age": F("operation__anamnesis__age") + 0}
        options = {"rows": Lab.objects.all(), "label": "marker", "problem": problem} | options
        product = declared(features, **options)
        monkeypatch.setitem(catalogue._products, product.name, product)
        return product

    return declare


def mark(markers: list[float]) -> None:
    """Store one laboratory value for each of as many operations of patients with other ages."""
    for number, marker in enumerate(markers):
        operate(age=20 + number, labs=[(HOUR, marker)])


@pytest.mark.parametrize(
    ("markers", "code"),
    [([5.0] * 20, "ONE_CLASS"), ([math.nan] * 20, "NO_ROWS"), ([5.0, 6.0, 7.0], "TOO_FEW_INSTANCES")],
)
def test_a_build_that_cannot_learn_a_number_fails_with_the_reason(
    declare: Callable[..., DataProduct], markers: list[float], code: str
) -> None:
    mark(markers)
    build = built(declare())
    assert (build.status, build.problem_code, finals(build)) == (FAILED, code, ["BuildFailed"])
    assert len(build.problem_message) > 10 and not build.traceback


def test_a_build_that_cannot_cluster_fails_with_the_reason(declare: Callable[..., DataProduct]) -> None:
    mark([5.0, 6.0, 7.0])
    build = built(declare(label=None, problem=Clustering(candidates=1, families=("kmeans",), pictures=0.0)))
    assert (build.status, build.problem_code) == (FAILED, "TOO_FEW_INSTANCES")
    assert len(build.problem_message) > 10 and not build.traceback


def test_a_huge_label_and_a_constant_column_do_not_stop_a_build(declare: Callable[..., DataProduct]) -> None:
    mark([1e308, *(100.0 + 2 * number for number in range(60))])
    build = built(declare())
    assert build.status == SUCCEEDED, build.problem_message


def test_a_row_that_postgresql_cannot_compute_fails_the_build_with_a_sentence(relapse: DataProduct) -> None:
    examples(6)
    Anamnesis.objects.filter(age=55).update(age=0)  # cost / age
    build = built(relapse)
    assert (build.status, build.problem_code, finals(build)) == (FAILED, "BAD_INPUT", ["BuildFailed"])
    assert "cost_per_year" in build.problem_message and "NullIf" in build.problem_message
    assert not build.traceback


def test_something_unexpected_fails_the_build_and_is_raised(
    stay: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples(6)
    monkeypatch.setattr("store.builds.runner.learning.build", lambda *_, **__: 1 / 0)
    build = claimed(stay)
    with pytest.raises(ZeroDivisionError):
        run(build)
    build.refresh_from_db()
    assert (build.status, build.problem_code, finals(build)) == (FAILED, "INTERNAL", ["BuildFailed"])
    assert "division by zero" in build.traceback


def test_constant_and_empty_columns_are_learned_without(relapse: DataProduct) -> None:
    examples(24)  # no ward, no visit, no laboratory; one urgency, one cost
    build = built(relapse)
    assert build.status == SUCCEEDED, build.problem_message
    model = ModelVersion.objects.champion_of("relapse")
    assert model and model.load(relapse).predict(
        [
            relapse.clean(
                {
                    "age": 50,
                    "urgency": "1st",
                    "cost_per_year": 2,
                    "visits": 3,
                    "labs": 1,
                    "beds": 7,
                    "minutes": 1.0,
                }
            )
        ]
    )


def test_a_cancelled_build_ends_at_once_with_its_fits(stay: DataProduct) -> None:
    examples(30)
    build = request(stay, candidates=2_000)  # more than it would come to in a minute
    child = command("build", "stay")
    assert eventually(lambda: FoldScore.objects.exists() or child.poll() is not None)
    Build.objects.cancel(build.pk, "bob")
    assert leases.RENEWAL_SECONDS <= 1  # then it is noticed
    said = child.communicate(timeout=PATIENCE)[0]
    assert "Build 1 of stay ended as CANCELLED" in said and child.returncode == 1
    assert list(members(child.pid)) == []
    assert finals(build) == ["BuildCancelled"]


def test_a_job_that_is_queued_twice_runs_once(stay: DataProduct) -> None:
    build = request(stay)
    run_job(build.pk)
    run_job(build.pk)
    assert finals(build) == ["BuildFailed"]
    assert Build.objects.get().attempt == 1


@pytest.fixture
def runs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the build command run builds in this process.

    In processes of its own the tests of a cancelled build, of a new product and of the administration run it.
    """
    monkeypatch.setattr("store.management.commands.build._run_if_ready", lambda build, _: run_job(build.pk))


@pytest.mark.usefixtures("runs_here")
def test_the_build_command_builds_here_and_prints_progress(
    stay: DataProduct, capsys: pytest.CaptureFixture[str]
) -> None:
    examples(30)
    call_command("build", "stay", "--candidates", "2", "--families", "baseline", "linear")
    lines = capsys.readouterr().out
    assert "30 rows joined from 30." in lines
    assert "100 %" in lines
    assert Build.objects.get().status == SUCCEEDED


@pytest.mark.usefixtures("runs_here")
def test_the_command_fails_where_the_build_does(stay: DataProduct) -> None:
    with pytest.raises(
        CommandError, match=r"Build 1 of stay ended as FAILED\. There is nothing to learn from\."
    ):
        call_command("build", "stay")


@pytest.mark.parametrize("arguments", [["unheard_of"], ["stay", "--candidates", "0"]])
def test_the_build_command_refuses_invalid_requests(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=r"No product is called|candidates=0"):
        call_command("build", *arguments)
    assert not Build.objects.exists()
