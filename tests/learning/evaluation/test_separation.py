"""Separation of clusters of any shape, of parts of one cloud, and of clusters that should be divided."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.datasets import make_circles, make_moons
from sklearn.preprocessing import StandardScaler

from learning.evaluation.separation import CLEAR, Neighbourhoods

Rows = tuple[NDArray[np.float64], NDArray[np.int64]]


def separation(X: NDArray[np.float64], clusters: NDArray[np.int64]) -> float:
    """Compute the separation on the last fifth of the rows."""
    learned = len(X) * 4 // 5
    X = StandardScaler().fit_transform(X)
    neighbourhoods = Neighbourhoods.find(X[:learned], X[learned:], 0)
    return neighbourhoods.separation(clusters[:learned], clusters[learned:])


def means(X: NDArray[np.float64], number: int) -> NDArray[np.int64]:
    return np.asarray(KMeans(number, n_init=3, random_state=0).fit_predict(X), dtype=np.int64)


def blobs(random: np.random.Generator) -> Rows:
    blob = random.integers(0, 4, 600)
    return np.column_stack([blob * 8.0, np.zeros(600)]) + random.normal(size=(600, 2)), blob


def stretched(random: np.random.Generator) -> Rows:
    stripe = random.integers(0, 3, 600)
    return np.column_stack([random.normal(0, 6, 600), stripe * 4 + random.normal(0, 0.4, 600)]), stripe


def slanted(random: np.random.Generator) -> Rows:
    X, stripe = stretched(random)
    return X @ np.array([[1.0, -1.0], [1.0, 1.0]]), stripe


def moons(random: np.random.Generator) -> Rows:
    return make_moons(600, noise=0.06, random_state=0)


def rings(random: np.random.Generator) -> Rows:
    return make_circles(600, noise=0.04, factor=0.4, random_state=0)


SHAPES = (blobs, stretched, slanted, moons, rings)


@pytest.mark.parametrize("shape", SHAPES)
def test_clusters_of_any_shape_are_separated_better_than_by_means(shape: Callable[..., Rows]):
    X, clusters = shape(np.random.default_rng(0))
    assert separation(X, clusters) > max(CLEAR, separation(X, means(X, 6)) + 0.2)


@pytest.mark.parametrize(
    "draw",
    [
        lambda random: random.normal(size=(600, 2)),
        lambda random: random.normal(size=(600, 8)) @ random.normal(size=(8, 8)),
        lambda random: random.uniform(size=(600, 2)),
        lambda random: np.exp(random.normal(size=(600, 2))),
        lambda random: random.uniform(size=(600, 1)) * [10, 0] + random.normal(size=(600, 2)) * 0.3,
    ],
)
@pytest.mark.parametrize("number", [2, 4])
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_parts_of_one_cloud_are_not_clear(draw: Callable[..., NDArray[np.float64]], number: int, seed: int):
    X = draw(np.random.default_rng(seed))
    assert separation(X, means(X, number)) < CLEAR


def test_a_clustering_is_no_better_than_its_worst_cluster():
    X, clusters = blobs(np.random.default_rng(0))
    merged = np.where(clusters == 3, 2, clusters)
    assert separation(X, merged) < separation(X, clusters) - 0.3


def test_noise_is_not_separated():
    X, clusters = blobs(np.random.default_rng(0))
    noise = np.where(np.arange(len(X)) % 2, -1, clusters)
    assert separation(X, noise) < separation(X, clusters) / 2
    assert separation(X, np.full(len(X), -1)) == 0


def test_a_cluster_of_few_rows_is_not_separated():
    X, clusters = blobs(np.random.default_rng(0))
    clusters = np.where(np.arange(len(X)) > 597, 4, clusters)
    assert separation(X, clusters) < CLEAR
