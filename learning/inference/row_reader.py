"""Row reader: rows of Python values as arrays, without pandas. Every column plan starts from these."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from ..columns import Column, Row
from ..encoding import LARGEST


@dataclass(frozen=True)
class Cells:
    """The cells of `n` rows, grouped by what the columns mean; each group keeps the signature's column order."""

    #: `(n, numeric columns)`: numbers, booleans and times, encoded as in `columns.frame`; NaN where missing.
    numbers: NDArray[np.float64]
    #: Mask of the missing numbers, same shape; None if no number is missing.
    missing: NDArray[np.bool_] | None
    #: `(n, category columns)`: positions in the choices; `len(choices)` for any other value. Of an open category,
    #: positions in the levels; `len(choices)` for a missing value, and one more for a level that is not among them.
    codes: NDArray[np.intp]
    #: For each text column its `n` texts; "" for None.
    texts: tuple[list[str], ...]


class RowReader:
    """Encodes rows of Python values, in the columns' order, exactly as `columns.frame` does."""

    def __init__(self, columns: Sequence[Column]):
        self.columns = tuple(columns)
        self._index_columns()

    def __getstate__(self) -> tuple[Column, ...]:
        return self.columns

    def __setstate__(self, columns: tuple[Column, ...]) -> None:
        self.columns = columns
        self._index_columns()

    def _index_columns(self) -> None:
        kinds = list(enumerate(column.kind for column in self.columns))
        self._width = len(self.columns)
        self._numeric = [position for position, kind in kinds if kind.is_numeric]
        numeric = [self.columns[position].kind for position in self._numeric]
        self._converters = [(i, kind.to_float) for i, kind in enumerate(numeric) if kind.converts]
        self._only_numbers = not self._converters and len(self._numeric) == self._width
        self._pick_numbers = itemgetter(*self._numeric) if len(self._numeric) > 1 else self._pick_few
        self._codes = [
            (p, kind.code_by_choice(self.columns[p].choices)) for p, kind in kinds if kind.is_category
        ]
        self._texts = [position for position, kind in kinds if kind.is_text]

    @property
    def numbers(self) -> list[str]:
        """Names of the columns of `Cells.numbers`."""
        return [self.columns[position].name for position in self._numeric]

    @property
    def categories(self) -> list[Column]:
        """The columns of `Cells.codes`."""
        return [self.columns[position] for position, _ in self._codes]

    @property
    def texts(self) -> list[str]:
        """Names of the columns of `Cells.texts`."""
        return [self.columns[position].name for position in self._texts]

    def read(self, rows: Sequence[Row]) -> Cells:
        """Encode the rows. Raises ValueError if a row does not have one cell per column."""
        if any(len(row) != self._width for row in rows):
            raise ValueError(f"Each row has {self._width} cells.")
        numbers, missing = self._read_numbers(rows)
        texts = tuple(["" if row[p] is None else str(row[p]) for row in rows] for p in self._texts)
        return Cells(numbers, missing, self._read_codes(rows), texts)

    def _read_numbers(self, rows: Sequence[Row]) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
        """Encode numbers as `encoding.bounded` does, with the mask of missing ones. NumPy reads None as NaN."""
        picked = rows if self._only_numbers else [self._pick_row(row) for row in rows]
        numbers = np.array(picked, dtype=np.float64)
        if (np.abs(numbers) <= LARGEST).all():
            return numbers, None
        missing = ~np.isfinite(numbers)
        numbers[missing] = np.nan
        return np.clip(numbers, -LARGEST, LARGEST, out=numbers), missing if missing.any() else None

    def _pick_row(self, row: Row) -> Row:
        if not self._converters:
            return self._pick_numbers(row)  # type: ignore[no-any-return]
        cells = list(self._pick_numbers(row))
        for i, to_float in self._converters:
            if cells[i] is not None:
                cells[i] = to_float(cells[i])
        return cells

    def _pick_few(self, row: Row) -> list[object]:
        # An itemgetter of one position returns the cell itself, not a tuple.
        return [row[position] for position in self._numeric]

    def _read_codes(self, rows: Sequence[Row]) -> NDArray[np.intp]:
        codes = [
            code.get(None if row[position] is None else str(row[position]), len(code))
            for row in rows
            for position, code in self._codes
        ]
        return np.array(codes, dtype=np.intp).reshape(len(rows), len(self._codes))
