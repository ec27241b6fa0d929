"""Column plan: a fitted pipeline's preprocessing as arithmetic, from cells to the array that the estimator takes.

`compiler.planner` builds it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..kinds import place_members
from ..lazy_imports import LazyModule
from .numeric import Floats, Imputation
from .row_reader import Cells
from .tfidf import SparseRows, TfidfEncoder, encode_texts

if TYPE_CHECKING:
    from scipy import sparse
else:
    sparse = LazyModule("scipy.sparse")


@dataclass(frozen=True, eq=False)
class MixedMatrix:
    """An array whose last columns, the words, are sparse: they are too many to be written out."""

    dense: Floats
    words: SparseRows

    def to_scipy(self) -> "sparse.csr_matrix":
        """Convert to one sparse matrix of SciPy."""
        return sparse.hstack([sparse.csr_matrix(self.dense), self.words.to_scipy()], format="csr")


Matrix = Floats | MixedMatrix


@dataclass(frozen=True, eq=False)
class NumberBlock:
    """Columns of the array that come from numbers, booleans and times."""

    #: First column of the block in the array.
    start: int
    #: Indices into the cells' numbers; None: all of them.
    selected: NDArray[np.intp] | None
    imputation: Imputation | None
    steps: Sequence[Callable[[Floats], Floats]]

    def encode(self, cells: Cells) -> Floats:
        """Compute the block: `(n, columns)`."""
        x, missing = cells.numbers, cells.missing
        if self.selected is not None:
            x = x.take(self.selected, axis=1)
            missing = None if missing is None else missing.take(self.selected, axis=1)
        if self.imputation is not None:
            x = self.imputation(x, missing)
        for step in self.steps:
            x = step(x)
        return x


@dataclass(frozen=True, eq=False)
class CategoryBlock:
    """Columns of the array that come from categories: each choice writes one number into one column.

    One-hot columns, codes and target means all have this form; a value that is no choice has an entry of its own.
    """

    #: `(writes,)`: for each number that a row writes, the column of `Cells.codes` that it comes from.
    sources: NDArray[np.intp]
    #: `(writes,)`: start of the source's choices in `columns` and `values`.
    offsets: NDArray[np.intp]
    #: For each choice, the array's column that is written, and the number.
    columns: NDArray[np.intp]
    values: Floats

    def write(self, cells: Cells, out: Floats) -> None:
        """Write into `out`, a zeroed array of `(n, width)`."""
        entries = cells.codes.take(self.sources, axis=1) + self.offsets
        positions = self.columns.take(entries)
        if len(out) > 1:
            positions += np.arange(0, out.size, out.shape[1])[:, None]
        out.reshape(-1)[positions] = self.values.take(entries)


@dataclass(frozen=True, eq=False)
class TextBlock:
    """Columns of the array that come from one text column: its TF-IDF weights projected to a few directions."""

    #: First column of the block in the array.
    start: int
    #: Index into `Cells.texts`.
    source: int
    encoder: TfidfEncoder
    #: `(words, directions)`.
    projection: Floats

    def encode(self, cells: Cells) -> Floats:
        """Compute the block: `(n, directions)`."""
        return encode_texts([self.encoder], [cells.texts[self.source]]).dot(self.projection)


@dataclass(frozen=True, eq=False)
class SetBlock:
    """Columns of the array that come from one column of sets: an indicator for each member that the model knows."""

    #: First column of the block in the array.
    start: int
    #: Index into `Cells.texts`.
    source: int
    #: The column of each member, from the block's first one.
    places: Mapping[str, int]
    #: Number of columns.
    width: int

    def encode(self, cells: Cells) -> Floats:
        """Compute the block: `(n, width)`."""
        texts = cells.texts[self.source]
        out = np.zeros((len(texts), self.width))
        for row, text in zip(out, texts, strict=True):
            row[place_members(self.places, text)] = 1.0
        return out


@dataclass(frozen=True, eq=False, kw_only=True)
class ColumnPlan:
    """Blocks of an `(n, width)` array, followed by sparse words if the estimator takes texts as words."""

    width: int
    numbers: NumberBlock | None
    categories: CategoryBlock | None
    texts: Sequence[TextBlock | SetBlock]
    #: Text columns that stay sparse: index into `Cells.texts`, and encoder.
    words: Sequence[tuple[int, TfidfEncoder]]
    #: Columns that are always zero, because they were empty in the training data; None: there is none.
    zeroed: NDArray[np.intp] | None
    #: Columns and words that feature selection left to the estimator; None: all.
    selected: NDArray[np.intp] | None
    selected_words: NDArray[np.intp] | None

    def matrix(self, cells: Cells) -> Matrix:
        """Compute what the estimator takes. Words that feature selection dropped are still there."""
        X = self._dense(cells)
        if self.zeroed is not None:
            X[:, self.zeroed] = 0.0
        if self.selected is not None:
            X = X.take(self.selected, axis=1)
        if not self.words:
            return X
        encoders, texts = zip(*[(e, cells.texts[source]) for source, e in self.words], strict=True)
        return MixedMatrix(X, encode_texts(encoders, texts))

    def _dense(self, cells: Cells) -> Floats:
        """Compute the blocks as a new C-ordered array."""
        if self.numbers is not None and self.categories is None and not self.texts:
            x = self.numbers.encode(cells)
            return x.copy() if x is cells.numbers else x
        out = np.zeros((len(cells.numbers), self.width))
        if self.categories is not None:
            self.categories.write(cells, out)
        for block in (self.numbers, *self.texts):
            if block is not None:
                x = block.encode(cells)
                out[:, block.start : block.start + x.shape[1]] = x
        return out
