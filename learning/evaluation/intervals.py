"""Prediction intervals of a regression, as wide as its errors are here.

Cross-conformal prediction (Vovk, Cross-conformal predictors, 2015) with errors that are divided by a model of their
size (Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, Distribution-free predictive inference for regression, 2018,
section 5.2), and with a quantile for each side (Romano, Patterson and Candès, Conformalized quantile regression, 2019,
theorem 2). The coverage is not guaranteed; the coverage measured on rows that were not used is reported with the
intervals. `interval_fit` computes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, Self, TypedDict

from .error_size import SizeCurve, SizeCurveJSON, SizeFactor, SizeFactorJSON

#: Levels whose coverage is measured.
LEVELS = (0.5, 0.8, 0.9, 0.95)

#: On what the width depends: on nothing, on the predicted value, or on the features as well.
Basis = Literal["CONSTANT", "PREDICTION", "FEATURES"]


class CoverageJSON(TypedDict):
    """A coverage in JSON's own types."""

    feature: str | None
    value: str
    rows: int
    coverage: dict[str, float]
    width: dict[str, float]
    short: bool


class LiveCoverageJSON(TypedDict):
    """A live coverage in JSON's own types."""

    rows: int
    coverage: float
    widening: float


class IntervalsJSON(TypedDict):
    """Intervals in JSON's own types. What is optional was not known to earlier releases."""

    errors: list[float]
    count: int
    coverage: dict[str, float]
    width: dict[str, float]
    basis: NotRequired[Basis]
    least: NotRequired[float | None]
    most: NotRequired[float | None]
    curve: NotRequired[SizeCurveJSON | None]
    factor: NotRequired[SizeFactorJSON | None]
    measured: NotRequired[int]
    latest: NotRequired[bool]
    thirds: NotRequired[list[CoverageJSON]]
    slices: NotRequired[list[CoverageJSON]]
    live: NotRequired[LiveCoverageJSON | None]


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Coverage in a part of the rows, measured as that of all is."""

    #: The feature whose value the rows share; None: the rows are a third by the predicted value.
    feature: str | None = None
    #: Such as "red", "yes" or "up to 12.5".
    value: str
    rows: int
    #: By level, as text: share of the truths inside, and mean width.
    coverage: Mapping[str, float]
    width: Mapping[str, float]
    #: Whether the coverage at 0.9 is below 0.9 beyond noise, corrected for the number of parts.
    short: bool

    def as_json(self) -> CoverageJSON:
        """Convert to JSON's own types; `from_json` is the inverse."""
        return {
            "feature": self.feature,
            "value": self.value,
            "rows": self.rows,
            "coverage": dict(self.coverage),
            "width": dict(self.width),
            "short": self.short,
        }

    @classmethod
    def from_json(cls, stored: CoverageJSON) -> Self:
        """Convert from `as_json`'s form."""
        return cls(**stored)


