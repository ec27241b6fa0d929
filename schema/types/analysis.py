"""Analysis of a snapshot: statistics of its features and label, made before models are fitted."""

import strawberry

import learning.analysis
from learning.analysis import Analysis
from store.products import catalogue

from ..core.enums import FeatureKind
from .columns import Feature

#: Features by the names of their columns.
Features = dict[str, Feature]


@strawberry.type(description="Another feature that correlates with this one.")
class FeatureCorrelation:
    feature: Feature = strawberry.field(description="The other feature.")
    rho: float = strawberry.field(description="Spearman's rank correlation, −1 to 1.")


@strawberry.type(description="Statistics of one feature over the labelled rows of a snapshot.")
class FeatureAnalysis:
    feature: Feature = strawberry.field(description="The feature that is described.")
    kind: FeatureKind = strawberry.field(
        description="The kind of its values in this snapshot; ORDINAL for a category whose values are numbers in "
        "ascending order."
    )
    missing: float = strawberry.field(description="The share of rows without a value, 0 to 1.")
    distinct: int | None = strawberry.field(
        description="The number of distinct values; an estimate for very large tables."
    )
    minimum: float | None = strawberry.field(
        description="The smallest value: a number, or for dates and times days since 1970-01-01. Null for other kinds."
    )
    maximum: float | None = strawberry.field(description="The greatest value, in the units of `minimum`.")
    quantiles: list[float] | None = strawberry.field(
        description="The quantiles 0.05, 0.25, 0.5, 0.75 and 0.95, in the units of `minimum`. Null for other kinds."
    )
    information: float | None = strawberry.field(
        description="Mutual information with the label, in nats, corrected for chance: 0 if the feature tells nothing. "
        "Null if the product has no label."
    )
    information_error: float | None = strawberry.field(
        description="The standard error of `information`; null if the product has no label, and for snapshots that "
        "were analysed before it was measured."
    )
    correlated: list[FeatureCorrelation] = strawberry.field(
        description="Features whose rank correlation is at least 0.5 or at most −0.5: the ten strongest, strongest "
        "first."
    )
    findings: list[str] = strawberry.field(
        description="Anomalies of the feature, such as a constant value, as sentences to show to people."
    )

    @classmethod
    def list_all(cls, product: str, analysis: Analysis | None) -> "list[FeatureAnalysis] | None":
        """The analyses of the features that are still declared; None if there is no analysis."""
        if analysis is None:
            return None
        declared = catalogue.get(product)
        features = {feature.column: feature for feature in Feature.list_all(declared)}
        return [cls._from_statistics(f, features, analysis) for f in analysis.features if f.name in features]

    @classmethod
    def _from_statistics(
        cls, statistics: learning.analysis.FeatureAnalysis, features: Features, analysis: Analysis
    ) -> "FeatureAnalysis":
        correlated = [other for other in statistics.correlated if other.feature in features]
        return cls(
            feature=features[statistics.name],
            # The schema names other kinds only while a feature is declared so.
            kind=statistics.kind if statistics.kind.in_every_schema else features[statistics.name].kind,
            missing=statistics.missing,
            distinct=statistics.distinct,
            minimum=statistics.minimum,
            maximum=statistics.maximum,
            quantiles=None if statistics.quantiles is None else list(statistics.quantiles),
            information=statistics.information,
            information_error=statistics.information_error,
            correlated=[FeatureCorrelation(feature=features[o.feature], rho=o.rho) for o in correlated],
            findings=analysis.sentences(statistics.name),
        )


@strawberry.type(description="The frequency of a class among the labelled rows.")
class LabelShare:
    label: str = strawberry.field(description="The label's value, as in `Choice.value`.")
    share: float = strawberry.field(description="The class's share of the labelled rows, 0 to 1.")
    count: int = strawberry.field(description="The number of labelled rows of the class.")

    @classmethod
    def list_all(cls, analysis: Analysis | None) -> "list[LabelShare] | None":
        """The classes' frequencies; None without an analysis or without classes."""
        if analysis is None or not analysis.balance:
            return None
        return [cls(label=b.label, share=b.share, count=b.count) for b in analysis.balance]
