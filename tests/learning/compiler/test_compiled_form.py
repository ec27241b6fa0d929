"""Compiled forms: ensembles, texts, serialisation, threads, and forms that differ from their pipeline."""

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
from learning.compiler import compilation, probe_rows, runtime_choice, tree_converters
from learning.compiler.compilation import compile_model
from learning.compiler.parity import compare
from learning.dataset import dataset
from learning.estimators.families import Candidate
from learning.evaluation.calibrate import Calibration
from learning.inference.compiled import PIPELINE
from learning.inference.runtimes import Runtime
from learning.kinds import write_set
from learning.model import loads
from learning.problem import Classification, Clustering
from tests.drawing import draws

from ..conftest import MIXED, mixed_rows
from .compiling import (
    FAST,
    PREPARATIONS,
    PROBLEMS,
    assert_equal_outputs,
    compiled,
    fit_average,
    fit_model,
    mixed_data,
)


@pytest.fixture(autouse=True)
def alone():
    """Limit boosting to one thread: its threads wait for each other if other tests run at once."""
    with threadpool_limits(1):
        yield


@pytest.mark.parametrize("problem", PROBLEMS[:2], ids=lambda each: each.task)
def test_ensemble_members_with_equal_preprocessing_share_a_plan(problem):
    data, rows = mixed_data(problem)
    recipes = [Candidate("linear", {}), *(Candidate(name, more) for name, more in FAST.items())]
    model = fit_average(problem, recipes, data)
    fast = compiled(model, data)
    assert fast.compiled.runtime == "numpy, onnxruntime"
    assert [member.plan for member in fast.compiled.form.members] == [0, 1, 1, 2]
    assert_equal_outputs(fast, model, [*rows, *probe_rows.build_probe_rows(MIXED, rows)])


def test_fold_models_have_their_own_plans_but_are_timed_once(monkeypatch):
    data, rows = mixed_data(Classification())
    timed = []
    real = runtime_choice.microseconds
    monkeypatch.setattr(
        runtime_choice, "microseconds", lambda *arguments: timed.append(arguments) or real(*arguments)
    )
    parts = [np.arange(len(data)) % 3 != part for part in range(3)]
    model = fit_average(Classification(), [Candidate("boosting", FAST["boosting"])], data, parts)
    fast = compiled(model, data)
    assert len(fast.compiled.form.members) == 3
    assert len(timed) == 6  # onnxruntime, treelite and scikit-learn, with one row and with a batch
    assert_equal_outputs(fast, model, [*rows, *probe_rows.build_probe_rows(MIXED, rows)])


@pytest.mark.parametrize("problem", PROBLEMS[:2], ids=lambda each: each.task)
def test_ensembles_too_large_for_onnxruntime_run_on_treelite(problem, monkeypatch):
    monkeypatch.setattr(tree_converters, "MOST_NODES", 10)
    data, rows = mixed_data(problem)
    for family, more in FAST.items():
        model = fit_model(problem, Candidate(family, more), data)
        fast = compiled(model, data)
        assert fast.compiled.runtime == "treelite", fast.compiled.parity
        assert "treelite" in fast.libraries
        again = loads(fast.dumps(), with_estimator=False)
        assert_equal_outputs(again, model, [*rows, *probe_rows.build_probe_rows(MIXED, rows)])


def test_a_calibrated_model_is_verified_with_its_calibration():
    data, rows = mixed_data(Classification())
    calibration = Calibration(temperature=0.05, log_loss_before=1.0, log_loss_after=0.5)
    model = fit_model(Classification(), Candidate("extra_trees", FAST["extra_trees"]), data)
    sharp = dataclasses.replace(model, calibration=calibration)
    fast = compiled(sharp, data)
    assert fast.compiled.form is not None
    probes = probe_rows.build_probe_rows(MIXED, rows)
    assert_equal_outputs(fast, sharp, [*rows, *probes])
    assert np.abs(fast.arrays(probes) - model.arrays(probes)).max() > 0.01


