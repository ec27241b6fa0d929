"""Live quality: what later truths have measured, what was promised, and what is estimated without truths."""

import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, TypeAlias

import strawberry

from store import models
from store.charts import groups
from store.products.product import DataProduct as DeclaredProduct
from store.quality import clusters, counted, live
from store.quality.live import MOST_BUCKETS, HistoryBy

from ..core import ids
from ..core.enums import register_enum
from .drift import AnswerDrift, FeatureDrift, Skew, answer_drift_of, drift_of, skew_of
from .nodes import UNSET, LazyProduct, Node, unset_to_none

if TYPE_CHECKING:
    from learning.evaluation.live_measures import LiveMeasure

    from .registry import ModelVersion

LazyVersion: TypeAlias = Annotated["ModelVersion", strawberry.lazy("schema.types.registry")]

register_enum(
    HistoryBy,
    {"HOUR": "Hours.", "DAY": "Days.", "WEEK": "Weeks, from Monday on."},
    "The parts of a history of quality; a prediction's time is that of the first request.",
)
register_enum(
    counted.LeftOut,
    {
        "TRUTH_BEFORE": "Somebody had given feedback on the subject before it was predicted, or its row may have had "
        "the label.",
        "LABEL_IN_TABLE": "The subject's row had a label when feedback on it came, of which nobody knows since when.",
        "LEARNED_FROM": "The snapshot that the version was fitted on had the feedback.",
        "NOT_A_LABEL": "The truth is no label, or no number, that the product predicts today.",
        "OLDER": "The version has predicted the same subject again: the newest prediction counts.",
    },
    "Why a prediction whose subject has a truth does not count.",
    name="LeftOutReason",
)


class MeasureMethod(Enum):
    """The method of an interval, or of an estimate."""

    WILSON = "WILSON"
    DELONG = "DELONG"
    DELTA = "DELTA"
    ORDER = "ORDER"
    BOOTSTRAP = "BOOTSTRAP"
    CORRECTED_T = "CORRECTED_T"
    CBPE = "CBPE"
    CONFORMAL = "CONFORMAL"


register_enum(
    MeasureMethod,
    {
        "WILSON": "Wilson's interval of a share.",
        "DELONG": "DeLong's variance of an area under the ROC curve.",
        "DELTA": "The variance of each row's influence.",
        "ORDER": "Order statistics, of a median.",
        "BOOTSTRAP": "Percentiles of resampled rows.",
        "CORRECTED_T": "Student's t over the folds of the contest, corrected for the rows that they share.",
        "CBPE": "An estimate without labels, from calibrated probabilities.",
        "CONFORMAL": "An estimate without labels, from the errors that prediction intervals are made of.",
    },
)

SinceThen = Annotated[
    datetime.datetime | None,
    strawberry.argument(description="Only predictions of this time or later. Leave it out for all."),
]
UntilThen = Annotated[
    datetime.datetime | None,
    strawberry.argument(description="Only predictions of before this time. Leave it out for now."),
]
OfModel = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="The id of a version, of which also counts what was not served. Leave it out for what any version "
        "has served: each subject then counts once for each version."
    ),
]
Metrics = Annotated[
    list[str] | None,
    strawberry.argument(
        description="The metrics of all classes together, by the names of scikit-learn's scorers. Leave it out for the "
        "product's own and the usual others."
    ),
]
Metric = Annotated[
    str | None,
    strawberry.argument(
        description="The metric, by the name of scikit-learn's scorer. Leave it out for the product's own."
    ),
]
Zone = Annotated[
    str | None,
    strawberry.argument(
        description="The time zone in which hours, days and weeks begin: a name of the IANA database, as Europe/Berlin."
        " Leave it out for the product's own, which is the server's unless the product declares another."
    ),
]


