"""Judge: the objections to a winner that depend on more than the scores, in the order in which they are said."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..analysis import Analysis, changes
from .class_changes import are_comparable
from .cluster_objections import ClusterObjections
from .decision import Entry, Incumbent
from .drop import Drop
from .final_round import FinalRound
from .hidden_groups import grouping_objections
from .nothing_learned import ChanceLevel
from .objections import Objection
from .search import Search
from .suspicion import Suspicion
from .time_objections import TimeObjections


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Yields the objections to a winner of a final round: a new kind of objection is one line of `objections`."""

    search: Search
    final_round: FinalRound
    #: The final round's candidates.
    entries: Sequence[Entry]
    incumbent: Incumbent | None
    #: Of the examples that the candidates learned from.
    analysis: Analysis

    def objections(self, winner: Entry) -> Iterator[Objection]:
        """Yield the objections to the winner."""
        yield from self._suspicion().objections(winner)
        yield from TimeObjections(analysis=self.analysis, incumbent=self.incumbent).objections()
        yield from grouping_objections(
            self.analysis, None if self.incumbent is None else self.incumbent.analysis
        )
        if not self.search.context.problem_type.learns_from_labels:
            yield from ClusterObjections(context=self.search.context, incumbent=self.incumbent, winner=winner)
        else:
            yield from self._chance_level(winner).objections(winner)
        if (drop := self._drop(winner)) is not None:
            yield from drop.objections()

    def _suspicion(self) -> Suspicion:
        context = self.search.context
        return Suspicion(
            dataset=context.dataset,
            analysis=self.analysis,
            metric=context.metric,
            seed=context.seed,
            ratio=context.plan.ratio,
            incumbent=self.incumbent,
        )

    def _chance_level(self, winner: Entry) -> ChanceLevel:
        context, searched = self.search.context, self.search.scoreboard.means
        return ChanceLevel(
            dataset=context.dataset,
            metric=context.metric,
            folds=self.final_round.folds,
            predictions=self.final_round.fold_predictions(winner.candidate),
            ratio=context.plan.ratio,
            recipes=max(1, len(searched)),
            families=max(1, len({candidate.family for candidate in searched})),
            incumbent=self.incumbent,
        )

    def _drop(self, winner: Entry) -> Drop | None:
        """Compare the champion's recipe with its record; None if nothing can be compared."""
        context, incumbent = self.search.context, self.incumbent
        if incumbent is None or self.final_round.is_cut_short or incumbent.metric != context.metric:
            return None
        if not are_comparable(incumbent.classes, context.dataset.classes):
            return None
        defender = (entry for entry in self.entries if entry.candidate.incumbent)
        return Drop(
            metric=context.metric,
            recorded=incumbent,
            now=next(defender, winner),
            examples=len(context.dataset),
            folds=context.plan.folds,
            ratio=context.plan.ratio,
            changed=None if incumbent.analysis is None else changes(incumbent.analysis, self.analysis),
        )
