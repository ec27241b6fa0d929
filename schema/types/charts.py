"""Numbers for charts: counts by groups, and histograms of features."""

import datetime
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import strawberry
from strawberry.scalars import JSON

from store import models
from store.charts import bins, counts, histograms
from store.charts.bins import DEFAULT_BINS, MOST_BINS, BinKind
from store.charts.counts import BuildCountBy, Count, FeedbackCountBy, PredictionCountBy, TimeFrame
from store.charts.groups import MOST_GROUPS
from store.charts.histograms import HistogramSource
from store.db import row_cache
from store.products.columns import TypedColumn
from store.products.product import DataProduct
from store.registry import served_choices

from ..core.enums import JobStatus, register_enum
from .columns import Feature, as_input
from .nodes import unset_to_none
from .registry import ModelVersion

PERIODS = {
    "HOUR": "The hour of their time.",
    "DAY": "The day of their time.",
    "WEEK": "The week of their time, from Monday on.",
}
register_enum(
    PredictionCountBy,
    {
        "LABEL": "The predicted label or cluster.",
        "TRUTH": "The label that feedback gives the subject.",
        "MODEL": "The model version that predicted.",
        "FEATURE": "The bin of the feature that is named.",
        **PERIODS,
    },
    "A property by which predictions are counted; their time is that of the first request.",
)
register_enum(
    FeedbackCountBy,
    {"LABEL": "The label that was given.", "AUTHOR": "The author.", **PERIODS},
    "A property by which feedback is counted.",
)
register_enum(
    BuildCountBy,
    {"STATUS": "Their state now.", **PERIODS},
    "A property by which builds are counted; their time is that of the request.",
)
register_enum(
    BinKind,
    {
        "BELOW": "What is smaller than all values that the champion has learned from.",
        "WITHIN": "A part of the range that the champion has learned from.",
        "ABOVE": "What is greater than all values that the champion has learned from.",
        "VALUE": "One value.",
        "OTHER": "Values that have no bin of their own.",
        "MISSING": "No value.",
    },
    "What a bin has of a feature's values.",
    name="BinKind",
)
register_enum(
    HistogramSource,
    {
        "SNAPSHOT": "The rows of the snapshot that the champion has learned from.",
        "PREDICTIONS": "The stored predictions.",
        "ENTITIES": "The rows of the tables, as they are now.",
    },
    "Rows whose values a histogram counts.",
)

ByArgument = strawberry.argument(
    description=f"What to count by; each combination that occurs is a group, of which there may be {MOST_GROUPS:,}. At "
    "most one of HOUR, DAY and WEEK."
)
Since = Annotated[
    datetime.datetime | None, strawberry.argument(description="Count only what is of this time or later.")
]
Until = Annotated[
    datetime.datetime | None, strawberry.argument(description="Count only what is of before this time.")
]
TimeZone = Annotated[
    str | None,
    strawberry.argument(
        description="The time zone in which hours, days and weeks begin: a name of the IANA database, as Europe/Berlin."
        " Leave it out for the product's own, which is the server's unless the product declares another."
    ),
]
RequiredFeature = Annotated[
    str, strawberry.argument(description="The name of the feature: the field in the product's inputs.")
]
Sources = Annotated[
    list[HistogramSource],
    strawberry.argument(name="of", description="The rows to count, all on the same bins."),
]
FeatureName = Annotated[
    str | None,
    strawberry.argument(
        description="The name of the feature that FEATURE means: the field in the product's inputs."
    ),
]
BinNumber = Annotated[
    int | None,
    strawberry.argument(
        description=f"The number of parts of a feature's range, or of the values of an open category: 1 to {MOST_BINS}"
        f", by default {DEFAULT_BINS}. A feature with choices has a bin for each."
    ),
]


def times_of(since: object, until: object, time_zone: object) -> TimeFrame:
    """The times of arguments that may be left out."""
    return TimeFrame(since=unset_to_none(since), until=unset_to_none(until), zone=unset_to_none(time_zone))  # type: ignore[arg-type]


