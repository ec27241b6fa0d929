"""Rankings of one class equal scikit-learn to the last digit."""

import numpy as np
import pytest
from sklearn import metrics

from learning.evaluation.class_ranking import ClassRanking
from learning.evaluation.influence import area_influence, precision_influence

SCORES = {
    "different": lambda random, n: random.random(n),
    "tied": lambda random, n: random.integers(0, 7, n) / 7,
    "alike": lambda random, n: np.full(n, 0.5),
    "extreme": lambda random, n: random.choice([0.0, 5e-324, 1 - 2**-53, 1.0], n),
}


@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize("rows", [2, 3, 50, 5_000])
def test_areas_are_those_of_scikit_learn(kind, rows):
    random = np.random.default_rng(rows)
    for _ in range(20):
        scores, positive = SCORES[kind](random, rows), random.random(rows) < 0.3
        positive[:2] = True, False
        ranking = ClassRanking(scores, positive)
        assert ranking.roc_auc() == metrics.roc_auc_score(positive, scores)
        assert ranking.average_precision() == metrics.average_precision_score(positive, scores)


def test_another_order_is_used_only_if_it_is_that_of_the_scores():
    random = np.random.default_rng(3)
    scores, positive = random.random(300), random.random(300) < 0.4
    first = ClassRanking(scores, positive)
    same = ClassRanking(1 - scores, ~positive, first.order[::-1])
    assert np.shares_memory(same.order, first.order)
    other = ClassRanking(scores[::-1], positive, first.order)
    for ranking, values, truth in ((same, 1 - scores, ~positive), (other, scores[::-1], positive)):
        assert ranking.roc_auc() == metrics.roc_auc_score(truth, values)


def test_each_row_has_the_share_of_others_that_it_is_right_of():
    random = np.random.default_rng(4)
    scores, positive = random.integers(0, 9, 60) / 9, random.random(60) < 0.5
    shares = ClassRanking(scores, positive).area_shares()
    for row, share in enumerate(shares):
        others = scores[positive != positive[row]]
        below = scores[row] > others
        assert share == pytest.approx((below + (scores[row] == others) / 2).mean(), abs=1e-15)


def test_influences_have_no_sum():
    random = np.random.default_rng(5)
    ranking = ClassRanking(random.random(400), random.random(400) < 0.2)
    assert area_influence(ranking).sum() == pytest.approx(0, abs=1e-9)
    assert precision_influence(ranking).sum() == pytest.approx(0, abs=1e-9)
