"""Fits on a Dask cluster: a real scheduler, and workers in their own processes."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from learning.build import CandidateFailed, Decided, FoldScored, build
from learning.estimators.families import Candidate
from learning.evaluation.folds import FoldPlan
from learning.exceptions import ClusterUnreachable
from learning.fits import dask_pool
from learning.fits.fold_fit import Fit, FitContext
from learning.problem import Classification
from tests.system import ROOT, free_port
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.engine

SMALL = Classification(
    candidates=4, folds=3, families=("linear", "boosting", "baseline"), keep=1, pictures=0.0
)


class DaskCluster:
    """Run a scheduler, and workers as on other hosts."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.address = f"tcp://127.0.0.1:{free_port()}"
        port = self.address.rpartition(":")[2]
        quiet = ["--no-dashboard", "--host", "127.0.0.1"]
        self.scheduler = self._dask("scheduler", *quiet, "--port", port)
        self.workers = [self.worker(), self.worker()]

    def worker(self) -> "subprocess.Popen[bytes]":
        options = ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"]
        return self._dask("worker", self.address, *options, "--local-directory", str(self.folder))

    def _dask(self, *arguments: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "dask", *arguments]
        with (self.folder / f"{arguments[0]}-{time.monotonic_ns()}.log").open("wb") as log:
            return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            kill(process)


def kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    cluster = DaskCluster(tmp_path_factory.mktemp("dask"))
    try:
        yield cluster
    finally:
        cluster.stop()


def count_workers(cluster: DaskCluster) -> int:
    try:
        with dask_pool._connect(cluster.address) as client:
            return len(client.nthreads())
    except ClusterUnreachable:
        return 0


@pytest.fixture
def pool_factory(cluster):
    """Return a pool factory for the build, once both workers are connected."""
    assert eventually(lambda: count_workers(cluster) == 2)
    return lambda context, seconds, megabytes: dask_pool.connect_pool(
        context, cluster.address, seconds, megabytes
    )


def outcome(steps):
    steps = list(steps)
    scores = {
        (s.candidate.key, s.round, s.fold): (s.score, s.measures) for s in steps if isinstance(s, FoldScored)
    }
    return scores, [step for step in steps if isinstance(step, Decided)]


def test_a_cluster_selects_the_same_winner_as_one_machine(tumors, pool_factory):
    problem = replace(SMALL, candidates=3, families=("linear", "naive_bayes", "baseline"))
    assert outcome(build(problem, tumors, pool_factory=pool_factory)) == outcome(build(problem, tumors))


def test_a_killed_worker_does_not_stop_the_build(tumors, cluster, pool_factory):
    steps = build(replace(SMALL, candidates=8), tumors, pool_factory=pool_factory)
    steps_seen = [next(step for step in steps if isinstance(step, FoldScored))]
    kill(cluster.workers.pop())
    steps_seen += list(steps)
    cluster.workers.append(cluster.worker())
    assert not [step for step in steps_seen if isinstance(step, CandidateFailed)]
    assert isinstance(steps_seen[-1].model.libraries, dict)


def test_a_fit_context_that_is_lost_with_its_worker_is_scattered_again(tumors, cluster, pool_factory):
    context = FitContext(
        task="CLASSIFICATION", dataset=tumors, metric="roc_auc", plan=FoldPlan.of(SMALL, tumors), seed=0
    )
    fit = Fit(Candidate("linear", {"C": 1.0}), "search", 0)
    with pool_factory(context, 60.0, None) as pool:
        victim = cluster.workers.pop()
        addresses = {pid: address for address, pid in pool._client.run(os.getpid).items()}
        # The state after Dask has deleted the replicas that no fit needs.
        pool._shared = pool._client.scatter(context, workers=[addresses[victim.pid]], hash=False)
        kill(victim)
        cluster.workers.append(cluster.worker())
        outcomes = [pool.score(fit).result(60) for _ in range(2)]
    assert outcomes[1] is not None and outcomes[1].score > 0.9


def test_a_fit_on_a_worker_has_a_time_limit(tumors, pool_factory):
    context = FitContext(
        task="CLASSIFICATION", dataset=tumors, metric="roc_auc", plan=FoldPlan.of(SMALL, tumors), seed=0
    )
    slow = Fit(Candidate("forest", {"n_estimators": 20_000}), "search", 0)
    with pool_factory(context, 3.0, None) as pool:
        late, quick = pool.score(slow), pool.score(Fit(Candidate("baseline", {}), "search", 0))
        assert quick.result(timeout=PATIENCE).score == 0.5
        with pytest.raises(TimeoutError):
            late.result(timeout=PATIENCE)


def test_workers_are_free_at_once_after_a_restart(tumors, pool_factory):
    context = FitContext(
        task="CLASSIFICATION", dataset=tumors, metric="roc_auc", plan=FoldPlan.of(SMALL, tumors), seed=0
    )
    with pool_factory(context, 600.0, None) as pool:
        slow = [
            pool.score(Fit(Candidate("forest", {"n_estimators": 200_000}), "search", fold)) for fold in (0, 1)
        ]
        assert eventually(lambda: sum(map(len, pool._client.processing().values())) == 2)
        assert not any(each.done() for each in slow)
        pool.restart()
        # Each of the slow ones would take longer.
        assert pool.score(Fit(Candidate("baseline", {}), "search", 0)).result(timeout=PATIENCE).score == 0.5


def test_a_missing_scheduler_is_named_at_once(tumors):
    address = f"tcp://127.0.0.1:{free_port()}"
    context = FitContext(
        task="CLASSIFICATION", dataset=tumors, metric="roc_auc", plan=FoldPlan.of(SMALL, tumors), seed=0
    )
    assert dask_pool.ANSWERS_WITHIN <= 10
    with pytest.raises(ClusterUnreachable, match=address), dask_pool.connect_pool(context, address, 3.0):
        pass
