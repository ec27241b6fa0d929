"""Early versions: models of few rows that serve while the search goes on, if nothing else can.

The first learns from few rows, so that it serves soon; each that follows may learn from several times as many. Each is
scored on the final round's fresh folds, as the winner is, and has to be better than a model without features.
The last one defends itself in the final round as the champion.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from statistics import fmean

from ..analysis import Analysis
from ..estimators.families import BASELINE, Candidate
from ..exceptions import NothingFitted
from ..fits.fold_fit import FitContext
from ..fits.scheduler import is_past
from . import noise
from .decision import Decision, Incumbent
from .final_round import FinalRound
from .fitting import FinalFits
from .gate import Gate
from .optimism import Optimism
from .rounds import Span
from .search import Search
from .steps import Decided, Fitted, FoldScored, Step

#: Rows that the first early version learns from at most, and how many times as many the next one does.
ROWS, GROWTH = 50_000, 4
#: Upper bound of the early versions of a build.
MOST = 3
#: Share of the time left for early versions that one which only learns from more rows may take.
TIME_SHARE = 0.25
#: Time limit of the compilation of an early version, in seconds.
COMPILATION_SECONDS = 10.0


@dataclass(kw_only=True)
class EarlyVersions:
    """Early versions of one build so far; `run` makes the next one if it is worth it."""

    search: Search
    analysed: Analysis
    #: Decides a final round of an early version against the one before.
    decide: Callable[[FinalRound, Incumbent | None], Decision]
    #: No early version starts after the first, nor goes on after the second, by `time.monotonic`; None: no limit.
    deadline: float | None
    end: float | None = None
    #: The version that may serve, and its folds.
    serving: Fitted | None = None
    folds: Mapping[int, FoldScored] = field(default_factory=dict)
    _baseline: Mapping[int, FoldScored] = field(default_factory=dict)
    _tried: list[Candidate] = field(default_factory=list)

    def run(self) -> Iterator[Step]:
        """Score, fit and yield an early version of the search's best candidate, if it is new and promises more."""
        candidate = self._best()
        if candidate is None or len(self._tried) == MOST or is_past(self.deadline):
            return
        recipe = self._shorten(candidate, self._count_rows())
        if not (self._is_better(candidate) or self._is_worth_more_rows(candidate)):
            return
        self._tried.append(candidate)
        yield from self._make(recipe)

    def incumbent(self) -> Incumbent | None:
        """Describe the early version that serves, for the contest; None if there is none."""
        if self.serving is None:
            return None
        dataset, clusters = self._context.dataset, None
        if not self._context.problem_type.learns_from_labels:
            clusters = self.serving.model.estimator.predict(dataset.X)
        return Incumbent(
            family=self.serving.candidate.family,
            hyperparameters=dict(self.serving.candidate.hyperparameters),
            metric=self.serving.metric,
            score=self.serving.score - self.serving.optimism,
            optimism=self.serving.optimism,
            fingerprint=dataset.fingerprint,
            classes=dataset.classes,
            clusters=clusters,
            scores=tuple(step.score for step in self.folds.values()),
            examples=len(dataset),
            analysis=self.analysed,
        )

    @property
    def _context(self) -> FitContext:
        return self.search.context

    def _best(self) -> Candidate | None:
        """Return the search's best candidate with features, by all folds if one has them, else by those there are."""
        if leaders := [c for c in self.search.leaders() if c.family != BASELINE]:
            return leaders[0]
        board = self.search.screening if self.search.screening.scored else self.search.scoreboard
        scores = {c: fmean(s.score for s in steps.values()) for c, steps in board.scored.items()}
        candidates = [c for c in scores if c.family != BASELINE and c not in board.failed]
        return max(candidates, key=lambda c: scores[c], default=None)

    def _is_better(self, candidate: Candidate) -> bool:
        """Return whether the search found it better, beyond noise, than the candidate that was tried before."""
        if not self._tried:
            return True
        board = self.search.scoreboard
        if candidate in self._tried or not {candidate, self._tried[-1]} <= board.means.keys():
            return False
        ratio = self._context.plan.ratio
        return noise.is_beyond_noise(board.scores(candidate), board.scores(self._tried[-1]), ratio)

    def _is_worth_more_rows(self, candidate: Candidate) -> bool:
        """Return whether a version may learn from more rows, and there is the time for it; the winner has all rows.

        The search has scored the candidate on all folds then, so that its time is known.
        """
        rows, examples = self._count_rows(), len(self._context.dataset)
        is_scored = candidate in self.search.scoreboard.means
        if rows >= examples or not is_scored or not self.search.problem.auto_promote:
            return False
        if self.deadline is None:
            return True
        fits = self._context.plan.count("contest") + 1
        seconds = self.search.final_seconds(candidate) * rows / examples * fits
        left = self.deadline - time.monotonic()
        return seconds / self.search.runner.scheduler.count <= TIME_SHARE * left

    def _count_rows(self) -> int:
        """Return the number of rows that the next version learns from at most."""
        return ROWS * GROWTH ** len(self._tried)

    def _shorten(self, candidate: Candidate, rows: int) -> Candidate:
        """Return the recipe that learns from so many of the rows, if there are more."""
        if len(self._context.dataset) <= rows:
            return candidate
        return Candidate(candidate.family, candidate.hyperparameters | {"rows": rows})

    def _make(self, recipe: Candidate) -> Iterator[Step]:
        final_round = self._open_round()
        yield from final_round.run_only(self._participants(recipe))
        if not self._is_good(final_round, recipe):
            return
        decision = self.decide(final_round, self.incumbent())
        if decision.winner == recipe:
            yield from self._fit(final_round, recipe, decision)

    def _open_round(self) -> FinalRound:
        """Open a final round with what was scored before: the version that serves, and the baseline."""
        percent = self.search.percent
        return FinalRound(
            problem=replace(self.search.problem, keep=1, pictures=0.0),
            context=self._context,
            runner=self.search.runner,
            span=Span(percent, percent),
            search=self.search,
            incumbent=None,
            end=self.end,
            last=self.end,
            scored=(*self.folds.values(), *self._baseline.values()),
        )

    def _participants(self, recipe: Candidate) -> list[Candidate]:
        opening = [c for c in self.search.drawn if c.family == BASELINE]
        return [recipe, *(self._shorten(c, ROWS) for c in opening[:1])]

    def _is_good(self, final_round: FinalRound, recipe: Candidate) -> bool:
        """Return whether the recipe was scored on all folds, and is better than the baseline beyond noise."""
        board = final_round.scoreboard
        if recipe not in board.means or board.folds < self._context.plan.count("contest"):
            return False
        baseline = next((c for c in board.means if c.family == BASELINE), None)
        if baseline is None:
            return True
        self._baseline = board.scored[baseline]
        entries = {entry.candidate: entry for entry in final_round.entries()}
        gate = Gate(search=self.search, final_round=final_round)
        return gate.compare(entries[recipe], entries[baseline]).is_beyond_noise

    def _fit(self, final_round: FinalRound, recipe: Candidate, decision: Decision) -> Iterator[Step]:
        decided, incumbent = Decided.of(decision, self.search.percent), self.incumbent()
        fits = FinalFits(
            scheduler=final_round.runner.scheduler,
            final_round=final_round,
            candidates=[recipe],
            incumbent=incumbent,
            span=final_round.span,
            winner_deadline=time.monotonic() + COMPILATION_SECONDS,
            alternative_deadline=self.end,
            optimism=Optimism(search=self.search, final_round=final_round, incumbent=incumbent),
            early=decided,
        )
        try:
            for step in fits.run():
                if isinstance(step, Fitted) and decision.hold_reason is None:
                    self._serve(step, final_round.scoreboard.scored[recipe])
                yield step
        except NothingFitted:
            return  # the search goes on without an early version

    def _serve(self, version: Fitted, folds: Mapping[int, FoldScored]) -> None:
        """Remember the version that serves from now on, and let its recipe defend itself."""
        self.serving = version
        defender = replace(version.candidate, incumbent=True)
        self.folds = {fold: replace(step, candidate=defender) for fold, step in folds.items()}
