"""Averages, texts, bytes and threads of what is compiled, and what becomes of it where it is wrong."""

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from learning.columns import Column, Kind
from learning.compiler import compilation, probe_rows, runtime_choice
from learning.compiler.compilation import compile_model
from learning.compiler.parity import difference
from learning.dataset import dataset
from learning.estimators.families import Candidate
from learning.evaluation.calibrate import Calibration
from learning.inference import tree_runtimes
from learning.inference.compiled import PIPELINE
from learning.inference.runtimes import Runtime
from learning.model import loads
from learning.problem import Classification, Clustering

from ..conftest import MIXED, mixed_rows
from .compiling import FAST, PROBLEMS, WAYS, assert_alike, averaged, data_of, model_of, served


@pytest.fixture(autouse=True)
def alone():
    """Threads of boosting wait for each other where others compute too."""
    with threadpool_limits(1):
        yield


@pytest.mark.parametrize("problem", PROBLEMS[:2], ids=lambda each: each.task)
def test_members_of_an_ensemble_that_prepare_alike_share_a_plan(problem):
    data, rows = data_of(problem)
    recipes = [Candidate("linear", {}), *(Candidate(name, more) for name, more in FAST.items())]
    model = averaged(problem, recipes, data)
    fast = served(model, data)
    assert fast.compiled.runtime == "numpy, onnxruntime"
    assert [member.plan for member in fast.compiled.form.members] == [0, 1, 1, 2]
    assert_alike(fast, model, [*rows, *probe_rows.probe_rows(MIXED, rows)])


def test_fold_models_have_plans_of_their_own_and_are_timed_once(monkeypatch):
    data, rows = data_of(Classification())
    timed = []
    real = runtime_choice.microseconds
    monkeypatch.setattr(runtime_choice, "microseconds", lambda *asked: timed.append(asked) or real(*asked))
    parts = [np.arange(len(data)) % 3 != part for part in range(3)]
    model = averaged(Classification(), [Candidate("boosting", FAST["boosting"])], data, parts)
    fast = served(model, data)
    assert len(fast.compiled.form.members) == 3
    assert len(timed) == 6  # onnxruntime, treelite and scikit-learn, with one row and with many
    assert_alike(fast, model, [*rows, *probe_rows.probe_rows(MIXED, rows)])


@pytest.mark.parametrize("problem", PROBLEMS[:2], ids=lambda each: each.task)
def test_trees_too_many_for_onnxruntime_are_left_to_treelite(problem, monkeypatch):
    monkeypatch.setattr(tree_runtimes, "MOST_NODES", 10)
    data, rows = data_of(problem)
    for family, more in FAST.items():
        model = model_of(problem, Candidate(family, more), data)
        fast = served(model, data)
        assert fast.compiled.runtime == "treelite", fast.compiled.parity
        assert "treelite" in fast.libraries
        again = loads(fast.dumps(), whole=False)
        assert_alike(again, model, [*rows, *probe_rows.probe_rows(MIXED, rows)])


def test_what_is_calibrated_is_proved_as_it_is_answered():
    data, rows = data_of(Classification())
    calibration = Calibration(temperature=0.05, log_loss_before=1.0, log_loss_after=0.5)
    model = model_of(Classification(), Candidate("extra_trees", FAST["extra_trees"]), data)
    sharp = dataclasses.replace(model, calibration=calibration)
    fast = served(sharp, data)
    assert fast.compiled.form is not None
    strange = probe_rows.probe_rows(MIXED, rows)
    assert_alike(fast, sharp, [*rows, *strange])
    assert np.abs(fast.arrays(strange) - model.arrays(strange)).max() > 0.01


