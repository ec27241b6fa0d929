"""The contest: finalists, the champion's recipe and an ensemble on fresh folds, which alone are reported."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from . import ensemble, select
from .bench import Bench
from .families import Candidate
from .problem import Problem
from .rounds import Player, Span, Tally
from .search import Search
from .select import Entry
from .steps import CandidateDropped, CandidateScored, CandidatesDrawn, FoldScored, Step


@dataclass(kw_only=True)
class Contest:
    """A contest under way; `run` it."""

    problem: Problem
    bench: Bench
    player: Player
    span: Span
    search: Search
    incumbent: Candidate | None
    #: Seconds that are left for it and the last fits; None: no limit.
    seconds: float | None
    tally: Tally = field(init=False)
    #: Ensembles, scored by their members' predictions; by what the search says of them.
    averages: dict[Candidate, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tally = Tally(round="contest", folds=self.bench.plan.count("contest"))

    def run(self) -> Generator[Step, None, None]:
        """Score whoever takes part on the fresh folds; ensembles last, from what their members predicted."""
        fast = yield from self._fast_enough()
        able = list(self._affordable(fast))
        if self.incumbent is not None and self.incumbent.family == ensemble.FAMILY:
            self.averages[self.incumbent] = None
        if (average := self._average(able)) is not None:
            self.averages.setdefault(average[0], average[1])
        singles = dict.fromkeys(select.finalists(able, self.problem.keep))
        for recipe in self.averages:
            singles |= dict.fromkeys(ensemble.members(recipe))
        folds = range(self.tally.folds)
        yield from self.player.play(self.tally, list(singles), folds, self.span.start)
        for recipe in self.averages:
            yield from self._averaged(recipe)

    def entries(self) -> list[Entry]:
        """Those that were scored on all folds, as the decision sees them."""
        searched = self.search.tally.means | {c: s for c, s in self.averages.items() if s is not None}
        return [
            Entry(
                candidate=candidate,
                searched=searched.get(candidate),
                scores=self.tally.scores(candidate),
                recalls=self.tally.recalls(candidate),
            )
            for candidate in self.tally.means
        ]

    def predictions(self, candidate: Candidate) -> tuple[NDArray[np.float32], list[NDArray[np.intp]]]:
        """What it predicted out of fold, one fold behind the other, and the rows of each fold."""
        held = [held_out for _, held_out in self.bench.split("contest")]
        return _together(self.tally, candidate), held

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

    def _affordable(self, ranked: Sequence[Candidate]) -> Iterator[Candidate]:
        """The best ones whose fits fit into what is left of the time, at least one and the incumbent."""
        spent = 0.0
        for place, candidate in enumerate(ranked):
            takes = self.search.tally.seconds(candidate)
            # The folds, spread over the processes, and once more on all rows.
            cost = takes * (self.tally.folds / self.player.workers.count + 1)
            mine = self.incumbent is not None and candidate in ensemble.members(self.incumbent)
            if self.seconds is None or place == 0 or mine or spent + cost <= self.seconds:
                spent += cost
                yield candidate

    def _average(self, able: Sequence[Candidate]) -> tuple[Candidate, float] | None:
        """The best ensemble of the able ones by the search's predictions, and its score there."""
        if self.bench.task == "CLUSTERING":
            return None
        known = {c: _together(self.search.tally, c) for c in able if c.family != "baseline"}
        if len(known) < 2:
            return None
        held = [held_out for _, held_out in self.bench.split("search")]
        y = self.bench.dataset.y
        assert y is not None
        weights = ensemble.chosen(known, y[np.concatenate(held)], len(self.bench.dataset.classes))
        weights = self._light(weights)
        if len(weights) < 2:
            return None
        together = ensemble.averaged(known, weights)
        ends = np.cumsum([len(rows) for rows in held])[:-1]
        scores = [
            self.bench.scores_of(part, rows).score
            for part, rows in zip(np.split(together, ends), held, strict=True)
        ]
        return ensemble.candidate(weights), float(np.mean(scores))

    def _light(self, weights: Mapping[Candidate, float]) -> dict[Candidate, float]:
        """The weights, unless all members together take too long to predict."""
        limit = self.problem.infer_limit
        takes = sum(self.search.tally.microseconds(c) or 0.0 for c in weights)
        return {} if limit is not None and takes > limit else dict(weights)

    def _averaged(self, recipe: Candidate) -> Iterator[Step]:
        weights = ensemble.members(recipe)
        if any(member not in self.tally.means for member in weights):
            return
        percent = self.span.end
        yield CandidatesDrawn(percent=percent, candidates=(recipe,))
        for fold, (_, held_out) in enumerate(self.bench.split("contest")):
            steps = {c: self.tally.scored[c][fold] for c in weights}
            predictions = ensemble.averaged({c: _known(s) for c, s in steps.items()}, weights)
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
        yield CandidateScored(
            percent=percent,
            candidate=recipe,
            round="contest",
            score=self.tally.means[recipe],
            best=max(self.tally.means.values()),
        )


def _together(tally: Tally, candidate: Candidate) -> NDArray[np.float32]:
    return np.concatenate([_known(tally.scored[candidate][fold]) for fold in range(tally.folds)])


def _known(step: FoldScored) -> NDArray[np.float32]:
    assert step.predictions is not None
    return step.predictions
