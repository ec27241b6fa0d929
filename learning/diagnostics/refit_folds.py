"""On which rows a recipe is fitted anew: some of the contest's folds, so that groups and time stay apart."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..estimators import ensemble
from ..estimators.families import Candidate
from ..evaluation.folds import Fold
from .evidence import Evidence, drawn_from

#: Folds that curves are measured on, and where the rows are many.
FOLDS, FEW_FOLDS = 3, 2
#: Families that are fitted so fast that more rows may teach them.
FAST = ("linear", "naive_bayes", "svm", "neighbours")
#: The share of the rows that the others learn from, and the share of those that are held out.
SHARE, HELD_OUT = 0.25, 0.5
#: Rows of each class that come first, so that any few rows have them too: as many as inner folds.
FIRST = 5


def folds(evidence: Evidence, candidate: Candidate) -> list[Fold]:
    """Some rows of the contest's first folds, those to learn from in an order of which any beginning will do."""
    fast = all(member.family in FAST for member in ensemble.members(candidate))
    most = evidence.rows if fast else max(1, int(evidence.rows * SHARE))
    return [_some(evidence, *fold, most, number) for number, fold in enumerate(_whole(evidence, most))]


def sampled(evidence: Evidence, folds: list[Fold]) -> str:
    """A sentence where the folds have not all rows, else empty."""
    whole = _contest(evidence)[: len(folds)]
    return drawn_from(_rows(folds), _rows(whole))


def _whole(evidence: Evidence, most: int) -> Sequence[Fold]:
    """Fewer folds where there are more rows to learn from than will be."""
    found = _contest(evidence)
    return found[: FEW_FOLDS if len(found[0][0]) > most else FOLDS]


def _contest(evidence: Evidence) -> Sequence[Fold]:
    """The contest's folds; those in the order of time from the last, which has most to learn from."""
    found = evidence.context.split("contest")
    return found[::-1] if evidence.context.plan.ordered else found


def _rows(folds: Sequence[Fold]) -> int:
    return len(np.unique(np.concatenate([part for fold in folds for part in fold])))


def _some(
    evidence: Evidence, learn: NDArray[np.intp], held_out: NDArray[np.intp], most: int, fold: int
) -> Fold:
    random = np.random.default_rng([evidence.context.seed, fold])
    held = _ordered(evidence, random.permutation(held_out))[: max(1, int(most * HELD_OUT))]
    return _ordered(evidence, random.permutation(learn))[:most], np.sort(held)


def _ordered(evidence: Evidence, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Rows in random order, put so that each beginning has classes in proportion, and a few of each class at least."""
    dataset = evidence.context.dataset
    if not dataset.classes or dataset.y is None:
        return rows
    place = np.empty(len(rows))
    for code in range(len(dataset.classes)):
        mine = np.flatnonzero(dataset.y[rows] == code)
        place[mine] = (np.arange(len(mine)) + 0.5) / max(1, len(mine))
        place[mine[:FIRST]] = 0.0
    return rows[np.argsort(place, kind="stable")]
