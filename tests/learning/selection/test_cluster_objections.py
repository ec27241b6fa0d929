"""Clusterings that wait for a person: of one cloud, and of other clusters than the champion's."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from learning.columns import Column, Kind
from learning.dataset import dataset
from learning.estimators.families import Candidate
from learning.evaluation.folds import FoldPlan
from learning.evaluation.measures import Measure
from learning.evaluation.separation import CLEAR
from learning.fits.fold_fit import FitContext
from learning.problem import Clustering
from learning.selection.cluster_numbers import explain_number
from learning.selection.cluster_objections import ClusterObjections
from learning.selection.decision import Entry, Incumbent
from learning.selection.objections import Objection
from learning.selection.rounds import Scoreboard
from learning.selection.steps import FoldScored

from ..conftest import numbers

PROBLEM = Clustering()


def recipe(clusters: int) -> Candidate:
    return Candidate("kmeans", {"clusters": clusters})


@pytest.fixture
def blobs() -> NDArray[np.int64]:
    return np.arange(150) % 3


@pytest.fixture
def context(blobs: NDArray[np.int64]) -> FitContext:
    """150 rows of three blobs in a row."""
    X = blobs[:, None] * 9.0 + np.random.default_rng(0).normal(size=(150, 2))
    data = dataset(PROBLEM, numbers("ab"), X.tolist(), None)
    plan = FoldPlan.of(PROBLEM, data)
    return FitContext(task=PROBLEM.task, dataset=data, metric="separation", plan=plan, seed=0)


def objections(
    context: FitContext, separation: float, champion: NDArray[np.int64] | None = None
) -> list[Objection]:
    """List the objections to three clusters of this separation, where the champion has these clusters."""
    measures = {"separation": separation, "stability": 0.4}
    winner = Entry(candidate=recipe(3), searched=None, scores=(separation,) * 5, measures=measures)
    incumbent = Incumbent(
        family="kmeans", hyperparameters={}, metric="separation", score=0.5, fingerprint="", clusters=champion
    )
    return list(
        ClusterObjections(context=context, incumbent=None if champion is None else incumbent, winner=winner)
    )


def test_parts_of_one_cloud_are_held_even_as_a_first_version(context: FitContext):
    (objection,) = objections(context, 0.1)
    assert objection.holds_first
    assert "no clear clusters: their separation is 0.100" in objection.sentence
    assert "agree with them by 0.40" in objection.sentence


def test_clear_clusters_raise_no_objection(context: FitContext, blobs: NDArray[np.int64]):
    assert not objections(context, CLEAR + 0.1)
    assert not objections(context, CLEAR + 0.1, champion=2 - blobs)


def test_other_clusters_than_the_champions_are_held(context: FitContext, blobs: NDArray[np.int64]):
    (objection,) = objections(context, CLEAR + 0.1, champion=(blobs > 0).astype(np.int64))
    assert not objection.holds_first
    assert "33% of 150 examples would change theirs (adjusted Rand index 0.57; " in objection.sentence
    assert "The version has 3 clusters, the champion 2." in objection.sentence


def test_clusters_that_a_person_accepted_are_not_held_again(context: FitContext, blobs: NDArray[np.int64]):
    assert not objections(context, 0.0, champion=blobs)
    assert len(objections(context, 0.0, champion=np.arange(150) % 7)) == 2


@pytest.mark.parametrize(("clusters", "features"), [(2, "'round'"), (4, "'round' and 'old'")])
def test_clusters_that_repeat_features_are_held(context: FitContext, clusters: int, features: str):
    columns = (*numbers("a"), *(Column(name=name, kind=Kind.BOOLEAN) for name in ("round", "old")))
    noise = np.random.default_rng(0).normal(size=150)
    rows = [(a, i % 2 == 0, i % (20 if clusters == 2 else 4) < 2) for i, a in enumerate(noise)]
    data = dataset(PROBLEM, columns, rows, None)
    winner = Entry(candidate=recipe(clusters), searched=None, scores=(0.9,) * 5, measures={"separation": 0.9})
    (objection,) = ClusterObjections(context=replace(context, dataset=data), incumbent=None, winner=winner)
    assert f"repeat the values of {features}, which needs no model" in objection.sentence
    assert objection.holds_first


@pytest.mark.parametrize("kind", [Kind.CATEGORY, Kind.ORDINAL])
def test_clusters_that_repeat_the_levels_of_a_feature_are_held(
    context: FitContext, blobs: NDArray[np.int64], kind: Kind
):
    columns = (*numbers("ab"), Column(name="size", kind=kind, choices=("S", "M", "L")))
    sizes = np.array(["S", "M", "L"])[blobs]
    rows = [(*row, size) for row, size in zip(context.dataset.X.to_numpy().tolist(), sizes, strict=True)]
    data = dataset(PROBLEM, columns, rows, None)
    winner = Entry(candidate=recipe(3), searched=None, scores=(0.9,) * 5, measures={"separation": 0.9})
    (objection,) = ClusterObjections(context=replace(context, dataset=data), incumbent=None, winner=winner)
    assert "repeat the values of 'size'" in objection.sentence


def test_a_recipe_that_finds_no_clusters_is_not_compared(context: FitContext):
    few = np.arange(2)
    assert context.assign_clusters(recipe(3), few) is None
    assert context.assign_clusters(recipe(2), few) is not None


def test_the_reason_names_other_numbers_of_clusters():
    board = Scoreboard(round="search", folds=1)
    for clusters, score in ((2, 0.5), (3, 0.8), (4, 0.6)):
        board.add(
            FoldScored(
                percent=0,
                candidate=recipe(clusters),
                round="search",
                fold=0,
                score=score,
                measures=(Measure("clusters", None, clusters),),
                fit_seconds=0,
                predict_seconds=0,
            )
        )
    reason = explain_number(recipe(3), "silhouette", board)
    assert reason == " It finds 3 clusters (silhouette in the search: 0.800; 0.500 with 2, 0.600 with 4)."
    assert "about 0 for parts of one cloud" in explain_number(recipe(3), "separation", board)
    assert not explain_number(recipe(5), "separation", board)
