"""Prediction intervals of a model version: on what their width depends, and their coverage."""

from collections.abc import Mapping

import strawberry

from learning.evaluation import intervals
from learning.evaluation.interval_coverage import SLICE_ROWS, SLICES

from ..core.enums import IntervalBasis


@strawberry.type(description="The coverage of prediction intervals at one level.")
class LevelCoverage:
    level: float = strawberry.field(description="The probability that is promised: 0.5, 0.8, 0.9 or 0.95.")
    coverage: float = strawberry.field(
        description="The share of true values that the intervals contained, 0 to 1."
    )
    width: float = strawberry.field(description="The mean width of the intervals, in the label's unit.")

    @classmethod
    def list_all(cls, coverage: Mapping[str, float], width: Mapping[str, float]) -> "list[LevelCoverage]":
        """The coverage by level."""
        return [
            cls(level=float(level), coverage=share, width=width[level]) for level, share in coverage.items()
        ]


@strawberry.type(description="The coverage of prediction intervals in a part of the rows.")
class PartCoverage:
    feature: str | None = strawberry.field(
        description="The feature whose value the rows share; null for a third of the rows by the predicted number."
    )
    value: str = strawberry.field(description="The value, or the range of the predicted number, as text.")
    rows: int = strawberry.field(description="The number of rows.")
    levels: list[LevelCoverage] = strawberry.field(description="The coverage at each level.")
    short: bool = strawberry.field(
        description="True if fewer true values than 0.9 lay inside at this level, beyond noise, corrected for the "
        "number of parts that were looked at."
    )

    @classmethod
    def of(cls, part: intervals.Coverage) -> "PartCoverage":
        """The coverage of one part."""
        levels = LevelCoverage.list_all(part.coverage, part.width)
        return cls(feature=part.feature, value=part.value, rows=part.rows, levels=levels, short=part.short)


@strawberry.type(
    description="The prediction intervals of a version: on what their width depends, and how many true values they "
    "contained when it was built, on rows from which neither the model nor the widths were learned. Those of versions "
    "that were built before widths could depend on anything are CONSTANT, without limits, thirds and slices."
)
class Intervals:
    basis: IntervalBasis = strawberry.field(description="On what their width depends.")
    features: list[str] = strawberry.field(
        description="The features on which their width depends; empty unless `basis` is FEATURES."
    )
    least: float | None = strawberry.field(
        description="The smallest number that they contain: the label's declared minimum, or 0 if no label is below "
        "it; null if there is none."
    )
    most: float | None = strawberry.field(
        description="The largest number that they contain: the label's declared maximum; null if there is none."
    )
    rows: int = strawberry.field(description="The number of rows on which the coverage was measured.")
    latest: bool = strawberry.field(
        description="True if these rows are the latest, because the folds follow time; they were covered by what was "
        "known before."
    )
    widening: float = strawberry.field(
        description="The factor by which they are wider than the errors at build time say, because the champion's "
        "intervals contained fewer true values than 0.9 while it served; 1 if they are not. `levels`, `thirds` and "
        "`slices` are those before the widening."
    )
    live_rows: int | None = strawberry.field(
        description="The number of the champion's predictions by which that was measured: the newest whose truth came "
        "after them. Null if there were too few."
    )
    live_coverage: float | None = strawberry.field(
        description="The share of these truths inside the champion's intervals at 0.9, without a widening; null if "
        "there were too few."
    )
    levels: list[LevelCoverage] = strawberry.field(description="The coverage at each level, over all rows.")
    thirds: list[PartCoverage] = strawberry.field(
        description="The coverage by thirds of the rows, those with the smallest predicted numbers first; empty if "
        "there are too few rows."
    )
    slices: list[PartCoverage] = strawberry.field(
        description=f"The coverage where a category or a boolean has one value, for values with at least {SLICE_ROWS} "
        f"rows; the lowest at 0.9 first, {SLICES} at most."
    )

    @classmethod
    def of(cls, stored: intervals.Intervals) -> "Intervals":
        """The intervals as they are stored with a version."""
        return cls(
            basis=IntervalBasis(stored.basis),
            features=[column.name for column in stored.factor.columns] if stored.factor else [],
            least=stored.least,
            most=stored.most,
            rows=stored.measured,
            latest=stored.latest,
            widening=1.0 if stored.live is None else stored.live.widening,
            live_rows=None if stored.live is None else stored.live.rows,
            live_coverage=None if stored.live is None else stored.live.coverage,
            levels=LevelCoverage.list_all(stored.coverage, stored.width),
            thirds=list(map(PartCoverage.of, stored.thirds)),
            slices=list(map(PartCoverage.of, stored.slices)),
        )
