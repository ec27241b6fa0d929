"""Build events: one type for each kind of step."""

import datetime

import strawberry

from store import models

from .builds import Build, Candidate
from .diagnostics import Diagnostic
from .nodes import Node, relation
from .problems import Problem
from .registry import ModelVersion, Promotion
from .snapshots import Snapshot


@strawberry.interface(
    description="A step that a build has done. More kinds may be added: keep a default branch that shows `message`."
)
class BuildEvent(Node):
    cursor: str = strawberry.field(
        description="The event's position: pass it as `after` to continue behind it."
    )
    sequence: int = strawberry.field(description="The event's number within its build, from 1 without gaps.")
    at: datetime.datetime = strawberry.field(description="The time of the event.")
    percent: float = strawberry.field(
        description="The build's progress after the event, 0 to 100; it never falls."
    )
    message: str = strawberry.field(description="The event as a sentence to show to people.")
    final: bool = strawberry.field(description="True for the last event of a build, and only for that.")

    @strawberry.field(
        graphql_type=Build,
        description="The build: select fields of it to keep them current in the client's cache.",
    )
    def build(self: models.BuildEvent) -> models.Build:
        return self.build


@strawberry.type(description="The build has started, and has a time limit.")
class BuildStarted(BuildEvent):
    @strawberry.field(description="The time by which it ends at the latest.")
    def ends_by(self: models.BuildEvent) -> datetime.datetime | None:
        return self.build.ends_by


@strawberry.type(description="The feature tables were joined into a snapshot.")
class SnapshotTaken(BuildEvent):
    @strawberry.field(graphql_type=Snapshot, description="The examples that the build learns from.")
    def snapshot(self: models.BuildEvent) -> models.Snapshot | None:
        return self.build.snapshot


@strawberry.type(description="The features were analysed. `build.snapshot.analysis` has the statistics.")
class FeaturesAnalysed(BuildEvent):
    @strawberry.field(description="Anomalies of the features, as sentences to show to people.")
    def findings(self: models.BuildEvent) -> list[str]:
        return self.findings or []


@strawberry.type(description="A candidate was scored on all its folds, or was dropped.")
class CandidateScored(BuildEvent):
    candidate: Candidate = strawberry.field(
        description="The candidate; its `problem` says why it was dropped."
    )
    best: float | None = strawberry.field(
        description="The best score of the search so far; null until a candidate has a score."
    )


@strawberry.type(description="A model was fitted on all examples and stored in the registry.")
class ModelRegistered(BuildEvent):
    model: ModelVersion = relation("model", "The new version.")


@strawberry.type(description="The build's winner, or an early version of it, became the champion.")
class ModelPromoted(BuildEvent):
    promotion: Promotion = relation("promotion", "The promotion.")


@strawberry.type(description="A chart about the winner was drawn, or could not be drawn.")
class DiagnosticDrawn(BuildEvent):
    diagnostic: Diagnostic = relation("diagnostic", "The chart; its `problem` says why there is no picture.")


@strawberry.type(
    description="The champion was not replaced: no candidate was better, or a person must promote the winner."
)
class ChampionKept(BuildEvent):
    @strawberry.field(description="The reason, as a sentence to show to people.")
    def reason(self: models.BuildEvent) -> str:
        return self.message


@strawberry.type(description="The build has succeeded.")
class BuildSucceeded(BuildEvent):
    model: ModelVersion | None = relation("model", "The winner; null if no candidate won.")

    @strawberry.field(description="True if the winner was promoted.")
    def promoted(self: models.BuildEvent) -> bool:
        return self.build.promoted


@strawberry.type(description="The build has failed.")
class BuildFailed(BuildEvent):
    @strawberry.field(description="The reason why it failed.")
    def problem(self: models.BuildEvent) -> Problem:
        return Problem.from_row(self.build)


@strawberry.type(description="A person has cancelled the build.")
class BuildCancelled(BuildEvent):
    by: str = strawberry.field(description="The name of the person.")


KINDS = [
    BuildStarted,
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
