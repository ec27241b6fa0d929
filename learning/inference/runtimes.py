"""Runtimes: an estimator's arithmetic on a column plan's array, as a chain of fast steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..lazy_imports import LazyModule
from .numeric import Floats
from .plan import Matrix, MixedMatrix

if TYPE_CHECKING:
    from scipy import special
else:
    special = LazyModule("scipy.special")

#: A classifier's `(n, classes)` probabilities, a regressor's `(n,)` values, or `(n,)` clusters with their
#: `(n, clusters)` distances.
ModelOutput = Floats | tuple[NDArray[np.int64], Floats]
#: A step takes what the step before it returns, which differs from runtime to runtime.
Step = Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Runtime:
    """Steps from a plan's matrix to the estimator's output."""

    #: Name of the library that does the work.
    name: str
    steps: Sequence[Step]
    #: Whether the fitted estimator itself is one of the steps.
    holds_estimator: bool = False

    def __call__(self, X: Matrix) -> ModelOutput:
        output: Any = X
        for step in self.steps:
            output = step(output)
        return output  # type: ignore[no-any-return]

    def append(self, step: Step) -> "Runtime":
        """Return a runtime with one more step."""
        return Runtime(self.name, [*self.steps, step], self.holds_estimator)


class Linear:
    """Linear combination of columns and words."""

    def __init__(self, coefficients: Floats, intercept: Floats, words: Floats | None = None):
        #: `(columns, k)`.
        self.coefficients = np.ascontiguousarray(coefficients)
        self.intercept = intercept
        #: `(words, k)`.
        self.words = None if words is None else np.ascontiguousarray(words)

    def __call__(self, X: Matrix) -> Floats:
        """Compute the `(n, k)` combinations."""
        if isinstance(X, MixedMatrix) and self.words is not None:
            return X.dense @ self.coefficients + X.words.dot(self.words) + self.intercept
        return X @ self.coefficients + self.intercept  # type: ignore[no-any-return, operator]


def sigmoid_pair(margins: Floats) -> Floats:
    """Convert `(n, 1)` margins to the `(n, 2)` probabilities of two classes."""
    return complement(special.expit(margins))


def complement(second: Floats) -> Floats:
    """Prepend the first class's probabilities to those of the second, `(n, 1)`."""
    return np.concatenate((1.0 - second, second), axis=1)


def softmax(margins: Floats) -> Floats:
    """Convert one margin per class to probabilities."""
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def normalise_log_densities(logs: Floats) -> Floats:
    """Convert log densities per class to probabilities, rounding as scikit-learn does if all of them underflow."""
    highest = logs.max(axis=1, keepdims=True)
    total = highest + np.log(np.exp(logs - highest).sum(axis=1, keepdims=True))
    return np.exp(logs - total)  # type: ignore[no-any-return]


def first_column(margins: Floats) -> Floats:
    """Return the only column of a regressor's `(n, 1)` output."""
    return margins[:, 0]


@dataclass(frozen=True, eq=False)
class Constant:
    """The same output for every row."""

    #: `(1, k)`, or `(1,)`.
    output: Floats

    def __call__(self, X: Matrix) -> Floats:
        rows = len(X.dense if isinstance(X, MixedMatrix) else X)
        return np.repeat(self.output, rows, axis=0)


@dataclass(frozen=True, eq=False)
class SigmoidCalibration:
    """Converts margins to probabilities by one sigmoid per class (Platt scaling), normalised."""

    slopes: Floats
    intercepts: Floats

    def __call__(self, margins: Floats) -> Floats:
        probabilities = special.expit(-(self.slopes * margins + self.intercepts))
        if probabilities.shape[1] == 1:
            return complement(probabilities)
        total = probabilities.sum(axis=1, keepdims=True)
        uniform = np.full_like(probabilities, 1.0 / probabilities.shape[1])
        return np.divide(probabilities, total, out=uniform, where=total != 0)


@dataclass(frozen=True, eq=False)
class Perceptron:
    """Multilayer perceptron with rectified hidden units; returns the last layer's sums."""

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
class GaussianDensities:
    """Log densities of Gaussian naive Bayes, jointly with each class: `(n, classes)`."""

    #: `(classes, columns)` each.
    means: Floats
    variances: Floats
    #: `(classes,)`: the terms that do not depend on the row.
    constant: Floats

    def __call__(self, X: Floats) -> Floats:
        distances = X[:, None, :] - self.means
        distances *= distances
        distances /= self.variances
        return self.constant - 0.5 * distances.sum(axis=2)


@dataclass(frozen=True, eq=False)
class RbfKernel:
    """Weighted radial basis functions around the support vectors."""

    vectors: Floats
    gamma: float
    #: `(vectors, k)`.
    weights: Floats
    intercept: Floats

    def __call__(self, X: Floats) -> Floats:
        kernel = X @ (2.0 * self.gamma * self.vectors.T)
        kernel -= self.gamma * np.einsum("ij,ij->i", X, X)[:, None]
        kernel -= self.gamma * np.einsum("ij,ij->i", self.vectors, self.vectors)
        np.exp(np.minimum(kernel, 0.0, out=kernel), out=kernel)
        return kernel @ self.weights + self.intercept


@dataclass(frozen=True, eq=False)
class OneVsOneVotes:
    """Converts the margins of all pairs of classes to one margin per class, as scikit-learn's SVC does.

    A class's margin is the number of pairs that it wins plus a third of its confidence, scaled below 1.
    """

    #: `(pairs, classes)`: 1 for the pair's first class, −1 for its second.
    sides: Floats

    @classmethod
    def for_classes(cls, classes: int) -> "OneVsOneVotes":
        """Build the table for this number of classes."""
        first, second = np.triu_indices(classes, 1)
        sides = np.zeros((len(first), classes))
        sides[np.arange(len(first)), first] = 1.0
        sides[np.arange(len(first)), second] = -1.0
        return cls(sides)

    def __call__(self, margins: Floats) -> Floats:
        confidence = margins @ self.sides
        wins = np.where(margins < 0, -1.0, 1.0) @ self.sides
        votes = (wins + np.abs(self.sides).sum(axis=0)) / 2
        return votes + confidence / (3 * (np.abs(confidence) + 1))