def test_models_of_several_classes_equal_their_pipeline():
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
        model = fit_model(Classification(), Candidate(family, more), data)
        fast = compiled(model, data)
        assert fast.compiled.runtime in ("numpy", "onnxruntime"), fast.compiled.parity
        assert_equal_outputs(fast, model, [*rows, *probe_rows.build_probe_rows(columns, rows)])


def test_the_compiled_form_keeps_noise():
    random = np.random.default_rng(0)
    columns = tuple(Column(name=name, kind=Kind.NUMBER) for name in "ab")
    rows = np.concatenate(
        [random.normal(0, 0.1, (40, 2)), random.normal(5, 0.1, (40, 2)), random.uniform(-9, 9, (20, 2))]
    )
    data = dataset(Clustering(), columns, rows.tolist(), None)
    model = fit_model(Clustering(), Candidate("hdbscan", {"min_cluster_size": 15}), data)
    clusters, _ = compiled(model, data).arrays(rows.tolist())
    assert set(clusters.tolist()) == {-1, 0, 1}
    assert clusters.tolist() == model.arrays(rows.tolist())[0].tolist()


def test_tfidf_weights_equal_the_pipelines():
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
        model = fit_model(Classification(), candidate, data)
        fast = compiled(model, data)
        assert fast.compiled.runtime == "numpy", fast.compiled.parity
        assert_equal_outputs(
            fast, model, [("W3 w3 w3!", None), ("", "Straße w4\u0301"), ("x" * 9000, "w5 " * 999)]
        )


CELLS = {
    Kind.NUMBER: st.none() | st.floats() | st.decimals(allow_nan=False, allow_infinity=False, places=3),
    Kind.INTEGER: st.integers(-(2**70), 2**70),
    Kind.BOOLEAN: st.none() | st.booleans(),
    Kind.CATEGORY: st.none() | st.sampled_from(["red", "green", "a", "", "None"]) | st.text(max_size=3),
    Kind.DATE: st.none() | st.dates(),
    Kind.DATETIME: st.datetimes(timezones=st.just(UTC)) | st.datetimes(),
    Kind("TIME"): st.none() | st.times(),
    Kind.TEXT: st.none() | st.text(max_size=30) | st.sampled_from(["good and fine thing 3", "BAD!"]),
    Kind.OPEN_CATEGORY: st.none() | st.text(max_size=5) | st.sampled_from(["T-0", "T-5", "t-5", "Atlantis"]),
    Kind("DURATION"): st.none() | st.timedeltas(),
    Kind("TEXT_SET"): st.lists(st.text(max_size=3) | st.sampled_from(["harbour", "spa"])).map(write_set),
}


@pytest.fixture(scope="module")
def both():
    """Return an ensemble with every preprocessing, and the ensemble compiled."""
    data, _ = mixed_data(Classification())
    recipes = [Candidate("linear", each) for each in PREPARATIONS] + [
        Candidate(*each) for each in FAST.items()
    ]
    with threadpool_limits(1):
        model = fit_average(Classification(), recipes, data)
        return model, compiled(model, data)


@settings(max_examples=draws(10))
@given(rows=st.lists(st.tuples(*(CELLS[column.kind] for column in MIXED)), min_size=1, max_size=4))
def test_random_rows_get_equal_predictions(both, rows):
    model, fast = both
    assert fast.compiled.form is not None, fast.compiled.parity
    assert_equal_outputs(fast, model, rows)


def test_threads_that_predict_at_once_get_equal_answers(both):
    _, fast = both
    rows, _ = mixed_rows(40, seed=3)
    alone = [fast.predict([row]) for row in rows]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda row: fast.predict([row]), rows * 5)) == alone * 5


def test_sessions_are_restored_from_an_artifact(both):
    _, fast = both
    rows, _ = mixed_rows(20, seed=4)
    again = loads(loads(fast.dumps()).dumps())
    assert again.predict(rows) == fast.predict(rows)
    assert {"onnxruntime"} == set(fast.libraries) & {"onnxruntime", "treelite"}


