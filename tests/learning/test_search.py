import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Timer

import pytest

from learning import search
from learning.build import CandidatesDrawn, FoldScored
from learning.families import Candidate
from learning.search import Bench, Failed, Fit, Scored

from .processes import ENDLESS, alive, below, endless_build, fitting, within

ROOT = Path(__file__).parents[2]
LINEAR, WRONG = Candidate("linear", {"C": 1.0}), Candidate("linear", {"C": -1.0})

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def bench(tumors):
    return Bench("CLASSIFICATION", tumors, "roc_auc", 5, 0)


def fits(*candidates, folds=3):
    return [Fit(candidate, "search", fold) for candidate in candidates for fold in range(folds)]


def test_outcomes_come_in_the_order_of_the_fits_whichever_ends_first(bench):
    slow = Candidate("forest", {"n_estimators": 150})
    with search.at(bench, 2) as workers:
        told = [fit for fit, outcome in workers.score(fits(slow, LINEAR), {}) if isinstance(outcome, Scored)]
    assert told == fits(slow, LINEAR)


def test_what_is_known_is_not_fitted_again(bench):
    known = Scored(score=7.0, measures=(), fit_seconds=1.0, predict_seconds=1.0)
    with search.at(bench, 1) as workers:
        outcomes = dict(workers.score(fits(LINEAR), {fits(LINEAR)[1].key: known}))
    assert outcomes[fits(LINEAR)[1]] is known
    assert 0.9 < outcomes[fits(LINEAR)[0]].score <= 1


def test_a_candidate_that_raises_is_out_with_its_reason_and_the_others_go_on(bench):
    with search.at(bench, 2) as workers:
        outcomes = list(workers.score(fits(WRONG, LINEAR), {}))
    assert [fit for fit, _ in outcomes] == [fits(WRONG)[0], *fits(LINEAR)]
    failure = outcomes[0][1]
    assert isinstance(failure, Failed)
    assert failure.code == "INTERNAL"
    assert "'C' parameter" in failure.reason


def test_a_fit_that_takes_too_long_is_killed_and_the_others_go_on(bench):
    with search.at(bench, 1, fit_seconds=0.5) as workers:
        outcomes = list(workers.score([*fits(ENDLESS, folds=1), *fits(LINEAR)], {}))
    assert outcomes[0][1] == Failed("TIMED_OUT", "The fit took longer than 0.5 s.")
    assert all(isinstance(outcome, Scored) for _, outcome in outcomes[1:])
    assert len(outcomes) == 4


def test_at_the_deadline_what_is_unfinished_is_killed(bench):
    with search.at(bench, 2) as workers:
        list(workers.score(fits(LINEAR), {}))
        started = time.monotonic()
        outcomes = list(workers.score(fits(LINEAR, ENDLESS), {}, deadline=started + 1))
        assert [fit for fit, _ in outcomes] == fits(LINEAR)
        assert time.monotonic() - started < 1.5
        assert len(list(workers.score(fits(LINEAR), {}))) == 3


def test_a_candidate_is_fitted_on_all_examples_into_an_artifact(bench):
    with search.at(bench, 2) as workers:
        (_, artifact), (_, failure) = workers.fit([LINEAR, WRONG])
    assert isinstance(artifact, bytes)
    assert isinstance(failure, Failed)


def test_the_folder_is_left_as_it_was_found(bench, tmp_path):
    with search.at(bench, 1, tmp_path):
        assert list(tmp_path.glob("*/bench.joblib"))
    assert list(tmp_path.iterdir()) == []


@linux
def test_a_worker_that_is_killed_costs_its_candidate_and_nothing_else(bench):
    with search.at(bench, 1) as workers:
        list(workers.score(fits(LINEAR), {}))
        outcomes = workers.score([*fits(ENDLESS, folds=1), *fits(LINEAR)], {})
        (victim,) = fitting(os.getpid())
        Timer(0.5, os.kill, (victim, signal.SIGKILL)).start()
        fit, outcome = next(outcomes)
        assert fit == Fit(ENDLESS, "search", 0)
        assert outcome.code == "WORKER_LOST"
        assert all(isinstance(outcome, Scored) for _, outcome in outcomes)


@linux
def test_closing_a_build_in_the_middle_of_fits_ends_them_at_once():
    steps = endless_build()
    assert [type(next(steps)) for _ in range(2)] == [CandidatesDrawn, FoldScored]
    workers = fitting(os.getpid())
    assert len(workers) == 2
    started = time.monotonic()
    steps.close()
    assert time.monotonic() - started < 1.5
    assert within(1, lambda: not alive(workers))


@linux
def test_a_build_that_is_killed_leaves_no_process_behind():
    command = [sys.executable, "-m", "tests.learning.processes"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        try:
            assert program.stdout.readline().startswith(b"Drew")
            assert b"on fold 1" in program.stdout.readline()
            time.sleep(0.5)  # in the middle of the other folds' fits
            processes = below(program.pid)
            assert len(fitting(program.pid)) == 2
        finally:
            program.kill()
    assert within(2, lambda: not alive(processes))
