"""Typed columns, and the frame that models learn from and predict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .kinds import Kind
from .lazy_imports import LazyModule

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = LazyModule("pandas")

__all__ = ["Column", "Kind", "Row", "frame"]  # stored models name Kind by this module

#: Python values, one per column and in the columns' order, as Django returns them.
Row = Sequence[object]


@dataclass(frozen=True, kw_only=True)
class Column:
    """Name, kind and choices of a feature."""

    name: str
    kind: Kind
    nullable: bool = False
    #: Values of a category as text, in declared order.
    choices: tuple[str, ...] = ()
    #: Members of a set that models learn: the most frequent ones. None: no set.
    most: int | None = None


def frame(columns: Sequence[Column], rows: Sequence[Row]) -> "pd.DataFrame":
    """Encode rows of Python values, in the columns' order, as the frame that models take: `(n, len(columns))`.

    Numbers, booleans and times become float64, dates as days since 1970-01-01 (UTC), with NaN for None and for numbers
    that are not finite. Categories become pandas categories over the declared choices, with unknown values missing.
    Texts stay. Learning and serving both call this, so that models are served the same features as they learned from.
    """
    values = zip(*rows, strict=True) if rows else ((),) * len(columns)
    series = {
        column.name: column.kind.series(column.choices, column.kind.encode_cells(column.choices, cells))
        for column, cells in zip(columns, values, strict=True)
    }
    return pd.DataFrame(series, index=pd.RangeIndex(len(rows)), copy=False)
