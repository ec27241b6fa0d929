"""What a model is bad at: the rows with the largest losses, and the segments in which losses gather."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..columns import Column, Kind
from ..dataset import Dataset
from ..estimators import ensemble
from ..evaluation.averages import mean_by_row

#: Parts of as many rows that a column of numbers is looked at in.
PARTS = 4
#: A segment has this share of the rows at least, and as many rows as this.
SHARE, FEWEST = 0.02, 10
#: Standard errors by which a segment's mean loss must lie above all rows'.
BEYOND = 2.0


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Rows that have something in common, and are predicted worse than others."""

    feature: str
    #: As "from 12.5 to 17.1", "red" or "missing".
    value: str
    rows: int
    #: Mean loss over the mean loss of all rows: 2 is twice as bad.
    times: float


@dataclass(frozen=True, kw_only=True)
class WorstRow:
    """A row that was predicted badly by models that had not seen it."""

    #: Its place in the dataset.
    row: int
    truth: str
    predicted: str
    #: Log loss of a classification, squared error of a regression.
    loss: float


def losses(
    dataset: Dataset, predictions: NDArray[np.float32], held: Sequence[NDArray[np.intp]]
) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Each row's loss, `(n,)`, and what was predicted of it, out of fold and averaged over the repeats; not a number
    where it was never held out. `predictions` are one fold behind the other, as `held` has their rows.
    """
    assert dataset.y is not None
    told = mean_by_row(predictions, np.concatenate(held), len(dataset))
    known = ~np.isnan(told.reshape(len(told), -1)).any(axis=1)
    lost = np.full(len(dataset), np.nan)
    lost[known] = ensemble.losses(told[known], dataset.y[known], len(dataset.classes))
    return lost, told


def worst_rows(
    dataset: Dataset, lost: NDArray[Any], told: NDArray[np.float32], most: int = 10
) -> list[WorstRow]:
    """The rows with the largest losses, the worst first."""
    order = np.argsort(-np.nan_to_num(lost, nan=-1.0), kind="stable")[:most]
    return [
        WorstRow(
            row=int(row),
            truth=_truth(dataset, row),
            predicted=_told(dataset, told[row]),
            loss=float(lost[row]),
        )
        for row in order
        if lost[row] > 0
    ]


def slices(dataset: Dataset, lost: NDArray[Any], most: int = 8) -> list[Slice]:
    """Those whose loss lies above that of all rows beyond noise, the worst first; one for each feature."""
    found = [worst for column in dataset.columns if (worst := _worst(column, dataset.X[column.name], lost))]
    return sorted(found, key=lambda segment: -segment.times)[:most]


def _worst(column: Column, values: "pd.Series[Any]", lost: NDArray[Any]) -> Slice | None:
    whole = float(np.nanmean(lost))
    fewest = max(FEWEST, SHARE * len(lost))
    found = []
    for name, rows in _parts(column, values):
        mine = lost[rows]
        mine = mine[~np.isnan(mine)]
        if len(mine) < fewest or len(mine) == len(lost) or whole <= 0:
            continue
        error = float(mine.std(ddof=1)) / sqrt(len(mine))
        if mine.mean() - whole > BEYOND * error:
            times = float(mine.mean()) / whole
            found.append(Slice(feature=column.name, value=name, rows=len(mine), times=times))
    return max(found, key=lambda segment: segment.times, default=None)


def _parts(column: Column, values: "pd.Series[Any]") -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Rows that have something of this column in common, and what; texts are too different for that."""
    missing = values.isna().to_numpy()
    if missing.any():
        yield "missing", missing
    if column.kind is Kind.TEXT:
        return
    if column.kind in (Kind.CATEGORY, Kind.BOOLEAN):
        for value in values[~missing].unique():
            yield _named(column, value), (values == value).to_numpy()
        return
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    if missing.all():
        return
    cuts = np.unique(np.nanquantile(numbers, np.linspace(0, 1, PARTS + 1)))
    for low, high in pairwise(cuts):
        last = high == cuts[-1]
        rows = (numbers >= low) & ((numbers <= high) if last else (numbers < high))
        yield f"from {_shown(column, low)} to {_shown(column, high)}", rows


def _named(column: Column, value: Any) -> str:
    if column.kind is Kind.BOOLEAN:
        return "yes" if value else "no"
    return str(value)


def _shown(column: Column, number: float) -> str:
    """Dates and times are days since 1970."""
    if column.kind in (Kind.DATE, Kind.DATETIME):
        return f"{pd.Timestamp(number, unit='D'):%Y-%m-%d}"
    return f"{number:.4g}"


def _truth(dataset: Dataset, row: int) -> str:
    assert dataset.y is not None
    return dataset.classes[int(dataset.y[row])] if dataset.classes else f"{dataset.y[row]:.4g}"


def _told(dataset: Dataset, told: Any) -> str:
    if not dataset.classes:
        return f"{float(told):.4g}"
    return f"{dataset.classes[int(np.argmax(told))]} ({float(np.max(told)):.0%})"
