"""Probe rows that test a compiled form: extreme values in every column, and rows of the snapshot as Python values."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
from pandas import DataFrame

from ..columns import Column, Kind, Row

#: Upper bound of the number of probe rows.
MOST = 400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS = (None, 0.0, -0.0, 1e300, -1e300, 1e30, -1e-300, 10**25, float("inf"), float("-inf"), float("nan"))
_EXTREME_VALUES: dict[Kind, tuple[object, ...]] = {
    Kind.NUMBER: _NUMBERS,
    Kind.INTEGER: (None, 0, -1, 2**63, -(10**30)),
    Kind.BOOLEAN: (None, True, False),
    Kind.CATEGORY: (None, "", "what nobody has declared"),
    Kind.DATE: (None, date.min, date.max, date(1970, 1, 1)),
    Kind.DATETIME: (
        None,
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        datetime(2000, 2, 29, 23, 59, 59, 999_999),
    ),
    Kind.TEXT: (None, "", " \n", "?!", "a", "Straße ÇA İ ﬁ", "🙂 \u0301", "word " * 500, "unheardof"),
}


def build_probe_rows(columns: Sequence[Column], rows: Sequence[Row], seed: int = 0) -> list[Row]:
    """Build up to MOST rows unlike any of the snapshot.

    First rows of nothing but extreme values, then rows with some extreme cells at random positions, then rows with
    one extreme cell each.

    Args:
        rows: Rows of the snapshot, which supply the ordinary cells.
    """
    random = np.random.default_rng(seed)
    extremes = [_extreme_values(column) for column in columns]
    single = list(_replace_one_cell(extremes, rows))
    if len(single) > MOST // 2:
        single = [single[index] for index in sorted(random.choice(len(single), MOST // 2, replace=False))]
    longest = max(map(len, extremes))
    probes: list[Row] = [
        tuple(values[index % len(values)] for values in extremes) for index in range(longest)
    ]
    while len(single) + len(probes) < MOST:
        base = rows[int(random.integers(len(rows)))]
        probes.append(tuple(_replace_sometimes(random, *cell) for cell in zip(base, extremes, strict=True)))
    return probes + single


def _extreme_values(column: Column) -> tuple[object, ...]:
    return (*_EXTREME_VALUES.get(column.kind, (None,)), *column.choices[:2], *column.choices[-1:])


def _replace_one_cell(extremes: Sequence[Sequence[object]], rows: Sequence[Row]) -> Iterator[Row]:
    for position, values in enumerate(extremes):
        for index, value in enumerate(values):
            base = rows[(position + index) % len(rows)]
            yield (*base[:position], value, *base[position + 1 :])


def _replace_sometimes(random: np.random.Generator, cell: object, values: Sequence[object]) -> object:
    return cell if random.random() < 0.7 else values[int(random.integers(len(values)))]


def python_rows(columns: Sequence[Column], X: DataFrame) -> list[Row]:
    """Convert a frame's rows to Python values, as Django would return them."""
    cells = [_python_cells(column, X[column.name].tolist()) for column in columns]
    return list(zip(*cells, strict=True))


def _python_cells(column: Column, cells: Sequence[float | str | None]) -> list[object]:
    return [None if cell is None or cell != cell else _python_cell(column.kind, cell) for cell in cells]


def _python_cell(kind: Kind, cell: float | str) -> object:
    match kind:
        case Kind.BOOLEAN:
            return bool(cell)
        case Kind.INTEGER:
            return int(cell)
        case Kind.DATE:
            return _from_days(float(cell)).date()
        case Kind.DATETIME:
            return _from_days(float(cell))
    return cell


def _from_days(days: float) -> datetime:
    try:
        return _EPOCH + timedelta(days=days)
    except OverflowError:  # out of the range of datetime
        return _EPOCH
