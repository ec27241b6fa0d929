"""Snapshots: the joined examples that a build learned from."""

import datetime
from typing import Any

import strawberry

from .analysis import FeatureAnalysis, LabelShare
from .nodes import Node


@strawberry.type(description="What was learned from: the join, frozen, with its counts.")
class Snapshot(Node):
    number: int
    taken_at: datetime.datetime
    rows_in: int = strawberry.field(description="Rows of the base table.")
    rows: int = strawberry.field(description="Rows of the snapshot, labelled or not.")
    unlabelled: int = strawberry.field(description="Kept, and not learned from.")
    incomplete: int = strawberry.field(description="Left out, because a one-to-one row is missing.")
    from_predictions: int = strawberry.field(description="Labelled predictions without a row of their own.")
    fingerprint: str = strawberry.field(description="SHA-256 of the content.")
    sql: str = strawberry.field(description="The statement that made it.")

    @strawberry.field(
        description="Of each feature that is still declared; null until they have been analysed."
    )
    def analysis(self: Any) -> list[FeatureAnalysis] | None:
        return FeatureAnalysis.all(self.product, self.analysed)

    @strawberry.field(description="Of the labelled rows; null unless it is a classification.")
    def label_balance(self: Any) -> list[LabelShare] | None:
        return LabelShare.all(self.analysed)

    @strawberry.field(
        description="Of the labelled rows, at 0.05, 0.25, 0.5, 0.75 and 0.95; null unless it is a regression."
    )
    def label_quantiles(self: Any) -> list[float] | None:
        return self.analysed and self.analysed.label_quantiles
