"""Drift and skew: served features against those that a version has learned from, and against the rows of entities."""

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import strawberry
from strawberry.scalars import JSON

from store import models
from store.products.features import Feature as FeatureColumn
from store.products.product import DataProduct
from store.quality import drift, skew
from store.quality.drift_references import LABELS, OUT_OF_FOLD
from store.serving import prefetch

from ..core.enums import register_enum
from .columns import Feature, as_input

if TYPE_CHECKING:
    from .prediction_interfaces import Prediction

LazyPrediction: TypeAlias = Annotated["Prediction", strawberry.lazy("schema.types.prediction_interfaces")]


class AnswersBasis(Enum):
    """Origin of the answers that those of a window are compared with."""

    OUT_OF_FOLD = OUT_OF_FOLD
    LABELS = LABELS


register_enum(
    AnswersBasis,
    {
        "OUT_OF_FOLD": "The version's own answers for the rows of its snapshot, each from a fit without that row.",
        "LABELS": "The labels of its snapshot, from which a version's answers differ before anything has drifted.",
    },
    "What answers are compared with.",
)

STATISTIC = (
    f"The name of the statistic: `{drift.STATISTIC}`, or `{drift.LENGTHS_STATISTIC}` for texts and sets, which are "
    "compared by their numbers of characters."
)
VALUE = (
    "The Jensen–Shannon distance: 0 is the same distribution, 1 is one without anything in common. Few predictions "
    "have a distance by chance. Null without predictions."
)
P_VALUE = (
    "The p-value of Pearson's χ² test that both samples are of one distribution; null if the predictions are too few "
    "for the test."
)


@strawberry.type(
    description="How far the served values of a feature are from those that the version has learned from."
)
class FeatureDrift:
    feature: Feature = strawberry.field(description="The feature.")
    statistic: str = strawberry.field(description=STATISTIC)
    value: float | None = strawberry.field(description=VALUE)
    n: int = strawberry.field(description="The number of predictions that were counted.")
    learned: int = strawberry.field(
        description="The number of rows, which were learned from, that were counted."
    )
    p_value: float | None = strawberry.field(description=P_VALUE)
    adjusted_p_value: float | None = strawberry.field(
        description="The p-value corrected for the number of features by Benjamini and Hochberg's method."
    )
    missing: float | None = strawberry.field(
        description="The share of the predictions without a value, 0 to 1; null without predictions."
    )
    learned_missing: float | None = strawberry.field(
        description="The share of the rows without a value that were learned from, 0 to 1; null without rows."
    )
    unseen: float | None = strawberry.field(
        description="The share of the served values that were not learned from: out of the range, or other categories. "
        "Null without values, and for an open category with too many levels to know."
    )

    @classmethod
    def of(cls, features: Mapping[str, Feature], each: drift.FeatureDrift) -> "FeatureDrift":
        """The drift of one feature for GraphQL."""
        compared = each.compared
        return cls(
            feature=features[each.column.name],
            statistic=compared.statistic,
            value=compared.value,
            n=compared.n,
            learned=compared.learned,
            p_value=compared.p_value,
            adjusted_p_value=compared.adjusted_p_value,
            missing=compared.missing,
            learned_missing=compared.learned_missing,
            unseen=compared.unseen,
        )


@strawberry.type(description="How far the answers are from those that are expected of the version.")
class AnswerDrift:
    basis: AnswersBasis = strawberry.field(description="What they are compared with.")
    statistic: str = strawberry.field(description="The name of the statistic.")
    value: float | None = strawberry.field(description=VALUE)
    n: int = strawberry.field(description="The number of predictions that were counted.")
    p_value: float | None = strawberry.field(description=P_VALUE)


@strawberry.type(description="A prediction whose feature differs from the row of its entity.")
class SkewExample:
    stored: strawberry.Private[models.Prediction]

    @strawberry.field(graphql_type=LazyPrediction | None, description="The prediction.")
    def prediction(self) -> models.Prediction:
        return self.stored

    served: JSON | None = strawberry.field(description="The value that was served, as the input takes it.")
    row: JSON | None = strawberry.field(
        description="The value of the row as it is now, as the input takes it."
    )


@strawberry.type(
    description="How often a feature was served with another value than the row of the entity has."
)
class FeatureSkew:
    feature: Feature = strawberry.field(description="The feature.")
    n: int = strawberry.field(description="The number of predictions that were compared.")
    differing: int = strawberry.field(description="The number of those whose value differs.")
    share: float | None = strawberry.field(description="Their share, 0 to 1; null without predictions.")
    examples: list[SkewExample] = strawberry.field(
        description=f"The newest of those whose value differs, {skew.MOST_EXAMPLES} at most."
    )


@strawberry.type(
    description=f"Served features against the rows of the entities, of the newest {skew.MOST_ROWS} predictions about "
    "entities that the caller may see. A row is joined as it is now, as for learning: one that was changed since the "
    "prediction differs, too."
)
class Skew:
    n: int = strawberry.field(description="The number of predictions that were compared.")
    without_row: int = strawberry.field(
        description="The number of predictions that were not, because their entity has no row now, or none that can be "
        "predicted."
    )
    features: list[FeatureSkew] = strawberry.field(description="The features, in declared order.")


def drift_of(window: drift.WindowDrift) -> list[FeatureDrift]:
    """The drift of the features of a window."""
    features = _features(window.product)
    return [FeatureDrift.of(features, each) for each in window.features]


def answer_drift_of(window: drift.WindowDrift) -> AnswerDrift | None:
    """The drift of the answers of a window; null if nothing is known to compare them with."""
    if window.answers is None or not window.answers_basis:
        return None
    return AnswerDrift(
        basis=AnswersBasis(window.answers_basis),
        statistic=window.answers.statistic,
        value=window.answers.value,
        n=window.answers.n,
        p_value=window.answers.p_value,
    )


def skew_of(product: DataProduct, compared: skew.Skew) -> Skew:
    """The skew of a window."""
    features = _features(product)
    predictions = [example.prediction for each in compared.features for example in each.examples]
    prefetch.attach_prefetch(predictions)
    return Skew(
        n=compared.n,
        without_row=compared.without_row,
        features=[
            FeatureSkew(
                feature=features[each.column.name],
                n=each.n,
                differing=each.differing,
                share=each.differing / each.n if each.n else None,
                examples=[_example(product, each.column, example) for example in each.examples],
            )
            for each in compared.features
        ],
    )


def _example(product: DataProduct, column: FeatureColumn, example: skew.SkewExample) -> SkewExample:
    def as_sent(stored: Any) -> Any:
        return as_input(product, column, column.from_json(stored))

    return SkewExample(
        stored=example.prediction,
        served=as_sent(example.served),
        row=as_sent(example.row),
    )


def _features(product: DataProduct) -> dict[str, Feature]:
    return {feature.column: feature for feature in Feature.list_all(product)}
