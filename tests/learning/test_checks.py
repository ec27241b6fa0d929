"""Checks of declared problems."""

import pytest

from learning.checks import check_problem
from learning.problem import Classification, Clustering, Regression

TWO, THREE = ("benign", "malignant"), ("low", "middle", "high")


@pytest.mark.parametrize(
    ("problem", "choices", "expected"),
    [
        (Classification(folds=2), TWO, "too few"),
        (Classification(families="baseline"), TWO, "learns nothing"),
        (Classification(metric="roc_auc"), THREE, "roc_auc_ovr"),
        (Classification(positive="malign"), TWO, "malignant"),
        (Classification(positive="low"), THREE, "two choices"),
        (Classification(floors={"malign": 0.9}), TWO, "'malign'"),
        (Regression(folds=2), None, "too few"),
    ],
)
def test_a_mistake_in_a_declaration_is_explained(problem, choices, expected):
    (sentence,) = check_problem(problem, choices)
    assert expected in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("problem", "choices"),
    [
        (Classification(positive="malignant", floors={"malignant": 0.9}), TWO),
        (Classification(positive=True, floors={True: 0.9}), ("False", "True")),
        (Classification(floors={"anything": 0.9}), None),
        (Clustering(), None),
    ],
)
def test_a_sound_declaration_has_no_mistakes(problem, choices):
    assert list(check_problem(problem, choices)) == []
