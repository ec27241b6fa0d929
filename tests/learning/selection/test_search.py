"""Fits of a search in processes: outcomes, limits, failures and the fold model cache."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from pathlib import Path
from threading import Thread, Timer

import pytest

from learning.build import Analysed, CandidatesDrawn, FoldScored
from learning.estimators.families import Candidate
from learning.evaluation.folds import FoldPlan
from learning.fits import process_pool
from learning.fits.fold_fit import Failed, Fit, FitContext, Scored
from learning.fits.model_cache import FoldModelCache
from learning.fits.running import FitStage, RunningFits
from learning.fits.scheduler import FitScheduler
from learning.model import Model, loads
from learning.problem import Classification
from tests.waiting import eventually

from ..fits.processes import ENDLESS, descendants, endless_build, processor_seconds, running, worker_processes

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[3]
LINEAR, WRONG = Candidate("linear", {"C": 1.0}), Candidate("linear", {"C": -1.0})
#: Candidate whose fit takes much longer than serialising its model.
SLOW = Candidate("mlp", {"hidden_layer_sizes": [64, 32]})

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def context(tumors):
    plan = FoldPlan.of(Classification(), tumors)
    return FitContext(task="CLASSIFICATION", dataset=tumors, metric="roc_auc", plan=plan, seed=0)


@contextmanager
def open_scheduler(context, workers, folder=None, fit_seconds=60.0, megabytes=None):
    with process_pool.start_pool(context, workers, fit_seconds, megabytes, folder) as pool:
        yield FitScheduler(pool, fit_seconds)


def fits(*candidates, folds=3):
    return [Fit(candidate, "search", fold) for candidate in candidates for fold in range(folds)]


def test_outcomes_come_with_the_predictions(context):
    forest = Candidate("forest", {"n_estimators": 150})
    with open_scheduler(context, 2) as scheduler:
        outcomes = dict(scheduler.score(fits(forest, LINEAR)))
    assert set(outcomes) == set(fits(forest, LINEAR))
    _, held_out = context.split("search")[0]
    outcome = outcomes[fits(LINEAR)[0]]
    assert outcome.predictions.shape == (len(held_out), 2)
    assert context.score_predictions(outcome.predictions, held_out).score == outcome.score


def test_outcomes_come_as_fits_end(context):
    first, second, third = fits(LINEAR)
    pool = PoolEndedByHand()
    outcomes = FitScheduler(pool, 60).score([first, second, third])
    ended = []
    for fit in (third, first, second):
        Timer(0.05, pool.end, [fit, context.score(fit)]).start()
        ended.append(next(outcomes)[0])
    assert ended == [third, first, second]


def test_another_thread_reads_the_fits_that_run(context):
    first, second, third = fits(LINEAR)
    pool, running = PoolEndedByHand(), RunningFits()
    outcomes = FitScheduler(pool, 60, running).score([first, second, third])
    assert running.read() == []

    def work():
        pool.futures[first].set_running_or_notify_cancel()
        readings.append([(fit.candidate, fit.stage, fit.fold) for fit in running.read()])
        pool.end(first, context.score(first))

    readings = []
    Timer(0.05, work).start()
    next(outcomes)
    assert readings == [[(LINEAR, FitStage.SEARCH, 0)]]  # those that wait for a process do not run
    assert running.read() == []
    pool.futures[second].set_running_or_notify_cancel()
    assert [fit.fold for fit in running.read()] == [1]
    running.clear()
    assert running.read() == []


class PoolEndedByHand:
    """Pool whose fits end when a test says so: the pace of a machine decides no order."""

    count = 3

    def __init__(self):
        self.futures = {}

    def score(self, fit):
        self.futures[fit] = Future()
        return self.futures[fit]

    def end(self, fit, outcome):
        self.futures[fit].set_result(outcome)


def test_outcomes_of_fits_started_ahead_are_stored_until_they_are_requested(context):
    with open_scheduler(context, 1) as scheduler:
        list(scheduler.score(fits(LINEAR, folds=2), ahead=fits(WRONG, folds=1)))
        ((_, failure),) = scheduler.score(fits(WRONG, folds=1), deadline=time.monotonic() + 30)
    assert isinstance(failure, Failed)


@linux
def test_a_fit_that_needs_too_much_memory_fails_alone(context):
    huge = Candidate("mlp", {"hidden_layer_sizes": [30_000, 30_000]})
    with open_scheduler(context, 1, megabytes=200) as scheduler:
        outcomes = dict(scheduler.score(fits(huge, LINEAR, folds=1)))
    assert outcomes[Fit(huge, "search", 0)].code == "OUT_OF_MEMORY"
    assert isinstance(outcomes[Fit(LINEAR, "search", 0)], Scored)


def test_warnings_of_libraries_are_kept(context):
    hasty = Candidate("kernel_svm", {"max_iter": 1})
    with open_scheduler(context, 1) as scheduler:
        ((_, outcome),) = scheduler.score(fits(hasty, folds=1))
    assert any(text.startswith("ConvergenceWarning: ") for text in outcome.warnings)


def test_a_candidate_that_raises_fails_with_its_reason_and_the_others_continue(context):
    with open_scheduler(context, 2) as scheduler:
        outcomes = dict(scheduler.score(fits(WRONG, LINEAR)))
    assert set(fits(LINEAR)) == {fit for fit in outcomes if fit.candidate == LINEAR}
    (failure,) = (outcome for fit, outcome in outcomes.items() if fit.candidate == WRONG)
    assert isinstance(failure, Failed)
    assert failure.code == "INTERNAL"
    assert "'C' parameter" in failure.reason


def test_a_fit_beyond_its_time_limit_is_killed_and_the_others_continue(context):
    with open_scheduler(context, 1, fit_seconds=3) as scheduler:
        outcomes = list(scheduler.score([*fits(ENDLESS, folds=1), *fits(LINEAR)]))
    assert outcomes[0][1] == Failed("TIMED_OUT", "The fit took longer than 3 s.")
    assert all(isinstance(outcome, Scored) for _, outcome in outcomes[1:])
    assert len(outcomes) == 4


def test_unfinished_fits_are_killed_at_the_deadline(context):
    with open_scheduler(context, 2) as scheduler:
        list(scheduler.score(fits(LINEAR)))
        outcomes = scheduler.score(fits(LINEAR, ENDLESS), deadline=time.monotonic() + 3)
        assert {fit for fit, _ in outcomes} == set(fits(LINEAR))
        assert len(list(scheduler.score(fits(LINEAR)))) == 3


def test_a_candidate_is_fitted_on_all_examples_into_an_artifact(context):
    with open_scheduler(context, 2) as scheduler:
        (_, artifact), (_, failure) = scheduler.fit([(LINEAR, None), (WRONG, None)])
    assert isinstance(artifact, bytes)
    assert isinstance(failure, Failed)


def test_the_temporary_folder_is_removed(context, tmp_path):
    with open_scheduler(context, 1, tmp_path):
        assert list(tmp_path.glob("*/context.joblib"))
    assert list(tmp_path.iterdir()) == []


def kill_one_after_another(number):
    """Kill a worker process in the middle of its fit, and then those that take its place."""
    before = {pid: processor_seconds(pid) for pid in worker_processes(os.getpid())}

    def busy():
        return {
            pid for pid in worker_processes(os.getpid()) if processor_seconds(pid) - before.get(pid, 0) > 0.3
        }

    killed = set()
    for _ in range(number):
        assert eventually(lambda: busy() - killed)
        for pid in busy() - killed:
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)


@linux
@pytest.mark.parametrize(("kills", "code"), [(1, "TIMED_OUT"), (2, "WORKER_LOST")])
def test_a_fit_whose_worker_is_killed_is_repeated_once(context, kills, code):
    with open_scheduler(context, 1, fit_seconds=6.0 if kills == 1 else 60.0) as scheduler:
        list(scheduler.score(fits(LINEAR)))
        killing = Thread(target=kill_one_after_another, args=[kills])
        killing.start()
        outcomes = dict(scheduler.score([*fits(ENDLESS, folds=1), *fits(LINEAR)]))
        killing.join()
    assert outcomes.pop(Fit(ENDLESS, "search", 0)).code == code
    assert len(outcomes) == 3
    assert all(isinstance(outcome, Scored) for outcome in outcomes.values())


@linux
def test_closing_a_build_kills_its_running_fits_at_once():
    steps = endless_build()
    assert [type(next(steps)) for _ in range(3)] == [Analysed, CandidatesDrawn, FoldScored]
    pids = worker_processes(os.getpid())
    assert len(pids) == 2
    steps.close()
    assert eventually(lambda: not running(pids))


@linux
@pytest.mark.parametrize("server", ["started", "forked"])
def test_a_build_that_is_killed_leaves_no_process_behind(server):
    command = [sys.executable, "-m", "tests.learning.fits.processes", server]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        try:
            assert program.stdout.readline().startswith(b"Analysed")
            assert program.stdout.readline().startswith(b"Drew")
            assert b"on fold 1" in program.stdout.readline()
            assert eventually(
                lambda: [processor_seconds(pid) > 0.3 for pid in worker_processes(program.pid)] == [True] * 2
            )
            processes = descendants(program.pid)
        finally:
            program.kill()
    assert eventually(lambda: not running(processes))


def test_models_of_the_searchs_folds_are_cached(context):
    with open_scheduler(context, 1) as scheduler:
        list(scheduler.score(fits(SLOW, folds=1)))
        assert scheduler.has_model(SLOW, 0)
        assert not scheduler.has_model(SLOW, 1)
        ((_, artifact),) = scheduler.fit([(SLOW, 0)])
    _, held_out = context.split("search")[0]
    predictions = loads(artifact).estimator.predict_proba(context.dataset.X.iloc[held_out])
    assert context.score_predictions(predictions.astype("float32"), held_out).score > 0.98


def test_a_model_that_is_slow_to_serialise_is_not_cached(context, tmp_path, monkeypatch):
    monkeypatch.setattr("learning.fits.fold_fit.DEAR", 0.0)
    monkeypatch.setattr("learning.fits.fold_fit.SOON", 0.0)
    cache = FoldModelCache(tmp_path)
    caching = replace(context, cache=cache)
    for fold in range(2):
        caching.score(Fit(LINEAR, "search", fold))
        assert not cache.has(LINEAR, fold)
    assert isinstance(loads(caching.fit(LINEAR, 0)), Model)


def test_a_model_that_is_fitted_quickly_is_not_cached(context, tmp_path, monkeypatch):
    monkeypatch.setattr("learning.fits.fold_fit.DEAR", inf)
    cache = FoldModelCache(tmp_path)
    caching = replace(context, cache=cache)
    for soon, cached in ((60.0, False), (0.0, True)):
        monkeypatch.setattr("learning.fits.fold_fit.SOON", soon)
        caching.score(Fit(LINEAR, "search", 0))
        assert cache.has(LINEAR, 0) == cached


def test_a_cached_model_is_not_fitted_again(context, tmp_path):
    cache = FoldModelCache(tmp_path)
    cache.store(LINEAR, 0, b"cached")
    caching = replace(context, cache=cache)
    assert caching.fit(LINEAR, 0) == b"cached"
    assert isinstance(loads(caching.fit(LINEAR, 1)), Model)
