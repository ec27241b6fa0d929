"""Objections to a clustering: the rows fall into no clear clusters, or into others than the champion's."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix

from ..evaluation.folds import sample_rows
from ..evaluation.separation import CLEAR
from ..fits.fold_fit import FitContext
from .decision import Entry, Incumbent
from .objections import Objection
from .reasons import format_score

#: Least adjusted Rand index of clusterings that agree: below it the agreement is poor (Steinley, Properties of the
#: Hubert-Arabie adjusted Rand index, 2004).
AGREES = 0.65
#: Upper bound of the rows that the winner is fitted on to be compared with the champion.
MOST_ROWS = 5_000


@dataclass(frozen=True, kw_only=True)
class ClusterObjections:
    """Judge of the clustering that won the final round."""

    context: FitContext
    incumbent: Incumbent | None
    winner: Entry

    def __iter__(self) -> Iterator[Objection]:
        """Yield the objections.

        A champion may serve because a person accepted that its clusters are not clear: those raise no objection again.
        """
        is_kept = self._agreement is not None and self._agreement >= AGREES
        separation = self.winner.measures.get("separation")
        if separation is not None and separation < CLEAR and not is_kept:
            yield Objection(self._describe_one_cloud(separation), holds_first=True)
        if self._agreement is not None and not is_kept:
            yield Objection(self._describe_disagreement(self._agreement))

    def _describe_one_cloud(self, separation: float) -> str:
        stability = self.winner.measures.get("stability")
        again = (
            f" Half of the rows give clusters that agree with these by {stability:.2f} (adjusted Rand index)."
            if stability is not None
            else ""
        )
        return (
            f"The rows fall into no clear clusters: the separation of these is {format_score(separation)}; parts of "
            f"one cloud have about 0, clear clusters {CLEAR:g} or more.{again} Promote the version if parts of one "
            "cloud are of use; else choose features in which groups of rows differ."
        )

    def _describe_disagreement(self, agreement: float) -> str:
        assert self._clusters is not None
        new, old = self._clusters
        overlap = contingency_matrix(old, new)
        moved = 1 - overlap[linear_sum_assignment(-overlap)].sum() / len(new)
        return (
            f"The clusters agree little with the champion's: adjusted Rand index {agreement:.2f} on {len(new):,} "
            f"examples, where 1 is full agreement and less than {AGREES:g} is poor. The version has {_count(new)} "
            f"clusters, the champion {_count(old)}; {moved:.0%} of the examples would change theirs. Compare both, and "
            "promote the version if its clusters are of more use."
        )

    @cached_property
    def _agreement(self) -> float | None:
        """Adjusted Rand index of the winner's and the champion's clusters; None if either is unknown."""
        return None if self._clusters is None else float(adjusted_rand_score(*self._clusters))

    @cached_property
    def _clusters(self) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """The winner's and the champion's clusters of the examples, or of a sample of them; None if unknown."""
        if self.incumbent is None or self.incumbent.clusters is None:
            return None
        dataset = self.context.dataset
        random = np.random.default_rng(self.context.seed)
        rows = sample_rows(dataset, np.arange(len(dataset)), MOST_ROWS, random)
        clusters = self.context.assign_clusters(self.winner.candidate, rows)
        return None if clusters is None else (clusters, self.incumbent.clusters[rows])


def _count(clusters: NDArray[np.int64]) -> int:
    return len(np.unique(clusters[clusters >= 0]))
