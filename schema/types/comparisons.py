"""Comparisons of two model versions on stored instances: by how much the scores differ, and where the answers do."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias

import strawberry

import store.models
from store.db import pagination
from store.db.pagination import Page, PageRequest
from store.serving import prefetch

from ..core.enums import Exclusion, IntervalMethod
from .jobs import Job
from .nodes import LazyProduct, Node, list_field, product_field, product_of, row_type
from .registry import ModelVersion
from .values import answer_text

if TYPE_CHECKING:
    from .prediction_interfaces import Prediction

LazyPrediction: TypeAlias = Annotated["Prediction", strawberry.lazy("schema.types.prediction_interfaces")]


@strawberry.type(
    description="One metric of two model versions on the same instances. Greater is better, as scikit-learn's scorers "
    "have it: `neg_log_loss` is the negative log loss."
)
class PairedMeasure:
    metric: str = strawberry.field(description="The metric's name.")
    label: str | None = strawberry.field(
        description="The class that it is about, as in `Choice.value`; null for all classes."
    )
    first: float | None = strawberry.field(
        description="The value of the first version; null where the metric is not defined on these instances."
    )
    second: float | None = strawberry.field(
        description="The value of the second version; null where the metric is not defined on these instances."
    )
    difference: float | None = strawberry.field(
        description="The second value less the first: above 0 the second version is better. Null unless both are "
        "defined."
    )
    low: float | None = strawberry.field(
        description="The lower end of the 95 % interval around the difference; null where the instances are too few."
    )
    high: float | None = strawberry.field(
        description="The upper end of the 95 % interval around the difference; null where the instances are too few."
    )
    n: int = strawberry.field(
        description="The number of instances; for a class, of those that are truly of it."
    )
    method: IntervalMethod | None = strawberry.field(
        description="How the interval was computed; null without one."
    )


class ExcludedTruths(NamedTuple):
    """The number of truths that do not count for a reason."""

    reason: Exclusion
    n: int


@strawberry.type(description="The number of truths that do not count in a comparison, for one reason.")
class ComparisonExclusion:
    reason: Exclusion = strawberry.field(description="The reason.")
    n: int = strawberry.field(description="The number of instances.")


@strawberry.type(description="What one version answers to an instance that two versions answer differently.")
class FlippedAnswer:
    answer: str = strawberry.field(description="The predicted label, number or cluster, as text.")
    answer_text: str = strawberry.field(
        description="The answer as people read it: the title of a label, a number with its unit."
    )
    confidence: float | None = strawberry.field(
        description="The probability of the predicted label, 0 to 1; null unless the task is CLASSIFICATION."
    )


@row_type(store.models.ComparisonFlip, description="An instance that two versions answer differently.")
class ComparisonFlip:
    @strawberry.field(description="The answers, in the order of `Comparison.models`.")
    def answers(self: store.models.ComparisonFlip) -> list[FlippedAnswer]:
        pairs = (self.first_answer, self.first_confidence), (self.second_answer, self.second_confidence)
        product = product_of(self.comparison)
        return [
            FlippedAnswer(
                answer=answer, answer_text=answer_text(product, answer) or answer, confidence=confidence
            )
            for answer, confidence in pairs
        ]

    truth: str | None = strawberry.field(
        description="The label that counted when the versions were compared, as text; null if there was none."
    )

    @strawberry.field(description="The truth as people read it; null if there was none.")
    def truth_text(self: store.models.ComparisonFlip) -> str | None:
        return answer_text(product_of(self.comparison), self.truth)

    counted: bool = strawberry.field(description="True if the truth counts for both versions.")

    @strawberry.field(
        description="The primary key of the row that the instance is about; null if it is about none."
    )
    def entity(self: store.models.ComparisonFlip) -> strawberry.ID | None:
        prediction = prediction_of(self)
        return None if prediction is None or prediction.entity is None else strawberry.ID(prediction.entity)

    @strawberry.field(description="The caller's own name for the subject; null if none was given.")
    def reference(self: store.models.ComparisonFlip) -> str | None:
        prediction = prediction_of(self)
        return None if prediction is None else prediction.reference

    @strawberry.field(
        graphql_type=LazyPrediction | None,
        description="The stored prediction whose instance was replayed; null if it was deleted just now.",
    )
    def prediction(self: store.models.ComparisonFlip) -> store.models.Prediction | None:
        return prediction_of(self)


def prediction_of(flip: store.models.ComparisonFlip) -> store.models.Prediction | None:
    """The prediction whose instance was replayed; those of a page share one prefetch."""

    def find(rows: Sequence[store.models.ComparisonFlip]) -> dict[int, store.models.Prediction]:
        by_key = store.models.Prediction.objects.in_bulk({row.prediction_id for row in rows})
        pagination.share_lookups(list(by_key.values()))
        prefetch.attach_prefetch(list(by_key.values()))
        return {row.pk: by_key[row.prediction_id] for row in rows if row.prediction_id in by_key}

    prediction: store.models.Prediction | None = pagination.lookup_for_page(flip, "prediction", find)
    return prediction


@row_type(
    store.models.Comparison,
    description="A job that replays stored instances through two model versions: by how much their scores differ on "
    "truths that neither has learned from, and which answers differ.",
)
class Comparison(Job, Node):
    @strawberry.field(
        graphql_type=list[ModelVersion], description="The two versions, in the request's order."
    )
    def models(self: store.models.Comparison) -> list[store.models.ModelVersion]:
        return [pagination.related([self], name)[0] for name in ("first", "second")]

    since: datetime.datetime | None = strawberry.field(
        description="Only instances that were first predicted at this time or later; null for all."
    )
    sample: int = strawberry.field(description="The number of instances that are replayed at most.")
    instances: int = strawberry.field(
        description="The number of instances that both versions have answered so far: the served prediction of each "
        "subject, the newest from before any feedback on it."
    )
    unanswered: int = strawberry.field(
        description="The number of instances that were left out because they lack a feature of a version, or a version "
        "has no finite answer to them."
    )
    labelled: int = strawberry.field(description="The number of instances with a label from feedback.")
    counted: int = strawberry.field(
        description="The number of instances whose label neither version can have learned from; the measures are of "
        "these."
    )

    @strawberry.field(
        graphql_type=list[ComparisonExclusion], description="The instances with feedback that do not count."
    )
    def left_out(self: store.models.Comparison) -> list[ExcludedTruths]:
        return [ExcludedTruths(Exclusion(reason), n) for reason, n in self.exclusions.items()]

    flipped: int = strawberry.field(
        description="The number of instances that the versions answer differently, with a label or without."
    )
    flipped_share: float | None = strawberry.field(
        description="The share of the instances that the versions answer differently, 0 to 1; null before the end.",
        resolver=lambda self: self.flipped_share if self.ended else None,
    )

    @strawberry.field(
        description="The metric by which the product's versions are compared; null before the end."
    )
    def metric(self: store.models.Comparison) -> str | None:
        return self.metric or None

    @strawberry.field(
        graphql_type=list[PairedMeasure],
        description="The measures of all classes, the product's metric first, then those of each class. Empty before "
        "the end, and without a label that counts.",
    )
    def measures(self: store.models.Comparison) -> list[PairedMeasure]:
        return [
            PairedMeasure(**{**vars(measure), "method": measure.method and IntervalMethod(measure.method)})
            for measure in self.paired_measures
        ]

    @list_field(
        ComparisonFlip,
        description="The instances that the versions answer differently: of labels, those whose label counts first; of "
        "numbers, the greatest differences first. The first 10,000 are stored.",
    )
    def flips(self: store.models.Comparison, page: PageRequest) -> Page[store.models.ComparisonFlip]:
        result = pagination.page(store.models.ComparisonFlip.objects.of_comparison(self), ("place",), page)
        for flip in result.nodes:
            flip.comparison = self
        return result

    product: LazyProduct = product_field()
