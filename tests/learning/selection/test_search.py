import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from pathlib import Path
from threading import Thread

import pytest

from learning.build import Analysed, CandidatesDrawn, FoldScored
from learning.estimators.families import Candidate
from learning.evaluation.folds import FoldPlan
from learning.fits import process_pool
from learning.fits.fold_fit import Failed, Fit, FitContext, Scored
from learning.fits.model_cache import FoldModelCache
from learning.fits.scheduler import FitScheduler
from learning.model import Model, loads
from learning.problem import Classification
from tests.waiting import eventually

from ..fits.processes import ENDLESS, alive, below, endless_build, fitting, processor_seconds

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[3]
LINEAR, WRONG = Candidate("linear", {"C": 1.0}), Candidate("linear", {"C": -1.0})
#: Of a small model.
SLOW = Candidate("mlp", {"hidden_layer_sizes": [64, 32]})

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def bench(tumors):
    plan = FoldPlan.of(Classification(), tumors)
    return FitContext(task="CLASSIFICATION", dataset=tumors, metric="roc_auc", plan=plan, seed=0)


@contextmanager
def at(bench, workers, folder=None, fit_seconds=60.0, megabytes=None):
    with process_pool.start_pool(bench, workers, fit_seconds, megabytes, folder) as pool:
        yield FitScheduler(pool, fit_seconds)


def fits(*candidates, folds=3):
    return [Fit(candidate, "search", fold) for candidate in candidates for fold in range(folds)]


def test_outcomes_come_as_the_fits_end_and_tell_what_was_predicted(bench):
    slow = Candidate("forest", {"n_estimators": 150})
    with at(bench, 2) as workers:
        told = dict(workers.score(fits(slow, LINEAR)))
    assert list(told)[-1].candidate == slow
    assert set(told) == set(fits(slow, LINEAR))
    _, held_out = bench.split("search")[0]
    outcome = told[fits(LINEAR)[0]]
    assert outcome.predictions.shape == (len(held_out), 2)
    assert bench.scores_of(outcome.predictions, held_out).score == outcome.score


def test_what_was_begun_ahead_is_kept_until_it_is_asked_for(bench):
    with at(bench, 1) as workers:
        list(workers.score(fits(LINEAR, folds=2), ahead=fits(WRONG, folds=1)))
        ((_, failure),) = workers.score(fits(WRONG, folds=1), deadline=time.monotonic() + 30)
    assert isinstance(failure, Failed)


@linux
def test_a_fit_that_needs_too_much_memory_fails_alone(bench):
    huge = Candidate("mlp", {"hidden_layer_sizes": [30_000, 30_000]})
    with at(bench, 1, megabytes=700) as workers:
        outcomes = dict(workers.score(fits(huge, LINEAR, folds=1)))
    assert outcomes[Fit(huge, "search", 0)].code == "OUT_OF_MEMORY"
    assert isinstance(outcomes[Fit(LINEAR, "search", 0)], Scored)


def test_what_the_libraries_warn_of_is_kept(bench):
    hasty = Candidate("kernel_svm", {"max_iter": 1})
    with at(bench, 1) as workers:
        ((_, outcome),) = workers.score(fits(hasty, folds=1))
    assert any(said.startswith("ConvergenceWarning: ") for said in outcome.warnings)


def test_a_candidate_that_raises_is_out_with_its_reason_and_the_others_go_on(bench):
    with at(bench, 2) as workers:
        outcomes = list(workers.score(fits(WRONG, LINEAR)))
    told = dict(outcomes)
    assert set(fits(LINEAR)) == {fit for fit in told if fit.candidate == LINEAR}
    (failure,) = (outcome for fit, outcome in outcomes if fit.candidate == WRONG)
    assert isinstance(failure, Failed)
    assert failure.code == "INTERNAL"
    assert "'C' parameter" in failure.reason


def test_a_fit_that_takes_too_long_is_killed_and_the_others_go_on(bench):
    with at(bench, 1, fit_seconds=3) as workers:
        outcomes = list(workers.score([*fits(ENDLESS, folds=1), *fits(LINEAR)]))
    assert outcomes[0][1] == Failed("TIMED_OUT", "The fit took longer than 3 s.")
    assert all(isinstance(outcome, Scored) for _, outcome in outcomes[1:])
    assert len(outcomes) == 4


def test_at_the_deadline_what_is_unfinished_is_killed(bench):
    with at(bench, 2) as workers:
        list(workers.score(fits(LINEAR)))
        outcomes = workers.score(fits(LINEAR, ENDLESS), deadline=time.monotonic() + 3)
        assert {fit for fit, _ in outcomes} == set(fits(LINEAR))
        assert len(list(workers.score(fits(LINEAR)))) == 3


