"""Folds on which charts fit a recipe again: samples of the final round's folds, which respect groups and time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..estimators import ensemble
from ..estimators.families import Candidate
from ..evaluation.folds import Fold
from .evidence import Evidence, describe_sample

#: Number of folds, and number if rows are many.
FOLDS, FEW_FOLDS = 3, 2
#: Families whose fits are so fast that they may use all sampled rows.
FAST = ("linear", "naive_bayes", "svm", "neighbours")
#: Share of the sampled rows that other families learn from; held-out rows per training row.
SHARE, HELD_OUT = 0.25, 0.5
#: Rows of each class that come first, as many as inner folds, so that every prefix has them.
FIRST = 5


def split(evidence: Evidence, candidate: Candidate) -> list[Fold]:
    """Sample the first folds of the final round; every prefix of the training rows is a valid training set."""
    fast = all(member.family in FAST for member in ensemble.members(candidate))
    most = evidence.rows if fast else max(1, int(evidence.rows * SHARE))
    return [_sample(evidence, *fold, most, number) for number, fold in enumerate(_choose(evidence, most))]


def describe(evidence: Evidence, folds: list[Fold]) -> str:
    """Return a sentence about the folds' sample; empty if they have all rows."""
    complete = _final_round(evidence)[: len(folds)]
    return describe_sample(_count_rows(folds), _count_rows(complete))


def _choose(evidence: Evidence, most: int) -> Sequence[Fold]:
    """Choose folds of the final round: fewer if their training rows are going to be sampled."""
    folds = _final_round(evidence)
    return folds[: FEW_FOLDS if len(folds[0][0]) > most else FOLDS]


def _final_round(evidence: Evidence) -> Sequence[Fold]:
    """Return the final round's folds; ordered ones start with the latest, which has the most training rows."""
    folds = evidence.context.split("contest")
    return folds[::-1] if evidence.context.plan.ordered else folds


def _count_rows(folds: Sequence[Fold]) -> int:
    return len(np.unique(np.concatenate([part for fold in folds for part in fold])))


def _sample(
    evidence: Evidence, learn: NDArray[np.intp], held_out: NDArray[np.intp], most: int, fold: int
) -> Fold:
    random = np.random.default_rng([evidence.context.seed, fold])
    sample = _interleave(evidence, random.permutation(held_out))[: max(1, int(most * HELD_OUT))]
    return _interleave(evidence, random.permutation(learn))[:most], np.sort(sample)


def _interleave(evidence: Evidence, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Reorder shuffled rows so that every prefix is stratified by class and has FIRST rows of each class, if it can."""
    dataset = evidence.context.dataset
    if not dataset.classes or dataset.y is None:
        return rows
    position = np.empty(len(rows))
    for code in range(len(dataset.classes)):
        members = np.flatnonzero(dataset.y[rows] == code)
        position[members] = (np.arange(len(members)) + 0.5) / max(1, len(members))
        position[members[:FIRST]] = 0.0
    return rows[np.argsort(position, kind="stable")]
