"""Error analysis of a model: the worst rows, and the slices of the data with the highest loss."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..columns import Column
from ..dataset import Dataset
from ..estimators import ensemble
from ..evaluation.averages import mean_by_row
from ..lazy_imports import LazyModule

if TYPE_CHECKING:
    import pandas as pd
    from scipy import sparse, stats
else:
    sparse = LazyModule("scipy.sparse")
    stats = LazyModule("scipy.stats")

#: Number of equally large parts that a numeric column is divided into.
PARTS = 4
#: Least size of a slice: this share of the rows, and this many rows.
SHARE, FEWEST = 0.02, 10
#: Least visible loss of a slice, in mean losses of all rows.
VISIBLE = 1.2
#: Share of the reports that name a slice although losses depend on no feature, and number of shuffles that show it.
FALSE_ALARMS, SHUFFLES = 0.05, 199
#: Upper bound of the cells of the rows whose losses are shuffled.
CELLS = 200_000


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Rows with a value in common that are predicted worse than others."""

    feature: str
    #: Such as "from 12.5 to 17.1", "red" or "missing".
    value: str
    rows: int
    #: Mean loss divided by the mean loss of all rows: 2 is twice as bad.
    times: float


@dataclass(frozen=True, kw_only=True)
class WorstRow:
    """A row with a large loss out of fold."""

    #: Index in the dataset.
    row: int
    truth: str
    predicted: str
    #: Log loss of a classification, squared error of a regression.
    loss: float


