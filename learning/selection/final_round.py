"""Final round: finalists, the champion's recipe and their averages on fresh folds. Only these scores are reported."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil

import numpy as np
from numpy.typing import NDArray

from ..estimators import ensemble
from ..estimators.families import BASELINE, Candidate, full_recipe
from ..evaluation.averages import mean_by_row
from ..evaluation.folds import Fold, Round
from ..evaluation.horizon import describe_horizon
from ..evaluation.score_error import ScoreError, estimate_error
from ..fits.fold_fit import Fit, FitContext
from ..fits.scheduler import is_past
from ..problem import Problem
from . import decision
from .budget import CAUTION, FinalRoundBudget, FinalRoundPlan, plan_final_round
from .clock import END_SHARE, SEARCH_SHARE
from .decision import Entry
from .rounds import FoldRunner, Scoreboard, Span
from .search import Search
from .steps import CandidateDropped, CandidateScored, CandidatesDrawn, FoldScored, Step

#: Families whose fold models hardly differ, so that averaging them gains nothing.
STABLE = (BASELINE, "linear", "naive_bayes", "svm")
#: Least number of folds that can estimate the noise of the scores.
LEAST_FOLDS = 2


@dataclass(kw_only=True)
class FinalRound:
    """State of a final round; `run` executes it."""

    problem: Problem
    context: FitContext
    runner: FoldRunner
    span: Span
    search: Search
    #: The champion's recipe.
    incumbent: Candidate | None
    #: When all fits of the build must be done, by `time.monotonic`; None: no limit.
    end: float | None
    #: When even the folds without which nothing can be decided are stopped; None: no limit.
    last: float | None = None
    #: Folds of this round that were scored before: those of an early version.
    scored: Sequence[FoldScored] = ()
    scoreboard: Scoreboard = field(init=False)
    #: Averages of candidates; they are scored from their members' predictions.
    averages: list[Candidate] = field(default_factory=list)
    #: Folds that the time limit left out, as a sentence for the decision; empty if none.
    stop_reason: str = ""
    _errors: dict[tuple[Candidate, int], ScoreError | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scoreboard = Scoreboard(round="contest", folds=self.context.plan.count("contest"))
        for step in self.scored:
            self.scoreboard.add(step)

    def run(self) -> Generator[Step, None, None]:
        """Score all participants on the fresh folds; averages come last, from their members' predictions."""
        candidates = yield from self._drop_slow()
        finalists = decision.finalists(candidates, self.problem.keep)
        plan = plan_final_round(self._budget(), finalists, self._ensemble_weights(candidates))
        self.averages = list(dict.fromkeys(self._ensembles(plan.weights)))
        members = [member for recipe in self.averages for member in ensemble.members(recipe)]
        yield from self._run_folds(list(dict.fromkeys([*plan.singles, *members])), plan)
        for single in list(self.scoreboard.means):
            yield self._candidate_scored(single)
        self.averages += [each for each in self._fold_averages(plan.weights) if each not in self.averages]
        for recipe in self.averages:
            yield from self._score_average(recipe)

    def run_only(self, candidates: Sequence[Candidate]) -> Generator[Step, None, None]:
        """Score these candidates alone, without averages."""
        yield CandidatesDrawn(percent=self.span.start, candidates=tuple(candidates))
        folds = self.scoreboard.folds
        plan = FinalRoundPlan(singles=tuple(candidates), weights={}, folds=folds, deadline=self.end)
        yield from self._run_folds(candidates, plan)

    def entries(self) -> list[Entry]:
        """Return what the decision needs of each candidate that was scored on all folds."""
        standings = self.search.standings()
        return [
            Entry(
                candidate=candidate,
                searched=standings.get(_of_all_rows(candidate)),
                scores=self.scoreboard.scores(candidate),
                recalls=self.scoreboard.recalls(candidate),
                measures=self.scoreboard.measures(candidate),
                losses=self._losses(candidate),
                estimate=partial(self.estimate_error, candidate),
            )
            for candidate in self.scoreboard.means
        ]

    def predictions(self, candidate: Candidate) -> tuple[NDArray[np.float32], list[NDArray[np.intp]]]:
        """Return the candidate's out-of-fold predictions, concatenated over the folds, and the rows of each fold."""
        return self.scoreboard.predictions(candidate), self._held_out("contest", self.scoreboard.folds)

    def scored_folds(self, candidate: Candidate) -> list[FoldScored]:
        """Return the candidate's folds in their order."""
        return [self.scoreboard.scored[candidate][fold] for fold in range(self.scoreboard.folds)]

    @property
    def folds(self) -> Sequence[Fold]:
        """The folds that candidates were scored on."""
        return self.context.split("contest")[: self.scoreboard.folds]

    @property
    def horizon(self) -> str:
        """Sentence on how long after the rows learned from lay those that the scores are of; empty without times."""
        return describe_horizon(self.context.dataset, self.folds, ordered=self.context.plan.ordered)

    def estimate_error(self, candidate: Candidate) -> ScoreError | None:
        """Estimate the error of the candidate's mean score from its held-out rows; None if they cannot tell."""
        key = candidate, self.scoreboard.folds
        if key not in self._errors:
            predictions, held_out = self.fold_predictions(candidate), self._held_out("contest", key[1])
            error = estimate_error(self.context.metric, self.context.dataset, predictions, held_out)
            self._errors[key] = error and error.measured_at(self.scoreboard.means[candidate])
        return self._errors[key]

    def fold_predictions(self, candidate: Candidate) -> list[NDArray[np.float32]]:
        """Return the candidate's predictions of each fold; none for clusterings."""
        return [step.predictions for step in self.scored_folds(candidate) if step.predictions is not None]

    @property
    def is_cut_short(self) -> bool:
        """True if the time limit left fewer folds than can judge."""
        planned = self.context.plan.count("contest")
        return self.scoreboard.folds < min(planned, decision.ENOUGH_FOLDS)

    def _drop_slow(self) -> Generator[Step, None, list[Candidate]]:
        """Drop leaders whose predictions take longer than the problem allows; the incumbent always stays."""
        limit = self.problem.infer_limit
        fast = []
        for candidate in self.search.leaders():
            duration = self.search.scoreboard.microseconds(candidate)
            is_slow = limit is not None and duration is not None and duration > limit
            if is_slow and not candidate.incumbent:
                reason = f"a row takes {duration:.0f} µs to predict; the limit is {limit:g}."
                yield CandidateDropped(percent=self.span.start, candidate=candidate, reason=reason)
            else:
                fast.append(candidate)
        return fast

    def _ensembles(self, weights: Mapping[Candidate, float]) -> Iterator[Candidate]:
        if self.incumbent is not None and self.incumbent.family == ensemble.FAMILY:
            yield self.incumbent
        if len(weights) > 1:
            yield ensemble.build_recipe(weights)

    def _budget(self) -> FinalRoundBudget:
        return FinalRoundBudget(
            end=self.end,
            folds=self.scoreboard.folds,
            growth=1 + self.context.plan.ratio,
            processes=self.runner.scheduler.count,
            seconds=self.search.final_seconds,
            always=tuple(c for c in self.search.incumbents if c in self.search.scoreboard.means),
        )

    def _run_folds(self, singles: Sequence[Candidate], plan: FinalRoundPlan) -> Generator[Step, None, None]:
        """Run fold by fold, so that all candidates have the same folds when time runs out."""
        folds = self.scoreboard.folds
        for fold in range(plan.folds):
            ahead = [Fit(c, "contest", fold + 1) for c in singles if fold + 1 < plan.folds]
            deadline = plan.deadline if fold >= LEAST_FOLDS else self.last
            percent = self.span.at(fold, plan.folds)
            # Longest fits first even with a deadline: a fold that is cut short counts for none of the candidates.
            yield from self.runner.run(
                self.scoreboard, singles, [fold], percent, ahead, deadline, self.search.seconds
            )
            if is_past(deadline):
                break
        failed = self.scoreboard.failed
        done = [len(steps) for c, steps in self.scoreboard.scored.items() if c not in failed]
        enough = [count for count in done if count >= LEAST_FOLDS]
        self.scoreboard.truncate(min(enough, default=folds))
        if self.scoreboard.folds < folds:
            self.stop_reason = (
                f" The time limit left {self.scoreboard.folds} of the final round's {folds} folds"
                f"{self._describe_enough(folds)}."
            )

    def _describe_enough(self, folds: int) -> str:
        """Estimate, as part of a sentence, the time limit that leaves all folds."""
        limit = self.problem.seconds
        if limit is None or not self.scoreboard.means:
            return ""
        seconds = sum(self.scoreboard.seconds(c) for c in self.scoreboard.means) * folds * CAUTION
        share = (END_SHARE - SEARCH_SHARE) * (1 - self.problem.pictures)
        enough = max(seconds / self.runner.scheduler.count / share, limit * folds / self.scoreboard.folds)
        step = 5 if enough < 100 else 10 ** (len(str(int(enough))) - 2)
        return f"; about {ceil(enough / step) * step:,} s would be enough for all"

    def _ensemble_weights(self, candidates: Sequence[Candidate]) -> dict[Candidate, float]:
        """Compute the best ensemble's weights from the search's predictions; empty if a single candidate is enough."""
        if not self.context.problem_type.learns_from_labels:
            return {}
        scoreboard = self.search.scoreboard
        predictions = {c: scoreboard.predictions(c) for c in candidates if c.family != BASELINE}
        if len(predictions) < 2:
            return {}
        y = self._y[np.concatenate(self._held_out("search", scoreboard.folds))]
        weights = ensemble.select(predictions, y, len(self.context.dataset.classes))
        return {} if self._is_too_slow(list(weights)) else weights

    def _is_too_slow(self, members: Sequence[Candidate], copies: int = 1) -> bool:
        """Return whether `copies` models of each member together exceed the limit of prediction time."""
        limit = self.problem.infer_limit
        duration = sum(self.search.scoreboard.microseconds(c) or 0.0 for c in members) * copies
        return limit is not None and duration > limit

    def _fold_averages(self, weights: Mapping[Candidate, float]) -> Iterator[Candidate]:
        """Yield averages of fold models: of the best single candidate, and of the ensemble.

        Only if there are few rows, predictions are fast enough, and there is time.
        """
        folds = self.context.plan.folds
        if not self.context.can_average_folds:
            return
        single = next((c for c in self.search.leaders() if c in self.scoreboard.means), None)
        recipes = [] if single is None or single.family in STABLE else [single]
        recipes += [ensemble.build_recipe(weights)] if len(weights) > 1 else []
        for recipe in recipes:
            members = list(ensemble.members(recipe))
            has_model = self.runner.scheduler.has_model
            new = [c for c in members for fold in range(folds) if not has_model(c, fold)]
            seconds = [self.search.final_seconds(c) for c in new]
            if not self._is_too_slow(members, copies=folds) and self._budget().allows(seconds):
                yield ensemble.build_fold_average(recipe, folds)

    def _score_average(self, recipe: Candidate) -> Iterator[Step]:
        """Score an average from its members' predictions, if all members were scored in both rounds."""
        members = ensemble.members(recipe)
        scored = self.scoreboard.means.keys() & self.search.scoreboard.means.keys()
        if not scored >= members.keys():
            return
        percent = self.span.end
        yield CandidatesDrawn(percent=percent, candidates=(recipe,))
        row_means = {c: self._row_means(c) for c in members} if "parts" in recipe.hyperparameters else {}
        for fold, held_out in enumerate(self._held_out("contest", self.scoreboard.folds)):
            steps = {c: self.scoreboard.scored[c][fold] for c in members}
            predictions = ensemble.average(
                {c: row_means[c][held_out] if row_means else _predictions(s) for c, s in steps.items()},
                members,
            )
            scores = self.context.score_predictions(predictions, held_out)
            step = FoldScored(
                percent=percent,
                candidate=recipe,
                round="contest",
                fold=fold,
                score=scores.score,
                measures=scores.measures,
                fit_seconds=sum(s.fit_seconds for s in steps.values()),
                predict_seconds=sum(s.predict_seconds for s in steps.values()),
                predictions=predictions,
            )
            self.scoreboard.add(step)
            yield step
        yield self._candidate_scored(recipe)

    def _candidate_scored(self, candidate: Candidate) -> CandidateScored:
        means = self.scoreboard.means
        return CandidateScored(
            percent=self.span.end,
            candidate=candidate,
            round="contest",
            score=means[candidate],
            best=max(means.values()),
        )

    def _row_means(self, candidate: Candidate) -> NDArray[np.float32]:
        """Average, per row, the out-of-fold predictions of both rounds."""
        scoreboards = (self.search.scoreboard, self.scoreboard)
        predictions = np.concatenate([board.predictions(candidate) for board in scoreboards])
        rows = [fold for board in scoreboards for fold in self._held_out(board.round, board.folds)]
        return mean_by_row(predictions, np.concatenate(rows), len(self.context.dataset))

    def _losses(self, candidate: Candidate) -> NDArray[np.float32] | None:
        """Average the losses over the folds, per row that was held out; None for clusterings.

        Rows that folds keep together count as one: they are one piece of evidence.
        """
        if not self.context.problem_type.learns_from_labels:
            return None
        predictions, folds = self.predictions(candidate)
        rows = np.concatenate(folds)
        losses = ensemble.row_losses(predictions, self._y[rows], len(self.context.dataset.classes))
        means = mean_by_row(losses.astype(np.float32), rows, len(self.context.dataset))[np.unique(rows)]
        together = self.context.dataset.rows_together()
        if together is None:
            return means
        units = np.unique(together[np.unique(rows)], return_inverse=True)[1]
        return mean_by_row(means, units, int(units.max()) + 1)

    def _held_out(self, round: Round, folds: int) -> list[NDArray[np.intp]]:
        return [held_out for _, held_out in self.context.split(round)[:folds]]

    @property
    def _y(self) -> NDArray[np.float64] | NDArray[np.int64]:
        assert self.context.dataset.y is not None
        return self.context.dataset.y


def _predictions(step: FoldScored) -> NDArray[np.float32]:
    assert step.predictions is not None
    return step.predictions


def _of_all_rows(candidate: Candidate) -> Candidate:
    """Return the recipe that the search has scored, of which an early version learns from few rows."""
    return Candidate(candidate.family, full_recipe(candidate.hyperparameters))
