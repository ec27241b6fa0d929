"""Snapshots: the joined examples that a build learns from."""

import datetime

import strawberry

from store import models

from .analysis import FeatureAnalysis, LabelShare
from .nodes import Node, row_type


@strawberry.type(description="The values of one column of a snapshot that are none of its choices.")
class UndeclaredValues:
    column: str = strawberry.field(description="The feature or the label, as the product declares it.")
    is_label: bool = strawberry.field(
        description="True for the label: its rows are not learned from. The values of a feature are learned as missing."
    )
    rows: int = strawberry.field(description="The number of rows with such a value.")
    values: list[str] = strawberry.field(description="The values, the most frequent first, at most 10.")
    message: str = strawberry.field(description="The values and what to do, as sentences to show to people.")

    @classmethod
    def list_all(cls, snapshot: models.Snapshot) -> "list[UndeclaredValues]":
        """The undeclared values of a snapshot by column."""
        return [
            cls(
                column=column.column,
                is_label=column.is_label,
                rows=column.rows,
                values=[value for value, _ in column.values],
                message=str(column),
            )
            for column in snapshot.undeclared_values
        ]


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
        description="The values that were none of their column's choices, by column, the label's first; empty if all "
        "were."
    )
    def undeclared(self: models.Snapshot) -> list[UndeclaredValues]:
        return UndeclaredValues.list_all(self)

    @strawberry.field(
        description="Statistics of each feature that is still declared; null until the build has made them."
    )
    def analysis(self: models.Snapshot) -> list[FeatureAnalysis] | None:
        return FeatureAnalysis.list_all(self.product, self.analysed)

    @strawberry.field(
        description="Anomalies of features and of rows, such as repeated rows, as sentences to show to people; null "
        "until the build has made the analysis."
    )
    def findings(self: models.Snapshot) -> list[str] | None:
        analysis = self.analysed
        return None if analysis is None else analysis.sentences()

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
