"""Error analysis of a model: the worst rows, and the slices of the data with the highest loss."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..columns import Column
from ..dataset import Dataset
from ..estimators import ensemble
from ..evaluation.averages import mean_by_row

if TYPE_CHECKING:
    import pandas as pd

#: Number of equally large parts that a numeric column is divided into.
PARTS = 4
#: Least size of a slice: this share of the rows, and this many rows.
SHARE, FEWEST = 0.02, 10
#: Standard errors by which a slice's mean loss must exceed that of all rows.
BEYOND = 2.0


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
        Losses, `(n,)`, and averaged predictions, `(n, classes)` or `(n,)`; NaN for rows that were never held out.
    """
    assert dataset.y is not None
    means = mean_by_row(predictions, np.concatenate(held_out), len(dataset))
    predicted = ~np.isnan(means.reshape(len(means), -1)).any(axis=1)
    losses = np.full(len(dataset), np.nan)
    losses[predicted] = ensemble.row_losses(means[predicted], dataset.y[predicted], len(dataset.classes))
    return losses, means


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


def worst_slices(dataset: Dataset, losses: NDArray[np.float64], most: int = 8) -> list[Slice]:
    """List the slices whose loss exceeds that of all rows beyond noise, the worst first; one per feature."""
    slices = [_worst_slice(column, dataset.X[column.name], losses) for column in dataset.columns]
    return sorted(filter(None, slices), key=lambda each: -each.times)[:most]


def _worst_slice(column: Column, values: "pd.Series", losses: NDArray[np.float64]) -> Slice | None:
    mean = float(np.nanmean(losses))
    fewest = max(FEWEST, SHARE * len(losses))
    slices = []
    for name, rows in _parts(column, values, fewest):
        part = losses[rows]
        part = part[~np.isnan(part)]
        if len(part) < fewest or len(part) == len(losses) or mean <= 0:
            continue
        error = float(part.std(ddof=1)) / sqrt(len(part))
        if part.mean() - mean > BEYOND * error:
            times = float(part.mean()) / mean
            slices.append(Slice(feature=column.name, value=name, rows=len(part), times=times))
    return max(slices, key=lambda each: each.times, default=None)


def _parts(column: Column, values: "pd.Series", fewest: float) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield the names and row masks of a column's ranges or frequent values; of texts, only of missing ones."""
    missing = values.isna().to_numpy()
    if missing.any():
        yield "missing", missing
    if column.kind.is_text:
        return
    if column.kind.is_discrete:
        counts = values[~missing].value_counts(sort=False)
        for value in counts.index[counts >= fewest]:
            yield column.kind.describe_value(value), (values == value).to_numpy()
        return
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    if missing.all():
        return
    cuts = np.unique(np.nanquantile(numbers, np.linspace(0, 1, PARTS + 1)))
    for low, high in pairwise(cuts):
        last = high == cuts[-1]
        rows = (numbers >= low) & ((numbers <= high) if last else (numbers < high))
        start, end = (column.kind.describe_number(number) for number in (low, high))
        yield f"from {start} to {end}", rows


def _format_truth(dataset: Dataset, row: int) -> str:
    assert dataset.y is not None
    return dataset.classes[int(dataset.y[row])] if dataset.classes else f"{dataset.y[row]:.4g}"


def _format_prediction(dataset: Dataset, prediction: NDArray[np.float32] | np.float32) -> str:
    if not dataset.classes:
        return f"{float(prediction):.4g}"
    return f"{dataset.classes[int(np.argmax(prediction))]} ({float(np.max(prediction)):.0%})"
