"""Builds without processes: the real build over a sample, whose fits run in this process, and what it promises."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from learning.analysis import Analysis
from learning.build import Analysed, CandidateScored, Decided, Fitted, FoldScored, Incumbent, Step, build
from learning.dataset import Dataset
from learning.estimators.families import Candidate
from learning.fits.fold_fit import Failed, Fit, FitContext, Scored
from learning.problem import Problem

#: Families whose fits on hundreds of rows take milliseconds.
CHEAP = ("linear", "naive_bayes", "extra_trees", "neighbours", "baseline")
CHEAP_REGRESSORS = ("linear", "extra_trees", "neighbours", "baseline")
#: Upper bound of the trees of a forest; builds are many, and their promises must hold of any recipe.
TREES = 20


@dataclass
class InlinePool:
    """Pool that runs each fit at once in this process, with small forests."""

    context: FitContext
    count: int = 1
    killable: bool = False

    def score(self, fit: Fit) -> "Future[Scored | Failed]":
        """Fit a candidate on a fold."""
        return _done(self.context.score(replace(fit, candidate=_shrink(fit.candidate))))

    def fit(self, candidate: Candidate, fold: int | None = None) -> "Future[bytes | Failed]":
        """Fit a candidate on all rows."""
        return _done(self.context.fit(_shrink(candidate), fold))

    def has_model(self, candidate: Candidate, fold: int) -> bool:
        """Return False: no model is cached."""
        return False

    def restart(self) -> None:
        """Do nothing: no fit is running."""


Result = TypeVar("Result")


def _done(result: Result) -> "Future[Result]":
    future: Future[Result] = Future()
    future.set_result(result)
    return future


def _shrink(candidate: Candidate) -> Candidate:
    trees = candidate.hyperparameters.get("n_estimators", 0)
    if trees <= TREES:
        return candidate
    return replace(candidate, hyperparameters=candidate.hyperparameters | {"n_estimators": TREES})


@dataclass(kw_only=True)
class Outcome:
    """Steps of a build, and what they say."""

    steps: list[Step] = field(default_factory=list)

    def add(self, step: Step) -> None:
        """Add a step."""
        self.steps.append(step)

    @property
    def analysis(self) -> Analysis:
        """The analysis of the examples."""
        return next(step.analysis for step in self.steps if isinstance(step, Analysed))

    @property
    def decided(self) -> Decided:
        """The decision."""
        return next(step for step in self.steps if isinstance(step, Decided))

    @property
    def fitted(self) -> Fitted:
        """The winner's model, with the score that is told of it."""
        return next(step for step in self.steps if isinstance(step, Fitted) and step.winner)

    @property
    def told(self) -> float:
        """The score that is told of the winner."""
        return float(getattr(self.fitted, "served_score", self.fitted.score))

    @property
    def folds(self) -> list[FoldScored]:
        """The winner's folds of the final round."""
        winner = self.decided.winner
        return [
            step
            for step in self.steps
            if isinstance(step, FoldScored) and step.round == "contest" and step.candidate == winner
        ]

    @property
    def scored(self) -> dict[Candidate, float]:
        """Mean scores of the final round."""
        return {
            step.candidate: step.score
            for step in self.steps
            if isinstance(step, CandidateScored) and step.round == "contest"
        }

    @property
    def serves_first(self) -> bool:
        """True if the model would serve where none has served before."""
        return self.decided.winner is not None and not self.decided.holds_first

    @property
    def is_held(self) -> bool:
        """True if the model waits for a person where a champion serves."""
        return self.decided.hold_reason is not None

    @property
    def sentences(self) -> str:
        """All that is said about the examples and the decision."""
        findings = [finding.sentence for finding in self.analysis.findings]
        return " ".join([*self.analysis.sentences(), *findings, self.decided.message])

    def champion(self, dataset: Dataset) -> Incumbent:
        """Return the champion that the winner is for the next build."""
        fitted = self.fitted
        known = {each.name for each in fields(Incumbent)}
        optimism = getattr(fitted, "optimism", 0.0)
        evidence = {
            "scores": tuple(step.score for step in self.folds),
            "examples": len(dataset),
            "optimism": optimism,
        }
        return Incumbent(
            family=fitted.candidate.family,
            hyperparameters=dict(fitted.candidate.hyperparameters),
            metric=fitted.metric,
            score=fitted.score - optimism,
            fingerprint=dataset.fingerprint,
            classes=dataset.classes,
            analysis=self.analysis,
            **{name: value for name, value in evidence.items() if name in known},  # type: ignore[arg-type]
        )


PoolType = Callable[[FitContext], InlinePool]


def run(
    problem: Problem,
    dataset: Dataset,
    incumbent: Incumbent | None = None,
    pool: PoolType = InlinePool,
    until: type[Step] | None = None,
) -> Outcome:
    """Run a build, or the part of it until the first step of a type."""
    outcome = Outcome()
    for step in build(problem, dataset, incumbent, workers=1, pool_factory=partial(_open, pool)):
        outcome.add(step)
        if until is not None and isinstance(step, until):
            break
    return outcome


def _open(
    pool: PoolType, context: FitContext, seconds: float, megabytes: int | None
) -> AbstractContextManager[InlinePool]:
    return nullcontext(pool(context))


def with_clusters(champion: Incumbent, clusters: NDArray[np.int64]) -> Incumbent:
    """Let a champion put the examples of the next build into these clusters."""
    return replace(champion, clusters=clusters)


def with_record(champion: Incumbent, score: float) -> Incumbent:
    """Let a champion have this score on record, and folds that differ from each other as before."""
    if not (scores := getattr(champion, "scores", ())):
        return replace(champion, score=score)
    more = score - champion.score
    return replace(champion, score=score, scores=tuple(each + more for each in scores))  # type: ignore[call-arg]
