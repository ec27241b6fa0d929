"""Objections to a clustering: it is not clear, it repeats a feature, or it is another than the champion's."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix

from ..evaluation.folds import sample_rows
from ..evaluation.separation import CLEAR
from ..fits.fold_fit import FitContext
from ..sentences import list_names
from .decision import Entry, Incumbent
from .objections import Objection
from .reasons import format_score

#: Least adjusted Rand index of clusterings that agree: below it the agreement is poor (Steinley, Properties of the
#: Hubert-Arabie adjusted Rand index, 2004).
AGREES = 0.65
#: Least adjusted Rand index of clusters that repeat the values of features.
REPEATS = 0.95
#: Upper bound of the features that are tried in pairs.
MOST_FEATURES = 20
#: Upper bounds of the rows that the winner is fitted on to be compared with the champion, and with features, and of
#: their cells. No clock stops that fit, but it takes no longer than one on a fold: 1 s for 5,000 rows of 10 columns.
MOST_ROWS, MOST_CELLS = 5_000, 500_000


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
        agrees = self._agreement is not None and self._agreement >= AGREES
        if not agrees:
            yield from self._object_to_first()
        if self._agreement is not None and not agrees:
            yield Objection(self._describe_disagreement(self._agreement))

    def _object_to_first(self) -> Iterator[Objection]:
        """Yield the objections to any clusters that no person has accepted."""
        separation = self.winner.measures.get("separation")
        if separation is not None and separation < CLEAR:
            yield Objection(self._describe_one_cloud(separation), holds_first=True)
        elif features := self._find_repeated():
            yield Objection(
                f"The clusters repeat the values of {list_names([repr(name) for name in features])}, which needs no "
                f"model. Leave {'these features' if len(features) > 1 else 'this feature'} out to find other clusters, "
                "or promote the version.",
                holds_first=True,
            )

    def _find_repeated(self) -> list[str]:
        """Find a feature of few values, or two, whose values are the clusters; empty if there are none."""
        dataset = self.context.dataset
        names = [c.name for c in dataset.columns if c.kind.is_discrete][:MOST_FEATURES]
        if not names or self._clusters is None:
            return []
        codes = {name: pd.factorize(dataset.X[name].iloc[self._rows])[0] for name in names}
        for features in [*combinations(names, 1), *combinations(names, 2)]:
            values = np.unique([codes[name] for name in features], axis=1, return_inverse=True)[1]
            if adjusted_rand_score(self._clusters, values) >= REPEATS:
                return list(features)
        return []

    def _describe_one_cloud(self, separation: float) -> str:
        stability = self.winner.measures.get("stability")
        again = (
            f" Clusters of half of the rows agree with them by {stability:.2f}, where 1 is full agreement."
            if stability is not None
            else ""
        )
        return (
            f"The rows fall into no clear clusters: their separation is {format_score(separation)}, that of clear ones "
            f"{CLEAR:g} or more.{again} Promote the version if parts of one cloud are of use; else choose features in "
            "which groups of rows differ."
        )

    def _describe_disagreement(self, agreement: float) -> str:
        assert self._clusters is not None and self._champions is not None
        new, old = self._clusters, self._champions
        overlap = contingency_matrix(old, new)
        moved = 1 - overlap[linear_sum_assignment(-overlap)].sum() / len(new)
        return (
            f"The clusters agree little with the champion's: {moved:.0%} of {len(new):,} examples would change theirs "
            f"(adjusted Rand index {agreement:.2f}; less than {AGREES:g} is poor). The version has {_count(new)} "
            f"clusters, the champion {_count(old)}. Compare both, and promote the version if its clusters are "
            "of more use."
        )

    @cached_property
    def _agreement(self) -> float | None:
        """Adjusted Rand index of the winner's and the champion's clusters; None if either is unknown."""
        if self._champions is None or self._clusters is None:
            return None
        return float(adjusted_rand_score(self._clusters, self._champions))

    @cached_property
    def _clusters(self) -> NDArray[np.int64] | None:
        """The winner's clusters of the rows; None if it finds none."""
        return self.context.assign_clusters(self.winner.candidate, self._rows)

    @cached_property
    def _champions(self) -> NDArray[np.int64] | None:
        """The champion's clusters of the rows; None if they are unknown."""
        if self.incumbent is None or self.incumbent.clusters is None:
            return None
        return np.asarray(self.incumbent.clusters[self._rows], dtype=np.int64)

    @cached_property
    def _rows(self) -> NDArray[np.intp]:
        """The examples that are compared, or a sample of them."""
        dataset = self.context.dataset
        random = np.random.default_rng(self.context.seed)
        most = min(MOST_ROWS, MOST_CELLS // max(1, len(dataset.columns)))
        return sample_rows(dataset, np.arange(len(dataset)), most, random)


def _count(clusters: NDArray[np.int64]) -> int:
    return len(np.unique(clusters[clusters >= 0]))
