"""Search: waves of candidates, whose better half proceeds from few rows and folds to all of them.

Successive halving (Jamieson and Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter
Optimization, 2016) with waves instead of one bracket. Each decision waits for all outcomes of a wave, so it does not
depend on the order in which fits end.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from math import ceil

from ..estimators import ensemble
from ..estimators.families import BASELINE, Candidate
from ..fits.fold_fit import Fit, FitContext
from ..fits.scheduler import is_past
from ..problem import Problem
from . import decision, noise, portfolio
from .budget import CAUTION, GOOD
from .rounds import FoldRunner, Scoreboard, Span
from .steps import CandidateDropped, CandidatesDrawn, Step

#: Candidates of one wave.
WAVE = 6
#: A candidate with this share of the best one's advantage over the baseline proceeds whatever its rank. The share is
#: lower where fits are cheap, so that more candidates are left for the ensemble.
CLOSE, CLOSE_IF_CHEAP = 0.97, 0.92
#: The search ends after this many waves of variants and draws that improved nothing.
PATIENCE = 2
#: Leaders for whose final round time is reserved; about as many as an ensemble has members.
LEADING = 4
#: Families that always run on all folds, as a reference for all others.
REFERENCES = (BASELINE, "linear")


@dataclass(kw_only=True)
class Search:
    """State of a search; `run` executes it. Moments are by `time.monotonic`; None: no limit."""

    problem: Problem
    context: FitContext
    runner: FoldRunner
    span: Span
    #: End of the search; it continues until `latest_deadline` if the final round will not need all of the rest.
    deadline: float | None
    latest_deadline: float | None
    #: When all fits of the build must be done.
    end: float | None
    #: Earliest end, if the final round needs the rest to have enough folds; None: `deadline`.
    earliest: float | None = None
    #: The champion's recipe, or the recipes that it averages.
    incumbents: Sequence[Candidate] = ()
    #: Called after each rung; the search yields its steps, and goes on.
    after_rung: Callable[[], Iterable[Step]] = tuple
    #: Screening round on few rows; unused for small datasets.
    screening: Scoreboard = field(init=False)
    scoreboard: Scoreboard = field(init=False)
    drawn: dict[Candidate, None] = field(default_factory=dict)
    #: Number of candidates that may be drawn; the incumbents are not counted.
    budget: int = field(init=False)
    #: Proven recipes: the families' defaults and the incumbents. All others are one of many draws.
    proven: set[Candidate] = field(default_factory=set)
    _losses: dict[Candidate, float] = field(default_factory=dict)
    #: Why the search ended before its budget was spent, as a sentence for the decision; else empty.
    stop_reason: str = ""

    def __post_init__(self) -> None:
        self.screening = Scoreboard(round="taste", folds=1)
        self.scoreboard = Scoreboard(round="search", folds=self.context.plan.count("search"))
        self.budget = self.problem.budget

    def run(self) -> Generator[Step, None, None]:
        """Draw and score candidates until the budget is spent, time is up, or nothing improves."""
        shape = portfolio.Shape.from_dataset(self.context.dataset)
        opening = portfolio.opening(self.problem, shape, self.problem.families)[: self.problem.budget]
        self.budget += sum(candidate not in opening for candidate in self.incumbents)
        first = list(dict.fromkeys([*self.incumbents, *opening]))
        self.proven = set(first)
        waves = [first[i : i + WAVE] for i in range(0, len(first), WAVE)]
        for number, wave in enumerate(waves):
            next_wave = waves[number + 1] if number + 1 < len(waves) else []
            yield from self._run_wave(wave, next_wave)
            if self._is_time_up():
                yield from self._finish_best()
                return
        yield from self._refine(shape)

    def _finish_best(self) -> Generator[Step, None, None]:
        """Score the best candidate so far on all folds if time was up before it was."""
        best = self._best_affordable()
        if best is not None and best not in self.scoreboard.means:
            folds = range(self.scoreboard.folds)
            yield from self.runner.run(self.scoreboard, [best], folds, self.percent, (), self.latest_deadline)
            if best not in self.scoreboard.means:
                self.scoreboard.truncate(self.scoreboard.count_leading_folds(best))
        self.stop_reason = self._describe_time_limit()

    def _describe_time_limit(self) -> str:
        """Describe what was scored when time was up: the best candidate may have been finished since."""
        folds, planned = self.scoreboard.folds, self.context.plan.count("search")
        fewer = f" and scored them on {folds} of {planned} folds" if folds < planned else ""
        return (
            f" The time limit of {self.problem.seconds:g} s cut the search short after {len(self.scoreboard.means)} of "
            f"{len(self.drawn)} candidates{fewer}."
        )

    def _best_affordable(self) -> Candidate | None:
        """Return the best of the candidates that can be finished in time, or of all the quickest to finish."""
        board = self.scoreboard if self.scoreboard.scored else self.screening
        candidates = [c for c in board.scored if c not in self.scoreboard.failed]
        left = (self.latest_deadline or 0.0) - time.monotonic()
        affordable = [c for c in candidates if self._remaining_seconds(c) <= left]
        affordable = affordable or sorted(candidates, key=self._remaining_seconds)[:1]
        return max(affordable, key=lambda c: board.mean(c, board.scored[c]), default=None)

    def _remaining_seconds(self, candidate: Candidate) -> float:
        """Estimate the time until the candidate is scored on all folds."""
        folds = self.scoreboard.folds - len(self.scoreboard.scored.get(candidate, {}))
        return self.seconds(candidate) * folds / min(self.runner.scheduler.count, max(1, folds))

    def _refine(self, shape: portfolio.Shape) -> Generator[Step, None, None]:
        """Run variants of the leaders, then draws of their families, while something improves."""
        waves_without_improvement = 0
        candidates = self._generate(shape)
        wave = list(islice(candidates, min(WAVE, self._left())))
        while wave:
            before = self.leaders()
            next_wave = list(islice(candidates, min(WAVE, self._left() - len(wave))))
            yield from self._run_wave(wave, next_wave)
            if self._is_time_up():
                yield from self._finish_best()
                return
            waves_without_improvement = 0 if self._has_improved(before) else waves_without_improvement + 1
            if waves_without_improvement == PATIENCE:
                self.stop_reason = (
                    f" The search ended after {len(self.drawn)} candidates: the last {PATIENCE * WAVE} improved "
                    "nothing beyond the folds' noise."
                )
                return
            wave = next_wave

    def _generate(self, shape: portfolio.Shape) -> Iterator[Candidate]:
        """Yield new candidates: variants of the leaders of different families, then draws of these families."""
        leaders = decision.best_by_family(self.leaders())[: self.problem.keep]
        variants = (portfolio.variants(self.problem, c, shape, self.context.doubtful) for c in leaders)
        draws = portfolio.draws(self.problem, [leader.family for leader in leaders], shape)
        seen = set(self.drawn)
        # A family with few distinct draws repeats itself without end; the limit ends the search then.
        for candidate in chain(*variants, islice(draws, 4 * self.budget)):
            if candidate not in seen:
                seen.add(candidate)
                yield candidate

    def leaders(self) -> list[Candidate]:
        """Rank the candidates that were scored on all folds, best first.

        Ties go to proven recipes, then to the lower loss, then to the candidate drawn first.
        """
        order = {candidate: number for number, candidate in enumerate(self.drawn)}
        standings = self.standings()
        return sorted(standings, key=lambda c: (-standings[c], c not in self.proven, self._loss(c), order[c]))

    def standings(self) -> dict[Candidate, float]:
        """Compute the mean score of each candidate that was scored on all folds, less a penalty for random draws.

        A random draw is penalised by one standard error of its advantage over the best proven recipe, because the
        best of many draws is in part the luckiest (Breiman, Friedman, Olshen and Stone, Classification and Regression
        Trees, 1984).
        """
        means = self.scoreboard.means
        best = max((c for c in means if c in self.proven), key=lambda c: means[c], default=None)
        if best is None:
            return dict(means)
        return {c: mean if c in self.proven else mean - self._error(c, best) for c, mean in means.items()}

    def _error(self, candidate: Candidate, best: Candidate) -> float:
        advantages = noise.differences(self.scoreboard.scores(candidate), self.scoreboard.scores(best))
        return noise.standard_error(advantages, self.context.plan.ratio)

    def _loss(self, candidate: Candidate) -> float:
        """Return the log loss or squared error, which ranks candidates whose scores are all perfect."""
        if candidate not in self._losses:
            self._losses[candidate] = self._compute_loss(candidate)
        return self._losses[candidate]

    def _compute_loss(self, candidate: Candidate) -> float:
        y, classes = self.context.dataset.y, len(self.context.dataset.classes)
        if y is None:
            return 0.0
        folds = self.context.split("search")[: self.scoreboard.folds]
        losses = [
            ensemble.row_losses(predictions, y[held_out], classes).sum()
            for fold, (_, held_out) in enumerate(folds)
            if (predictions := self.scoreboard.scored[candidate][fold].predictions) is not None
        ]
        return float(sum(losses))

    def seconds(self, candidate: Candidate) -> float:
        """Return the time of one fit on a fold, measured or extrapolated from the screening; 0 if unknown."""
        if candidate in self.scoreboard.scored:
            return self.scoreboard.seconds(candidate)
        if candidate in self.screening.scored:
            return self.screening.seconds(candidate) * self.context.plan.growth
        return 0.0

    def final_seconds(self, candidate: Candidate) -> float:
        """Estimate the time of one fit on a fold of the final round; 0 if unknown."""
        return self.seconds(candidate) * self.context.plan.final_growth

    def _run_wave(
        self, wave: Sequence[Candidate], next_wave: Sequence[Candidate]
    ) -> Generator[Step, None, None]:
        """Run a wave from rung to rung; idle processes start on the next wave and the final round."""
        self.drawn |= dict.fromkeys(wave)
        yield CandidatesDrawn(percent=self.percent, candidates=tuple(wave))
        rungs = self._rungs()
        left = list(wave)
        for number, (board, folds) in enumerate(rungs):
            ahead = [*self._first_fits(next_wave), *self._final_round_fits()]
            # With a deadline the order is that of `_select_better_half`: cheap or good candidates first.
            seconds = self.seconds if self.deadline is None else None
            yield from self.runner.run(
                board, left, folds, self.percent, ahead, self._current_deadline(), seconds
            )
            if self._is_time_up():
                return
            yield from self.after_rung()
            left = [candidate for candidate in left if candidate not in board.failed]
            if number + 1 < len(rungs):
                left = yield from self._select_better_half(left, board, folds)
                left = yield from self._select_affordable(left)

    def _first_fits(self, wave: Sequence[Candidate]) -> list[Fit]:
        board, folds = self._rungs()[0]
        return [Fit(candidate, board.round, fold) for candidate in wave for fold in folds]

    def _final_round_fits(self) -> list[Fit]:
        """List the fits of the current finalists, so that idle processes may start them."""
        finalists = decision.finalists(self.leaders(), self.problem.keep)
        folds = range(self.context.plan.count("contest"))
        return [Fit(candidate, "contest", fold) for fold in folds for candidate in finalists]

    def _rungs(self) -> list[tuple[Scoreboard, Sequence[int]]]:
        """List the rungs of the halving: a screening on few rows if rows are many, few folds, then all folds."""
        opening, folds = self.context.plan.opening_folds, self.scoreboard.folds
        rungs: list[tuple[Scoreboard, Sequence[int]]] = []
        if self.context.plan.has_screening:
            rungs.append((self.screening, (0,)))
        rungs.append((self.scoreboard, range(opening)))
        if opening < folds:
            rungs.append((self.scoreboard, range(opening, folds)))
        return rungs

    def _select_better_half(
        self, left: Sequence[Candidate], board: Scoreboard, folds: Sequence[int]
    ) -> Generator[Step, None, list[Candidate]]:
        """Select the candidates of a wave that are in the better half of all so far, or close to the best."""
        means = {c: board.mean(c, folds) for c in board.scored if all(f in board.scored[c] for f in folds)}
        if not means:
            return list(left)
        threshold = self._threshold(means)
        for candidate in left:
            if not self._is_exempt(candidate) and means[candidate] < threshold:
                reason = f"{means[candidate]:.4g} where the better half has {threshold:.4g} or more."
                yield CandidateDropped(percent=self.percent, candidate=candidate, reason=reason)
        selected = [c for c in left if self._is_exempt(c) or means[c] >= threshold]
        # Cheap references and the best first, so that they are done if time runs out.
        return sorted(selected, key=lambda c: (c.family not in REFERENCES, -means[c]))

    def _threshold(self, means: dict[Candidate, float]) -> float:
        """Compute the mean score that lets a candidate proceed: the median, or less if it is close to the best."""
        best = max(means.values())
        close = CLOSE if self.context.plan.has_screening else CLOSE_IF_CHEAP
        median = sorted(means.values(), reverse=True)[ceil(len(means) / 2) - 1]
        baseline = next((score for c, score in means.items() if c.family == BASELINE), None)
        return median if baseline is None else min(median, baseline + close * (best - baseline))

    def _select_affordable(self, left: Sequence[Candidate]) -> Generator[Step, None, list[Candidate]]:
        """Select the candidates of a wave, best first, that can be scored on all folds before the deadline."""
        if self.end is None:
            return list(left)
        selected, total = [], 0.0
        for candidate in left:
            seconds = self._remaining_seconds(candidate)
            ends = time.monotonic() + total + seconds
            if self._is_exempt(candidate) or ends <= (self._current_deadline() or 0.0):
                total += seconds
                selected.append(candidate)
            else:
                reason = f"its folds would take another {seconds:.0f} s."
                yield CandidateDropped(percent=self.percent, candidate=candidate, reason=reason)
        return selected

    def _current_deadline(self) -> float | None:
        """Return the deadline: as late as the current leaders allow, and so early that the best one has its folds."""
        if self.deadline is None or self.latest_deadline is None or self.end is None:
            return self.deadline
        seconds = [self.final_seconds(c) for c in self.leaders() if c.family != BASELINE][:LEADING]
        if not seconds:
            return self.deadline
        incumbents = [self.final_seconds(c) for c in self.incumbents if c in self.scoreboard.means]
        wanted = max(self.deadline, min(self.latest_deadline, self.end - self._reserve(seconds)))
        needed = self.end - self._reserve([seconds[0], *incumbents])
        return max(self.deadline if self.earliest is None else self.earliest, min(wanted, needed))

    def _reserve(self, seconds: Sequence[float]) -> float:
        """Estimate the time of enough folds of the final round and of the last fits, which take so long on a fold."""
        folds = min(GOOD, self.context.plan.count("contest"))
        fits = sum(seconds) * (folds + 1 + self.context.plan.ratio)
        return fits / self.runner.scheduler.count * CAUTION

    def _is_exempt(self, candidate: Candidate) -> bool:
        """Return whether the candidate is never dropped."""
        return candidate in self.incumbents or candidate.family in REFERENCES

    def _has_improved(self, before: Sequence[Candidate]) -> bool:
        best = self.leaders()[0]
        if not before or best == before[0]:
            return not before
        scores, old = self.scoreboard.scores(best), self.scoreboard.scores(before[0])
        return noise.is_beyond_noise(scores, old, self.context.plan.ratio)

    def _left(self) -> int:
        return max(0, self.budget - len(self.drawn))

    @property
    def percent(self) -> float:
        """The build's percent."""
        return self.span.at(len(self.scoreboard.means), min(self.budget, 3 * WAVE))

    def _is_time_up(self) -> bool:
        return is_past(self._current_deadline())