@strawberry.type(
    description="The value of a metric, with its interval of 95 % and the predictions that it is of."
)
class Measure:
    metric: str = strawberry.field(description="The metric: the name of scikit-learn's scorer.")
    label: str | None = strawberry.field(
        description="The class, as in `Choice.value`; null for the value over all classes."
    )
    value: float | None = strawberry.field(
        description="The metric's value; greater is better. Null where `n` is 0, or the metric is not defined, as the "
        "ROC AUC of one class alone."
    )
    low: float | None = strawberry.field(
        description="The lower end of the interval; null where there are too few predictions for one."
    )
    high: float | None = strawberry.field(
        description="The upper end of the interval; null where there are too few predictions for one."
    )
    n: int = strawberry.field(
        description="The number that the value divides by: for a recall the true ones of the class, for a precision "
        "the predicted ones; for what was promised, the examples that the version was scored on."
    )
    method: MeasureMethod | None = strawberry.field(
        description="The method of the interval; of an estimate, its own."
    )

    @classmethod
    def of(cls, measure: "LiveMeasure") -> "Measure":
        """The measure for GraphQL."""
        method = measure.method and MeasureMethod(measure.method)
        return cls(
            metric=measure.metric,
            label=measure.label,
            value=measure.value,
            low=measure.low,
            high=measure.high,
            n=measure.n,
            method=method or None,
        )


@strawberry.type(description="The number of predictions that do not count for one reason.")
class LeftOut:
    reason: counted.LeftOut = strawberry.field(description="The reason.")
    n: int = strawberry.field(description="The number of predictions.")


@strawberry.type(description="A cluster's part of the predictions.")
class ClusterShare:
    cluster: int = strawberry.field(description="The cluster's number; −1 is noise.")
    n: int = strawberry.field(description="The number of its predictions.")
    share: float = strawberry.field(description="Its share of all predictions.")
    low: float = strawberry.field(description="The lower end of the share's interval of 95 %.")
    high: float = strawberry.field(description="The upper end of the share's interval of 95 %.")
    mean_distance: float | None = strawberry.field(
        description="The mean distance to the cluster's centre, of predictions that were drawn at random; null where "
        "it has no centre."
    )

    @classmethod
    def of(cls, cluster: clusters.Cluster) -> "ClusterShare":
        """The cluster for GraphQL."""
        return cls(
            cluster=cluster.cluster,
            n=cluster.n,
            share=cluster.share,
            low=cluster.low,
            high=cluster.high,
            mean_distance=cluster.mean_distance,
        )


@strawberry.interface(description="The predictions of a time, and how good they were.")
class MeasuredPredictions:
    @strawberry.field(description="The start of the time, which is in it; null for all before its end.")
    def since(self: live.QualityOf) -> datetime.datetime | None:
        return self.since

    @strawberry.field(description="The end of the time, which is not in it; null for all until now.")
    def until(self: live.QualityOf) -> datetime.datetime | None:
        return self.until

    @strawberry.field(description="The number of predictions.")
    def predictions(self: live.QualityOf) -> int:
        return self.counted.predictions

    @strawberry.field(description="The number of those whose subject has a truth by now.")
    def labelled(self: live.QualityOf) -> int:
        return self.counted.labelled

    @strawberry.field(
        description="The number of those that count: the truth came after them, the version could not know it, and "
        "they are the newest of their subject."
    )
    def counted(self: live.QualityOf) -> int:
        return len(self.counted)

    @strawberry.field(
        description="The number of those on whose subject people disagree so that there is no truth. They do not count."
    )
    def disputed(self: live.QualityOf) -> int:
        return self.counted.disputed

    @strawberry.field(
        description="The labelled ones that do not count, by reason; reasons of none are left out."
    )
    def left_out(self: live.QualityOf) -> list[LeftOut]:
        return [LeftOut(reason=reason, n=n) for reason, n in self.counted.left_out.items()]

    @strawberry.field(description="The share of predictions that are labelled; null without any prediction.")
    def coverage(self: live.QualityOf) -> float | None:
        return self.counted.coverage

    @strawberry.field(
        description="The median of the seconds from a prediction that counts to the first feedback on its subject; "
        "null if none counts."
    )
    def median_delay_seconds(self: live.QualityOf) -> float | None:
        return self.counted.median_delay_seconds

    @strawberry.field(
        description="What is measured on the predictions that count: of all classes together, then of each class. "
        "Empty where the product learns without labels."
    )
    def measured(self: live.QualityOf, metrics: Metrics = UNSET) -> list[Measure]:
        return list(map(Measure.of, self.measure(unset_to_none(metrics))))

    @strawberry.field(
        description="An estimate without labels of what the metric would be, from predictions that were drawn at "
        "random: it presumes that features still mean what they did when the version was built. Null where it cannot "
        "be estimated."
    )
    def estimated(self: live.QualityOf, metric: Metric = UNSET) -> Measure | None:
        estimated = self.estimate(unset_to_none(metric))
        return None if estimated is None else Measure.of(estimated)

    @strawberry.field(
        description="The clusters that were predicted, by number; empty unless the task is CLUSTERING. Numbers mean "
        "different clusters in each version, so name a model."
    )
    def clusters(self: live.QualityOf) -> list[ClusterShare]:
        return list(map(ClusterShare.of, self.clusters))

    @classmethod
    def resolve_type(cls, quality: object, *_: object) -> str:
        return "QualityBucket" if isinstance(quality, live.Bucket) else "LiveQuality"


