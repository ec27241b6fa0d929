"""Typed columns, and rows of them as the frame that models see."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    """A feature: its name, what its values mean, and which they may be."""

    name: str
    kind: Kind
    nullable: bool = False
    #: A category's values as text, in declared order.
    choices: tuple[str, ...] = ()


def frame(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> "pd.DataFrame":
    """Encode rows of Python values (as Django gives them, in the columns' order) as models see them: `(n,
    len(columns))`.

    Numbers, booleans and times become float64, with dates as days since 1970-01-01 (UTC) and NaN for None
    and for what is not finite; categories become pandas categories over the declared choices, unknown ones
    missing; text stays. Learning and serving both call this, so that the same features are served as were
    learned.
    """
    values = zip(*rows, strict=True) if rows else ((),) * len(columns)
    series = {
        column.name: column.kind.series(column.choices, column.kind.encode_cells(column.choices, cells))
        for column, cells in zip(columns, values, strict=True)
    }
    return pd.DataFrame(series, index=pd.RangeIndex(len(rows)), copy=False)
