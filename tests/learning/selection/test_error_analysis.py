"""Error analysis of simulated predictions with known errors."""

from dataclasses import replace

import numpy as np
import pytest

from learning.columns import Column, Kind
from learning.dataset import dataset
from learning.problem import Classification, Regression
from learning.selection import error_analysis

COLUMNS = (
    Column(name="colour", kind=Kind.CATEGORY, nullable=True, choices=("red", "green", "blue")),
    Column(name="size", kind=Kind.NUMBER, nullable=True),
    Column(name="note", kind=Kind.TEXT, nullable=True),
)
N = 400


@pytest.fixture(scope="module")
def examples():
    random = np.random.default_rng(0)
    rows = [
        (str(random.choice(["red", "green", "blue"])), None if n % 10 == 0 else float(n), "a word")
        for n in range(N)
    ]
    return dataset(Classification(), COLUMNS, rows, [n % 2 == 0 for n in range(N)], ("False", "True"))


def predictions(examples, wrong):
    """Simulate probabilities that are wrong for these rows only, on two folds of half the rows each."""
    right = np.where(wrong, 0.1, 0.9).astype(np.float32)
    probabilities = np.empty((N, 2), dtype=np.float32)
    rows = np.arange(N)
    probabilities[rows, examples.y] = right
    probabilities[rows, 1 - examples.y] = 1 - right
    held_out = [rows[::2], rows[1::2]]
    return np.concatenate([probabilities[fold] for fold in held_out]), held_out


def test_the_slice_that_contains_the_errors_is_named(examples):
    red = (examples.X["colour"] == "red").to_numpy()
    losses, _ = error_analysis.row_losses(examples, *predictions(examples, red))
    first = error_analysis.worst_slices(examples, losses)[0]
    assert (first.feature, first.value, first.rows) == ("colour", "red", int(red.sum()))
    assert first.times == pytest.approx(np.mean(losses[red]) / np.mean(losses))


def test_numbers_are_sliced_by_range_and_by_missing_values(examples):
    wrong = np.arange(N) >= 300
    losses, _ = error_analysis.row_losses(examples, *predictions(examples, wrong))
    first = error_analysis.worst_slices(examples, losses)[0]
    assert (first.feature, first.value[:4], first.value[-3:]) == ("size", "from", "399")
    missing = examples.X["size"].isna().to_numpy()
    losses, _ = error_analysis.row_losses(examples, *predictions(examples, missing))
    assert error_analysis.worst_slices(examples, losses)[0].value == "missing"


def test_uniform_errors_make_no_slice(examples):
    losses, _ = error_analysis.row_losses(examples, *predictions(examples, np.zeros(N, dtype=bool)))
    assert error_analysis.worst_slices(examples, losses) == []


def measured(columns, seed, rows=300):
    """Draw rows of these many numbers, which tell nothing."""
    random = np.random.default_rng((seed, 1))
    cells = random.normal(size=(rows, columns))
    return dataset(
        Regression(),
        [Column(name=f"x{place}", kind=Kind.NUMBER) for place in range(columns)],
        cells.tolist(),
        random.normal(size=rows).tolist(),
    )


def test_losses_that_depend_on_no_feature_make_no_slices_however_heavy_their_tail():
    named = 0
    for seed in range(12):
        losses = np.random.default_rng((seed, 2)).lognormal(0, 1.5, 300)
        named += bool(error_analysis.worst_slices(measured(8, seed), losses, seed=seed))
    assert named <= 3  # of 12 at 5 %: more in one of 500 draws


def test_a_small_slice_with_twice_the_loss_is_found_among_many():
    examples = measured(10, 0, 1000)
    losses = np.random.default_rng(3).exponential(size=1000)
    losses[(examples.X["x3"] > examples.X["x3"].quantile(0.75)).to_numpy()] *= 2
    [found] = error_analysis.worst_slices(examples, losses)
    assert (found.feature, found.rows) == ("x3", 250) and 1.4 < found.times < 1.8


def test_rows_of_one_group_are_no_evidence_of_each_other():
    named = dict.fromkeys(("groups", "none"), 0)
    for seed in range(8):
        random = np.random.default_rng((seed, 5))
        people = np.repeat(np.arange(60), 8)
        examples = measured(4, seed, 480)
        for name in examples.X:
            examples.X[name] = random.normal(size=60)[people]
        losses = np.exp(random.normal(size=60)[people] + 0.5 * random.normal(size=480))
        named["none"] += bool(error_analysis.worst_slices(examples, losses))
        named["groups"] += bool(error_analysis.worst_slices(replace(examples, groups=people), losses))
    assert named["groups"] <= 2 < 6 <= named["none"]


def test_slices_of_many_rows_must_be_visibly_worse():
    examples = measured(1, 0, 20_000)
    losses = np.where(examples.X["x0"] > 0, 1.1, 1.0) * np.random.default_rng(4).exponential(size=20_000)
    assert error_analysis.worst_slices(examples, losses) == []


def test_the_largest_errors_come_first_with_their_predictions(examples):
    wrong = np.zeros(N, dtype=bool)
    wrong[[17, 42]] = True
    losses, predicted = error_analysis.row_losses(examples, *predictions(examples, wrong))
    first, second, *_ = error_analysis.worst_rows(examples, losses, predicted)
    assert (first.row, second.row) == (17, 42)
    assert (first.truth, first.predicted) == ("False", "True (90%)")
    assert first.loss == pytest.approx(-np.log(0.1), rel=1e-5)


def test_predictions_and_losses_of_a_row_that_is_held_out_twice_are_averaged():
    rows = [("red", float(n), None) for n in range(20)]
    values = dataset(Regression(), COLUMNS, rows, [float(n) for n in range(20)])
    every = np.arange(20)
    twice = np.concatenate([values.y + 1, values.y + 3]).astype(np.float32)
    losses, predicted = error_analysis.row_losses(values, twice, [every, every])
    np.testing.assert_allclose(losses, (1 + 9) / 2, rtol=1e-5)
    assert error_analysis.worst_rows(values, losses, predicted)[0].predicted == "2"