def test_several_classes_are_told_apart_as_the_pipeline_does():
    random = np.random.default_rng(0)
    towns = tuple(f"town{number}" for number in range(60))
    columns = (
        Column(name="town", kind=Kind.CATEGORY, choices=towns, nullable=True),
        Column(name="size", kind=Kind.NUMBER, nullable=True),
    )
    places = random.integers(59, size=300).tolist()
    rows = [(towns[place], float(random.normal(place % 4))) for place in places]
    data = dataset(Classification(), columns, rows, [f"is {place % 4}" for place in places])
    for family, more in [("linear", {}), ("svm", {}), ("kernel_svm", {}), ("naive_bayes", {}), *FAST.items()]:
        model = model_of(Classification(), Candidate(family, more), data)
        fast = served(model, data)
        assert fast.compiled.runtime in ("numpy", "onnxruntime"), fast.compiled.parity
        assert_alike(fast, model, [*rows, *probe_rows.probe_rows(columns, rows)])


def test_noise_is_noise_in_what_is_compiled():
    random = np.random.default_rng(0)
    columns = tuple(Column(name=name, kind=Kind.NUMBER) for name in "ab")
    rows = np.concatenate(
        [random.normal(0, 0.1, (40, 2)), random.normal(5, 0.1, (40, 2)), random.uniform(-9, 9, (20, 2))]
    )
    data = dataset(Clustering(), columns, rows.tolist(), None)
    model = model_of(Clustering(), Candidate("hdbscan", {"min_cluster_size": 15}), data)
    clusters, _ = served(model, data).arrays(rows.tolist())
    assert set(clusters.tolist()) == {-1, 0, 1}
    assert clusters.tolist() == model.arrays(rows.tolist())[0].tolist()


def test_words_weigh_what_they_weigh_in_the_pipeline():
    columns = (Column(name="one", kind=Kind.TEXT), Column(name="other", kind=Kind.TEXT, nullable=True))
    random = np.random.default_rng(0)
    rows = [
        tuple(" ".join(f"w{number}" for number in random.zipf(1.5, 12) % 90) for _ in columns)
        for _ in range(80)
    ]
    data = dataset(Classification(), columns, rows, ["yes" if "w3" in row[0] else "no" for row in rows])
    for candidate in (
        Candidate("linear", {}),
        Candidate("linear", {"features": "best"}),
        Candidate("mlp", {}),
    ):
        model = model_of(Classification(), candidate, data)
        fast = served(model, data)
        assert fast.compiled.runtime == "numpy", fast.compiled.parity
        assert_alike(fast, model, [("W3 w3 w3!", None), ("", "Straße w4\u0301"), ("x" * 9000, "w5 " * 999)])


CELLS = {
    Kind.NUMBER: st.none() | st.floats() | st.decimals(allow_nan=False, allow_infinity=False, places=3),
    Kind.INTEGER: st.integers(-(2**70), 2**70),
    Kind.BOOLEAN: st.none() | st.booleans(),
    Kind.CATEGORY: st.none() | st.sampled_from(["red", "green", "a", "", "None"]) | st.text(max_size=3),
    Kind.DATE: st.none() | st.dates(),
    Kind.DATETIME: st.datetimes(timezones=st.just(UTC)) | st.datetimes(),
    Kind.TEXT: st.none() | st.text(max_size=30) | st.sampled_from(["good and fine thing 3", "BAD!"]),
}


@pytest.fixture(scope="module")
def both():
    """An ensemble of everything that prepares differently, and what it is compiled to."""
    data, _ = data_of(Classification())
    recipes = [Candidate("linear", each) for each in WAYS] + [Candidate(*each) for each in FAST.items()]
    with threadpool_limits(1):
        model = averaged(Classification(), recipes, data)
        return model, served(model, data)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(*(CELLS[column.kind] for column in MIXED)), min_size=1, max_size=4))
def test_rows_of_all_sorts_of_values_are_answered_alike(both, rows):
    model, fast = both
    assert fast.compiled.form is not None, fast.compiled.parity
    assert_alike(fast, model, rows)


def test_threads_that_ask_at_once_get_the_same_answers(both):
    _, fast = both
    rows, _ = mixed_rows(40, seed=3)
    alone = [fast.predict([row]) for row in rows]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda row: fast.predict([row]), rows * 5)) == alone * 5


def test_what_cannot_be_pickled_is_made_again_from_bytes(both):
    _, fast = both
    rows, _ = mixed_rows(20, seed=4)
    again = loads(loads(fast.dumps()).dumps())
    assert again.predict(rows) == fast.predict(rows)
    assert {"onnxruntime"} == set(fast.libraries) & {"onnxruntime", "treelite"}