@dataclass(frozen=True, kw_only=True)
class LiveCoverage:
    """Coverage of the intervals that a champion served, by truths that came later."""

    rows: int
    #: Share of the truths inside the intervals at 0.9, without a widening.
    coverage: float
    #: Factor by which the next version's intervals are wider than its errors say, 1 or more.
    widening: float

    def as_json(self) -> LiveCoverageJSON:
        """Convert to JSON's own types."""
        return {"rows": self.rows, "coverage": self.coverage, "widening": self.widening}


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Distribution of a regressor's errors, and their size at an instance."""

    #: Truth minus prediction, divided by the size of the error on that side, ascending; in the label's unit if the
    #: basis is CONSTANT. All errors, or so many quantiles of them.
    errors: tuple[float, ...]
    #: Number of rows with errors.
    count: int
    #: By level, as text: share of held-out truths inside intervals that were computed from other rows.
    coverage: Mapping[str, float]
    #: By level, as text: mean width of those intervals.
    width: Mapping[str, float]
    basis: Basis = "CONSTANT"
    #: The smallest and the largest number that the label may be; None: no limit.
    least: float | None = None
    most: float | None = None
    #: Size of errors by the predicted value; None: 1.
    curve: SizeCurve | None = None
    #: Factor of that size by the features; None: 1.
    factor: SizeFactor | None = None
    #: Number of rows on which the coverage was measured.
    measured: int = 0
    #: Whether these are the latest in time.
    latest: bool = False
    #: Coverage by thirds of the predicted value, the smallest first.
    thirds: tuple[Coverage, ...] = ()
    #: Coverage by values of categories and booleans with enough rows, the lowest at 0.9 first.
    slices: tuple[Coverage, ...] = ()
    #: What the champion's intervals contained while it served, which widens these; None: not known.
    live: LiveCoverage | None = None

    def interval(
        self, value: float, level: float, features: Mapping[str, Any] | None = None
    ) -> tuple[float, float]:
        """Compute the interval around a prediction that contains the truth with this probability, above 0, below 1.

        Args:
            features: The instance as it is stored, by the features' names.
        """
        middle, half = self._middle(value, level, features or {})
        if self.live is not None:
            half *= self.live.widening
        return self._bounded(middle - half), self._bounded(middle + half)

    def distance(self, value: float, truth: float, level: float, features: Mapping[str, Any]) -> float:
        """Compute how far a truth is from the interval's middle: 1 is at an end, without bounds or a widening."""
        middle, half = self._middle(value, level, features)
        return abs(truth - middle) / half if half > 0 else 0.0 if truth == middle else float("inf")

    def expect_error(self, value: float, features: Mapping[str, Any]) -> tuple[float, float]:
        """Compute the mean size of the error at an instance, and of its square, as the other rows' errors tell."""
        below, above = self._sides(value, features)
        sizes = [error * (below if error < 0 else above) for error in self.errors]
        widening = 1.0 if self.live is None else self.live.widening
        absolute = sum(map(abs, sizes)) / len(sizes)
        return widening * absolute, widening**2 * sum(size * size for size in sizes) / len(sizes)

    def _middle(self, value: float, level: float, features: Mapping[str, Any]) -> tuple[float, float]:
        """Compute the middle of the interval, and half of its width."""
        below, above = self._sides(value, features)
        low, high = (
            error * (below if error < 0 else above) for error in offsets(self.errors, self.count, level)
        )
        return value + (low + high) / 2, (high - low) / 2

    def _sides(self, value: float, features: Mapping[str, Any]) -> tuple[float, float]:
        if self.curve is None:
            return 1.0, 1.0
        below, above = self.curve.sides(value)
        factor = 1.0 if self.factor is None else self.factor.of(value, features)
        return below * factor, above * factor

    def _bounded(self, end: float) -> float:
        if self.least is not None:
            end = max(end, self.least)
        return end if self.most is None else min(end, self.most)

    def as_json(self) -> IntervalsJSON:
        """Convert to JSON's own types; `from_json` is the inverse."""
        return {
            "errors": list(self.errors),
            "count": self.count,
            "coverage": dict(self.coverage),
            "width": dict(self.width),
            "basis": self.basis,
            "least": self.least,
            "most": self.most,
            "curve": None if self.curve is None else self.curve.as_json(),
            "factor": None if self.factor is None else self.factor.as_json(),
            "measured": self.measured,
            "latest": self.latest,
            "thirds": [part.as_json() for part in self.thirds],
            "slices": [part.as_json() for part in self.slices],
            "live": None if self.live is None else self.live.as_json(),
        }

    @classmethod
    def from_json(cls, stored: IntervalsJSON) -> Self:
        """Convert from `as_json`'s form, or from that of an earlier release, whose intervals are of one width."""
        curve, factor, live = stored.get("curve"), stored.get("factor"), stored.get("live")
        return cls(
            errors=tuple(stored["errors"]),
            count=stored["count"],
            coverage=stored["coverage"],
            width=stored["width"],
            basis=stored.get("basis", "CONSTANT"),
            least=stored.get("least"),
            most=stored.get("most"),
            curve=curve and SizeCurve.from_json(curve),
            factor=factor and SizeFactor.from_json(factor),
            measured=stored.get("measured", stored["count"]),
            latest=stored.get("latest", False),
            thirds=tuple(map(Coverage.from_json, stored.get("thirds", ()))),
            slices=tuple(map(Coverage.from_json, stored.get("slices", ()))),
            live=live and LiveCoverage(**live),
        )


def offsets(errors: Sequence[float], count: int, level: float) -> tuple[float, float]:
    """Compute the two quantiles of sorted errors, slightly outside of the level to account for one more error."""
    tail = (1 - level) / 2
    outer = max(0.0, (tail * (count + 1) - 1) / max(1, count - 1))
    return _quantile(errors, min(outer, 0.5)), _quantile(errors, max(1 - outer, 0.5))


def _quantile(errors: Sequence[float], share: float) -> float:
    """Compute a quantile of sorted numbers, linear between two of them."""
    place = share * (len(errors) - 1)
    index = min(int(place), len(errors) - 2)
    if index < 0:
        return float(errors[0])
    part = place - index
    return float(errors[index] * (1 - part) + errors[index + 1] * part)
