"""The search: waves of candidates, of which the better half goes on from few rows and folds to all of them.

Successive halving (Jamieson and Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter
Optimization, 2016) with waves instead of one bracket: every decision is taken when all of a wave's outcomes are
known, so that it does not depend on which of them came first.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from math import ceil

from ..estimators import ensemble
from ..estimators.families import Candidate
from ..fits.fold_fit import Fit, FitContext
from ..fits.scheduler import over
from ..problem import Problem
from . import decision, portfolio
from .budget import CAUTION, GOOD
from .rounds import FoldRunner, Scoreboard, Span
from .steps import CandidateDropped, CandidatesDrawn, Step

#: Candidates of one wave.
WAVE = 6
#: Whoever has this share of the best's advantage over the baseline goes on, whatever its place: where fits are cheap,
#: also those that may be worth something to the ensemble.
CLOSE, CLOSE_WHERE_CHEAP = 0.97, 0.92
#: The search ends after this many waves of variants and draws that improved nothing.
PATIENCE = 2
#: Those whose contest is provided for: as many as an ensemble has, more or less.
LEADING = 4
#: Families that always go all the way: what all others are measured by.
MEASURES = ("baseline", "linear")


@dataclass(kw_only=True)
class Search:
    """A search under way; `run` it."""

    problem: Problem
    bench: FitContext
    player: FoldRunner
    span: Span
    #: By `time.monotonic`; None: no limit. The search goes on while the contest would not take what is left.
    deadline: float | None
    #: The deadline of the best, where it is not done by the other one.
    latest: float | None
    #: When the last fits must be done.
    ends: float | None
    #: The champion's recipe, and what it is made of.
    first: Sequence[Candidate] = ()
    tasted: Scoreboard = field(init=False)
    tally: Scoreboard = field(init=False)
    drawn: dict[Candidate, None] = field(default_factory=dict)
    #: Candidates that may be drawn; the champion's recipe takes no other's place.
    budget: int = field(init=False)
    #: Recipes known to be good, and the champion's: what comes later is one of many draws.
    known: set[Candidate] = field(default_factory=set)
    _losses: dict[Candidate, float] = field(default_factory=dict)
    #: Why it ended before its budget did, as a sentence to be added; empty where it did not.
    stopped: str = ""

    def __post_init__(self) -> None:
        self.tasted = Scoreboard(round="taste", folds=1)
        self.tally = Scoreboard(round="search", folds=self.bench.plan.count("search"))
        self.budget = self.problem.budget

    def run(self) -> Generator[Step, None, None]:
        """Draw and score candidates until the budget is spent, the clock bites or nothing improves any more."""
        shape = portfolio.Shape.of(self.bench.dataset)
        opening = portfolio.opening(self.problem, shape, self.problem.families)[: self.problem.budget]
        self.budget += sum(candidate not in opening for candidate in self.first)
        fresh = list(dict.fromkeys([*self.first, *opening]))
        self.known = set(fresh)
        waves = [fresh[i : i + WAVE] for i in range(0, len(fresh), WAVE)]
        for number, wave in enumerate(waves):
            after = waves[number + 1] if number + 1 < len(waves) else []
            yield from self._play(wave, after)
            if self._over():
                yield from self._rescue()
                return
        yield from self._refine(shape)

    def _rescue(self) -> Generator[Step, None, None]:
        """Give the best so far the time that it needs, where the clock left it unfinished."""
        seen = self.tally if self.tally.scored else self.tasted
        able = [c for c in seen.scored if c not in self.tally.failed]
        left = (self.latest or 0.0) - time.monotonic()
        able = [c for c in able if self._needs(c) <= left] or sorted(able, key=self._needs)[:1]
        best = max(able, key=lambda c: seen.mean(c, seen.scored[c]), default=None)
        if best is not None and best not in self.tally.means:
            folds = range(self.tally.folds)
            yield from self.player.play(self.tally, [best], folds, self._percent(), (), self.latest)
            if best not in self.tally.means:
                self.tally.cut(self.tally.whole(best))

    def _needs(self, candidate: Candidate) -> float:
        """Seconds until it is scored on all folds of the search."""
        folds = self.tally.folds - len(self.tally.scored.get(candidate, {}))
        return self.seconds(candidate) * folds / min(self.player.workers.count, max(1, folds))

    def _refine(self, shape: portfolio.Shape) -> Generator[Step, None, None]:
        """Variants of the leaders, then draws of their families, while something improves."""
        without = 0
        more = self._more(shape)
        wave = list(islice(more, min(WAVE, self._left())))
        while wave:
            before = self.leaders()
            after = list(islice(more, min(WAVE, self._left() - len(wave))))
            yield from self._play(wave, after)
            if self._over():
                yield from self._rescue()
                return
            without = 0 if self._improved(before) else without + 1
            if without == PATIENCE:
                self.stopped = (
                    f" The search ended after {len(self.drawn)} candidates: the last {PATIENCE * WAVE} improved "
                    "nothing beyond the folds' noise."
                )
                return
            wave = after

    def _more(self, shape: portfolio.Shape) -> Iterator[Candidate]:
        leaders = _of_different_families(self.leaders())[: self.problem.keep]
        variants = (portfolio.variants(self.problem, c, shape, self.bench.doubtful) for c in leaders)
        draws = portfolio.draws(self.problem, [leader.family for leader in leaders], shape)
        given = set(self.drawn)
        # Families whose draws are few come to their end: then a run of repetitions ends the search.
        for candidate in chain(*variants, islice(draws, 4 * self.budget)):
            if candidate not in given:
                given.add(candidate)
                yield candidate

    def leaders(self) -> list[Candidate]:
        """Those that were scored on all folds, by their standing; of equal ones those known to be good, then that with
        less loss, then the first drawn.
        """
        place = {candidate: number for number, candidate in enumerate(self.drawn)}
        standing = self.standing()
        return sorted(standing, key=lambda c: (-standing[c], c not in self.known, self._loss(c), place[c]))

    def standing(self) -> dict[Candidate, float]:
        """The mean of each that was scored on all folds. What was drawn by chance stands one standard error lower: the
        best of many draws is in part the luckiest (Breiman, Friedman, Olshen and Stone, Classification and Regression
        Trees, 1984). The error is that of its advantage over the best recipe known to be good.
        """
        means = self.tally.means
        best = max((c for c in means if c in self.known), key=lambda c: means[c], default=None)
        if best is None:
            return dict(means)
        return {c: mean if c in self.known else mean - self._error(c, best) for c, mean in means.items()}

    def _error(self, candidate: Candidate, best: Candidate) -> float:
        advantages = decision.differences(self.tally.scores(candidate), self.tally.scores(best))
        return decision.standard_error(advantages, self.bench.plan.ratio)

    def _loss(self, candidate: Candidate) -> float:
        """Log loss or squared error, by which many are told apart whose ranks are all perfect."""
        if candidate not in self._losses:
            y, classes = self.bench.dataset.y, len(self.bench.dataset.classes)
            told = [
                ensemble.losses(predictions, y[held_out], classes).sum()
                for fold, (_, held_out) in enumerate(self.bench.split("search")[: self.tally.folds])
                if y is not None
                and (predictions := self.tally.scored[candidate][fold].predictions) is not None
            ]
            self._losses[candidate] = float(sum(told))
        return self._losses[candidate]

    def seconds(self, candidate: Candidate) -> float:
        """What one fit of it on a fold takes, or would by its taste; nothing where it is not known."""
        if candidate in self.tally.scored:
            return self.tally.seconds(candidate)
        if candidate in self.tasted.scored:
            return self.tasted.seconds(candidate) * self.bench.plan.growth
        return 0.0

    def _play(self, wave: Sequence[Candidate], after: Sequence[Candidate]) -> Generator[Step, None, None]:
        self.drawn |= dict.fromkeys(wave)
        yield CandidatesDrawn(percent=self._percent(), candidates=tuple(wave))
        rungs = self._rungs()
        left = list(wave)
        for number, (tally, folds) in enumerate(rungs):
            ahead = [*self._first_fits(after), *self._contest_fits()]
            # With a deadline those first that are cheap or the best, as they come.
            takes = self.seconds if self.deadline is None else None
            yield from self.player.play(tally, left, folds, self._percent(), ahead, self._deadline(), takes)
            if self._over():
                self.stopped = (
                    f" The time limit of {self.problem.seconds:g} s cut the search short after "
                    f"{len(self.tally.means)} candidates."
                )
                return
            left = [candidate for candidate in left if candidate not in tally.failed]
            if number + 1 < len(rungs):
                left = yield from self._halved(left, tally, folds)
                left = yield from self._in_time(left)

    def _first_fits(self, wave: Sequence[Candidate]) -> list[Fit]:
        tally, folds = self._rungs()[0]
        return [Fit(candidate, tally.round, fold) for candidate in wave for fold in folds]

    def _contest_fits(self) -> list[Fit]:
        """Of those who would be in the contest now: whoever of the workers would be idle may begin them."""
        finalists = decision.finalists(self.leaders(), self.problem.keep)
        folds = range(self.bench.plan.count("contest"))
        return [Fit(candidate, "contest", fold) for fold in folds for candidate in finalists]

    def _rungs(self) -> list[tuple[Scoreboard, Sequence[int]]]:
        opening, folds = self.bench.plan.opening, self.tally.folds
        rungs: list[tuple[Scoreboard, Sequence[int]]] = (
            [(self.tasted, (0,))] if self.bench.plan.tasted else []
        )
        rungs.append((self.tally, range(opening)))
        if opening < folds:
            rungs.append((self.tally, range(opening, folds)))
        return rungs

    def _halved(
        self, left: Sequence[Candidate], tally: Scoreboard, folds: Sequence[int]
    ) -> Generator[Step, None, list[Candidate]]:
        """Who of a wave goes on: whoever is in the better half of all that came so far, or close to the best."""
        means = {c: tally.mean(c, folds) for c in tally.scored if all(f in tally.scored[c] for f in folds)}
        if not means:
            return list(left)
        best = max(means.values())
        close = CLOSE if self.bench.plan.tasted else CLOSE_WHERE_CHEAP
        half = sorted(means.values(), reverse=True)[ceil(len(means) / 2) - 1]
        floor = next((score for c, score in means.items() if c.family == "baseline"), None)
        enough = half if floor is None else min(half, floor + close * (best - floor))
        for candidate in left:
            if not self._stays(candidate) and means[candidate] < enough:
                reason = f"{means[candidate]:.4g} where the better half has {enough:.4g} or more."
                yield CandidateDropped(percent=self._percent(), candidate=candidate, reason=reason)
        on = [c for c in left if self._stays(c) or means[c] >= enough]
        # Those first that are cheap or the best: should the clock bite, they are done.
        return sorted(on, key=lambda c: (c.family not in MEASURES, -means[c]))

    def _in_time(self, left: Sequence[Candidate]) -> Generator[Step, None, list[Candidate]]:
        """Who of a wave, best first, can be scored on all folds before the search must end."""
        if self.ends is None:
            return list(left)
        found, spent = [], 0.0
        for candidate in left:
            needs = self._needs(candidate)
            if self._stays(candidate) or time.monotonic() + spent + needs <= (self._deadline() or 0.0):
                spent += needs
                found.append(candidate)
            else:
                reason = f"its folds would take another {needs:.0f} s."
                yield CandidateDropped(percent=self._percent(), candidate=candidate, reason=reason)
        return found

    def _deadline(self) -> float | None:
        """The later, the less the contest of those who lead now would take."""
        if self.deadline is None or self.latest is None or self.ends is None:
            return self.deadline
        takes = [self.seconds(c) for c in self.leaders() if c.family != "baseline"][:LEADING]
        reserve = sum(takes) * (GOOD + 1 + self.bench.plan.ratio) / self.player.workers.count * CAUTION
        return max(self.deadline, min(self.latest, self.ends - reserve)) if takes else self.deadline

    def _stays(self, candidate: Candidate) -> bool:
        return candidate in self.first or candidate.family in MEASURES

    def _improved(self, before: Sequence[Candidate]) -> bool:
        best = self.leaders()[0]
        if not before or best == before[0]:
            return not before
        scores, old = self.tally.scores(best), self.tally.scores(before[0])
        return decision.beyond_noise(scores, old, self.bench.plan.ratio)

    def _left(self) -> int:
        return max(0, self.budget - len(self.drawn))

    def _percent(self) -> float:
        done = len(self.tally.means)
        return self.span.at(done, min(self.budget, 3 * WAVE))

    def _over(self) -> bool:
        return over(self._deadline())


def _of_different_families(ranked: Sequence[Candidate]) -> list[Candidate]:
    best: dict[str, Candidate] = {}
    for candidate in ranked:
        best.setdefault(candidate.family, candidate)
    return list(best.values())
