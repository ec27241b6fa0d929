"""The contest: finalists, the champion's recipe and averages of them on fresh folds, which alone are reported."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..estimators import ensemble
from ..estimators.families import Candidate
from ..evaluation.averages import mean_by_row
from ..fits.fold_fit import Fit, FitContext
from ..fits.scheduler import over
from ..problem import Problem
from . import budget, decision
from .budget import Budget
from .decision import Entry
from .rounds import FoldRunner, Scoreboard, Span
from .search import Search
from .steps import CandidateDropped, CandidateScored, CandidatesDrawn, FoldScored, Step

#: Families whose models hardly vary with the rows that they see.
STEADY = ("baseline", "linear", "naive_bayes", "svm")
#: Folds that it takes to tell noise.
LEAST_FOLDS = 2


@dataclass(kw_only=True)
class FinalRound:
    """A contest under way; `run` it."""

    problem: Problem
    bench: FitContext
    player: FoldRunner
    span: Span
    search: Search
    incumbent: Candidate | None
    #: By `time.monotonic`, when the last fits must be done; None: no limit.
    ends: float | None
    tally: Scoreboard = field(init=False)
    #: Scored by what their members predicted.
    averages: list[Candidate] = field(default_factory=list)
    #: What the clock left out, as a sentence to be added; empty where it left nothing out.
    stopped: str = ""

    def __post_init__(self) -> None:
        self.tally = Scoreboard(round="contest", folds=self.bench.plan.count("contest"))

    def run(self) -> Generator[Step, None, None]:
        """Score whoever takes part on the fresh folds; averages last, from what their members predicted."""
        able = yield from self._fast_enough()
        plan = budget.affordable(self._budget(), self._finalists(able), self._weights(able))
        self.averages = list(dict.fromkeys(self._ensembles(plan.weights)))
        yield from self._play(list(dict.fromkeys([*plan.singles, *self._members()])), plan)
        for single in list(self.tally.means):
            yield self._scored(single)
        self.averages += [each for each in self._of_parts(plan.weights) if each not in self.averages]
        for recipe in self.averages:
            yield from self._averaged(recipe)

    def entries(self) -> list[Entry]:
        """Those that were scored on all folds, as the decision sees them."""
        standing = self.search.standing()
        return [
            Entry(
                candidate=candidate,
                searched=standing.get(candidate),
                scores=self.tally.scores(candidate),
                recalls=self.tally.recalls(candidate),
                losses=self._losses(candidate),
            )
            for candidate in self.tally.means
        ]

    def predictions(self, candidate: Candidate) -> tuple[NDArray[np.float32], list[NDArray[np.intp]]]:
        """What it predicted out of fold, one fold behind the other, and the rows of each fold."""
        return _together(self.tally, candidate), self._held("contest", self.tally.folds)

    def _fast_enough(self) -> Generator[Step, None, list[Candidate]]:
        limit = self.problem.infer_limit
        found = []
        for candidate in self.search.leaders():
            takes = self.search.tally.microseconds(candidate)
            if limit is not None and takes is not None and takes > limit and not candidate.incumbent:
                reason = f"a row takes {takes:.0f} µs to predict; the limit is {limit:g}."
                yield CandidateDropped(percent=self.span.start, candidate=candidate, reason=reason)
            else:
                found.append(candidate)
        return found

    def _finalists(self, able: Sequence[Candidate]) -> list[Candidate]:
        return decision.finalists(able, self.problem.keep)

    def _ensembles(self, weights: Mapping[Candidate, float]) -> Iterator[Candidate]:
        if self.incumbent is not None and self.incumbent.family == ensemble.FAMILY:
            yield self.incumbent
        if len(weights) > 1:
            yield ensemble.candidate(weights)

    def _members(self) -> Iterator[Candidate]:
        for recipe in self.averages:
            yield from ensemble.members(recipe)

    def _budget(self) -> Budget:
        return Budget(
            ends=self.ends,
            folds=self.tally.folds,
            growth=1 + self.bench.plan.ratio,
            processes=self.player.workers.count,
            seconds=self.search.seconds,
            always=tuple(c for c in self.search.first if c in self.search.tally.means),
        )

    def _play(self, singles: Sequence[Candidate], plan: budget.Affordable) -> Generator[Step, None, None]:
        """Fold by fold, so that whatever the clock leaves is the same for all."""
        whole = self.tally.folds
        for fold in range(plan.folds):
            after = [Fit(c, "contest", fold + 1) for c in singles if fold + 1 < plan.folds]
            deadline = plan.deadline if fold >= LEAST_FOLDS else None
            percent = self.span.at(fold, plan.folds)
            # The longest first also with a deadline: a fold that it cuts short is cut for all.
            yield from self.player.play(
                self.tally, singles, [fold], percent, after, deadline, takes=self.search.seconds
            )
            if over(deadline):
                break
        done = [len(steps) for c, steps in self.tally.scored.items() if c not in self.tally.failed]
        self.tally.cut(min(done, default=whole))
        if self.tally.folds < whole:
            self.stopped = f" The time limit left {self.tally.folds} of the contest's {whole} folds."

    def _weights(self, able: Sequence[Candidate]) -> dict[Candidate, float]:
        """Of the best ensemble of the able ones by the search's predictions; none where one would do."""
        if self.bench.task == "CLUSTERING":
            return {}
        known = {c: _together(self.search.tally, c) for c in able if c.family != "baseline"}
        if len(known) < 2:
            return {}
        y = self._y[np.concatenate(self._held("search", self.search.tally.folds))]
        weights = ensemble.chosen(known, y, len(self.bench.dataset.classes))
        limit = self.problem.infer_limit
        takes = sum(self.search.tally.microseconds(c) or 0.0 for c in weights)
        return {} if limit is not None and takes > limit else weights

    def _of_parts(self, weights: Mapping[Candidate, float]) -> Iterator[Candidate]:
        """The averages of fold models, of the best single candidate and of the ensemble, where they may be worth their
        price: rows are few, predictions fast enough, and there is time.
        """
        plan = self.bench.plan
        if not self.bench.averages:
            return
        single = next((c for c in self.search.leaders() if c in self.tally.means), None)
        recipes = [] if single is None or single.family in STEADY else [single]
        recipes += [ensemble.candidate(weights)] if weights else []
        for recipe in recipes:
            members = list(ensemble.members(recipe))
            takes = sum(self.search.tally.microseconds(c) or 0.0 for c in members) * plan.folds
            slow = self.problem.infer_limit is not None and takes > self.problem.infer_limit
            keeps = self.player.workers.keeps
            parts = [(c, part) for c in members for part in range(plan.folds)]
            seconds = [self.search.seconds(c) for c, part in parts if not keeps(c, part)]
            if not slow and self._budget().fits(seconds):
                yield ensemble.of_parts(recipe, plan.folds)

    def _averaged(self, recipe: Candidate) -> Iterator[Step]:
        """Scored as if it had been fitted."""
        members = ensemble.members(recipe)
        known = self.tally.means.keys() & self.search.tally.means.keys()
        if not known >= members.keys():
            return
        percent = self.span.end
        yield CandidatesDrawn(percent=percent, candidates=(recipe,))
        told = {c: self._row_means(c) for c in members} if "parts" in recipe.hyperparameters else {}
        for fold, held_out in enumerate(self._held("contest", self.tally.folds)):
            steps = {c: self.tally.scored[c][fold] for c in members}
            of_fold = {c: told[c][held_out] if told else _known(step) for c, step in steps.items()}
            predictions = ensemble.averaged(of_fold, members)
            scores = self.bench.scores_of(predictions, held_out)
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
            self.tally.add(step)
            yield step
        yield self._scored(recipe)

    def _scored(self, candidate: Candidate) -> CandidateScored:
        means = self.tally.means
        return CandidateScored(
            percent=self.span.end,
            candidate=candidate,
            round="contest",
            score=means[candidate],
            best=max(means.values()),
        )

    def _row_means(self, candidate: Candidate) -> NDArray[np.float32]:
        """What models that had not seen it predicted of each row, averaged: the search's and the contest's."""
        tallies = (self.search.tally, self.tally)
        predicted = np.concatenate([_together(tally, candidate) for tally in tallies])
        held = [each for tally in tallies for each in self._held(tally.round, tally.folds)]
        return mean_by_row(predicted, np.concatenate(held), len(self.bench.dataset))

    def _losses(self, candidate: Candidate) -> NDArray[np.float32] | None:
        """Of each row that was held out, averaged over the folds."""
        if self.bench.task == "CLUSTERING":
            return None
        predicted, held = self.predictions(candidate)
        rows = np.concatenate(held)
        losses = ensemble.losses(predicted, self._y[rows], len(self.bench.dataset.classes))
        return mean_by_row(losses.astype(np.float32), rows, len(self.bench.dataset))[np.unique(rows)]

    def _held(self, round: str, folds: int) -> list[NDArray[np.intp]]:
        split = self.bench.split("search" if round == "search" else "contest")
        return [held_out for _, held_out in split[:folds]]

    @property
    def _y(self) -> NDArray[np.float64] | NDArray[np.int64]:
        assert self.bench.dataset.y is not None
        return self.bench.dataset.y


def _together(tally: Scoreboard, candidate: Candidate) -> NDArray[np.float32]:
    return np.concatenate([_known(tally.scored[candidate][fold]) for fold in range(tally.folds)])


def _known(step: FoldScored) -> NDArray[np.float32]:
    assert step.predictions is not None
    return step.predictions
