"""Suspicion: a score that is too good to be true, because few features carry it.

Honest features can be as good, but only many of them together: without one of them the score falls a little. A feature
that contains the label, or a formula of it, carries the score alone or with few others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.preprocessing import PolynomialFeatures
from sklearn.tree import DecisionTreeClassifier

from ..analysis import REVEALING, Analysis
from ..analysis.determination import ENOUGH, Formula, Relation, find_carriers
from ..analysis.overview import column_statistics
from ..analysis.rules import DETERMINES, least_accuracy, score_parts
from ..analysis.statistics import Cells, is_missing
from ..analysis.univariate import Target, encode_ranks
from ..dataset import Dataset
from ..estimators import ensemble
from ..estimators.families import Candidate
from ..sentences import list_names
from .decision import SHORT_BY, Entry, Incumbent
from .noise import standard_error
from .objections import Objection

#: Mean recall, or R², from which on a feature that gives the label by the analysis carries the score.
GOOD = 0.99
#: The same from which on features are looked for that the analysis did not find.
PERFECT = 0.999
#: Upper bound of these features, and of the rows that they are looked for in.
FEW, ROWS = 3, 2_000
#: Trees of the forest that looks for them, and number of columns that are tried in pairs.
TREES, PAIRED = 50, 8
#: Weight of importances where accuracies are equal.
TIE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Suspicion:
    """Judge of the final round's winner."""

    dataset: Dataset
    analysis: Analysis
    metric: str
    seed: int
    #: Held-out rows per training row of a fold.
    ratio: float
    #: A champion that is as good has been accepted, and raises no suspicion again.
    incumbent: Incumbent | None

    def objections(self, winner: Entry) -> Iterator[Objection]:
        """Yield the objection to a score that is too good to be true."""
        description = self.describe(winner)
        if description is not None:
            yield Objection(description, holds_first=True)

    def describe(self, winner: Entry) -> str | None:
        """Describe why the winner's score is too good to be true; None if it is not, or if few rows prove nothing."""
        if len(self.dataset) < ENOUGH or self._is_accepted(winner):
            return None
        quality = self._quality(winner)
        if quality < GOOD:
            return None
        reason = self._describe_findings(winner)
        if reason is None and quality >= PERFECT:
            reason = self._describe_carriers(winner)
        if reason is None:
            return None
        return (
            f"{self.metric} {winner.score:.4g} is too good to be true: {reason} Promote the version if all of that is "
            "known when predictions are asked for; else leave these features out of the product."
        )

    def _is_accepted(self, winner: Entry) -> bool:
        if self.incumbent is None or self.incumbent.metric != self.metric:
            return False
        noise = SHORT_BY * standard_error(winner.scores, self.ratio)
        return self.incumbent.score >= winner.score - noise - (1 - GOOD) * abs(winner.score)

    def _quality(self, winner: Entry) -> float:
        """Compute the mean recall of the classes, or R², out of fold."""
        if self.dataset.classes:
            return fmean(winner.recalls.values()) if winner.recalls else 0.0
        if winner.losses is None or self.dataset.y is None:
            return 0.0  # a clustering
        variance = float(np.var(self.dataset.y))
        # The squares of tiny labels are zeros: nothing shows how good the score is.
        return 1 - float(winner.losses.mean()) / variance if variance else 0.0

    def _describe_findings(self, winner: Entry) -> str | None:
        """Describe the features that give the label by the analysis, unless the winner leaves them out.

        A text is not one feature but many words, which may honestly tell its class.
        """
        if _is_sound(winner.candidate):
            return None
        texts = {feature.name for feature in self.analysis.features if feature.kind.is_text}
        revealing = [f for f in self.analysis.findings if f.kind in REVEALING and f.feature not in texts]
        return " ".join(dict.fromkeys(finding.sentence for finding in revealing)) or None

    def _describe_carriers(self, winner: Entry) -> str | None:
        """Describe the few features that are enough for a small model, which the analysis did not try."""
        ignored = self.analysis.doubtful if _is_sound(winner.candidate) else ()
        relation = _relation(self.dataset, ignored, self.seed)
        carriers = find_carriers(relation, range(1, FEW + 1)) if relation is not None else None
        if relation is None or carriers is None:
            return None
        names = [relation.names[place] for place in carriers.places]
        return (
            f"{list_names(names)} alone {'give' if len(names) > 1 else 'gives'} the label "
            f"({relation.measure} {carriers.score:.4g} on held-out rows)."
        )


