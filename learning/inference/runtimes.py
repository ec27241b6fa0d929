"""Runtimes: an estimator's arithmetic on what a plan makes, done by whatever is fast at it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from .numeric import Floats
from .plan import Matrix, Mixed

#: A classifier's `(n, classes)` probabilities, a regressor's `(n,)` values, or the `(n,)` clusters and `(n, clusters)`
#: distances to all of them.
ModelOutput = Floats | tuple[NDArray[np.int64], Floats]


@dataclass(frozen=True, eq=False)
class Runtime:
    """Steps one after the other, from a plan's array to what the estimator would say."""

    #: Of the library that does the work.
    name: str
    steps: Sequence[Callable[[Any], Any]]
    #: Whether the fitted estimator itself is among them.
    whole: bool = False

    def __call__(self, X: Matrix) -> ModelOutput:
        told: Any = X
        for step in self.steps:
            told = step(told)
        return told  # type: ignore[no-any-return]

    def then(self, step: Callable[[Any], Any]) -> "Runtime":
        return Runtime(self.name, [*self.steps, step], self.whole)


class Linear:
    """Columns and words, each times its coefficients."""

    def __init__(self, coefficients: Floats, intercept: Floats, words: Floats | None = None):
        #: `(columns, k)`.
        self.coefficients = np.ascontiguousarray(coefficients)
        self.intercept = intercept
        #: `(words, k)`.
        self.words = None if words is None else np.ascontiguousarray(words)

    def __call__(self, X: Matrix) -> Floats:
        """`(n, k)`."""
        if isinstance(X, Mixed) and self.words is not None:
            return X.dense @ self.coefficients + X.words.times(self.words) + self.intercept
        return X @ self.coefficients + self.intercept  # type: ignore[no-any-return, operator]


def sigmoid_pair(margins: Floats) -> Floats:
    """One margin a row as the probabilities of two classes."""
    return both(expit(margins))


def both(second: Floats) -> Floats:
    """The second class's probabilities, `(n, 1)`, with the first one's."""
    return np.concatenate((1.0 - second, second), axis=1)


def softmax(margins: Floats) -> Floats:
    """A margin for each class as probabilities."""
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def densities(logs: Floats) -> Floats:
    """Logs of joint densities as probabilities; as scikit-learn has them even where all are so small that they tie."""
    highest = logs.max(axis=1, keepdims=True)
    whole = highest + np.log(np.exp(logs - highest).sum(axis=1, keepdims=True))
    return np.exp(logs - whole)  # type: ignore[no-any-return]


def value(margins: Floats) -> Floats:
    return margins[:, 0]


@dataclass(frozen=True, eq=False)
class Constant:
    """The same for every row."""

    told: Floats

    def __call__(self, X: Matrix) -> Floats:
        rows = len(X.dense if isinstance(X, Mixed) else X)
        return np.repeat(self.told, rows, axis=0)


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Margins as probabilities, by a sigmoid for each class against the others."""

    slopes: Floats
    intercepts: Floats

    def __call__(self, margins: Floats) -> Floats:
        said = expit(-(self.slopes * margins + self.intercepts))
        if said.shape[1] == 1:
            return both(said)
        whole = said.sum(axis=1, keepdims=True)
        none = np.full_like(said, 1.0 / said.shape[1])
        return np.divide(said, whole, out=none, where=whole != 0)


@dataclass(frozen=True, eq=False)
class Layers:
    """A multilayer perceptron with rectified units; the last layer's sums."""

    weights: Sequence[Floats]
    biases: Sequence[Floats]

    def __call__(self, X: Floats) -> Floats:
        *hidden, (weights, bias) = zip(self.weights, self.biases, strict=True)
        for w, b in hidden:
            X = X @ w
            X += b
            np.maximum(X, 0.0, out=X)
        return X @ weights + bias


@dataclass(frozen=True, eq=False)
class Normal:
    """Gaussian naive Bayes: of each class the log of its joint density."""

    means: Floats
    variances: Floats
    #: `(classes,)`: what does not depend on the row.
    constant: Floats

    def __call__(self, X: Floats) -> Floats:
        distances = X[:, None, :] - self.means
        distances *= distances
        distances /= self.variances
        return self.constant - 0.5 * distances.sum(axis=2)


@dataclass(frozen=True, eq=False)
class Kernel:
    """Weighted radial basis functions around the support vectors."""

    vectors: Floats
    gamma: float
    #: `(vectors, k)`.
    weights: Floats
    intercept: Floats

    def __call__(self, X: Floats) -> Floats:
        near = X @ (2.0 * self.gamma * self.vectors.T)
        near -= self.gamma * np.einsum("ij,ij->i", X, X)[:, None]
        near -= self.gamma * np.einsum("ij,ij->i", self.vectors, self.vectors)
        np.exp(np.minimum(near, 0.0, out=near), out=near)
        return near @ self.weights + self.intercept


@dataclass(frozen=True, eq=False)
class OneVsOneVotes:
    """Margins of each pair of classes as one for each class: how many pairs it wins, and how clearly."""

    #: `(pairs, classes)`: 1 for the pair's first class, −1 for its second.
    sides: Floats

    @classmethod
    def of(cls, classes: int) -> "OneVsOneVotes":
        first, second = np.triu_indices(classes, 1)
        sides = np.zeros((len(first), classes))
        sides[np.arange(len(first)), first] = 1.0
        sides[np.arange(len(first)), second] = -1.0
        return cls(sides)

    def __call__(self, margins: Floats) -> Floats:
        clearly = margins @ self.sides
        wins = np.where(margins < 0, -1.0, 1.0) @ self.sides
        votes = (wins + np.abs(self.sides).sum(axis=0)) / 2
        return votes + clearly / (3 * (np.abs(clearly) + 1))
