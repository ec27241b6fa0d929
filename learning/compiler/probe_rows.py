"""Rows that try a compiled form: those of the snapshot as Python values, and such as nobody has seen."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from pandas import DataFrame

from ..columns import Column, Kind

#: Rows that nobody has seen, at most.
MOST = 400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS = (None, 0.0, -0.0, 1e300, -1e300, 1e30, -1e-300, 10**25, float("inf"), float("-inf"), float("nan"))
_STRANGE: dict[Kind, tuple[Any, ...]] = {
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


def probe_rows(
    columns: Sequence[Column], known: Sequence[Sequence[Any]], seed: int = 0
) -> list[tuple[Any, ...]]:
    """Rows as nobody has seen them, at most MOST: nothing at all, one strange cell in a known row, strange cells all
    over.
    """
    random = np.random.default_rng(seed)
    strange = [_of(column) for column in columns]
    one = list(_one_strange(strange, known))
    if len(one) > MOST // 2:
        one = [one[place] for place in sorted(random.choice(len(one), MOST // 2, replace=False))]
    depth = max(map(len, strange))
    lined = [tuple(cells[place % len(cells)] for cells in strange) for place in range(depth)]
    while len(one) + len(lined) < MOST:
        base = known[int(random.integers(len(known)))]
        lined.append(tuple(_perhaps(random, cell, cells) for cell, cells in zip(base, strange, strict=True)))
    return lined + one


def _of(column: Column) -> tuple[Any, ...]:
    return (*_STRANGE.get(column.kind, (None,)), *column.choices[:2], *column.choices[-1:])


def _one_strange(
    strange: Sequence[Sequence[Any]], known: Sequence[Sequence[Any]]
) -> Iterator[tuple[Any, ...]]:
    for place, cells in enumerate(strange):
        for turn, cell in enumerate(cells):
            base = known[(place + turn) % len(known)]
            yield (*base[:place], cell, *base[place + 1 :])


def _perhaps(random: np.random.Generator, cell: Any, strange: Sequence[Any]) -> Any:
    return cell if random.random() < 0.7 else strange[int(random.integers(len(strange)))]


def values(columns: Sequence[Column], X: DataFrame) -> list[tuple[Any, ...]]:
    """A frame's rows as Python values, as Django gives them."""
    cells = [_values(column, X[column.name].tolist()) for column in columns]
    return list(zip(*cells, strict=True))


def _values(column: Column, cells: Sequence[Any]) -> list[Any]:
    known = [None if cell is None or cell != cell else cell for cell in cells]
    match column.kind:
        case Kind.BOOLEAN:
            return [None if cell is None else bool(cell) for cell in known]
        case Kind.INTEGER:
            return [None if cell is None else int(cell) for cell in known]
        case Kind.DATE | Kind.DATETIME:
            whens = [None if cell is None else _when(cell) for cell in known]
            return [w.date() if w and column.kind is Kind.DATE else w for w in whens]
    return known


def _when(days: float) -> datetime:
    try:
        return _EPOCH + timedelta(days=days)
    except OverflowError:  # what was read as a number was no time
        return _EPOCH