def test_who_serves_need_not_load_the_estimator(both):
    model, fast = both
    rows, _ = mixed_rows(20, seed=5)
    serving = loads(fast.dumps(), whole=False)
    assert serving.estimator is None
    assert serving.predict(rows) == fast.predict(rows)
    assert_alike(serving, loads(fast.dumps()), rows)
    assert loads(model.dumps(), whole=False).estimator is not None


def test_a_runtime_that_says_otherwise_does_not_serve(monkeypatch):
    data, rows = data_of(Classification())
    model = model_of(Classification(), Candidate("linear", {}), data)
    wrong = Runtime("numpy", [lambda X: np.tile([0.4, 0.6], (len(X.dense), 1))])
    monkeypatch.setattr(runtime_choice, "runtimes_of", lambda *_: [wrong])
    fast = served(model, data)
    assert fast.compiled.runtime == PIPELINE
    assert fast.compiled.parity == (
        "The pipeline serves: nothing faster says of every row what LogisticRegression says."
    )
    assert fast.compiled.microseconds_per_row is None
    assert fast.predict(rows) == model.predict(rows)


def test_a_difference_that_only_the_whole_snapshot_shows_is_found(monkeypatch):
    data, _ = data_of(Classification(), n=200)
    model = model_of(Classification(), Candidate("linear", {}), data)
    monkeypatch.setattr(compilation, "SAMPLE", 20)
    monkeypatch.setattr(compilation, "CHUNK", 100)
    real = compilation.CompiledForm.arrays
    asked = []

    def worse(form, rows):
        asked.append(len(rows))
        return real(form, rows) if len(asked) < 3 else real(form, rows)[:, ::-1]

    monkeypatch.setattr(compilation.CompiledForm, "arrays", worse)
    fast = compile_model(model, data)
    assert fast.runtime == PIPELINE
    assert fast.parity.startswith("The pipeline serves: numpy differs from it: ")
    assert asked == [compilation.edges.MOST, 100, 100]


@pytest.mark.parametrize("seconds", [-1.0, 0.2])
def test_a_proof_ends_when_it_must_and_says_so(seconds, monkeypatch):
    data, _ = data_of(Classification(), n=300)
    model = model_of(Classification(), Candidate("linear", {}), data)
    monkeypatch.setattr(compilation, "CHUNK", 100)
    real = compilation.edges.values
    monkeypatch.setattr(compilation.edges, "values", lambda *asked: time.sleep(0.15) or real(*asked))
    made = compile_model(model, data, time.monotonic() + seconds)
    if seconds < 0:
        assert made.parity == "The pipeline serves: there was no time left to compile it."
    else:
        assert "100 of 300 rows, as many as there was time for, of the snapshot" in made.parity


def test_labels_may_differ_only_where_they_tie():
    pipeline = np.array([[0.5, 0.5], [0.7, 0.3], [0.5 + 3e-6, 0.5 - 3e-6]])
    tied = difference(np.array([[0.5 - 1e-8, 0.5 + 1e-8], *pipeline[1:]]), pipeline, 1.0)
    assert (tied.ties, tied.labels, tied.agrees) == (1, 0, True)
    turned = difference(np.array([*pipeline[:2], [0.5 - 1e-7, 0.5 + 1e-7]]), pipeline, 1.0)
    assert (turned.ties, turned.labels, turned.agrees) == (0, 1, False)


def test_an_estimator_that_nobody_knows_is_asked_on_the_plan_and_stays_whole():
    class Unheard(LogisticRegression):
        pass

    data, rows = data_of(Classification())
    model = model_of(Classification(), Candidate("linear", {}), data)
    model.estimator.steps[-1] = ("estimate", Unheard())
    model.estimator.fit(data.X, data.y)
    fast = served(model, data)
    assert fast.compiled.whole
    assert_alike(fast, model, rows)


def test_a_row_of_another_length_is_refused(both):
    _, fast = both
    with pytest.raises(ValueError, match="Each row has 12 cells"):
        fast.predict([(date.min, datetime.max)])
