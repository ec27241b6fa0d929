"""Runtime step for splits by categories, which ONNX's operator for trees does not support."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .numeric import Floats


@dataclass(frozen=True, eq=False)
class SplitIndicators:
    """Runtime step that appends the 0/1 columns of splits by categories."""

    #: Per category column: its index, the columns that it writes, and their values by code, the missing one last.
    parts: Sequence[tuple[int, NDArray[np.intp], Floats]]
    width: int
    added: int

    def __call__(self, X: Floats) -> Floats:
        out = np.empty((len(X), self.width + self.added))
        out[:, : self.width] = X
        for source, columns, table in self.parts:
            codes = X[:, source]
            # Both NaN and codes that did not occur in the training data compare false here.
            last = len(table) - 1
            rows = np.where(codes < last, codes, last).astype(np.intp)
            out[:, columns] = table.take(rows, axis=0)
        return out
