"""Clusterings: numbers by size, new rows, noise and alignment."""

import numpy as np
import pytest
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans

from learning.estimators.clusters import NOISE, Clusters
from learning.exceptions import OneCluster

RANDOM = np.random.default_rng(0)
#: Thirty points around 0, ten around 10.
POINTS = np.concatenate([RANDOM.normal(0, 1, (30, 2)), RANDOM.normal(10, 1, (10, 2))])


@pytest.mark.parametrize("algorithm", [KMeans(2, n_init=1), AgglomerativeClustering(2)])
def test_clusters_are_numbered_by_size_and_new_rows_are_assigned(algorithm):
    clusters = Clusters(algorithm).fit(POINTS)
    assert clusters.labels_.tolist() == [0] * 30 + [1] * 10
    assert clusters.predict(np.array([[0.5, 0.5], [9.0, 9.0]])).tolist() == [0, 1]


def test_distances_are_to_each_clusters_centre():
    clusters = Clusters(KMeans(2, n_init=1)).fit(POINTS)
    np.testing.assert_allclose(
        clusters.transform(POINTS[:1]), [[np.linalg.norm(POINTS[0] - centre) for centre in clusters.centres_]]
    )


def test_noise_belongs_to_no_cluster():
    points = np.concatenate([POINTS, [[100.0, 100.0]]])
    clusters = Clusters(DBSCAN(eps=3)).fit(points)
    assert clusters.labels_[-1] == NOISE
    assert clusters.predict(np.array([[101.0, 99.0]])).tolist() == [NOISE]
    assert len(clusters.centres_) == 2


def test_an_algorithm_that_compares_all_rows_is_fitted_on_a_sample():
    clusters = Clusters(AgglomerativeClustering(2), most_rows=20).fit(POINTS)
    assert clusters.algorithm.labels_.shape == (20,)
    assert clusters.labels_.tolist() == [0] * 30 + [1] * 10


def test_noise_only_is_no_clustering():
    with pytest.raises(OneCluster, match="noise"):
        Clusters(HDBSCAN(min_cluster_size=30, copy=True)).fit(RANDOM.uniform(size=(40, 2)) * 1_000)


@pytest.mark.parametrize("algorithm", [KMeans(3, n_init=1, random_state=0), AgglomerativeClustering(3)])
def test_clusters_are_aligned_with_earlier_ones(algorithm):
    others = np.concatenate([POINTS, RANDOM.normal((0, 20), 1, (50, 2))])
    before = np.repeat([0, 1, 2], [30, 10, 50])
    clusters = Clusters(algorithm).fit(others)
    assert clusters.labels_.tolist() == np.repeat([1, 2, 0], [30, 10, 50]).tolist(), "by size"
    clusters.align_numbers(clusters.predict(others), before)
    assert clusters.labels_.tolist() == before.tolist()
    assert clusters.predict(others).tolist() == before.tolist()
    assert clusters.transform(others).argmin(axis=1).tolist() == before.tolist()


def test_a_new_cluster_takes_the_lowest_free_number():
    clusters = Clusters(KMeans(2, n_init=1, random_state=0)).fit(POINTS)
    clusters.align_numbers(clusters.predict(POINTS), np.repeat([NOISE, 0], [30, 10]))
    assert clusters.labels_.tolist() == [1] * 30 + [0] * 10
    clusters.align_numbers(clusters.predict(POINTS), np.repeat([7, 1], [30, 10]))
    assert clusters.labels_.tolist() == [0] * 30 + [1] * 10
