"""Builds: their candidates, and the decisions of retraining rules."""

import datetime
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, TypeAlias

import strawberry

from learning.estimators.families import family_names
from learning.problem import Problem as Declared
from store import models
from store.builds import leaderboard
from store.builds.candidates import SEARCH, CandidateFit, Measurement
from store.db import pagination
from store.db.pagination import Page, PageRequest

from ..core.enums import FitStage
from .jobs import Job
from .list_filters import CandidateFilter, CandidateOrder, Filter, OrderBy, columns_of, select
from .nodes import (
    UNSET,
    LazyProduct,
    Node,
    list_field,
    product_field,
    relation,
    row_type,
    unset_to_none,
)
from .problems import Problem
from .registry import Hyperparameter, Metric, ModelVersion, Part, Score
from .snapshots import Snapshot

if TYPE_CHECKING:
    from .events import BuildEvent

LazyEvent: TypeAlias = Annotated["BuildEvent", strawberry.lazy("schema.types.events")]


@row_type(
    models.Candidate,
    description="An estimator with its hyperparameters set, which a build compares with others.",
)
class Candidate(Node):
    family: str = strawberry.field(description="The family of the estimator.")
    score: float | None = strawberry.field(
        description="The mean over the folds of the search by the product's metric; greater is better, as losses are "
        "negated: `neg_log_loss`. It serves to select candidates and is too optimistic to report: report "
        "`ModelVersion.score`. Null until all folds are scored."
    )
    seconds: float | None = strawberry.field(
        description="The time that its fits and predictions took, in seconds; null before the first fold."
    )
    complete: bool = strawberry.field(
        description="True if all its folds are scored; otherwise it cannot win."
    )
    incumbent: bool = strawberry.field(
        description="True if it has the champion's family and hyperparameters, to be compared with the new ones."
    )

    @strawberry.field(description="The hyperparameters of the estimator, by name.")
    def hyperparameters(self: models.Candidate) -> list[Hyperparameter]:
        return Hyperparameter.list_all(self.hyperparameters)

    @strawberry.field(
        graphql_type=list[Score],
        description="Its scores on the folds of the search: means first, then each fold.",
    )
    def scores(self: models.Candidate, metric: Metric = UNSET, part: Part = UNSET) -> list[Measurement]:
        conditions = unset_to_none(metric), unset_to_none(part)

        def find(rows: Iterable[models.Candidate]) -> dict[int, list[Measurement]]:
            return models.Score.objects.of_candidates([row.pk for row in rows], SEARCH, *conditions)

        return pagination.lookup_for_page(self, ("scores", *conditions), find)

    @strawberry.field(
        description="The standard error of `score`, by its folds and corrected for the rows that their models share. "
        "Null below two scored folds."
    )
    def standard_error(self: models.Candidate) -> float | None:
        error: float | None = pagination.lookup_for_page(self, "error", leaderboard.standard_errors)
        return error

    @strawberry.field(
        description="The mean score over the fresh folds of the final round; null unless it was in that round."
    )
    def final_score(self: models.Candidate) -> float | None:
        return _standing(self).final_score

    @strawberry.field(
        graphql_type=ModelVersion | None, description="The version that was fitted from it; null without one."
    )
    def model(self: models.Candidate) -> models.ModelVersion | None:
        return _standing(self).model

    @strawberry.field(
        description="Its outcome in a few words to show to people: that it won, and why although another has a higher "
        "score; that it was registered; why it is out. Empty for all others."
    )
    def remark(self: models.Candidate) -> str:
        return _standing(self).remark

    @strawberry.field(
        description="The reason why it was dropped, such as a fit that failed; null if it was not."
    )
    def problem(self: models.Candidate) -> Problem | None:
        return Problem.find(self)


def _standing(candidate: models.Candidate) -> leaderboard.Competitor:
    standing: leaderboard.Competitor = pagination.lookup_for_page(
        candidate, "standing", leaderboard.standings
    )
    return standing


@strawberry.type(description="A fit that a build works on.")
class RunningFit:
    family: str = strawberry.field(description="The family of the estimator.")
    candidate: Candidate | None = strawberry.field(
        description="The candidate that is fitted; null while it is not drawn yet: processes that would be idle begin "
        "with those that come next."
    )
    stage: FitStage = strawberry.field(description="What the fit is for.")
    fold: int | None = strawberry.field(
        description="The number of the fold, from 0; null where all examples are learned from."
    )
    seconds: float = strawberry.field(
        description="The seconds that it has run when it was noted, to about one."
    )

    @strawberry.field(description="The hyperparameters of the estimator, by name.")
    def hyperparameters(self: CandidateFit) -> list[Hyperparameter]:
        return Hyperparameter.list_all(self.hyperparameters)


