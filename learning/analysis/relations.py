"""Columns beside each other and beside the label: rank correlation, mutual information.

Both are computed on few rows, and on fewer the more columns there are.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

from ..dataset import Dataset
from .report import Correlation
from .statistics import Look, Rows, missing, sample
from .univariate import Target, frequent

#: Rows that are compared at most, and cells of all columns; and of these, texts.
ROWS, CELLS, TEXTS = 20_000, 400_000, 20_000
#: Numbers with at most this many values are compared value by value, as categories are.
FEW = 32
#: Rank correlations weaker than this are not worth a word, nor are more than this many.
STRONG, MOST = 0.5, 10
#: Rows that both columns need for their correlation to mean anything.
LEAST = 10


@dataclass(frozen=True, kw_only=True)
class RelationScores:
    """How well features predict the label, each all by itself."""

    by_name: Mapping[str, float]
    #: What is measured; 1 is perfect.
    measure: str
    #: What is scored without knowing anything.
    chance: float


def correlations(looks: Sequence[Look], seed: int) -> dict[str, tuple[Correlation, ...]]:
    """Spearman's rho with the other columns that have an order, of each the strongest.

    Rows that lack one of the two are left out; ranks are those among all rows that have the one.
    """
    ordered = [look for look in looks if look.kind.is_ordered]
    if len(ordered) < 2:
        return {}
    rows = _drawn(ordered, seed)
    ranks = np.column_stack([_ranks(look, rows) for look in ordered])
    rho = _rho(ranks, np.column_stack([~missing(_cells(look, rows)) for look in ordered]))
    names = [look.name for look in ordered]
    return {name: _strongest(names, rho[place], place) for place, name in enumerate(names)}


def _rho(ranks: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Pearson's correlation of the ranks over the rows that both columns know: `(columns, columns)`."""
    there = known.astype(np.float64)
    ranks = np.where(known, ranks - ranks.mean(axis=0), 0.0)
    n, total, squares = there.T @ there, ranks.T @ there, (ranks**2).T @ there
    covariance = n * (ranks.T @ ranks) - total * total.T
    variance = n * squares - total**2
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = covariance / np.sqrt(variance * variance.T)
    # What is left of a constant's variance after rounding is none.
    return np.where((n >= LEAST) & (np.minimum(variance, variance.T) > 1e-9 * n**2), rho, 0.0)


def _strongest(names: Sequence[str], rho: NDArray[np.float64], place: int) -> tuple[Correlation, ...]:
    others = [other for other in range(len(names)) if other != place and abs(rho[other]) >= STRONG]
    others.sort(key=lambda other: -abs(rho[other]))
    return tuple(
        Correlation(feature=names[other], rho=float(np.clip(rho[other], -1, 1))) for other in others[:MOST]
    )


def information(looks: Sequence[Look], dataset: Dataset, seed: int) -> dict[str, float]:
    """Mutual information of each column with the label, in nats; nothing for clustering.

    Of what has few values it is counted, of numbers estimated from nearest neighbours (Ross, "Mutual information
    between discrete and continuous data sets", 2014; Kraskov and others, "Estimating mutual information", 2004),
    of texts it is what naive Bayes makes of their words on rows that it has not seen: at least so much.
    Of many classes the rare ones are taken together.
    """
    if dataset.y is None:
        return {}
    plain = [look for look in looks if not look.kind.is_text]
    texts = [look for look in looks if look.kind.is_text]
    return _of_values(plain, dataset, seed) | _of_words(texts, dataset, seed)


def _of_values(looks: Sequence[Look], dataset: Dataset, seed: int) -> dict[str, float]:
    # A category of which none comes twice tells nothing, for all that its numbers would say.
    repeated = [look for look in looks if look.kind.is_ranged or look.seen < len(look.present)]
    silent = {look.name: 0.0 for look in looks}
    return silent | (_estimated(repeated, dataset, seed) if repeated else {})


def _estimated(looks: Sequence[Look], dataset: Dataset, seed: int) -> dict[str, float]:
    assert dataset.y is not None
    rows = _drawn(looks, seed)
    y = dataset.y if rows is None else dataset.y[rows]
    counted = [not look.kind.is_ranged or look.seen <= min(FEW, len(y) / 2) for look in looks]
    columns = [_ranks(look, rows, counts) for look, counts in zip(looks, counted, strict=True)]
    estimate = mutual_info_classif if dataset.classes else mutual_info_regression
    with warnings.catch_warnings():
        # So many classes that few rows have each: the estimate is what it is.
        warnings.simplefilter("ignore", UserWarning)
        found = estimate(
            np.column_stack(columns),
            frequent(y) if dataset.classes else rankdata(y),
            discrete_features=np.array(counted),
            n_neighbors=min(3, len(y) - 1),
            random_state=seed,
        )
    return {look.name: float(nats) for look, nats in zip(looks, found, strict=True)}


def _of_words(looks: Sequence[Look], dataset: Dataset, seed: int) -> dict[str, float]:
    if not looks:
        return {}
    target = Target.levels(dataset, min(ROWS, TEXTS // len(looks)), seed)
    return {look.name: target.information(look) for look in looks}


def scores(looks: Sequence[Look], dataset: Dataset, seed: int) -> RelationScores | None:
    """How well each feature predicts the label all by itself; None where nothing can be said of that."""
    target = Target.even(dataset, min(ROWS, CELLS // len(looks)), seed)
    if target is None:
        return None
    words = Target.even(dataset, min(ROWS, TEXTS // len(looks)), seed)
    by_name = {}
    for look in looks:
        of = words if look.kind.is_text else target
        if of is not None and (of.classes or not look.kind.is_text):
            by_name[look.name] = of.score(look)
    return RelationScores(by_name=by_name, measure=target.measure, chance=target.chance)


def _drawn(looks: Sequence[Look], seed: int) -> Rows | None:
    return sample(looks[0].rows, len(looks), seed, min(CELLS, ROWS * len(looks)))


def _cells(look: Look, rows: Rows | None) -> NDArray[Any]:
    return look.values if rows is None else look.values[rows]


def _ranks(look: Look, rows: Rows | None, counts: bool = False) -> NDArray[np.float64]:
    """Of the drawn rows, those without a value below all others: outliers must not decide. `counts` numbers the
    different values instead.
    """
    cells = _cells(look, rows)
    return rankdata(np.where(missing(cells), -np.inf, cells), method="dense" if counts else "average")
