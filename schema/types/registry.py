"""The registry: model versions and their promotions."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

import strawberry
from strawberry.scalars import JSON

from learning.evaluation import intervals
from store import models
from store.builds.candidates import Measurement
from store.db import pagination
from store.quality import live

from ..compiled import LOCAL
from ..core.enums import ModelStatus, ScorePart
from .diagnostics import Diagnostic, DiagnosticKind
from .intervals import Intervals
from .nodes import UNSET, LazyProduct, Node, product_field, product_of, relation, row_type, unset_to_none
from .quality import LiveQuality, SinceThen, UntilThen
from .snapshots import Snapshot

if TYPE_CHECKING:
    from .builds import Build
    from .comparisons import Comparison

LazyComparison: TypeAlias = Annotated["Comparison", strawberry.lazy("schema.types.comparisons")]
LazyBuild: TypeAlias = Annotated["Build", strawberry.lazy("schema.types.builds")]

Metric = Annotated[
    str | None,
    strawberry.argument(
        description="Only scores of this metric, as `Score.metric` has it. Leave it out for all metrics."
    ),
]


Part = Annotated[
    ScorePart | None,
    strawberry.argument(name="of", description="Only this part of the scores. Leave it out for all."),
]


@strawberry.type(description="One hyperparameter of an estimator.")
class Hyperparameter:
    name: str = strawberry.field(description="The parameter's name.")
    value: JSON | None = strawberry.field(description="The parameter's value: a number, a text, a list …")

    @classmethod
    def list_all(cls, values: Mapping[str, object]) -> "list[Hyperparameter]":
        """The hyperparameters by name."""
        return [cls(name=name, value=cast(JSON, value)) for name, value in sorted(values.items())]


@strawberry.type(
    description="The value of one metric. Losses and errors are positive here and have no `neg_` in their name: "
    "`log_loss` is what the scorer `neg_log_loss` negates."
)
class Score:
    metric: str = strawberry.field(
        description="The metric's name: that of scikit-learn's scorer, for losses and errors without its `neg_`; or "
        "that of a further measure, such as `support`, `pinball_0.1` or `clusters`."
    )
    value: float | None = strawberry.field(
        description="The metric's value. Greater is better for scores, less for losses and errors: `log_loss`, "
        "`brier_score`, `pinball_…`, and what ends in `error`, `deviance`, `davies_bouldin` or "
        "`negative_likelihood_ratio`. Null where the rows do not allow to compute it."
    )
    fold: int | None = strawberry.field(
        description="The number of the fold, from 0; null for the mean over the folds."
    )
    label: str | None = strawberry.field(
        description="The class, as in `Choice.value`; null for the value over all classes."
    )


@strawberry.type(
    description="A mean over the folds of the final round, before and after the calibration. Greater is better for "
    "`score`, less for the two losses."
)
class CalibrationChange:
    before: float = strawberry.field(description="Of the probabilities that the estimator predicts.")
    after: float = strawberry.field(
        description="Of the calibrated probabilities, which serve. For this, the temperature was fitted to other rows "
        "than it was applied to."
    )


@strawberry.type(description="The calibration of a version's probabilities by a temperature, and its effect.")
class Calibration:
    temperature: float = strawberry.field(
        description="Above 1 it makes the probabilities less certain, below 1 more certain."
    )
    score: CalibrationChange = strawberry.field(
        description="By the metric of `ModelVersion.score`, which is the one after, less `ModelVersion.optimism`. "
        "Candidates are compared by the one before."
    )
    log_loss: CalibrationChange = strawberry.field(description="Mean log loss; less is better.")
    brier_score: CalibrationChange = strawberry.field(description="Mean Brier score; less is better.")

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Calibration":
        """The calibration as it is stored."""
        changes = ("score", "log_loss", "brier_score")
        return cls(
            temperature=stored["temperature"], **{name: CalibrationChange(**stored[name]) for name in changes}
        )


@row_type(
    models.ModelVersion,
    description="A fitted model in the registry. It never changes; only `status` follows from the promotions.",
)
class ModelVersion(Node):
    number: int = strawberry.field(description="The version's number within its product, from 1.")
    family: str = strawberry.field(description="The family of its estimator.")
    built_at: datetime.datetime = strawberry.field(description="The time at which it was registered.")
    metric: str = strawberry.field(description="The metric of `score`.")
    score: float = strawberry.field(
        description="The mean score over the folds of the final round, of the calibrated predictions if it serves "
        "such, less `optimism`; greater is better, as losses are negated: `neg_log_loss`. Compare only versions with "
        "the same metric and snapshot: scores of other rows differ for other reasons."
    )
    optimism: float = strawberry.field(
        description="How much choosing its recipe from many has raised the mean over the folds, as an estimate: the "
        "best of many noisy scores is in part the luckiest. 0 if that is not known, as for clusterings, and for "
        "versions that were built before it was estimated."
    )
    horizon: str = strawberry.field(
        description="How long after the rows learned from lay those that the scores are of, in a sentence. Empty if "
        "the product has no times, and for versions that were built before it was told."
    )
    early: bool = strawberry.field(
        description="True if it was fitted to serve before its build had ended; of many rows it learned from a part."
    )
    size: int = strawberry.field(
        description="The size of the pickled model, in bytes. `/model/PRODUCT/NUMBER.artifact` has it for who may "
        "ADMINISTER, `/model/PRODUCT/NUMBER.json` describes it."
    )
    digest: str = strawberry.field(description="SHA-256 of the pickled model, in hexadecimal.")
    dropped_at: datetime.datetime | None = strawberry.field(
        description="The time at which the retention of builds deleted the pickled model, which never served; null "
        "while it is stored."
    )
    runtime: str = strawberry.field(
        description="The libraries that compute its predictions, joined by commas; `pipeline` if that is the fitted "
        "scikit-learn pipeline itself."
    )
    microseconds_per_row: float | None = strawberry.field(
        description="The time to predict a row, in microseconds, measured at build time with 32 rows at once on one "
        "thread. Null if the runtime is `pipeline`."
    )
    parity: str | None = strawberry.field(
        description="The comparison of the runtime with the pipeline: the number of rows and the greatest difference, "
        "or the reason why the pipeline is the runtime. Null if they were not compared."
    )
    build: LazyBuild | None = relation("build", "The build that made it.")
    snapshot: Snapshot | None = relation("snapshot", "The examples that it was fitted on.")
    product: LazyProduct = product_field()

    # That of a version that predicts is known here; for a moment the registry may have another already.
    @strawberry.field(
        description="Its role in the product now.",
        metadata={LOCAL: lambda version: ModelStatus(version.role_here)},
    )
    def status(self: models.ModelVersion) -> ModelStatus:
        return ModelStatus(self.status)

    @strawberry.field(
        description="The calibration of its probabilities; null if it serves them as the estimator predicts them. Null "
        "also for versions that were built before its effect was measured, whose scores are those before it."
    )
    def calibration(self: models.ModelVersion) -> Calibration | None:
        return None if self.calibration is None else Calibration.of(self.calibration)

    @strawberry.field(description="The hyperparameters of its estimator, by name.")
    def hyperparameters(self: models.ModelVersion) -> list[Hyperparameter]:
        return Hyperparameter.list_all(self.hyperparameters)

    @strawberry.field(
        graphql_type=list[Score],
        description="Its scores on the folds of the final round, of the calibrated predictions if it serves such. "
        "Means come first, then each fold; `score` is one of the means, less `optimism`.",
    )
    def scores(
        self: models.ModelVersion,
        metric: Metric = UNSET,
        fold: Annotated[
            int | None,
            strawberry.argument(
                description="Only scores of the fold with this number. Leave it out for all folds and the means."
            ),
        ] = UNSET,
        label: Annotated[
            str | None,
            strawberry.argument(
                description="Only scores of this class, by its value or its name, as in `Choice`. Leave it out for all "
                "classes."
            ),
        ] = UNSET,
        part: Part = UNSET,
    ) -> list[Measurement]:
        conditions = unset_to_none(metric), unset_to_none(fold), unset_to_none(label), unset_to_none(part)

        def find(rows: Iterable[models.ModelVersion]) -> dict[int, list[Measurement]]:
            return models.Score.objects.of_versions(rows, *conditions)

        return pagination.lookup_for_page(self, ("scores", *conditions), find)

    @strawberry.field(
        graphql_type=list[Diagnostic] | None,
        description="Its charts, in the order in which they were drawn. Only the winner of a build gets them, so the "
        "list is empty for other versions and until they are drawn.",
    )
    def diagnostics(
        self: models.ModelVersion,
        kinds: Annotated[
            list[DiagnosticKind] | None,
            strawberry.argument(description="Only charts of these kinds. Leave it out for all kinds."),
        ] = UNSET,
    ) -> list[models.Diagnostic] | None:
        wanted = None if unset_to_none(kinds) is None else tuple(kinds or ())

        def find(rows: Iterable[models.ModelVersion]) -> dict[int, list[models.Diagnostic]]:
            return models.Diagnostic.objects.of_versions((row.pk for row in rows), wanted)

        return pagination.lookup_for_page(self, ("diagnostics", wanted), find)

    @strawberry.field(
        graphql_type=Intervals | None,
        description="Its prediction intervals: how wide they are, and how many true values they contained when it was "
        "built; null unless the task is REGRESSION.",
    )
    def intervals(self: models.ModelVersion) -> Intervals | None:
        def find(rows: Iterable[models.ModelVersion]) -> dict[int, intervals.Intervals | None]:
            return models.ModelVersion.objects.intervals_of([row.pk for row in rows])

        stored = pagination.lookup_for_page(self, "intervals", find)
        return stored and Intervals.of(stored)

    @strawberry.field(
        graphql_type=LiveQuality | None,
        description="How good what it has predicted has turned out to be, also what was not served.",
    )
    def quality(
        self: models.ModelVersion, since: SinceThen = UNSET, until: UntilThen = UNSET
    ) -> live.LiveQuality:
        return live.find(product_of(self), self, unset_to_none(since), unset_to_none(until))

    @strawberry.field(
        description="The labels that it can predict, as in `Choice.value`; null unless the task is CLASSIFICATION.",
        metadata={LOCAL: True},
    )
    def labels(self: models.ModelVersion) -> list[str] | None:
        return self.signature["classes"] or None


@row_type(
    models.Promotion, description="The start of a version's service, as decided by a build or a person."
)
class Promotion(Node):
    model: ModelVersion = relation("model", "The version that began to serve.")
    previous: ModelVersion | None = relation(
        "previous", "The version that served before; null if there was none."
    )
    rollback: bool = strawberry.field(
        description="True if it went back to an earlier version. Automatic promotion then waits for a person."
    )
    reason: str = strawberry.field(description="The reason, as its author or the build gave it.")
    by: str = strawberry.field(description="Its author: a user's name, or that of the build.")
    at: datetime.datetime = strawberry.field(description="The time of the promotion.")

    @strawberry.field(
        graphql_type=LazyComparison | None,
        description="The newest comparison of its two versions that has succeeded; null without one.",
    )
    def comparison(self: models.Promotion) -> models.Comparison | None:
        def find(rows: Sequence[models.Promotion]) -> dict[int, models.Comparison]:
            pairs = {row.pk: (row.previous_id, row.model_id) for row in rows if row.previous_id}
            newest = models.Comparison.objects.newest_of(list(pairs.values()))
            pagination.share_lookups(list(newest.values()))
            return {pk: newest[pair] for pk, pair in pairs.items() if pair in newest}

        comparison: models.Comparison | None = pagination.lookup_for_page(self, "comparison", find)
        return comparison

    product: LazyProduct = product_field()


@row_type(
    models.PendingPromotion,
    description="A version that serves once a comparison on stored instances shows that it is not worse than the "
    "champion beyond noise.",
)
class PendingPromotion:
    model: ModelVersion = relation("model", "The version that waits.")
    champion: ModelVersion = relation("champion", "The version that serves, with which it is compared.")
    least: int | None = strawberry.field(
        resolver=lambda self: self.least,
        description="The number of labels that is needed; null if the product no longer waits for evidence.",
    )
    counted: int = strawberry.field(
        description="The number of labels in the newest comparison that neither version has learned from."
    )
    message: str = strawberry.field(description="What it waits for, as a sentence to show to people.")
    started_at: datetime.datetime = strawberry.field(description="The time at which it began to wait.")

    @strawberry.field(
        graphql_type=LazyComparison | None,
        description="The newest comparison; null if there was nothing to replay.",
    )
    def comparison(self: models.PendingPromotion) -> models.Comparison | None:
        return self.comparison