@strawberry.type(
    description="A part of a feature's values. Ranges are parts of the range in the snapshot that the champion has "
    "learned from, so that charts of different rows have the same bins."
)
class FeatureBin:
    kind: BinKind = strawberry.field(description="What the bin has.")
    low: float | None = strawberry.field(
        description="The smallest number of a range; null without such an end, and for other bins."
    )
    high: float | None = strawberry.field(
        description="The end of a range of numbers, which is not in it; null without such an end, and for other bins."
    )
    since: datetime.datetime | None = strawberry.field(
        description="The first moment of a range of dates or times; null without such an end, and for other bins."
    )
    until: datetime.datetime | None = strawberry.field(
        description="The end of a range of dates or times, which is not in it; null without such an end, and for other "
        "bins."
    )
    value: JSON | None = strawberry.field(
        description="The value of a bin with one, as the input takes it; null for others."
    )
    title: str | None = strawberry.field(description="The value's name for people; null for other bins.")

    @classmethod
    def of_column(cls, product: DataProduct, column: TypedColumn, part: bins.Bin) -> "FeatureBin":
        """The bin of a column."""
        value: Any = part.value
        title = part.value
        if title is not None and column.choices:
            named = served_choices.list_named(product, column.name)
            title = next((choice.title for choice in named if choice.text == value), value)
            value = as_input(product, column, value)
        elif title is not None and column.field_kind.own_choices:
            titles = {str(own).lower(): (own, name) for own, name in column.field_kind.own_choices}
            value, title = titles[title]
        return cls(
            kind=part.kind,
            low=part.low,
            high=part.high,
            since=part.since,
            until=part.until,
            value=value,
            title=title,
        )


@strawberry.interface(description="The number of predictions that have the same properties.")
class PredictionCount:
    count: int = strawberry.field(description="The number of predictions.")
    start: datetime.datetime | None = strawberry.field(
        description="The start of the hour, day or week; null if they are not counted by any."
    )
    answer: str | None = strawberry.field(
        description="The predicted label or cluster, as text; null if they are not counted by LABEL."
    )
    truth_text: str | None = strawberry.field(
        description="The label by feedback, as text; null if there is none, or they are not counted by TRUTH."
    )
    model: ModelVersion | None = strawberry.field(
        description="The model version that predicted; null if they are not counted by MODEL."
    )
    bin: FeatureBin | None = strawberry.field(
        description="The bin of the feature's value; null if they are not counted by FEATURE."
    )


@strawberry.interface(description="The number of statements about labels that have the same properties.")
class FeedbackCount:
    count: int = strawberry.field(
        description="The number of statements of people that were not taken back, older ones of an author included."
    )
    start: datetime.datetime | None = strawberry.field(
        description="The start of the hour, day or week; null if they are not counted by any."
    )
    answer: str | None = strawberry.field(
        description="The label that was given, as text; null if they are not counted by LABEL."
    )
    author: str | None = strawberry.field(
        description="The author's name; null if they are not counted by AUTHOR."
    )


@strawberry.type(description="The number of builds that have the same properties.")
class BuildCount:
    count: int = strawberry.field(description="The number of builds.")
    start: datetime.datetime | None = strawberry.field(
        description="The start of the hour, day or week; null if they are not counted by any."
    )
    status: JobStatus | None = strawberry.field(
        description="Their state; null if they are not counted by STATUS."
    )

    @classmethod
    def list_all(cls, product: DataProduct, by: list[BuildCountBy], times: TimeFrame) -> "list[BuildCount]":
        """The counts of a product's builds."""
        groups = counts.count_builds(product, by, times)
        return [cls(count=g.count, start=g.start, status=g.status and JobStatus(g.status)) for g in groups]  # type: ignore[arg-type]


@strawberry.type(description="A bin of a feature, and the number of values in it.")
class HistogramBin:
    bin: FeatureBin = strawberry.field(description="The bin.")
    snapshot: int | None = strawberry.field(
        description="The number of rows of the snapshot; null if it was not asked for."
    )
    predictions: int | None = strawberry.field(
        description="The number of predictions; null if they were not asked for."
    )
    entities: int | None = strawberry.field(
        description="The number of rows of the tables; null if they were not asked for."
    )


@strawberry.type(
    description="The values of a feature by bins, in the bins' order; what is missing comes last."
)
class FeatureHistogram:
    feature: Feature = strawberry.field(description="The feature.")
    bins: list[HistogramBin] = strawberry.field(description="The bins, also those without any row.")

    @classmethod
    def of_bars(
        cls, product: DataProduct, column: TypedColumn, bars: Sequence[histograms.Bar]
    ) -> "FeatureHistogram":
        """The histogram of a column."""
        features = {feature.column: feature for feature in Feature.list_all(product)}
        return cls(
            feature=features[column.name],
            bins=[
                HistogramBin(
                    bin=FeatureBin.of_column(product, column, bar.bin),
                    **{source.value.lower(): bar.counts.get(source) for source in HistogramSource},
                )
                for bar in bars
            ],
        )


#: Model versions by their keys.
Versions: TypeAlias = dict[int | None, models.ModelVersion]


def find_versions(groups: Sequence[Count]) -> Versions:
    """The model versions of counts by their keys, in one query."""
    keys = {group.model for group in groups if group.model is not None}
    return dict(row_cache.get_rows(models.ModelVersion, keys)) if keys else {}
