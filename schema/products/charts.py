"""Numbers for charts of a product: counts of its predictions and feedback, and histograms of its features."""

from typing import Annotated

import strawberry

from store.charts import counts, histograms
from store.charts.bins import DEFAULT_BINS
from store.charts.counts import Count, FeedbackCountBy, PredictionCountBy
from store.products.features import Feature
from store.products.product import DataProduct

from ..types.charts import (
    BinNumber,
    ByArgument,
    FeatureBin,
    FeatureHistogram,
    FeatureName,
    FeedbackCount,
    PredictionCount,
    RequiredFeature,
    Since,
    Sources,
    TimeZone,
    Until,
    Versions,
    find_versions,
    times_of,
)
from ..types.columns import find_column
from ..types.nodes import UNSET
from ..types.prediction_filters import PredictionFilter
from ..types.products import GENERIC_PREDICTION_COUNTS, GenericFilter
from .filters import matching
from .generic_lists import matching_generic
from .outputs import Fields
from .type_factory import ProductTypes, list_of

Groups = Annotated[list[PredictionCountBy], ByArgument]


def chart_fields(t: ProductTypes) -> Fields:
    """Build the types of counts, and the product's fields that count."""
    _make_counts(t)
    fields = {
        "prediction_counts": _prediction_counts(t),
        "generic_prediction_counts": _generic_prediction_counts(t),
        "feature_histogram": _feature_histogram(t),
    }
    if t.product.learns_from_labels:
        fields["feedback_counts"] = _feedback_counts(t)
    return fields


def _make_counts(t: ProductTypes) -> None:
    t.make(
        strawberry.type,
        "PredictionCount",
        _answer_fields(t),
        f"The number of predictions of {t.product} that have the same properties.",
        (PredictionCount,),
    )
    if t.product.learns_from_labels:
        t.make(
            strawberry.type,
            "FeedbackCount",
            _label_field(t, "label", "The label that was given; null if they are not counted by LABEL."),
            f"The number of statements about labels of {t.product} that have the same properties.",
            (FeedbackCount,),
        )


def _answer_fields(t: ProductTypes) -> Fields:
    if not t.product.learns_from_labels:
        description = "The number of the cluster; null if they are not counted by LABEL."
        return {"cluster": (int | None, strawberry.field(description=description))}
    truth = "The label by feedback; null if there is none, or they are not counted by TRUTH."
    return {
        **_label_field(t, "label", "The predicted label; null if they are not counted by LABEL."),
        **_label_field(t, "truth", truth),
    }


def _label_field(t: ProductTypes, name: str, description: str) -> Fields:
    """The field of a label; none where labels are numbers, which are not counted one by one."""
    return {name: (t.label | None, strawberry.field(description=description))} if t.product.labels else {}


def _prediction_counts(t: ProductTypes) -> object:
    @strawberry.field(
        graphql_type=list_of(t.PredictionCount) | None,
        description="The number of predictions that match the filter, by groups, in the order of time and values. "
        "Groups without any prediction are left out.",
    )
    def prediction_counts(
        self: DataProduct,
        by: Groups,
        filter: Annotated[
            object,
            strawberry.argument(
                graphql_type=t.PredictionFilter | None,
                description="The predictions to count. Leave it out for all.",
            ),
        ] = UNSET,
        since: Since = UNSET,
        until: Until = UNSET,
        time_zone: TimeZone = UNSET,
        feature: FeatureName = UNSET,
        bins: BinNumber = DEFAULT_BINS,
    ) -> list[object]:
        column = find_column(self, feature) if feature else None
        times = times_of(since, until, time_zone)
        groups = counts.count_predictions(self, matching(self, filter), by, times, column, bins)
        versions = find_versions(groups)
        return [_prediction_count(t, group, column, versions) for group in groups]

    return prediction_counts


def _generic_prediction_counts(t: ProductTypes) -> object:
    @strawberry.field(graphql_type=list[PredictionCount] | None, description=GENERIC_PREDICTION_COUNTS)
    def generic_prediction_counts(
        self: DataProduct, by: Groups, filter: GenericFilter = UNSET
    ) -> list[object]:
        rows = matching_generic(self, filter or PredictionFilter())
        groups = counts.count_predictions(self, rows, by, times_of(None, None, None))
        versions = find_versions(groups)
        return [_prediction_count(t, group, None, versions) for group in groups]

    return generic_prediction_counts


def _prediction_count(t: ProductTypes, group: Count, column: Feature | None, versions: Versions) -> object:
    typed: dict[str, object] = {}
    if t.product.labels:
        typed = {"label": t.labels.get(group.answer), "truth": t.labels.get(group.truth)}
    elif not t.product.learns_from_labels:
        typed = {"cluster": None if group.answer is None else int(group.answer)}
    return t.PredictionCount(
        count=group.count,
        start=group.start,
        answer=group.answer,
        truth_text=group.truth,
        model=versions.get(group.model),
        bin=column and group.bin and FeatureBin.of_column(t.product, column, group.bin),
        **typed,
    )


def _feedback_counts(t: ProductTypes) -> object:
    @strawberry.field(
        graphql_type=list_of(t.FeedbackCount) | None,
        description="The number of statements about labels, by groups, in the order of time and values. Groups without "
        "any are left out.",
    )
    def feedback_counts(
        self: DataProduct,
        by: Annotated[list[FeedbackCountBy], ByArgument],
        since: Since = UNSET,
        until: Until = UNSET,
        time_zone: TimeZone = UNSET,
    ) -> list[object]:
        groups = counts.count_feedback(self, by, times_of(since, until, time_zone))
        return [
            t.FeedbackCount(
                count=group.count,
                start=group.start,
                answer=group.answer,
                author=group.author,
                **({"label": t.labels.get(group.answer)} if t.product.labels else {}),
            )
            for group in groups
        ]

    return feedback_counts


def _feature_histogram(t: ProductTypes) -> object:
    @strawberry.field(
        graphql_type=FeatureHistogram | None,
        description="The values of a feature by bins: how often each occurs in the snapshot that the champion has "
        "learned from, in predictions, and in the tables.",
    )
    def feature_histogram(
        self: DataProduct,
        feature: RequiredFeature,
        sources: Sources,
        bins: BinNumber = DEFAULT_BINS,
        filter: Annotated[
            object,
            strawberry.argument(
                graphql_type=t.PredictionFilter | None,
                description="The predictions to count. Leave it out for all.",
            ),
        ] = UNSET,
    ) -> FeatureHistogram:
        column = find_column(self, feature)
        bars = histograms.count_values(self, column, sources, matching(self, filter), bins)
        return FeatureHistogram.of_bars(self, column, bars)

    return feature_histogram
