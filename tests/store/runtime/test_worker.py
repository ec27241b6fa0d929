"""The worker as RQ runs it: a process that takes jobs from the queue and forks for each."""

import json
import os
import subprocess
import sys
import threading
from signal import SIGKILL
from unittest import mock

import pytest
import redis
from django.conf import settings
from django.db import OperationalError, connection
from django.db.models.functions import Now
from rq import worker_registration

from store.builds.builds import Build
from store.jobs import queue
from store.jobs.jobs import FAILED, READY, RUNNING, SUCCEEDED, Job
from store.products.product import DataProduct
from store.registry.promotions import Promotion
from store.runtime import maintenance, worker
from store.serving import champions
from store.serving.batch_scoring import Scoring
from tests.waiting import PATIENCE

from ..conftest import operate, version

pytestmark = pytest.mark.usefixtures("tables")

WORKER = """
import json, sys
from django.conf import settings
settings.DATABASES["default"].update(json.loads(sys.argv[1]))
settings.REDIS_URL = sys.argv[2]
import django
django.setup()
from django.db import connection
connection.ensure_connection()  # as what a worker does at its start leaves it
from store.runtime.worker import JobWorker
JobWorker(name="a test's").work(burst=True, logging_level="WARNING")
"""


@pytest.fixture
def build(stay: DataProduct) -> Job:
    """A build that fails as soon as it runs: there are no rows with a label."""
    return Build.objects.request(stay, by="a test", enqueue=False)[0]


@pytest.fixture
def stranger(relapse: DataProduct) -> Job:
    """A build of another product."""
    return Build.objects.request(relapse, by="a test", enqueue=False)[0]


@pytest.fixture
def scoring(stay: DataProduct, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr(champions, "_promoted", {})
    operate(age=30)
    Promotion.objects.promote(version(stay), "It is the first.", by="a test")
    champions.refresh()
    return Scoring.objects.request(stay, by="a test")[0]


def run_queued(*queued: tuple[str, str, Job]) -> None:
    """Queue functions as a release does under whose names they stand; run the worker until the queue is empty."""
    jobs = queue.get_queue()
    jobs.empty()
    for kind, function, job in queued:
        jobs.enqueue(function, job.pk, job_id=f"{kind}-{job.pk}-0a1b2c3d", job_timeout=-1, result_ttl=0)
    database = {name: connection.settings_dict[name] for name in ("HOST", "PORT", "USER", "PASSWORD", "NAME")}
    subprocess.run(
        [sys.executable, "-c", WORKER, json.dumps(database), settings.REDIS_URL],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        timeout=PATIENCE,
        check=True,
    )
    assert not jobs.get_job_ids()
    for _, _, job in queued:
        job.refresh_from_db()


@pytest.mark.parametrize(
    ("build_function", "scoring_function"),
    [
        ("store.execution.run_job", "store.rescoring.run_job"),
        (queue.JOB_FUNCTIONS["build"], queue.JOB_FUNCTIONS["scoring"]),
    ],
    ids=["had", "has"],
)
def test_a_job_runs_under_the_name_that_its_function_has_and_had(
    scoring: Job, build: Job, stranger: Job, build_function: str, scoring_function: str
) -> None:
    run_queued(
        ("build", "store.unheard_of.run_job", stranger),
        ("build", build_function, build),
        ("scoring", scoring_function, scoring),
    )
    assert (build.status, build.attempt) == (FAILED, 1)
    assert build.problem_code == "NO_ROWS"  # it was begun, and found nothing to learn from
    assert (scoring.status, scoring.attempt, scoring.scored) == (SUCCEEDED, 1, 1)
    # A job with an unknown function is left to reconciliation, and those behind it are run.
    assert (stranger.status, stranger.attempt) == (READY, 0)
    assert queue.get_queue().failed_job_registry.get_job_ids()


def die(pk: int) -> None:
    """Be a job whose work-horse is killed."""
    os.kill(os.getpid(), SIGKILL)


def test_a_worker_runs_further_jobs_after_a_work_horse_was_killed(build: Job, stranger: Job) -> None:
    killed = f"build-{stranger.pk}-0a1b2c3d"
    Build.objects.filter(pk=stranger.pk).update(status=RUNNING, attempt=1, job=killed, lease=Now())
    run_queued(("build", f"{__name__}.die", stranger), ("build", queue.JOB_FUNCTIONS["build"], build))
    assert (build.status, build.attempt) == (FAILED, 1)
    # The killed attempt was abandoned at once, and the next one has run.
    assert (stranger.status, stranger.attempt) == (FAILED, 2)


def test_a_worker_outlives_a_work_horse_that_ends_while_postgresql_cannot_be_reached(
    build: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreachable = mock.Mock()
    unreachable.objects.filter.side_effect = OperationalError("connection refused")
    monkeypatch.setattr(maintenance, "KINDS", (unreachable,))
    job = mock.Mock(args=[build.pk], id="build-1-0a1b2c3d")
    worker.JobWorker(name="unreachable").handle_work_horse_killed(job, 1, SIGKILL, None)


def test_a_job_runs_on_while_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    job_worker = worker.JobWorker(name="lonely")
    monkeypatch.setattr(job_worker, "connection", redis.Redis(port=9, retry=None))
    job_worker.maintain_heartbeats(mock.Mock(started_at=None, timeout=-1), mock.Mock())


def test_a_worker_that_an_error_ended_registers_again_once_redis_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job_worker = worker.JobWorker(name="unlucky")
    monkeypatch.setattr(job_worker, "work", mock.Mock(side_effect=redis.ConnectionError("refused")))
    assert job_worker.run() is False
    monkeypatch.setattr(worker, "PAUSE", 0)
    again = mock.Mock()
    monkeypatch.setattr(worker, "register", mock.Mock(side_effect=[redis.ConnectionError("refused"), again]))
    assert worker.register_again() is again


def test_a_worker_registers_again_with_a_redis_that_has_lost_its_data() -> None:
    job_worker = worker.JobWorker(name="forgotten")
    job_worker.register_birth()
    try:
        worker_registration.unregister(job_worker)
        assert job_worker.key not in worker_registration.get_keys(connection=job_worker.connection)
        job_worker.heartbeat()
        assert job_worker.key in worker_registration.get_keys(connection=job_worker.connection)
    finally:
        job_worker.register_death()


def test_a_failure_does_not_end_maintenance(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = threading.Event()
    ticks: list[None] = []

    def tick() -> None:
        ticks.append(None)
        if len(ticks) == 1:
            raise RuntimeError("a rule that cannot be evaluated")
        stopped.set()

    monkeypatch.setattr(maintenance, "tick", tick)
    monkeypatch.setattr(worker.jobs, "MAINTENANCE_INTERVAL", 0.01)
    thread = threading.Thread(target=worker._maintain_forever, args=[stopped])
    thread.start()
    assert stopped.wait(PATIENCE)
    thread.join()
    assert len(ticks) == 2
