"""What all charts of a version are drawn from, each thing made when the first chart asks for it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from ..estimators import preprocess
from ..estimators.families import Candidate
from ..exceptions import LearningError
from ..fits.fold_fit import FitContext
from ..model import Model
from . import out_of_fold
from .out_of_fold import HeldClasses, HeldValues, Predictions
from .shapes import Data


class NothingToDraw(LearningError):
    """This chart has nothing to show of this model."""

    code = "UNAVAILABLE"


@dataclass(frozen=True)
class Drawn:
    """What a chart has to say beside its picture."""

    text: str
    data: Data


@dataclass(frozen=True, eq=False, kw_only=True)
class Evidence:
    """The winner of a build, and what it was built at."""

    context: FitContext
    candidate: Candidate
    model: Model
    #: Out of fold; None for clusters.
    predictions: Predictions | None
    #: By `time.monotonic`, when no fit is begun any more; None: no limit.
    deadline: float | None
    #: As many are looked at where it takes more than a glance.
    rows: int

    @cached_property
    def classes(self) -> HeldClasses:
        assert self.predictions is not None
        names, calibration = self.context.dataset.classes, self.model.calibration
        return out_of_fold.classes(self.predictions, self._y, names, calibration)

    @cached_property
    def values(self) -> HeldValues:
        assert self.predictions is not None
        return out_of_fold.values(self.predictions, self._y)

    @cached_property
    def looked_at(self) -> NDArray[np.intp]:
        """Rows' places, in order: all of them or as many as `rows` says."""
        return some(len(self.context.dataset), self.rows, self.context.seed)

    @cached_property
    def X(self) -> DataFrame:
        """The rows that are looked at."""
        return self.context.dataset.X.iloc[self.looked_at]

    @cached_property
    def space(self) -> NDArray[np.float64]:
        """The rows that are looked at in the space in which clusterings are compared: standardised features."""
        return np.asarray(preprocess.dense(self.context.dataset.columns).fit_transform(self.X))

    @property
    def sampled(self) -> str:
        """A sentence where not all rows are looked at, else empty."""
        return drawn_from(len(self.looked_at), len(self.context.dataset))

    @property
    def _y(self) -> NDArray[Any]:
        assert self.context.dataset.y is not None
        return self.context.dataset.y


def drawn_from(n: int, of: int) -> str:
    """A sentence to be added where only some of the rows were looked at, else empty."""
    return "" if n >= of else f" Drawn from {n:,} of {of:,} rows."


def some(n: int, most: int, seed: int) -> NDArray[np.intp]:
    """Places among `n`, in order: all of them, or `most` drawn from the seed."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def spread(n: int, most: int) -> NDArray[np.intp]:
    """Places among `n`, at most this many, evenly from the first to the last."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.intp))