def test_a_candidate_is_fitted_on_all_examples_into_an_artifact(bench):
    with at(bench, 2) as workers:
        (_, artifact), (_, failure) = workers.fit([(LINEAR, None), (WRONG, None)])
    assert isinstance(artifact, bytes)
    assert isinstance(failure, Failed)


def test_the_folder_is_left_as_it_was_found(bench, tmp_path):
    with at(bench, 1, tmp_path):
        assert list(tmp_path.glob("*/bench.joblib"))
    assert list(tmp_path.iterdir()) == []


def kill_one_after_another(number):
    """Kill a worker process in the middle of its fit, and then those that take its place."""
    before = {pid: processor_seconds(pid) for pid in fitting(os.getpid())}

    def busy():
        return {pid for pid in fitting(os.getpid()) if processor_seconds(pid) - before.get(pid, 0) > 0.3}

    killed = set()
    for _ in range(number):
        assert eventually(lambda: busy() - killed)
        for pid in busy() - killed:
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)


@linux
@pytest.mark.parametrize(("kills", "became"), [(1, "TIMED_OUT"), (2, "WORKER_LOST")])
def test_a_fit_whose_worker_is_killed_is_begun_once_more_and_costs_nothing_else(bench, kills, became):
    with at(bench, 1, fit_seconds=6.0 if kills == 1 else 60.0) as workers:
        list(workers.score(fits(LINEAR)))
        killing = Thread(target=kill_one_after_another, args=[kills])
        killing.start()
        outcomes = dict(workers.score([*fits(ENDLESS, folds=1), *fits(LINEAR)]))
        killing.join()
    assert outcomes.pop(Fit(ENDLESS, "search", 0)).code == became
    assert len(outcomes) == 3
    assert all(isinstance(outcome, Scored) for outcome in outcomes.values())


@linux
def test_closing_a_build_in_the_middle_of_fits_ends_them_at_once():
    steps = endless_build()
    assert [type(next(steps)) for _ in range(3)] == [Analysed, CandidatesDrawn, FoldScored]
    workers = fitting(os.getpid())
    assert len(workers) == 2
    steps.close()
    assert eventually(lambda: not alive(workers))


@linux
def test_a_build_that_is_killed_leaves_no_process_behind():
    command = [sys.executable, "-m", "tests.learning.fits.processes"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        try:
            assert program.stdout.readline().startswith(b"Analysed")
            assert program.stdout.readline().startswith(b"Drew")
            assert b"on fold 1" in program.stdout.readline()
            assert eventually(
                lambda: [processor_seconds(pid) > 0.3 for pid in fitting(program.pid)] == [True] * 2
            )
            processes = below(program.pid)
        finally:
            program.kill()
    assert eventually(lambda: not alive(processes))


def test_models_of_the_searchs_folds_are_kept_and_serve_as_they_are(bench):
    with at(bench, 1) as workers:
        list(workers.score(fits(SLOW, folds=1)))
        assert workers.keeps(SLOW, 0)
        assert not workers.keeps(SLOW, 1)
        ((_, kept),) = workers.fit([(SLOW, 0)])
    _, held_out = bench.split("search")[0]
    told = loads(kept).estimator.predict_proba(bench.dataset.X.iloc[held_out])
    assert bench.scores_of(told.astype("float32"), held_out).score > 0.98


def test_a_model_that_is_dear_to_keep_is_not_kept(bench, tmp_path, monkeypatch):
    monkeypatch.setattr("learning.fits.fold_fit.DEAR", 0.0)
    monkeypatch.setattr("learning.fits.fold_fit.SOON", 0.0)
    shelf = FoldModelCache(tmp_path)
    at_it = replace(bench, shelf=shelf)
    for fold in range(2):
        at_it.score(Fit(LINEAR, "search", fold))
        assert not shelf.has(LINEAR, fold)
    assert isinstance(loads(at_it.fitted(LINEAR, 0)), Model)


def test_a_model_that_is_fitted_again_as_soon_is_not_kept(bench, tmp_path, monkeypatch):
    monkeypatch.setattr("learning.fits.fold_fit.DEAR", inf)
    shelf = FoldModelCache(tmp_path)
    at_it = replace(bench, shelf=shelf)
    for soon, kept in ((60.0, False), (0.0, True)):
        monkeypatch.setattr("learning.fits.fold_fit.SOON", soon)
        at_it.score(Fit(LINEAR, "search", 0))
        assert shelf.has(LINEAR, 0) == kept


def test_a_fit_that_is_kept_is_not_done_again(bench, tmp_path):
    shelf = FoldModelCache(tmp_path)
    shelf.put(LINEAR, 0, b"as it is kept")
    at_it = replace(bench, shelf=shelf)
    assert at_it.fitted(LINEAR, 0) == b"as it is kept"
    assert isinstance(loads(at_it.fitted(LINEAR, 1)), Model)
