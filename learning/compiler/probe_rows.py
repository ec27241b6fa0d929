"""Probe rows that test a compiled form: extreme values in every column, and rows of the snapshot as Python values."""

from collections.abc import Iterator, Sequence

import numpy as np
from pandas import DataFrame

from ..columns import Column, Row

#: Upper bound of the number of probe rows.
MOST = 400


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
    return (*column.kind.probes, *column.choices[:2], *column.choices[-1:])


def _replace_one_cell(extremes: Sequence[Sequence[object]], rows: Sequence[Row]) -> Iterator[Row]:
    for position, values in enumerate(extremes):
        for index, value in enumerate(values):
            base = rows[(position + index) % len(rows)]
            yield (*base[:position], value, *base[position + 1 :])


def _replace_sometimes(random: np.random.Generator, cell: object, values: Sequence[object]) -> object:
    return cell if random.random() < 0.7 else values[int(random.integers(len(values)))]


def python_rows(columns: Sequence[Column], X: DataFrame) -> list[Row]:
    """Convert a frame's rows to Python values, as Django would return them."""
    cells = [column.kind.decode_cells(X[column.name].tolist()) for column in columns]
    return list(zip(*cells, strict=True))
