"""Hidden groups: rows of the same person, machine or place, or near copies, that nobody declared.

Folds that separate them score how well a model knows them again, which is no promise for others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..analysis import Analysis, Finding, FindingKind
from ..dataset import Dataset
from ..evaluation.group_effect import GroupEffect, measure_effect
from ..evaluation.learnable import Learnable
from ..evaluation.near_rows import NearRows, find_near_rows, keep_near_rows_together
from ..problem import Problem
from ..sentences import list_names
from .noise import is_beyond_noise
from .objections import Objection
from .reasons import format_score

#: Least share of the advantage over the baseline that the groups must account for.
MATTERS = 0.1
#: Values of a column that explains the groups: the least share of rows in clusters that have their cluster's most
#: frequent one, the greatest share of all pairs of rows that have the same, and the least number of values.
WITHIN, AMONG, VALUES = 0.7, 0.1, 10
#: What to do.
ADVICE = (
    "If rows of a cluster are of the same person, machine or place, name the field that says which in "
    'Join(group="…"), and build again; if they are copies, keep one of each; if new rows will be of the same ones, '
    "promote the version."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class HiddenGroups:
    """Clusters of near rows, whose scores part beyond noise by whether folds keep them together."""

    near: NearRows
    effect: GroupEffect
    metric: str
    #: Columns whose values explain the clusters, the best first.
    explained_by: tuple[str, ...]
    #: Number of the dataset's rows that repeat no other.
    rows: int
    #: The dataset whose folds keep clusters together; None if they cannot.
    together: Dataset | None

    def finding(self) -> Finding:
        """Build the finding."""
        sentence = f"{self._describe_clusters()} {self._describe_effect()} {self._describe_folds()}"
        return Finding(kind=FindingKind.GROUPING, feature="", sentence=sentence)

    def _describe_clusters(self) -> str:
        sizes = np.bincount(self.near.clusters)
        several, compared = sizes[sizes > 1], len(self.near.rows)
        sample = "" if compared == self.rows else f" (of {self.rows:,}, a sample)"
        explanation = (
            f" {list_names(self.explained_by, 'columns')} {'has' if len(self.explained_by) == 1 else 'have'} the same "
            "value in most rows of a cluster."
            if self.explained_by
            else ""
        )
        return (
            f"{several.sum():,} of {compared:,} rows{sample} lie in {len(several):,} clusters of rows that are much "
            f"more alike than independent ones, in {list_names(self.near.columns, 'columns')}.{explanation}"
        )

    def _describe_effect(self) -> str:
        together, apart = fmean(self.effect.together), fmean(self.effect.apart)
        return (
            f"A forest has {self.metric} {format_score(apart)} for rows whose clusters it has learned from, and only "
            f"{format_score(together)} for the same rows if it has not."
        )

    def _describe_folds(self) -> str:
        if self.together is None:
            return "The scores of this build are of rows whose clusters were learned from: expect less of others."
        return "The scores of this build are of clusters that were not learned from."


def find_hidden_groups(problem: Problem, learnable: Learnable, analysis: Analysis) -> HiddenGroups | None:
    """Find groups that the score depends on; None if there are none.

    Declared groups are believed. Folds that follow time measure what will come, whether of known groups or not.
    """
    dataset = learnable.dataset
    if dataset.y is None or dataset.groups is not None or learnable.plan.ordered:
        return None
    near = find_near_rows(dataset, analysis, problem.seed)
    if near is None:
        return None
    grouped = dataset.take(near.rows).with_groups(near.clusters)
    effect = measure_effect(problem, grouped, learnable.metric)
    if effect is None or not _parts(effect):
        return None
    return HiddenGroups(
        near=near,
        effect=effect,
        metric=learnable.metric,
        explained_by=tuple(_explain(grouped, near.clusters)),
        rows=len(dataset.distinct_rows()),
        together=keep_near_rows_together(learnable.plan, dataset, near),
    )


def grouping_objections(analysis: Analysis, champion: Analysis | None) -> Iterator[Objection]:
    """Yield the objection to a score that depends on hidden groups.

    Args:
        champion: Analysis of the champion's snapshot. What it has found, a person has accepted.
    """
    if champion is not None and champion.has(FindingKind.GROUPING):
        return
    for finding in analysis.findings:
        if finding.kind is FindingKind.GROUPING:
            yield Objection(f"{finding.sentence} {ADVICE}", holds_first=True)


def _parts(effect: GroupEffect) -> bool:
    """Return whether the groups account for a share of the score that matters, beyond noise."""
    apart, together = fmean(effect.apart), fmean(effect.together)
    if apart - together <= MATTERS * (apart - effect.baseline):
        return False
    return is_beyond_noise(effect.apart, effect.together, effect.ratio)


def _explain(dataset: Dataset, clusters: NDArray[np.int64]) -> Sequence[str]:
    """List the columns whose values are mostly the same within clusters and differ among them, the best first."""
    coincidences: dict[str, float] = {}
    is_clustered = np.bincount(clusters)[clusters] > 1
    for column in dataset.columns:
        codes = pd.factorize(dataset.X[column.name], use_na_sentinel=False)[0]
        counts = np.bincount(codes)
        coincidence = float((counts * (counts - 1)).sum() / (len(codes) * (len(codes) - 1)))
        is_constant = _purity(codes[is_clustered], clusters[is_clustered]) >= WITHIN
        if is_constant and coincidence <= AMONG and len(counts) >= VALUES:
            coincidences[column.name] = coincidence
    return sorted(coincidences, key=lambda name: coincidences[name])


def _purity(codes: NDArray[np.intp], clusters: NDArray[np.int64]) -> float:
    """Compute the share of rows that have the most frequent value of their cluster."""
    pairs = pd.Series(codes).groupby(clusters).value_counts()
    return float(pairs.groupby(level=0).max().sum() / len(codes))