def row_losses(
    dataset: Dataset, predictions: NDArray[np.float32], held_out: Sequence[NDArray[np.intp]]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Compute each row's loss from its out-of-fold predictions, averaged over the repeats.

    Args:
        predictions: Concatenated over the folds: `(m, classes)` or `(m,)`.
        held_out: The rows of each fold.

    Returns:
        Averaged losses, `(n,)`, and predictions, `(n, classes)` or `(n,)`; NaN for rows that were never held out. The
        loss of an averaged prediction would be that of several models, which is smaller.
    """
    assert dataset.y is not None
    rows, n = np.concatenate(held_out), len(dataset)
    losses = ensemble.row_losses(predictions, dataset.y[rows], len(dataset.classes))
    return mean_by_row(losses.astype(np.float32), rows, n).astype(np.float64), mean_by_row(
        predictions, rows, n
    )


def worst_rows(
    dataset: Dataset, losses: NDArray[np.float64], predictions: NDArray[np.float32], most: int = 10
) -> list[WorstRow]:
    """List the rows with the largest losses, the worst first."""
    order = np.argsort(-np.nan_to_num(losses, nan=-1.0), kind="stable")[:most]
    return [
        WorstRow(
            row=int(row),
            truth=_format_truth(dataset, row),
            predicted=_format_prediction(dataset, predictions[row]),
            loss=float(losses[row]),
        )
        for row in order
        if losses[row] > 0
    ]


def worst_slices(dataset: Dataset, losses: NDArray[np.float64], most: int = 8, seed: int = 0) -> list[Slice]:
    """List the slices whose loss exceeds that of all rows beyond noise, the worst first; one per feature.

    The best of many slices is partly luck. So each is compared with the largest excess over all slices when the losses
    are shuffled among the rows: where losses depend on no feature, at most `FALSE_ALARMS` of the reports name a slice,
    however heavy the tail of the losses (Westfall and Young, Resampling-Based Multiple Testing, 1993). Two scores are
    compared: the loss, which shows large errors, and its rank, which shows frequent ones. Rows of a group, and equal
    rows, count as fewer the more their losses resemble each other.
    """
    scorable = np.flatnonzero(~np.isnan(losses))
    if not len(scorable) or losses[scorable].mean() <= 0:
        return []
    scored = _standardise(losses[scorable])
    alike = Alike.of(dataset, scorable, scored)
    tested = _sample(len(scorable), len(dataset.columns), seed)
    slices: list[tuple[NDArray[np.float64], Slice]] = []
    indicators = []
    for selected, of_feature in _large_slices(dataset, losses, scorable):
        slices += zip(_excesses(selected, scored, alike), of_feature, strict=True)
        indicators.append(selected[:, tested])
    if not slices:
        return []
    limits = _limits(sparse.vstack(indicators, format="csr"), scored[tested], seed)
    worst: dict[str, Slice] = {}
    for excess, each in sorted(slices, key=lambda pair: -pair[1].times):
        if (excess > limits).any() and each.times >= VISIBLE:
            worst.setdefault(each.feature, each)
    return list(worst.values())[:most]


def _large_slices(
    dataset: Dataset, losses: NDArray[np.float64], scorable: NDArray[np.intp]
) -> "Iterator[tuple[sparse.csr_matrix, list[Slice]]]":
    """Yield the slices of each feature that have enough rows, and which of the rows with a loss they have."""
    fewest, mean = max(FEWEST, SHARE * len(losses)), losses[scorable].mean()
    for column in dataset.columns:
        names, codes = _divide(column, dataset.X[column.name], fewest)
        codes = codes[scorable]
        counts = np.bincount(codes[codes >= 0], minlength=len(names))
        sliced = np.flatnonzero((counts >= fewest) & (counts < len(scorable)))
        if not len(sliced):
            continue
        selected = _indicator(codes, sliced)
        times = (selected @ losses[scorable]) / counts[sliced] / mean
        yield (
            selected,
            [
                Slice(feature=column.name, value=names[place], rows=int(counts[place]), times=float(ratio))
                for place, ratio in zip(sliced, times, strict=True)
            ],
        )


def _standardise(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standardise the losses, and the normal scores of their ranks: `(n, 2)`."""
    scores = stats.norm.ppf(stats.rankdata(losses) / (len(losses) + 1))
    values = np.column_stack([losses, scores])
    deviations = values.std(axis=0)
    return np.asarray((values - values.mean(axis=0)) / np.where(deviations > 0, deviations, np.inf))


def _sample(n: int, columns: int, seed: int) -> NDArray[np.intp]:
    """Draw the rows whose losses are shuffled; a tail counts more among few rows, so that the limit is safe."""
    most = max(1, CELLS // max(1, columns))
    return np.random.default_rng(seed).permutation(n)[:most]


def _indicator(codes: NDArray[np.intp], sliced: NDArray[np.intp]) -> "sparse.csr_matrix":
    """Mark the rows of each slice: `(slices, n)`."""
    place = np.full(int(codes.max(initial=0)) + 2, -1)
    place[sliced] = np.arange(len(sliced))
    place[-1] = -1
    rows = np.flatnonzero(place[codes] >= 0)
    ones = np.ones(len(rows), dtype=np.float32)
    return sparse.csr_matrix((ones, (place[codes[rows]], rows)), shape=(len(sliced), len(codes)))


def _excesses(
    selected: "sparse.csr_matrix", scored: NDArray[np.float64], alike: "Alike | None"
) -> NDArray[np.float64]:
    """Compute each slice's sum of each score, in standard errors of as many drawn rows: `(slices, 2)`."""
    excesses = np.asarray((selected @ scored) / _deviations(selected)[:, None])
    return excesses if alike is None else excesses / np.sqrt(alike.effects(selected))


@dataclass(frozen=True, eq=False)
class Alike:
    """Groups of rows whose losses resemble each other."""

    #: `(n,)`: the group of each row, from 0.
    groups: NDArray[np.intp]
    #: `(2,)`: correlation of each score within the groups.
    correlations: NDArray[np.float64]

    @classmethod
    def of(cls, dataset: Dataset, scorable: NDArray[np.intp], scored: NDArray[np.float64]) -> "Alike | None":
        """Measure how alike the scores of a group, or of equal rows, are; None if there are no groups.

        The intraclass correlation by analysis of variance (Fisher, Statistical methods for research workers, 1925).
        """
        labels = dataset.rows_together()
        if labels is None:
            return None
        _, groups, counts = np.unique(labels[scorable], return_inverse=True, return_counts=True)
        n, count = len(scorable), len(counts)
        if count in (1, n):
            return None
        sums = np.column_stack([np.bincount(groups, weights=score) for score in scored.T])
        between = (sums**2 / counts[:, None]).sum(axis=0)
        within = ((scored**2).sum(axis=0) - between) / (n - count)
        size = (n - (counts**2).sum() / n) / (count - 1)
        ratio = between / (count - 1) - within
        return cls(groups, np.clip(ratio / np.maximum(ratio + size * within, 1e-12), 0, 1))

    def effects(self, selected: "sparse.csr_matrix") -> NDArray[np.float64]:
        """Compute by how much each slice's variance exceeds that of independent rows: `(slices, 2)`.

        Moulton, Random group effects and the precision of regression estimates, 1986.
        """
        effects = np.ones((selected.shape[0], 2))
        for place in range(selected.shape[0]):
            rows = selected.indices[selected.indptr[place] : selected.indptr[place + 1]]
            counts = np.bincount(self.groups[rows])
            mates = (counts.astype(np.float64) ** 2).sum() / max(1, len(rows)) - 1
            effects[place] += self.correlations * mates
        return effects


def _limits(selected: "sparse.csr_matrix", scored: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Compute the excesses of which the largest of all slices exceeds one in `FALSE_ALARMS` of the shuffles: `(2,)`."""
    random = np.random.default_rng(seed)
    deviations, scored = _deviations(selected)[:, None], scored.astype(np.float32)
    largest = np.empty((SHUFFLES, scored.shape[1]))
    for shuffle in range(SHUFFLES):
        sums = selected @ scored[random.permutation(len(scored))]
        largest[shuffle] = (sums / deviations).max(axis=0)
    place = round((1 - FALSE_ALARMS / scored.shape[1]) * (SHUFFLES + 1)) - 1
    return np.asarray(np.sort(largest, axis=0)[place])


def _deviations(selected: "sparse.csr_matrix") -> NDArray[np.float64]:
    """Compute the standard deviation of the sum over as many rows, drawn without replacement: `(slices,)`."""
    n = selected.shape[1]
    counts = np.asarray(selected.sum(axis=1), dtype=np.float64).ravel()
    deviations = np.sqrt(counts * (n - counts) / max(1, n - 1))
    return np.asarray(np.where(deviations > 0, deviations, np.inf))


def _divide(column: Column, values: "pd.Series", fewest: float) -> tuple[list[str], NDArray[np.intp]]:
    """Divide the rows by a column's ranges or frequent values; those of texts only by whether they are missing.

    Returns:
        The parts' names, and each row's part: `(n,)`, -1 for none.
    """
    missing = values.isna().to_numpy()
    codes = np.full(len(values), -1, dtype=np.intp)
    names = []
    if missing.any():
        codes[missing] = 0
        names.append("missing")
    if column.kind.is_text or missing.all():
        return names, codes
    if column.kind.is_discrete:
        counts = values[~missing].value_counts(sort=False)
        frequent = counts.index[counts >= fewest]
        places = frequent.get_indexer(values)
        codes = np.where(places >= 0, places + len(names), codes)
        return names + [column.kind.describe_value(value) for value in frequent], codes
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    cuts = np.unique(np.nanquantile(numbers, np.linspace(0, 1, PARTS + 1)))
    if len(cuts) > 1:
        places = np.searchsorted(cuts[1:-1], numbers, side="right")
        codes = np.where(missing, codes, places + len(names))
    ends = [column.kind.describe_number(cut) for cut in cuts]
    return names + [f"from {start} to {end}" for start, end in pairwise(ends)], codes


def _format_truth(dataset: Dataset, row: int) -> str:
    assert dataset.y is not None
    return dataset.classes[int(dataset.y[row])] if dataset.classes else f"{dataset.y[row]:.4g}"


def _format_prediction(dataset: Dataset, prediction: NDArray[np.float32] | np.float32) -> str:
    if not dataset.classes:
        return f"{float(prediction):.4g}"
    return f"{dataset.classes[int(np.argmax(prediction))]} ({float(np.max(prediction)):.0%})"
