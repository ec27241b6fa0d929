"""TF-IDF weights of texts in plain Python; only the words that a text contains are touched."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..lazy_imports import LazyModule
from .numeric import Floats

if TYPE_CHECKING:
    from scipy import sparse

    from ..estimators import preprocess
else:
    sparse = LazyModule("scipy.sparse")


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Rows of a sparse `(n, width)` matrix, one after the other; every row has at least one entry."""

    #: `(entries,)`: column and weight of each entry.
    columns: NDArray[np.intp]
    values: Floats
    #: `(n,)`: index of each row's first entry.
    starts: NDArray[np.intp]
    width: int

    def dot(self, table: Floats) -> Floats:
        """Multiply by a dense `(width, k)` table: `(n, k)`."""
        return np.add.reduceat(table.take(self.columns, axis=0) * self.values[:, None], self.starts, axis=0)

    def to_scipy(self) -> "sparse.csr_matrix":
        """Convert to SciPy's sparse matrix."""
        ends = np.append(self.starts, len(self.columns))
        return sparse.csr_matrix((self.values, self.columns, ends), shape=(len(self.starts), self.width))


class TfidfEncoder:
    """Weighs words by frequency and rarity, exactly as the fitted `preprocess.Words` does."""

    def __init__(self, fitted: "preprocess.Words"):
        vectorizer = fitted.vectorizer_
        self.width = 1 if vectorizer is None else len(vectorizer.vocabulary_)
        self._column = {} if vectorizer is None else {w: int(p) for w, p in vectorizer.vocabulary_.items()}
        self._rarity = [] if vectorizer is None else vectorizer.idf_.tolist()
        self._word = re.compile(r"" if vectorizer is None else vectorizer.token_pattern)

    def encode(self, text: str) -> tuple[list[int], list[float]]:
        """Compute the words' columns and their weights, normalised to length 1.

        The last entry is always a zero in column 0, so that no row is empty.
        """
        column, rarity = self._column, self._rarity
        counts: dict[int, int] = {}
        for word in self._word.findall(text.lower()) if text and column else ():
            if (position := column.get(word)) is not None:
                counts[position] = counts.get(position, 0) + 1
        if not counts:
            return [0], [0.0]
        weights = [
            rarity[position] if count == 1 else (log(count) + 1.0) * rarity[position]
            for position, count in counts.items()
        ]
        length = sqrt(sum([weight * weight for weight in weights])) or 1.0
        return [*counts, 0], [*[weight / length for weight in weights], 0.0]


def encode_texts(encoders: Sequence[TfidfEncoder], texts: Sequence[Sequence[str]]) -> SparseRows:
    """Encode `n` rows of several text columns; `texts` has one sequence of `n` texts per encoder."""
    offsets = np.cumsum([0, *(encoder.width for encoder in encoders)]).tolist()
    columns: list[int] = []
    values: list[float] = []
    starts = []
    for row in zip(*texts, strict=True):
        starts.append(len(columns))
        for encoder, text, offset in zip(encoders, row, offsets, strict=False):
            positions, weights = encoder.encode(text)
            columns += [position + offset for position in positions] if offset else positions
            values += weights
    as_indices = np.array(columns, dtype=np.intp), np.array(values), np.array(starts, dtype=np.intp)
    return SparseRows(*as_indices, width=offsets[-1])
