"""Order of rows to label: uncertain and unlike each other; models learn more from it than from as many at random."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from benchmarks import labelling
from learning.columns import Column, Kind
from learning.evaluation import label_order
from learning.evaluation.label_order import BATCH

Floats = label_order.Floats


def place(X: Floats) -> Floats:
    columns = [Column(name=f"x{n}", kind=Kind.NUMBER) for n in range(X.shape[1])]
    return label_order.place_rows(columns, X.tolist())


def test_the_margin_is_between_the_two_most_probable() -> None:
    probabilities = np.array([[0.5, 0.5, 0.0], [0.0, 0.25, 0.75], [0.0, 1.0, 0.0], [0.4, 0.3, 0.3]])
    assert label_order.margin_uncertainty(probabilities) == pytest.approx([1.0, 0.5, 0.0, 0.9])
    assert label_order.margin_uncertainty(np.ones((2, 1))).tolist() == [0.0, 0.0]


def test_each_row_comes_once() -> None:
    random = np.random.default_rng(0)
    points, uncertainty = random.normal(size=(333, 3)), random.random(333)
    order = label_order.order_rows(points, uncertainty, 1_000)
    assert sorted(order) == list(range(333))
    assert order.tolist() == label_order.order_rows(points, uncertainty, 1_000).tolist()
    assert order[:70].tolist() == label_order.order_rows(points, uncertainty, 70).tolist()


def test_few_rows_come_by_their_uncertainty() -> None:
    points, uncertainty = np.arange(5.0)[:, None], np.array([0.1, 0.9, 0.5, 0.5, 0.0])
    assert label_order.order_rows(points, uncertainty, 9).tolist() == [1, 2, 3, 0, 4]
    assert label_order.order_rows(points[:0], uncertainty[:0], 9).tolist() == []
    assert label_order.order_rows(points, np.zeros(5), 3).tolist() == [0, 1, 2]


def test_a_batch_has_a_row_of_each_group_of_the_uncertain() -> None:
    """Of twenty groups of ten near rows each, one row of each group; rows that repeat another come last."""
    random = np.random.default_rng(0)
    groups = np.repeat(random.normal(size=(BATCH, 4)) * 10, 10, axis=0)
    points = np.vstack([groups + random.normal(size=groups.shape) / 100, groups[:1], groups[:1]])
    uncertainty = np.r_[random.random(200) / 10 + 0.9, 1.0, 1.0]
    order = label_order.order_rows(points, uncertainty, 500)
    assert len({min(row // 10, BATCH - 1) if row < 200 else 0 for row in order[:BATCH]}) == BATCH
    assert order[-1] == 201
    # By uncertainty alone, the first twenty are of fewer groups.
    assert len({row // 10 for row in np.argsort(-uncertainty)[:BATCH]}) < BATCH


@pytest.mark.parametrize("unit", [1e300, 1e-300])
def test_the_unit_of_uncertainty_does_not_matter(unit: float) -> None:
    random = np.random.default_rng(0)
    points, uncertainty = random.normal(size=(99, 3)), random.random(99)
    order = label_order.order_rows(points, uncertainty, 99)
    assert label_order.order_rows(points, uncertainty * unit, 99).tolist() == order.tolist()


@pytest.mark.filterwarnings("error")
def test_rows_that_are_nearly_equal_are_ordered_without_a_warning() -> None:
    points = np.full((300, 2), 1.0)
    points[:, 0] += np.arange(300) * 1e-15
    order = label_order.order_rows(points, np.ones(300), 300)
    assert sorted(order) == list(range(300))


def test_rows_of_all_kinds_have_a_place() -> None:
    columns = [
        Column(name="number", kind=Kind.NUMBER, nullable=True),
        Column(name="category", kind=Kind.CATEGORY, choices=("a", "b")),
        Column(name="text", kind=Kind.TEXT),
        Column(name="yes", kind=Kind.BOOLEAN, nullable=True),
        Column(name="open", kind=Kind.OPEN_CATEGORY, nullable=True),
    ]
    rows: list[Any] = [
        (1.0, "a", "one two", True, "x"),
        (None, None, "", None, None),
        (float("nan"), "unheard of", "two", False, "y"),
        (1e300, "b", "three", True, "x"),
    ]
    places = label_order.place_rows(columns, rows)
    assert places.shape[0] == 4
    assert np.isfinite(places).all()
    assert np.abs(places).max() <= label_order.FARTHEST


def test_labels_in_this_order_teach_more_than_as_many_at_random() -> None:
    """Of the tumors: 50 labels in this order teach what takes 110 at random, averaged over ten splits."""
    X, y = load_breast_cancer(return_X_y=True)
    ours, at_random = (labelling.average(X, y, order, seeds=10, rounds=6) for order in ("queue", "random"))
    assert ours[0] == at_random[0]  # the same labels to begin with
    assert (ours[1:] > at_random[1:]).all()
    assert ours[2] > at_random[5]