@strawberry.type(description="A part of a history of quality: what a window of this time alone would say.")
class QualityBucket(MeasuredPredictions):
    @strawberry.field(
        description="The start of the hour, day or week, of which only a part may be in the window."
    )
    def start(self: live.Bucket) -> datetime.datetime:
        return self.start

    is_type_of = Node.is_type_of


@strawberry.type(
    description="How good the predictions of a time were, by truths that came after them. Only what the caller may see "
    "is counted."
)
class LiveQuality(MeasuredPredictions):
    @strawberry.field(description="The product.", graphql_type=LazyProduct)
    def product(self: live.LiveQuality) -> DeclaredProduct:
        return self.product

    @strawberry.field(
        description="The version; null where all versions count together.", graphql_type=LazyVersion | None
    )
    def model(self: live.LiveQuality) -> models.ModelVersion | None:
        return self.model

    @strawberry.field(
        description="What the contest promised: the registry's score of the version, of the champion where all "
        "versions count together, with its interval. Null without a champion."
    )
    def promised(self: live.LiveQuality) -> Measure | None:
        promised = self.promised
        return None if promised is None else Measure.of(promised)

    @strawberry.field(
        description=f"The same by hours, days or weeks, of which there may be {MOST_BUCKETS:,}; those without any "
        "prediction are left out. A subject counts once in each, so that their numbers may add up to more than the "
        "whole."
    )
    def history(
        self: live.LiveQuality,
        by: Annotated[HistoryBy, strawberry.argument(description="The parts.")],
        time_zone: Zone = UNSET,
    ) -> list[QualityBucket] | None:
        zone = groups.find_zone(unset_to_none(time_zone), self.product.join.zone)
        return self.history(by, zone)  # type: ignore[return-value]

    @strawberry.field(
        description="How far served features are from those that the version has learned from; where all versions "
        "count together, of what the champion has served. In declared order; empty if nothing is known of what was "
        "learned from, as `driftProblem` says."
    )
    def drift(self: live.LiveQuality) -> list[FeatureDrift]:
        return drift_of(self.drift)

    @strawberry.field(
        description="How far the answers are from those that are expected of the version; null if nothing is known to "
        "compare them with, as for a clustering."
    )
    def answer_drift(self: live.LiveQuality) -> AnswerDrift | None:
        return answer_drift_of(self.drift)

    @strawberry.field(
        description="Why features cannot be compared with what was learned from, in a sentence; null if they can."
    )
    def drift_problem(self: live.LiveQuality) -> str | None:
        return self.drift.problem or None

    @strawberry.field(
        description="Served features against the rows of the entities, of the newest predictions."
    )
    def skew(self: live.LiveQuality) -> Skew:
        return skew_of(self.product, self.skew)

    is_type_of = Node.is_type_of


def find_quality(
    product: DeclaredProduct, since: object, until: object, model: object = UNSET
) -> live.LiveQuality:
    """The quality of a product in a window of arguments that may be left out. Raises the errors of `live.find`."""
    version = None
    if (id := unset_to_none(model)) is not None:
        version = models.ModelVersion.objects.find(
            ids.number(str(id), "ModelVersion", ("model",)), argument="model"
        )
    return live.find(product, version, unset_to_none(since), unset_to_none(until))  # type: ignore[arg-type]
