"""Evaluations of numbers, of clusters, of classes that one version does not know, and of what is not finite."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from learning.exceptions import NotFinite
from learning.problem import Clustering
from store.comparisons.evaluation import Evaluation
from store.comparisons.replays import Replay
from store.products import catalogue
from store.products.product import DataProduct

from ..conftest import declared


@dataclass
class Fixed:
    """A model that answers a row by its first value."""

    outputs: Any
    classes: tuple[str, ...] = ()

    @property
    def signature(self) -> Any:
        return SimpleNamespace(classes=self.classes)

    def arrays(self, rows: Any) -> Any:
        places = [int(row[0]) for row in rows]
        if isinstance(self.outputs, tuple):
            return tuple(each[places] for each in self.outputs)
        if not np.isfinite(self.outputs[places]).all():
            raise NotFinite
        return self.outputs[places]


def evaluated(product: DataProduct, first: Fixed, second: Fixed, truths: list[str | None]) -> Evaluation:
    evaluation = Evaluation(product, (first, second))  # type: ignore[arg-type]
    n = len(truths)
    ids = [f"p{place}" for place in range(n)]
    evaluation.add(Replay("", n, ids, [[place] for place in range(n)], truths, [None] * n, 0))
    return evaluation


def test_numbers_differ_by_their_distance_and_are_scored():
    product = catalogue.get("diabetes")
    y = np.arange(40.0)
    first, second = Fixed(y + 1), Fixed(y + np.where(y % 2, 3.0, -0.5))
    truths = [repr(float(value)) if value < 30 else None for value in y]
    evaluation = evaluated(product, first, second, truths)
    assert (evaluation.counted, evaluation.labelled, evaluation.flipped) == (30, 30, 40)
    flips = evaluation.list_flips()
    assert [flip.distance for flip in flips] == sorted((flip.distance for flip in flips), reverse=True)
    assert flips[0].answers == ("2.0", "4.0") and flips[0].confidences == (None, None)
    measures = {measure.metric: measure for measure in evaluation.measure()}
    assert next(iter(measures)) == evaluation.metric == product.metric
    mae = measures["neg_mean_absolute_error"]
    assert (mae.first, mae.second, mae.difference) == (-1.0, -1.75, -0.75)


def test_clusters_flip_and_have_no_measures():
    product = declared({"age": "anamnesis__age"}, problem=Clustering(), label=None)
    distances = np.zeros((4, 2))
    models = [Fixed((np.array(clusters), distances)) for clusters in ([0, 1, -1, 0], [0, 0, -1, 1])]
    evaluation = evaluated(product, *models, [None] * 4)
    assert [flip.answers for flip in evaluation.list_flips()] == [("1", "0"), ("0", "1")]
    assert evaluation.measure() == []


def test_classes_that_one_version_does_not_know_count_against_it():
    product = catalogue.get("tumor")
    labels = [label.text for label in product.labels]
    one, both = Fixed(np.ones((4, 1)), (labels[0],)), Fixed(np.tile([0.2, 0.8], (4, 1)), tuple(labels))
    evaluation = evaluated(product, one, both, [labels[1], labels[1], labels[0], "nonsense"])
    assert (evaluation.counted, dict(evaluation.exclusions)) == (3, {"NOT_A_LABEL": 1})
    accuracy = next(m for m in evaluation.measure() if m.metric == "accuracy")
    assert (accuracy.first, accuracy.second) == (1 / 3, 2 / 3)


def test_an_instance_without_a_finite_answer_is_left_out_alone():
    product = catalogue.get("diabetes")
    evaluation = evaluated(
        product, Fixed(np.array([1.0, np.nan, 3.0])), Fixed(np.array([1.0, 2.0, 3.5])), ["1.0", "2.0", "3.0"]
    )
    assert (evaluation.instances, evaluation.unanswered, evaluation.counted) == (2, 1, 2)
    assert [flip.prediction for flip in evaluation.list_flips()] == ["p2"]
    nothing = evaluated(product, Fixed(np.full(2, np.nan)), Fixed(np.zeros(2)), [None, None])
    assert (nothing.instances, nothing.unanswered, nothing.measure()) == (0, 2, [])


@pytest.mark.parametrize("truth", ["nan", "inf", "text"])
def test_a_truth_that_is_no_number_does_not_count(truth):
    evaluation = evaluated(catalogue.get("diabetes"), Fixed(np.zeros(1)), Fixed(np.ones(1)), [truth])
    assert (evaluation.counted, evaluation.measure()) == (0, [])
