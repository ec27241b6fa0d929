"""What is known of a snapshot's features and label before anything is learned from them."""

from typing import Any

import strawberry

from learning.analysis import Analysis
from store.products import catalogue

from ..core.enums import FeatureKind
from .columns import Feature

#: By the database's names.
Features = dict[str, Feature]


@strawberry.type(description="Another feature that rises or falls with this one.")
class FeatureCorrelation:
    feature: Feature
    rho: float = strawberry.field(description="Spearman's rank correlation, −1 to 1.")


@strawberry.type(description="One feature, as the labelled rows of a snapshot show it.")
class FeatureAnalysis:
    feature: Feature
    kind: FeatureKind = strawberry.field(
        description="ORDINAL: a category whose values are numbers in ascending order."
    )
    missing: float = strawberry.field(description="The share of rows without a value, 0 to 1.")
    distinct: int | None = strawberry.field(description="Different values; of very large tables an estimate.")
    minimum: float | None = strawberry.field(
        description="Of numbers, and of times as days since 1970-01-01; null for all else."
    )
    maximum: float | None
    quantiles: list[float] | None = strawberry.field(description="At 0.05, 0.25, 0.5, 0.75 and 0.95.")
    information: float | None = strawberry.field(
        description="Mutual information with the label in nats; null where there is no label."
    )
    correlated: list[FeatureCorrelation] = strawberry.field(
        description="Where the rank correlation is at least 0.5 either way, strongest first, ten at most."
    )
    findings: list[str] = strawberry.field(description="What is odd about it, a sentence each.")

    @classmethod
    def all(cls, product: str, analysis: Analysis | None) -> "list[FeatureAnalysis] | None":
        """Of the features that are still declared."""
        if analysis is None:
            return None
        declared = catalogue.get(product)
        features = {column.name: Feature.of(declared, column) for column in declared.columns}
        return [cls._of(f, features, analysis) for f in analysis.features if f.name in features]

    @classmethod
    def _of(cls, found: Any, features: Features, analysis: Analysis) -> "FeatureAnalysis":
        others = [other for other in found.correlated if other.feature in features]
        return cls(
            feature=features[found.name],
            kind=found.kind,
            missing=found.missing,
            distinct=found.distinct,
            minimum=found.minimum,
            maximum=found.maximum,
            quantiles=found.quantiles,
            information=found.information,
            correlated=[FeatureCorrelation(feature=features[o.feature], rho=o.rho) for o in others],
            findings=analysis.sentences(found.name),
        )


@strawberry.type(description="How often a class comes among the labelled rows.")
class LabelShare:
    label: str = strawberry.field(description="The label's value.")
    share: float
    count: int

    @classmethod
    def all(cls, analysis: Analysis | None) -> "list[LabelShare] | None":
        if analysis is None or not analysis.balance:
            return None
        return [cls(label=b.label, share=b.share, count=b.count) for b in analysis.balance]
