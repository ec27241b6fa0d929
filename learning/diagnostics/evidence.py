"""Evidence for the charts of one model: its predictions and sampled rows, computed when a chart first needs them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from ..estimators import preprocess
from ..estimators.families import Candidate
from ..exceptions import LearningError
from ..fits.fold_fit import FitContext
from ..model import Model
from . import out_of_fold
from .out_of_fold import OutOfFoldClasses, OutOfFoldValues, Predictions
from .shapes import Data


class NothingToDraw(LearningError):
    """The chart does not apply to the model or its data."""

    code = "UNAVAILABLE"


@dataclass(frozen=True)
class Chart:
    """Description and data of a chart that was drawn."""

    text: str
    data: Data


@dataclass(frozen=True, eq=False, kw_only=True)
class Evidence:
    """Winner of a build, with the context of its fits."""

    context: FitContext
    candidate: Candidate
    model: Model
    #: Out-of-fold predictions, calibrated as they serve; None for clusterings.
    predictions: Predictions | None
    #: When no further fit may start, by `time.monotonic`; None: no limit.
    deadline: float | None
    #: Upper bound of the rows in charts whose time depends on the rows.
    rows: int

    @cached_property
    def classes(self) -> OutOfFoldClasses:
        """Out-of-fold predictions of a classification."""
        assert self.predictions is not None
        return out_of_fold.gather_classes(self.predictions, self._y, self.context.dataset.classes)

    @cached_property
    def values(self) -> OutOfFoldValues:
        """Out-of-fold predictions of a regression."""
        assert self.predictions is not None
        return out_of_fold.gather_values(self.predictions, self._y)

    @cached_property
    def sample(self) -> NDArray[np.intp]:
        """Indices of the sampled rows, ascending: all rows, or `rows` of them."""
        return sample_rows(len(self.context.dataset), self.rows, self.context.seed)

    @cached_property
    def X(self) -> DataFrame:
        """The sampled rows."""
        return self.context.dataset.X.iloc[self.sample]

    @cached_property
    def space(self) -> NDArray[np.float64]:
        """The sampled rows in the space in which clusterings are compared: standardised features."""
        return np.asarray(preprocess.dense(self.context.dataset.columns).fit_transform(self.X))

    @property
    def sampling(self) -> str:
        """A sentence about the sample; empty if all rows are used."""
        return describe_sample(len(self.sample), len(self.context.dataset))

    @property
    def _y(self) -> NDArray:
        assert self.context.dataset.y is not None
        return self.context.dataset.y


def describe_sample(n: int, total: int) -> str:
    """Return a sentence about a sample of the rows; empty if all rows are used."""
    return "" if n >= total else f" Drawn from {n:,} of {total:,} rows."


def sample_rows(n: int, most: int, seed: int) -> NDArray[np.intp]:
    """Return ascending indices below `n`: all of them, or `most` at random."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def spread(n: int, most: int) -> NDArray[np.intp]:
    """Return at most `most` indices below `n`, evenly spaced, with the first and the last."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.intp))
