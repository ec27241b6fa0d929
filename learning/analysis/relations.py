"""Relations between columns and with the label: rank correlation, mutual information, univariate scores.

All are computed on a sample, which is smaller the more columns there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..dataset import Dataset
from .information import Information, LabelInformation, spread
from .report import Correlation
from .statistics import Cells, ColumnStatistics, Rows, is_missing, sample
from .univariate import Target, merge_rare_classes

Columns = Sequence[ColumnStatistics]

#: Upper bounds of the sampled rows, of their cells, and of their texts.
ROWS, CELLS, TEXTS = 20_000, 400_000, 20_000
#: Numbers with at most this many distinct values are treated as categories.
FEW = 32
#: Least absolute rank correlation that is reported, and number of correlations reported per column.
STRONG, MOST = 0.5, 10
#: Least number of rows in which both columns of a correlation have a value.
LEAST = 10


@dataclass(frozen=True, kw_only=True)
class RelationScores:
    """Score of each feature as the only predictor of the label."""

    by_name: Mapping[str, float]
    #: Name of the measure, for which 1 is perfect.
    measure: str
    #: Score of a prediction without any feature.
    chance: float


def correlations(columns: Columns, seed: int) -> dict[str, tuple[Correlation, ...]]:
    """Compute the strongest rank correlations (Spearman's rho) of each ordered column with others.

    Rows in which one of two columns is missing are left out; ranks are those within each column.
    """
    ordered = [column for column in columns if column.kind.is_ordered]
    if len(ordered) < 2:
        return {}
    rows = _sample_rows(ordered, seed)
    ranks = np.column_stack([_ranks(column, rows) for column in ordered])
    rho = _rho(ranks, np.column_stack([~is_missing(_cells(column, rows)) for column in ordered]))
    names = [column.name for column in ordered]
    return {name: _strongest(names, rho[index], index) for index, name in enumerate(names)}


def _rho(ranks: NDArray[np.float64], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Compute Pearson's correlation of the ranks over the rows in which both are present: `(columns, columns)`."""
    weights = present.astype(np.float64)
    ranks = np.where(present, ranks - ranks.mean(axis=0), 0.0)
    n, total, squares = weights.T @ weights, ranks.T @ weights, (ranks**2).T @ weights
    covariance = n * (ranks.T @ ranks) - total * total.T
    variance = n * squares - total**2
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = covariance / np.sqrt(variance * variance.T)
    # The tolerance excludes constant columns, whose variance is a rounding error.
    return np.where((n >= LEAST) & (np.minimum(variance, variance.T) > 1e-9 * n**2), rho, 0.0)


def _strongest(names: Sequence[str], rho: NDArray[np.float64], index: int) -> tuple[Correlation, ...]:
    others = [other for other in range(len(names)) if other != index and abs(rho[other]) >= STRONG]
    others.sort(key=lambda other: -abs(rho[other]))
    return tuple(
        Correlation(feature=names[other], rho=float(np.clip(rho[other], -1, 1))) for other in others[:MOST]
    )


def information(columns: Columns, dataset: Dataset, seed: int) -> dict[str, Information]:
    """Estimate the mutual information of each column with the label, corrected for chance; empty for clusterings.

    For columns with few values it is counted. For numbers it is estimated from nearest neighbours. For texts and open
    categories it is a lower bound: that of the out-of-fold predictions of naive Bayes, or of the means of levels. Rare
    classes are merged.
    """
    if dataset.y is None:
        return {}
    predicting = [column for column in columns if column.kind.is_text or column.kind.is_open]
    counted = [column for column in columns if column not in predicting]
    by_value = _information_of_values(counted, dataset, seed) if counted else {}
    return by_value | _information_by_prediction(predicting, dataset, seed)


def _information_of_values(columns: Columns, dataset: Dataset, seed: int) -> dict[str, Information]:
    assert dataset.y is not None
    rows = _sample_rows(columns, seed)
    y = dataset.y if rows is None else dataset.y[rows]
    is_class = bool(dataset.classes)
    y = merge_rare_classes(y) if is_class else spread(y, seed + 1)
    label = LabelInformation(y=y, is_class=is_class, seed=seed)
    information = {}
    for column in columns:
        is_coded = not column.kind.is_ranged or column.sampled_distinct <= min(FEW, len(y) / 2)
        estimate = label.of_codes if is_coded else label.of_numbers
        information[column.name] = estimate(_cells(column, rows))
    return information


def _information_by_prediction(columns: Columns, dataset: Dataset, seed: int) -> dict[str, Information]:
    if not columns:
        return {}
    target = Target.in_levels(dataset, min(ROWS, TEXTS // len(columns)), seed)
    return {column.name: target.information(column) for column in columns}


def scores(columns: Columns, dataset: Dataset, seed: int) -> RelationScores | None:
    """Score each feature as the only predictor of the label; None for clusterings, and if there are too few rows."""
    target = Target.balanced(dataset, min(ROWS, CELLS // len(columns)), seed)
    if target is None:
        return None
    text_target = Target.balanced(dataset, min(ROWS, TEXTS // len(columns)), seed)
    by_name = {}
    for column in columns:
        suitable = text_target if column.kind.is_text else target
        if suitable is not None and (suitable.classes or not column.kind.is_text):
            by_name[column.name] = suitable.score(column)
    return RelationScores(by_name=by_name, measure=target.measure, chance=target.chance)


def _sample_rows(columns: Columns, seed: int) -> Rows | None:
    return sample(columns[0].rows, len(columns), seed, min(CELLS, ROWS * len(columns)))


def _cells(column: ColumnStatistics, rows: Rows | None) -> Cells:
    return column.values if rows is None else column.values[rows]


def _ranks(column: ColumnStatistics, rows: Rows | None, dense: bool = False) -> NDArray[np.float64]:
    """Compute the ranks of the sampled rows, which are robust against outliers; missing values come first.

    Args:
        dense: Whether to number the distinct values instead.
    """
    cells = _cells(column, rows)
    return rankdata(np.where(is_missing(cells), -np.inf, cells), method="dense" if dense else "average")
