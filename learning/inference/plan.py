"""A fitted pipeline's preprocessing as a plan: from cells to the array that its estimator takes; `draft` makes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .numeric import Floats, Imputed
from .row_reader import Cells
from .tfidf import TfidfColumns, Weights, weights


@dataclass(frozen=True, eq=False)
class Mixed:
    """An array whose last columns are words: too many to be written out."""

    dense: Floats
    words: Weights

    def matrix(self) -> Any:
        """As SciPy's sparse matrix."""
        return sparse.hstack([sparse.csr_matrix(self.dense), self.words.matrix()], format="csr")


Matrix = Floats | Mixed


@dataclass(frozen=True, eq=False)
class Numbers:
    """Numbers, booleans and times."""

    start: int
    #: Those of the cells' numbers that it takes; None: all.
    picked: NDArray[np.intp] | None
    imputed: Imputed | None
    steps: Sequence[Callable[[Floats], Floats]]

    def of(self, cells: Cells) -> Floats:
        x, missing = cells.numbers, cells.missing
        if self.picked is not None:
            x = x.take(self.picked, axis=1)
            missing = None if missing is None else missing.take(self.picked, axis=1)
        if self.imputed is not None:
            x = self.imputed(x, missing)
        for step in self.steps:
            x = step(x)
        return x


@dataclass(frozen=True, eq=False)
class Categories:
    """Each choice is a number in a column of its own, or of all choices; what is no choice is one too."""

    #: Of the cells' codes, one for each number that is written.
    sources: NDArray[np.intp]
    #: Where the source's choices begin in `places` and `values`.
    offsets: NDArray[np.intp]
    places: NDArray[np.intp]
    values: Floats

    def write(self, cells: Cells, out: Floats) -> None:
        """Into zeros: `(n, width)`."""
        at = cells.codes.take(self.sources, axis=1) + self.offsets
        places = self.places.take(at)
        if len(out) > 1:
            places += np.arange(0, out.size, out.shape[1])[:, None]
        out.reshape(-1)[places] = self.values.take(at)


@dataclass(frozen=True, eq=False)
class Directions:
    """A column of texts, reduced to a few directions."""

    start: int
    source: int
    words: TfidfColumns
    #: `(words, directions)`.
    table: Floats

    def of(self, cells: Cells) -> Floats:
        return weights([self.words], [cells.texts[self.source]]).times(self.table)


@dataclass(frozen=True, eq=False, kw_only=True)
class ColumnPlan:
    """From cells to an array: `(n, width)`, with `words` behind it where texts stay words."""

    width: int
    numbers: Numbers | None
    categories: Categories | None
    directions: Sequence[Directions]
    #: Columns of texts, each with its words.
    words: Sequence[tuple[int, TfidfColumns]]
    #: Columns that are zeros whatever comes; None: there is none.
    empty: NDArray[np.intp] | None
    #: The columns that the estimator is given, and the words; None: all.
    kept: NDArray[np.intp] | None
    kept_words: NDArray[np.intp] | None

    def matrix(self, cells: Cells) -> Matrix:
        """What the estimator takes, before any of the words are left out."""
        X = self._dense(cells)
        if self.empty is not None:
            X[:, self.empty] = 0.0
        if self.kept is not None:
            X = X.take(self.kept, axis=1)
        if not self.words:
            return X
        return Mixed(
            X, weights([w for _, w in self.words], [cells.texts[source] for source, _ in self.words])
        )

    def _dense(self, cells: Cells) -> Floats:
        """An array of its own, in C's order."""
        if self.numbers is not None and self.categories is None and not self.directions:
            x = self.numbers.of(cells)
            return x.copy() if x is cells.numbers else x
        out = np.zeros((len(cells.numbers), self.width))
        if self.categories is not None:
            self.categories.write(cells, out)
        for part in (self.numbers, *self.directions):
            if part is not None:
                x = part.of(cells)
                out[:, part.start : part.start + x.shape[1]] = x
        return out
