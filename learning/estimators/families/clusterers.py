"""Families of clusterings."""

from collections.abc import Sequence

from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.mixture import GaussianMixture

from ...columns import Column
from .. import preprocess
from ..clusters import Clusters
from .family import Family, Hyperparameters, index_by_name

#: Starts of a mixture. Those at rows far from each other find stretched clusters, which a start by k-means cuts.
STARTS = 5


def _kmeans(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> Clusters:
    return Clusters(KMeans(n_clusters=hyperparameters["clusters"], n_init=10, random_state=seed))


def _mixture(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> Clusters:
    # With the default regularisation of 1e-6 a component may collapse onto a few rows of standardised data.
    others = {name: value for name, value in hyperparameters.items() if name != "clusters"}
    starts = {"n_init": STARTS, "init_params": "k-means++", "random_state": seed}
    return Clusters(GaussianMixture(hyperparameters["clusters"], reg_covar=1e-2, **starts, **others))


def _agglomerative(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> Clusters:
    linkage = hyperparameters["linkage"]
    return Clusters(AgglomerativeClustering(hyperparameters["clusters"], linkage=linkage), seed=seed)


def _hdbscan(hyperparameters: Hyperparameters, columns: Sequence[Column], seed: int) -> Clusters:
    return Clusters(HDBSCAN(copy=True, **hyperparameters), seed=seed)


FAMILIES = index_by_name(
    Family(name="kmeans", prepare=preprocess.dense, estimator=_kmeans, defaults=({},), main=()),
    Family(
        name="mixture",
        prepare=preprocess.dense,
        estimator=_mixture,
        defaults=({"covariance_type": "full"}, {"covariance_type": "diag"}),
        main=(),
    ),
    Family(
        name="agglomerative",
        prepare=preprocess.dense,
        estimator=_agglomerative,
        defaults=({"linkage": "ward"}, {"linkage": "average"}),
        main=(),
    ),
    Family(
        name="hdbscan",
        prepare=preprocess.dense,
        estimator=_hdbscan,
        # Few `min_samples` follow thin shapes, and larger clusters leave out the crumbs between them.
        defaults=(
            {"min_cluster_size": 5},
            {"min_cluster_size": 15, "min_samples": 5},
            {"min_cluster_size": 40, "min_samples": 5},
            {"min_cluster_size": 15},
            {"min_cluster_size": 40},
        ),
        main=(),
        needs_clusters=False,
    ),
)
