"""Typed columns, and rows of them as the frame that models see."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame, Series

#: Beyond this size numbers are cut: trees compute in float32, and squares of float64 must not overflow.
LARGEST = 1e30
#: pandas' code of a category that is missing.
MISSING = -1
_DAY = 86_400.0
_EXACT = 1 << 53
_EPOCH = date(1970, 1, 1)

#: Python values, one per column and in the columns' order, as Django returns them.
Row = Sequence[object]


class Kind(StrEnum):
    """What a column's values mean, and so how models see them."""

    NUMBER = "NUMBER"
    INTEGER = "INTEGER"
    BOOLEAN = "BOOLEAN"
    CATEGORY = "CATEGORY"
    #: A category in an order: nobody declares it, `Column.ordinal` tells.
    ORDINAL = "ORDINAL"
    DATE = "DATE"
    DATETIME = "DATETIME"
    TEXT = "TEXT"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A feature: its name, what its values mean, and which they may be."""

    name: str
    kind: Kind
    nullable: bool = False
    #: A category's values as text, in declared order.
    choices: tuple[str, ...] = ()

    @property
    def ordinal(self) -> bool:
        """Whether it is a category whose choices are numbers in ascending order."""
        try:
            numbers = [float(choice) for choice in self.choices]
        except ValueError:
            return False
        return len(numbers) > 1 and all(one < next_ for one, next_ in pairwise(numbers))


def frame(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> DataFrame:
    """Rows of Python values (as Django gives them, in the columns' order) as models see them: `(n,
    len(columns))`.

    Numbers, booleans and times become float64, with dates as days since 1970-01-01 (UTC) and NaN for None
    and for what is not finite; categories become pandas categories over the declared choices, unknown ones
    missing; text stays. Learning and serving both call this, so that the same features are served as were
    learned.
    """
    values = zip(*rows, strict=True) if rows else ((),) * len(columns)
    series = {column.name: _series(column, cells) for column, cells in zip(columns, values, strict=True)}
    return DataFrame(series, index=pd.RangeIndex(len(rows)), copy=False)


def _series(column: Column, cells: Sequence[Any]) -> Series:
    match column.kind:
        case Kind.CATEGORY:
            return _category(column.choices, cells)
        case Kind.TEXT:
            return Series([None if cell is None else str(cell) for cell in cells], dtype=object)
        case Kind.DATE | Kind.DATETIME:
            return Series(times(cells))
        case _:
            return Series(_floats(cells, float))


def _category(choices: Sequence[str], cells: Sequence[Any]) -> Series:
    code = {choice: position for position, choice in enumerate(choices)}
    return category(choices, [MISSING if cell is None else code.get(str(cell), MISSING) for cell in cells])


def category(choices: Sequence[str], codes: Sequence[int] | NDArray[np.signedinteger]) -> Series:
    """Positions in the declared choices, `MISSING` where it is none of them, as pandas' categories."""
    dtype = pd.CategoricalDtype(pd.Index(choices, dtype=object))
    return Series(pd.Categorical.from_codes(codes, dtype=dtype))


def _floats(cells: Sequence[Any], number: Callable[[Any], float]) -> NDArray[np.float64]:
    floats = (np.nan if cell is None else number(cell) for cell in cells)
    return bounded(np.fromiter(floats, dtype=np.float64, count=len(cells)))


def bounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers that can be computed with, in place: NaN for what is not finite, cut at LARGEST."""
    values[~np.isfinite(values)] = np.nan
    return np.clip(values, -LARGEST, LARGEST, out=values)


def times(cells: Sequence[date | datetime | None]) -> NDArray[np.float64]:
    """As `frame` has them: `(n,)` days since 1970-01-01 (UTC), NaN for None."""
    return _floats(cells, days)


def days(when: date | datetime) -> float:
    """Since 1970-01-01 (UTC)."""
    if not isinstance(when, datetime):
        return float((when - _EPOCH).days)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() / _DAY


def days_of(microseconds: NDArray[np.int64]) -> NDArray[np.float64]:
    """`days` of times given in microseconds since 1970-01-01 (UTC), to the last bit."""
    found = microseconds / 1e6 / _DAY
    # Two centuries around 1970 float64 has a place for each microsecond; beyond, only whole numbers are exact.
    far = np.flatnonzero(np.abs(microseconds) >= _EXACT)
    found[far] = [int(microseconds[row]) / 10**6 / _DAY for row in far]
    return found