def test_a_serving_process_need_not_load_the_estimator(both):
    model, fast = both
    rows, _ = mixed_rows(20, seed=5)
    serving = loads(fast.dumps(), with_estimator=False)
    assert serving.estimator is None
    assert serving.predict(rows) == fast.predict(rows)
    assert_equal_outputs(serving, loads(fast.dumps()), rows)
    assert loads(model.dumps(), with_estimator=False).estimator is not None


def test_a_runtime_that_differs_does_not_serve(monkeypatch):
    data, rows = mixed_data(Classification())
    model = fit_model(Classification(), Candidate("linear", {}), data)
    wrong = Runtime("numpy", [lambda X: np.tile([0.4, 0.6], (len(X.dense), 1))])
    monkeypatch.setattr(runtime_choice, "convert", lambda *_: [wrong])
    fast = compiled(model, data)
    assert fast.compiled.runtime == PIPELINE
    assert fast.compiled.parity == (
        "The pipeline serves: no runtime reproduces LogisticRegression on every row."
    )
    assert fast.compiled.microseconds_per_row is None
    assert fast.predict(rows) == model.predict(rows)


def test_a_difference_on_any_row_of_the_snapshot_is_detected(monkeypatch):
    data, _ = mixed_data(Classification(), n=200)
    model = fit_model(Classification(), Candidate("linear", {}), data)
    monkeypatch.setattr(compilation, "SAMPLE", 20)
    monkeypatch.setattr(compilation, "CHUNK", 100)
    real = compilation.CompiledForm.arrays
    chunks = []

    def reversed_from_the_third_chunk(form, rows):
        chunks.append(len(rows))
        return real(form, rows) if len(chunks) < 3 else real(form, rows)[:, ::-1]

    monkeypatch.setattr(compilation.CompiledForm, "arrays", reversed_from_the_third_chunk)
    fast = compile_model(model, data)
    assert fast.runtime == PIPELINE
    assert fast.parity.startswith("The pipeline serves: numpy differs from it: ")
    assert chunks == [compilation.probe_rows.MOST, 100, 100]


@pytest.mark.parametrize("seconds", [-1.0, 0.2])
def test_the_verification_stops_at_its_deadline_and_reports_its_rows(seconds, monkeypatch):
    data, _ = mixed_data(Classification(), n=300)
    model = fit_model(Classification(), Candidate("linear", {}), data)
    monkeypatch.setattr(compilation, "CHUNK", 100)
    real = probe_rows.python_rows
    monkeypatch.setattr(probe_rows, "python_rows", lambda *arguments: time.sleep(0.15) or real(*arguments))
    result = compile_model(model, data, time.monotonic() + seconds)
    if seconds < 0:
        assert result.parity == "The pipeline serves: there was no time left to compile it."
    else:
        assert "100 of 300 rows, as many as time allowed, of the snapshot" in result.parity


def test_labels_may_differ_only_if_they_tie():
    pipeline = np.array([[0.5, 0.5], [0.7, 0.3], [0.5 + 3e-6, 0.5 - 3e-6]])
    tied = compare(np.array([[0.5 - 1e-8, 0.5 + 1e-8], *pipeline[1:]]), pipeline, 1.0)
    assert (tied.ties, tied.labels, tied.agrees) == (1, 0, True)
    turned = compare(np.array([*pipeline[:2], [0.5 - 1e-7, 0.5 + 1e-7]]), pipeline, 1.0)
    assert (turned.ties, turned.labels, turned.agrees) == (0, 1, False)


def test_an_unknown_estimator_runs_natively_on_the_plan():
    class Unknown(LogisticRegression):
        pass

    data, rows = mixed_data(Classification())
    model = fit_model(Classification(), Candidate("linear", {}), data)
    model.estimator.steps[-1] = ("estimate", Unknown())
    model.estimator.fit(data.X, data.y)
    fast = compiled(model, data)
    assert fast.compiled.holds_estimator
    assert_equal_outputs(fast, model, rows)


def test_a_row_of_another_length_is_refused(both):
    _, fast = both
    with pytest.raises(ValueError, match=rf"Each row has {len(MIXED)} cells"):
        fast.predict([(date.min, datetime.max)])
