"""Texts as TF-IDF weights of their words in plain Python; only the words that a text has are touched."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..estimators import preprocess
from .numeric import Floats


@dataclass(frozen=True, eq=False)
class Weights:
    """Rows of a matrix that is almost empty: the weights one row behind the other, at least one each."""

    #: The column of each weight, and the weight.
    places: NDArray[np.intp]
    values: Floats
    #: Where each row begins.
    starts: NDArray[np.intp]
    width: int

    def times(self, table: Floats) -> Floats:
        """The product with a dense `(width, k)`: `(n, k)`."""
        return np.add.reduceat(table.take(self.places, axis=0) * self.values[:, None], self.starts, axis=0)

    def matrix(self) -> Any:
        """As SciPy's sparse matrix."""
        ends = np.append(self.starts, len(self.places))
        return sparse.csr_matrix((self.values, self.places, ends), shape=(len(self.starts), self.width))


class TfidfColumns:
    """As the fitted `preprocess.Words` does it: weights by how often a word stands there and how rare it is."""

    def __init__(self, fitted: preprocess.Words):
        vectorizer = fitted.vectorizer_
        self.width = 1 if vectorizer is None else len(vectorizer.vocabulary_)
        self._places = {} if vectorizer is None else {w: int(p) for w, p in vectorizer.vocabulary_.items()}
        self._rare = [] if vectorizer is None else vectorizer.idf_.tolist()
        self._word = re.compile(r"" if vectorizer is None else vectorizer.token_pattern)

    def of(self, text: str) -> tuple[list[int], list[float]]:
        """The words' places and weights, of length 1 together; behind them one that is nothing, so that no
        row is empty.
        """
        places, rare = self._places, self._rare
        counts = Counter(places[word] for word in self._word.findall(text.lower()) if word in places)
        weights = [(log(count) + 1.0) * rare[place] for place, count in counts.items()]
        length = sqrt(sum(weight * weight for weight in weights)) or 1.0
        return [*counts, 0], [*(weight / length for weight in weights), 0.0]


def weights(words: Sequence[TfidfColumns], texts: Sequence[Sequence[str]]) -> Weights:
    """Of several columns of texts, the words of each behind those of the one before."""
    offsets = np.cumsum([0, *(each.width for each in words)]).tolist()
    places: list[int] = []
    values: list[float] = []
    starts = []
    for row in zip(*texts, strict=True):
        starts.append(len(places))
        for each, text, offset in zip(words, row, offsets, strict=False):
            found, heavy = each.of(text)
            places += [place + offset for place in found] if offset else found
            values += heavy
    as_places = np.array(places, dtype=np.intp), np.array(values), np.array(starts, dtype=np.intp)
    return Weights(*as_places, width=offsets[-1])