def _is_sound(winner: Candidate) -> bool:
    """Return whether each member of the winner leaves out the features that the analysis advises against."""
    return all(member.hyperparameters.get("features") == "sound" for member in ensemble.members(winner))


@dataclass(frozen=True)
class Forest:
    """Small forest: rules of any shape for classes."""

    names: Sequence[str]
    #: `(m, columns)`: ranks.
    X: NDArray[np.float64]
    target: Target
    seed: int
    measure: str = "accuracy"

    @property
    def determines(self) -> float:
        """Least score of columns that determine the label."""
        return least_accuracy(len(self.target.y))

    def score(self, places: Sequence[int], least: float = -inf) -> float:
        """Compute the accuracy out of fold, no further than it takes to know that `least` is not reached."""
        return self._accuracy(ExtraTreesClassifier(TREES, random_state=self.seed), places, least)

    def weights(self) -> NDArray[np.float64]:
        """Compute the best accuracy of a tree of each column and another; equal ones are ranked by importance."""
        forest = ExtraTreesClassifier(TREES, random_state=self.seed).fit(self.X, self.target.y)
        ties = forest.feature_importances_ * TIE
        weights = ties.copy()
        for pair in combinations(np.argsort(-weights, kind="stable")[:PAIRED].tolist(), 2):
            least = min(weights[place] - ties[place] for place in pair)  # a lower accuracy changes neither
            accuracy = self._accuracy(DecisionTreeClassifier(random_state=self.seed), pair, least)
            for place in pair:
                weights[place] = max(weights[place], accuracy + ties[place])
        return np.asarray(weights)

    def _accuracy(self, model: ClassifierMixin, places: Sequence[int], least: float) -> float:
        return score_parts(model, self.X[:, places], self.target, least)


@dataclass(frozen=True)
class Polynomial:
    """Linear model of columns, squares and pairwise products: formulas for numbers."""

    names: Sequence[str]
    #: `(m, columns)`: values.
    X: NDArray[np.float64]
    #: `(m,)`
    y: NDArray[np.float64]
    seed: int
    measure: str = "R²"
    determines: float = DETERMINES

    def score(self, places: Sequence[int], least: float = -inf) -> float:
        """Compute R² on held-out rows."""
        X = PolynomialFeatures(2, include_bias=False).fit_transform(self.X[:, places])
        formula = Formula.standardised([str(term) for term in range(X.shape[1])], X, self.y)
        return formula.score(range(X.shape[1]))

    def weights(self) -> NDArray[np.float64]:
        """Compute the importances of a forest of all columns."""
        forest = ExtraTreesRegressor(TREES, random_state=self.seed).fit(self.X, self.y)
        return np.asarray(forest.feature_importances_)


def _relation(dataset: Dataset, ignored: Sequence[str], seed: int) -> Relation | None:
    """Build the small model of a sample of the rows; None if there are too few."""
    columns = [c for c in column_statistics(dataset, seed) if not c.kind.is_text and c.name not in ignored]
    target = Target.balanced(dataset, ROWS, seed)
    if not columns or target is None or len(target.rows) < ENOUGH:
        return None
    names = [column.name for column in columns]
    if dataset.classes:
        X = np.column_stack([encode_ranks(column.values[target.rows]) for column in columns])
        return Forest(names, X, target, seed)
    assert dataset.y is not None
    X = np.column_stack([_fill(column.values[target.rows]) for column in columns])
    return Polynomial(names, X, dataset.y[target.rows], seed)


def _fill(cells: Cells) -> NDArray[np.float64]:
    """Replace missing values by the mean; codes stay as they are."""
    values = cells.astype(np.float64)
    gaps = is_missing(cells)
    return np.where(gaps, values[~gaps].mean() if not gaps.all() else 0.0, values)
