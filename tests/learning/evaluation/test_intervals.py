"""Prediction intervals of simulated errors."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from learning.columns import Column, Kind, frame
from learning.dataset import Dataset
from learning.encoding import category
from learning.evaluation import error_trees, interval_fit, live_coverage
from learning.evaluation.error_size import SizeColumn
from learning.evaluation.error_trees import Features
from learning.evaluation.intervals import LEVELS, Intervals
from learning.evaluation.live_coverage import LiveRow

from ..conftest import MIXED, STRANGE, mixed_rows

COLUMNS = (
    Column(name="x", kind=Kind.NUMBER, nullable=True),
    Column(name="kind", kind=Kind.CATEGORY, choices=("calm", "plain", "noisy")),
    Column(name="late", kind=Kind.BOOLEAN),
)


class Simulation:
    """Examples whose predictions are known, and whose errors are drawn in one of several ways."""

    def __init__(self, errors: str, n: int = 600, seed: int = 0) -> None:
        random = np.random.default_rng([seed, n])
        x, code, late = random.random(n), random.choice(3, n, p=[0.4, 0.45, 0.15]), random.random(n) < 0.5
        mean = 2 + 10 * x
        noise = {
            "even": random.normal(size=n) * 2,
            "growing": random.normal(size=n) * 0.05 * mean**2,
            "noisy group": random.normal(size=n) * np.where(code == 2, 5, 1),
            "skewed": (random.exponential(size=n) - 1) * mean,
            "drifting": random.normal(size=n) * np.linspace(1, 4, n),
        }[errors]
        X = pd.DataFrame({"x": x, "kind": category(COLUMNS[1].choices, code), "late": late.astype(float)})
        self.values, self.y, self.code = mean.astype(np.float32), mean + noise, code
        self.dataset = Dataset(columns=COLUMNS, X=X, y=self.y, classes=(), fingerprint="")
        self.records = [
            {"x": a, "kind": COLUMNS[1].choices[b], "late": bool(c)}
            for a, b, c in zip(x.tolist(), code.tolist(), late.tolist(), strict=True)
        ]

    def fit(self, folds: int = 5, repeats: int = 1, **options: Any) -> Intervals:
        random = np.random.default_rng(1)
        rows = np.arange(len(self.y))
        held_out = [
            part
            for _ in range(repeats)
            for part in np.array_split(rows if options.get("ordered") else random.permutation(rows), folds)
        ]
        values = self.values[np.concatenate(held_out)]
        return interval_fit.fit(values, self.dataset, held_out, **options)

    def inside(self, intervals: Intervals, level: float = 0.9) -> np.ndarray:
        ends = np.array(
            [
                intervals.interval(value, level, record)
                for value, record in zip(self.values.tolist(), self.records, strict=True)
            ]
        )
        return (ends[:, 0] <= self.y) & (self.y <= ends[:, 1])

    def thirds(self, inside: np.ndarray) -> list[float]:
        third = np.digitize(self.values, np.quantile(self.values, [1 / 3, 2 / 3]))
        return [float(inside[third == each].mean()) for each in range(3)]


@cache
def fitted_to(errors: str) -> Intervals:
    return Simulation(errors).fit()


def test_intervals_contain_as_many_truths_as_their_level():
    fitted = fitted_to("even")
    for level in LEVELS:
        assert fitted.coverage[f"{level:g}"] == pytest.approx(level, abs=0.03)
    assert Simulation("even", 3_000, seed=1).inside(fitted).mean() == pytest.approx(0.9, abs=0.03)
    assert fitted.basis == "CONSTANT" and fitted.measured == 600


def test_a_higher_level_is_wider_and_skewed_errors_make_skewed_intervals():
    fitted = fitted_to("skewed")
    (low, high), (lower, higher) = (fitted.interval(8.0, level) for level in (0.5, 0.95))
    assert lower < low < high < higher
    assert higher - 8.0 > 8.0 - lower


def test_where_errors_grow_with_the_prediction_so_do_intervals():
    fitted, fresh = fitted_to("growing"), Simulation("growing", 3_000, seed=1)
    errors = np.sort(fresh.y - fresh.values)
    constant = Intervals(errors=tuple(errors.tolist()), count=3_000, coverage={}, width={})
    thirds, before = fresh.thirds(fresh.inside(fitted)), fresh.thirds(fresh.inside(constant))
    assert fitted.basis == "PREDICTION" and fitted.factor is None
    assert max(before) > 0.98 and min(before) < 0.8
    assert thirds == pytest.approx([0.9] * 3, abs=0.05)
    assert [third.coverage["0.9"] for third in fitted.thirds] == pytest.approx([0.9] * 3, abs=0.05)


def test_a_noisy_group_has_wider_intervals_and_is_told():
    fitted, fresh = fitted_to("noisy group"), Simulation("noisy group", 3_000, seed=1)
    assert fitted.basis == "FEATURES" and fitted.factor is not None
    assert "kind" in {column.name for column in fitted.factor.columns}
    inside = fresh.inside(fitted)
    assert inside.mean() == pytest.approx(0.9, abs=0.03)
    assert inside[fresh.code == 2].mean() > 0.8
    low, high = fitted.interval(8.0, 0.9, {"x": 0.6, "kind": "noisy", "late": True})
    calm_low, calm_high = fitted.interval(8.0, 0.9, {"x": 0.6, "kind": "calm", "late": True})
    assert high - low > 2.5 * (calm_high - calm_low)
    told = {(part.feature, part.value): part.coverage["0.9"] for part in fitted.slices}
    assert told["kind", "noisy"] == pytest.approx(inside[fresh.code == 2].mean(), abs=0.1)
    assert ("late", "yes") in told


def test_a_part_with_too_few_truths_inside_is_short(monkeypatch):
    monkeypatch.setattr(interval_fit, "FEWEST_ROWS", 10_000)
    fitted = Simulation("noisy group").fit()
    assert fitted.basis == "CONSTANT"
    assert [(part.feature, part.value) for part in fitted.slices if part.short] == [("kind", "noisy")]
    assert fitted.slices[0].short


def test_predictions_of_two_values_have_no_middle_third():
    simulation = Simulation("even")
    simulation.values = np.where(simulation.code == 0, 5, 9).astype(np.float32)
    assert len(simulation.fit().thirds) == 2


def test_few_rows_have_errors_of_one_size():
    fitted = Simulation("growing", interval_fit.FEWEST_ROWS - 10).fit(repeats=2)
    assert fitted.basis == "CONSTANT" and fitted.curve is None
    assert fitted.count == interval_fit.FEWEST_ROWS - 10


def test_two_hundred_rows_already_show_that_errors_grow(monkeypatch):
    fresh = Simulation("growing", 3_000, seed=1)

    def least() -> float:
        fitted = [Simulation("growing", 200, seed=seed).fit(repeats=2) for seed in range(3)]
        return float(np.mean([fresh.thirds(fresh.inside(each)) for each in fitted], axis=0).min())

    sized = least()
    monkeypatch.setattr(interval_fit, "FEWEST_ROWS", 250)
    assert sized > 0.84 > least() + 0.05


def test_intervals_stay_within_what_the_label_may_be():
    simulation = Simulation("skewed")
    simulation.dataset = replace(simulation.dataset, y=np.abs(simulation.y))
    assert simulation.fit().interval(0.01, 0.95)[0] == 0.0
    simulation.dataset = replace(simulation.dataset, y=simulation.y, limits=(-1.0, 12.0))
    low, high = simulation.fit().interval(11.0, 0.95)
    assert low >= -1.0 and high == 12.0


def test_labels_below_zero_have_no_limit():
    fitted = fitted_to("even")
    assert (fitted.least, fitted.most) == (None, None)


def test_in_the_order_of_time_the_latest_folds_are_measured_by_earlier_ones():
    fitted, shuffled = Simulation("drifting").fit(ordered=True), fitted_to("drifting")
    assert fitted.latest and fitted.measured == 360 and fitted.count == 360
    assert fitted.coverage["0.9"] < 0.88 < shuffled.coverage["0.9"]
    wide, narrow = fitted.interval(5.0, 0.9), shuffled.interval(5.0, 0.9)
    assert wide[1] - wide[0] > narrow[1] - narrow[0]


def test_rows_held_out_twice_are_measured_by_other_rows():
    fitted, once = Simulation("even", 270).fit(repeats=3), Simulation("even", 270).fit()
    assert fitted.coverage == pytest.approx(once.coverage, abs=0.03)
    assert (fitted.count, fitted.measured) == (270, 270)


def test_the_same_rows_give_the_same_intervals():
    assert Simulation("noisy group").fit() == fitted_to("noisy group")


@pytest.mark.parametrize("errors", ["even", "growing", "noisy group"])
def test_intervals_survive_json(errors):
    fitted = fitted_to(errors)
    assert Intervals.from_json(json.loads(json.dumps(fitted.as_json()))) == fitted


def test_intervals_of_an_earlier_release_are_of_one_width():
    stored = {"errors": [-1.0, 0.0, 1.0], "count": 3, "coverage": {"0.9": 0.9}, "width": {"0.9": 2.0}}
    assert Intervals.from_json(stored).interval(5.0, 0.5, {"x": 1}) == (4.0, 6.0)


def test_few_errors_do_not_extrapolate():
    fitted = Simulation("even", 30).fit()
    fitted = replace(fitted, least=None)
    assert fitted.interval(0.0, 0.999) == pytest.approx((fitted.errors[0], fitted.errors[-1]))


def live_rows(spread: float, n: int = 200) -> list[LiveRow]:
    errors = np.random.default_rng(5).normal(size=n) * spread
    return [LiveRow(5.0, 5.0 + error, {}) for error in errors.tolist()]


def test_live_errors_that_are_larger_widen_the_next_intervals():
    fitted = fitted_to("even")
    live = live_coverage.measure(fitted, live_rows(3.0))
    assert live is not None and live.coverage < 0.8
    assert live.widening == pytest.approx(1.5, abs=0.2)
    wider = replace(fitted, live=live)
    (low, high), (wide_low, wide_high) = (each.interval(15.0, 0.9) for each in (fitted, wider))
    assert wide_high - wide_low == pytest.approx(live.widening * (high - low))
    assert Intervals.from_json(wider.as_json()) == wider
    # What it widened is not what it is measured by, or the next version would be narrow again.
    assert live_coverage.measure(wider, live_rows(3.0)) == live


@pytest.mark.parametrize(
    ("spread", "n", "widening"), [(2.0, 200, 1.0), (1.0, 200, 1.0), (50.0, 200, 2.0), (50.0, 49, 0)]
)
def test_a_widening_needs_truths_and_has_a_limit(spread, n, widening):
    live = live_coverage.measure(fitted_to("even"), live_rows(spread, n))
    assert (live.widening if live else 0) == widening


def test_many_rows_are_sampled(monkeypatch):
    monkeypatch.setattr(interval_fit, "MOST_ROWS", 400)
    monkeypatch.setattr(interval_fit, "MOST_ERRORS", 101)
    monkeypatch.setattr(error_trees, "TREE_ROWS", 200)
    monkeypatch.setattr(error_trees, "COLUMNS", 2)
    fitted = Simulation("noisy group", 2_000).fit()
    assert fitted.measured == 400 and len(fitted.errors) == 101
    assert fitted.coverage["0.9"] == pytest.approx(0.9, abs=0.05)


def test_a_stored_instance_is_encoded_as_the_trees_learned_it():
    rows, labels = mixed_rows(80)
    X = frame(MIXED, rows)
    dataset = Dataset(columns=MIXED, X=X, y=np.array(labels, float), classes=(), fingerprint="")
    features = Features.of(dataset, np.arange(len(X)))
    for place, column in enumerate(features.columns):
        levels = features.levels[place]
        numbers = None if levels is None else {level: float(code) for code, level in enumerate(levels)}
        size = SizeColumn(name=column.name, kind=column.kind, levels=numbers)
        stored = [_stored(dict(zip([c.name for c in MIXED], row, strict=True))) for row in rows]
        encoded = [size.number(instance) for instance in stored]
        np.testing.assert_array_equal(encoded, features.matrix[:, place], err_msg=column.name)


def test_exported_trees_give_the_factors_of_the_fitted_ones():
    simulation = Simulation("noisy group")
    rows = np.arange(len(simulation.y))
    features = Features.of(simulation.dataset, rows)
    sizes = np.abs(simulation.y - simulation.values)
    values = simulation.values.astype(np.float64)
    fitted = error_trees.fit(features, values, sizes, rows, seed=0)
    assert fitted is not None
    exported = fitted.export()
    factors = [exported.of(v, r) for v, r in zip(values.tolist(), simulation.records, strict=True)]
    np.testing.assert_allclose(factors, fitted.factors(values, rows), rtol=1e-9)


@pytest.mark.parametrize("row", STRANGE)
def test_a_strange_or_empty_instance_has_an_interval(row):
    fitted = fitted_to("noisy group")
    for features in (_stored(dict(zip([c.name for c in MIXED], row, strict=True))), {"x": "?", "kind": []}):
        low, high = fitted.interval(5.0, 0.9, features)
        assert np.isfinite([low, high]).all() and low < high


def _stored(instance: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {column.name: column.kind for column in MIXED}
    return {name: None if v is None else kinds[name].to_json(v) for name, v in instance.items()}
