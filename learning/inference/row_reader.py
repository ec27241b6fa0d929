"""Rows of Python values, read into arrays without pandas: what every plan begins with."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..columns import LARGEST, Column, Kind, days

_TIMES = (Kind.DATE, Kind.DATETIME)
_OTHERS = (Kind.CATEGORY, Kind.TEXT)


@dataclass(frozen=True)
class Cells:
    """Rows, by what their columns mean; each part in the order of the signature's columns."""

    #: `(n, numbers, booleans and times)`: as `columns.frame` has them, NaN where they are missing.
    numbers: NDArray[np.float64]
    #: Where numbers are missing, of the same shape; None where none is.
    missing: NDArray[np.bool_] | None
    #: `(n, categories)`: places in the choices; one beyond the last where it is none of them.
    codes: NDArray[np.intp]
    #: Of each column of texts: `n` of them, "" for none.
    texts: tuple[list[str], ...]


class Reader:
    """Reads rows of Python values in the columns' order; says of them what `columns.frame` says."""

    def __init__(self, columns: Sequence[Column]):
        self.columns = tuple(columns)
        self._start()

    def __getstate__(self) -> tuple[Column, ...]:
        return self.columns

    def __setstate__(self, columns: tuple[Column, ...]) -> None:
        self.columns = columns
        self._start()

    def _start(self) -> None:
        places = {kind: [p for p, c in enumerate(self.columns) if c.kind is kind] for kind in Kind}
        self._width = len(self.columns)
        self._places = [p for p, column in enumerate(self.columns) if column.kind not in _OTHERS]
        self._times = [i for i, p in enumerate(self._places) if self.columns[p].kind in _TIMES]
        self._alike = not self._times and len(self._places) == self._width
        self._numbers = itemgetter(*self._places) if len(self._places) > 1 else self._few
        self._lookups = [(p, _codes(self.columns[p])) for p in places[Kind.CATEGORY]]
        self._texts = places[Kind.TEXT]

    @property
    def numbers(self) -> list[str]:
        """The columns of `Cells.numbers`."""
        return [self.columns[place].name for place in self._places]

    @property
    def categories(self) -> list[Column]:
        """The columns of `Cells.codes`."""
        return [self.columns[place] for place, _ in self._lookups]

    @property
    def texts(self) -> list[str]:
        """The columns of `Cells.texts`."""
        return [self.columns[place].name for place in self._texts]

    def read(self, rows: Sequence[Sequence[Any]]) -> Cells:
        """Raises ValueError where a row has more or fewer cells than there are columns."""
        if any(len(row) != self._width for row in rows):
            raise ValueError(f"Each row has {self._width} cells.")
        numbers, missing = self._bounded(rows)
        texts = tuple(["" if row[p] is None else str(row[p]) for row in rows] for p in self._texts)
        return Cells(numbers, missing, self._coded(rows), texts)

    def _bounded(self, rows: Sequence[Sequence[Any]]) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
        """As `columns.bounded` has them. NumPy reads None as NaN."""
        read = rows if self._alike else [self._read(row) for row in rows]
        numbers = np.array(read, dtype=np.float64)
        sound = np.abs(numbers) <= LARGEST
        if sound.all():
            return numbers, None
        missing = ~np.isfinite(numbers)
        numbers[missing] = np.nan
        return np.clip(numbers, -LARGEST, LARGEST, out=numbers), missing if missing.any() else None

    def _read(self, row: Sequence[Any]) -> Sequence[Any]:
        if not self._times:
            return self._numbers(row)  # type: ignore[no-any-return]
        cells = list(self._numbers(row))
        for i in self._times:
            if cells[i] is not None:
                cells[i] = days(cells[i])
        return cells

    def _few(self, row: Sequence[Any]) -> list[Any]:
        # An itemgetter of one place gives the cell, not a tuple of one.
        return [row[place] for place in self._places]

    def _coded(self, rows: Sequence[Sequence[Any]]) -> NDArray[np.intp]:
        codes = [
            lookup.get(None if row[place] is None else str(row[place]), len(lookup))
            for row in rows
            for place, lookup in self._lookups
        ]
        return np.array(codes, dtype=np.intp).reshape(len(rows), len(self._lookups))


def _codes(column: Column) -> dict[str | None, int]:
    return {choice: code for code, choice in enumerate(column.choices)}
