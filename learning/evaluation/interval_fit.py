"""Fit of prediction intervals to out-of-fold predictions: the size of the errors, their quantiles, the coverage.

The width depends on nothing, on the predicted value, or on the features as well: whichever has the better interval
score (Gneiting and Raftery, Strictly proper scoring rules, prediction, and estimation, 2007, section 6.2; weighted over
the levels as by Bracher, Ray, Gneiting and Reich, Evaluating epidemic forecasts in an interval format, 2021) on rows
that were not used. The simpler one stays unless the difference is beyond noise.

Rows are cut into parts, which keep groups together as the folds do. What is measured on a part is computed from other
parts alone, both the sizes and the errors that they divide: from all others, or from the earlier ones if folds follow
time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..dataset import Dataset
from ..lazy_imports import LazyModule
from . import error_trees
from .error_size import SizeCurve
from .error_trees import ErrorTrees, Features
from .interval_coverage import Measured
from .intervals import LEVELS, Basis, Intervals, offsets

if TYPE_CHECKING:
    import threadpoolctl
else:
    threadpoolctl = LazyModule("threadpoolctl")

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Parts = frozenset[int]

#: Below this number of rows all errors are of one size. With as few, sizes already help where noise grows with the
#: number: from 150 rows, intervals of one width at 0.9 held 0.99, 0.94 and 0.80 of the small, middle and large ones
#: over 14 draws, these 0.97, 0.93 and 0.89; with even noise one width was chosen 14 times of 14.
FEWEST_ROWS = 100
#: Out-of-fold predictions of which the intervals are computed, at most; a sample if there are more.
MOST_ROWS = 30_000
#: Upper bound of the stored errors; more of them are reduced to as many quantiles.
MOST_ERRORS = 1_001
#: Number of parts, at most, unless folds follow time.
PARTS = 5
#: Rows of a bin of the predicted value, at least, and number of bins, at most.
BIN_ROWS, BINS = 60, 12
#: Number of rows of average size with which each bin is mixed.
PRIOR = 1.0
#: No size is less than this share of the mean size.
LEAST_SHARE = 0.02
#: Difference in interval score that is beyond noise, in standard errors.
BEYOND = 0.5
BASES: tuple[Basis, ...] = ("CONSTANT", "PREDICTION", "FEATURES")


def fit(
    values: NDArray[np.float32],
    dataset: Dataset,
    held_out: Sequence[Rows],
    *,
    ordered: bool = False,
    seed: int = 0,
) -> Intervals:
    """Compute intervals from out-of-fold predictions.

    Args:
        values: `(m,)`, concatenated over the folds.
        held_out: The rows of the dataset in each fold.
        ordered: Whether the folds follow time, the latest last.
    """
    with threadpoolctl.threadpool_limits(1):
        return _IntervalFit.of(values.astype(np.float64), dataset, held_out, ordered, seed).run()


@dataclass(frozen=True, kw_only=True)
class _Size:
    """Size of errors, fitted to some parts."""

    curve: SizeCurve | None = None
    trees: ErrorTrees | None = None

    def sides(self, values: Floats, rows: Rows) -> tuple[Floats, Floats]:
        """Compute the sizes below and above the predictions of these rows, of which `values` are all."""
        if self.curve is None:
            return np.ones(len(rows)), np.ones(len(rows))
        value, curve = values[rows], self.curve
        factor = 1.0 if self.trees is None else self.trees.factors(value, rows)
        below, above = (np.interp(value, curve.at, sizes) for sizes in (curve.below, curve.above))
        return below * factor, above * factor


@dataclass(kw_only=True)
class _IntervalFit:
    """Out-of-fold predictions by part, and what was fitted to which parts; `run` computes the intervals."""

    dataset: Dataset
    #: `(m,)` each: predicted value, label, row of the dataset, part.
    values: Floats
    truths: Floats
    rows: Rows
    part: Rows
    ordered: bool
    seed: int
    _sizes: dict[tuple[Basis, Parts], _Size] = field(default_factory=dict)
    _features: Features | None = None

    @classmethod
    def of(
        cls, values: Floats, dataset: Dataset, held_out: Sequence[Rows], ordered: bool, seed: int
    ) -> "_IntervalFit":
        """Cut out-of-fold predictions into parts."""
        assert dataset.y is not None
        rows = np.concatenate(held_out)
        fold = np.repeat(np.arange(len(held_out)), [len(each) for each in held_out])
        # A row that was held out more than once is in the part of its first fold, as is its group.
        first = np.full(len(dataset), len(held_out))
        np.minimum.at(first, rows, fold)
        sample = np.arange(len(rows))
        if len(rows) > MOST_ROWS:
            sample = np.sort(np.random.default_rng(seed).choice(sample, MOST_ROWS, replace=False))
        rows = rows[sample]
        part = first[rows] if ordered else first[rows] % PARTS
        return cls(
            dataset=dataset,
            values=values[sample],
            truths=dataset.y[rows].astype(np.float64),
            rows=rows,
            part=np.unique(part, return_inverse=True)[1],
            ordered=ordered,
            seed=seed,
        )

    def run(self) -> Intervals:
        """Choose the basis, fit it to all parts, and measure its coverage."""
        basis, measured = self._choose()
        size = self._size(basis, self._all)
        errors = self._errors(basis, self._all)
        least, most = self._bounds
        thirds, slices = measured.by_part(self.dataset)
        return Intervals(
            errors=tuple(_reduce(errors).tolist()),
            count=self._count(self._calibrating(self._all)),
            coverage=measured.coverage,
            width=measured.width,
            basis=basis,
            least=least,
            most=most,
            curve=size.curve,
            factor=None if size.trees is None else size.trees.export(),
            measured=measured.count,
            latest=self.ordered,
            thirds=thirds,
            slices=slices,
        )

    # -- Parts --

    @property
    def _all(self) -> Parts:
        return frozenset(range(int(self.part.max()) + 1))

    def _others(self, part: int, parts: Parts) -> Parts:
        """Select the parts from which something may be computed that is measured on this part."""
        return frozenset(each for each in parts if (each < part if self.ordered else each != part))

    def _calibrating(self, parts: Parts) -> list[int]:
        """List the parts whose errors count: all, or the latest half if folds follow time."""
        return [part for part in sorted(parts) if not self.ordered or part >= (max(parts) + 1) // 2]

    def _indices(self, parts: Parts | Sequence[int]) -> Rows:
        return np.flatnonzero(np.isin(self.part, list(parts)))

    def _count(self, parts: Sequence[int]) -> int:
        return len(np.unique(self.rows[self._indices(parts)]))

    # -- Sizes and errors --

    def _size(self, basis: Basis, parts: Parts) -> _Size:
        """Fit the size of errors to these parts, unless that was done."""
        if (basis, parts) not in self._sizes:
            fit = {"CONSTANT": lambda _: _Size(), "PREDICTION": self._fit_curve, "FEATURES": self._fit_trees}
            self._sizes[basis, parts] = fit[basis](parts)
        return self._sizes[basis, parts]

    def _fit_curve(self, parts: Parts) -> _Size:
        rows = self._indices(parts)
        return _Size(curve=_fit_curve(self.values[rows], self._error[rows], len(np.unique(self.rows[rows]))))

    def _fit_trees(self, parts: Parts) -> _Size:
        """Fit trees to what the curve leaves, each part divided by the curve of the others: its own would hide it."""
        sizes = np.zeros(len(self.values))
        for part in parts:
            curve = self._size("PREDICTION", parts - {part} or parts)
            rows = self._indices([part])
            sizes[rows] = np.abs(self._scale(curve, rows))
        rows = self._indices(parts)
        _, first, index = np.unique(self.rows[rows], return_index=True, return_inverse=True)
        if self._features is None:
            self._features = Features.of(self.dataset, self.rows)
        trees = error_trees.fit(
            self._features,
            self.values,
            np.bincount(index, sizes[rows]) / np.bincount(index),
            rows[first],
            self.seed,
        )
        return _Size(curve=self._size("PREDICTION", parts).curve, trees=trees)

    @property
    def _error(self) -> Floats:
        return self.truths - self.values

    def _scale(self, size: _Size, rows: Rows) -> Floats:
        """Divide the errors of these rows by their sizes."""
        below, above = size.sides(self.values, rows)
        error = self._error[rows]
        return np.asarray(error / np.where(error < 0, below, above))

    def _errors(self, basis: Basis, parts: Parts) -> Floats:
        """Compute the errors of these parts, each divided by its size as it is known from the others; ascending."""
        scaled = []
        for part in self._calibrating(parts):
            others = self._others(part, parts) or frozenset([part])
            scaled.append(self._scale(self._size(basis, others), self._indices([part])))
        return np.sort(np.concatenate(scaled))

    # -- Measuring --

    def _choose(self) -> tuple[Basis, Measured]:
        """Choose the basis with the best interval score."""
        best, measured = BASES[0], self._measure(BASES[0])
        enough = measured.count >= FEWEST_ROWS
        for basis in BASES[1:] if enough else ():
            rival = self._measure(basis)
            gains = measured.by_row(measured.score - rival.score)
            if gains.mean() > BEYOND * gains.std(ddof=1) / sqrt(len(gains)):
                best, measured = basis, rival
        return best, measured

    def _measure(self, basis: Basis) -> Measured:
        """Compute intervals of each part from others."""
        least, most = self._bounds
        measured = []
        for part in self._calibrating(self._all):
            if others := self._others(part, self._all):
                measured.append(self._measure_part(basis, part, others, least, most))
        rows, low, high = (np.concatenate(each, axis=-1) for each in zip(*measured, strict=True))
        return Measured(
            values=self.values[rows], truths=self.truths[rows], rows=self.rows[rows], low=low, high=high
        )

    def _measure_part(
        self, basis: Basis, part: int, others: Parts, least: float | None, most: float | None
    ) -> tuple[Rows, Floats, Floats]:
        """Compute the ends of intervals of a part's rows from others: the rows, and `(levels, n)` each."""
        errors, count = self._errors(basis, others).tolist(), self._count(self._calibrating(others))
        rows = self._indices([part])
        below, above = self._size(basis, others).sides(self.values, rows)
        ends = np.array([offsets(errors, count, level) for level in LEVELS])[..., None]
        ends = self.values[rows] + np.where(ends < 0, below, above) * ends
        ends = np.clip(ends, least, most) if (least, most) != (None, None) else ends
        return rows, ends[:, 0], ends[:, 1]

    @property
    def _bounds(self) -> tuple[float | None, float | None]:
        """Limits of the label: as declared; not negative if none is."""
        least, most = self.dataset.limits
        assert self.dataset.y is not None
        if least is None and self.dataset.y.min() >= 0:
            least = 0.0
        return least, most


def _reduce(errors: Floats) -> Floats:
    """Reduce sorted errors to quantiles if they are many."""
    return errors if len(errors) <= MOST_ERRORS else np.quantile(errors, np.linspace(0, 1, MOST_ERRORS))


def _fit_curve(values: Floats, errors: Floats, distinct: int) -> SizeCurve:
    """Fit the size of errors on both sides by the predicted value, as means in bins of equally many predictions.

    Args:
        distinct: Number of the rows that they predict.
    """
    bins = max(1, min(BINS, distinct // BIN_ROWS))
    cuts = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.unique(np.searchsorted(cuts, values), return_inverse=True)[1]
    counts = np.bincount(place)
    sides = []
    for distances in (np.maximum(-errors, 0), np.maximum(errors, 0)):
        mean = float(distances.mean())
        sizes = (np.bincount(place, distances) + PRIOR * mean) / (counts + PRIOR)
        floor = LEAST_SHARE * float(np.abs(errors).mean()) or 1.0
        sides.append(tuple(np.maximum(sizes, floor).tolist()))
    at = np.bincount(place, values) / counts
    return SizeCurve(at=tuple(at.tolist()), below=sides[0], above=sides[1])
