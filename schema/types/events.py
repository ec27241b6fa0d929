"""Build events: one type for each kind of step, over the rows that hold them."""

import datetime
from typing import Any

import strawberry

from ..core import ids
from .builds import Build, Candidate
from .diagnostics import Diagnostic
from .nodes import Node, relation
from .problems import Problem
from .registry import ModelVersion, Promotion
from .snapshots import Snapshot


@strawberry.interface(
    description="`id` makes a replayed event the same record; `build` refreshes it in the cache; `final` is true "
    "exactly once. New kinds will come."
)
class BuildEvent:
    cursor: str
    sequence: int
    at: datetime.datetime
    percent: float
    message: str
    final: bool

    @strawberry.field
    def id(self) -> strawberry.ID:
        return ids.node_id(self)

    @strawberry.field
    def build(self: Any) -> Build:
        return self.build

    resolve_type = Node.resolve_type
    is_type_of = Node.is_type_of


@strawberry.type(description="The feature tables were joined.")
class SnapshotTaken(BuildEvent):
    @strawberry.field
    def snapshot(self: Any) -> Snapshot:
        return self.build.snapshot


@strawberry.type(description="It is known what the features are like: `Build.snapshot.analysis` has it all.")
class FeaturesAnalysed(BuildEvent):
    @strawberry.field(description="What is odd about them, a sentence each.")
    def findings(self: Any) -> list[str]:
        return self.findings or []


@strawberry.type(description="A candidate was scored on all its folds, or failed.")
class CandidateScored(BuildEvent):
    candidate: Candidate
    best: float | None = strawberry.field(description="The best score so far.")


@strawberry.type(description="A model was fitted on all examples, pickled, signed and kept.")
class ModelRegistered(BuildEvent):
    model: ModelVersion = relation("model")


@strawberry.type(description="The winner serves.")
class ModelPromoted(BuildEvent):
    promotion: Promotion = relation("promotion")


@strawberry.type(description="A picture of the winner was drawn, or could not be.")
class DiagnosticDrawn(BuildEvent):
    diagnostic: Diagnostic = relation("diagnostic")


@strawberry.type(description="The champion stays: nothing was better, or a person must decide.")
class ChampionKept(BuildEvent):
    @strawberry.field
    def reason(self: Any) -> str:
        return self.message


@strawberry.type(description="The build has ended well.")
class BuildSucceeded(BuildEvent):
    model: ModelVersion | None = relation("model")

    @strawberry.field
    def promoted(self: Any) -> bool:
        return self.build.promoted


@strawberry.type(description="The build could not go on.")
class BuildFailed(BuildEvent):
    @strawberry.field
    def problem(self: Any) -> Problem:
        return Problem.of(self.build)


@strawberry.type(description="Somebody ended the build.")
class BuildCancelled(BuildEvent):
    by: str


KINDS = [
    SnapshotTaken,
    FeaturesAnalysed,
    CandidateScored,
    ModelRegistered,
    ModelPromoted,
    DiagnosticDrawn,
    ChampionKept,
    BuildSucceeded,
    BuildFailed,
    BuildCancelled,
]