@row_type(
    models.Build,
    description="One run of learning: from the feature tables to a model version, as a job.",
)
class Build(Job, Node):
    number: int = strawberry.field(description="The build's number within its product, from 1.")
    requested_by: str = strawberry.field(
        description="The author of the request: a user's name, or a retraining rule as it is declared."
    )
    reason: str = strawberry.field(description="Why it was requested; empty if nobody said so.")
    seed: int = strawberry.field(
        description="The seed of its random numbers: the same data and seed repeat it."
    )
    snapshot: Snapshot | None = relation(
        "snapshot", "The examples that it learns from; null until they are joined."
    )
    ends_by: datetime.datetime | None = strawberry.field(
        description="The time by which it ends at the latest, pictures included: its start and the product's "
        "`seconds`. Null before it starts, and without a time limit."
    )
    model: ModelVersion | None = relation(
        "model", "The version that it registered as its winner; null until then, and if no candidate won."
    )
    product: LazyProduct = product_field()

    @strawberry.field(
        description="True if its winner was promoted when it was registered, false if it was not. Null until that is "
        "decided."
    )
    def promoted(self: models.Build) -> bool | None:
        return self.promoted if self.status == "SUCCEEDED" or self.model_id else None

    @strawberry.field(
        description="The outcome of the final round and its reasons, as sentences to show to people: what was "
        "chosen, how good it is and how surely, what it was compared with, what to look at, and why the version waits "
        "if it does. Null before it."
    )
    def decision(self: models.Build) -> str | None:
        return self.decision or None

    @strawberry.field(
        graphql_type=list[RunningFit],
        description="The fits that run, as the worker has noted them within the last second; empty unless its status "
        "is RUNNING. On a cluster, fits that wait there for their turn are among them.",
    )
    def running_fits(self: models.Build) -> list[CandidateFit]:
        return pagination.lookup_for_page(self, "running fits", models.Candidate.objects.running_of) or []

    @list_field(
        Candidate,
        description="Its candidates, in the order in which they were drawn unless `orderBy` says otherwise.",
    )
    def candidates(
        self: models.Build,
        page: PageRequest,
        filter: Filter[CandidateFilter] = UNSET,
        order_by: OrderBy[CandidateOrder] = UNSET,
    ) -> Page[models.Candidate]:
        rows = select(models.Candidate.objects.of_build(self), filter)
        return pagination.page(rows, columns_of(order_by, ("position", "pk")), page)

    @list_field(
        LazyEvent,
        description="Its events, oldest first. Get those that follow by the subscription `buildProgress` with the last "
        "cursor.",
    )
    def events(self: models.Build, page: PageRequest) -> Page[models.BuildEvent]:
        return models.BuildEvent.objects.page(self, page)


@strawberry.type(description="What a build does unless its request has other options.")
class BuildDefaults:
    candidates: int = strawberry.field(description="The number of candidates to draw, at most.")
    seconds: float | None = strawberry.field(
        description="The time limit of a build, in seconds; null without one."
    )
    families: list[str] = strawberry.field(
        description="The families of estimators to draw candidates from, in the order in which they are tried."
    )
    available_families: list[str] = strawberry.field(
        description="All families for the product's task that are installed: the values of `BuildOptions.families`."
    )
    auto_promote: bool = strawberry.field(description="False: a person must promote the winner.")

    @classmethod
    def of(cls, problem: Declared) -> "BuildDefaults":
        """The options that a problem declares."""
        available = family_names.names(problem.task)
        return cls(
            candidates=problem.budget,
            seconds=problem.seconds,
            families=list(problem.families or available),
            available_families=list(available),
            auto_promote=problem.auto_promote,
        )


@row_type(models.RetrainDecision, description="A decision of a retraining rule at one moment.")
class RetrainDecision(Node):
    at: datetime.datetime = strawberry.field(description="The time of the decision.")
    rule: str = strawberry.field(description="The rule, as it is declared.")
    build: Build | None = strawberry.field(
        description="The build that it requested or that was unfinished already; null if it requested none."
    )
    reason: str = strawberry.field(description="The reason, as a sentence to show to people.")
