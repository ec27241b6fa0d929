"""Snapshots: the joined examples that a build learns from."""

import datetime

import strawberry

from store import models

from .analysis import FeatureAnalysis, LabelShare
from .nodes import Node, row_type


@row_type(
    models.Snapshot,
    description="The examples that a build learns from: the joined feature tables at one moment, which never change.",
)
class Snapshot(Node):
    number: int = strawberry.field(description="The snapshot's number within its product.")
    taken_at: datetime.datetime = strawberry.field(
        description="The moment of the data: later changes of the feature tables are not in it."
    )
    rows_in: int = strawberry.field(description="The number of rows of the base table.")
    rows: int = strawberry.field(description="The number of rows of the snapshot, labelled or not.")
    unlabelled: int = strawberry.field(
        description="The number of rows of the snapshot without a label; they are not used for fitting."
    )
    incomplete: int = strawberry.field(
        description="The number of base rows left out because a one-to-one row is missing."
    )
    from_predictions: int = strawberry.field(
        description="The number of examples that come from labelled predictions without a row in the tables."
    )
    fingerprint: str = strawberry.field(
        description="SHA-256 of the content: equal fingerprints mean equal examples."
    )
    sql: str = strawberry.field(description="The SQL statement that made it.")

    @strawberry.field(
        description="Statistics of each feature that is still declared; null until the build has made them."
    )
    def analysis(self: models.Snapshot) -> list[FeatureAnalysis] | None:
        return FeatureAnalysis.list_all(self.product, self.analysed)

    @strawberry.field(
        description="The frequencies of the classes among the labelled rows; null unless the task is CLASSIFICATION."
    )
    def label_balance(self: models.Snapshot) -> list[LabelShare] | None:
        return LabelShare.list_all(self.analysed)

    @strawberry.field(
        description="The quantiles 0.05, 0.25, 0.5, 0.75 and 0.95 of the label; null unless the task is REGRESSION."
    )
    def label_quantiles(self: models.Snapshot) -> list[float] | None:
        analysis = self.analysed
        return None if analysis is None or not analysis.label_quantiles else list(analysis.label_quantiles)
