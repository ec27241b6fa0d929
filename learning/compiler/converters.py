"""From a fitted estimator to the runtimes that could do its work."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC

from ..estimators.clusters import Clusters
from ..inference import neighbours, runtimes, tree_runtimes
from ..inference.exceptions import NotPlanned
from ..inference.native import NativeEstimator
from ..inference.numeric import Floats, ranked, standardised
from ..inference.plan import ColumnPlan
from ..inference.runtimes import Linear, Runtime

NUMPY, SCIPY = "numpy", "scipy"


def runtimes_of(estimator: Any, plan: ColumnPlan, task: str) -> Iterator[Runtime]:
    """Those that know the estimator; the estimator itself, on the plan's array, last."""
    if isinstance(estimator, TransformedTargetRegressor):
        back = _back(estimator.transformer_)
        yield from (each.then(back) for each in runtimes_of(estimator.regressor_, plan, task))
        return
    package = type(estimator).__module__.split(".")[0]
    make = MAKERS.get(type(estimator)) or tree_runtimes.MAKERS_OF_OTHERS.get(package)
    if make is not None:
        yield from make(estimator, plan)
    if not plan.words or plan.kept is None:
        own = NativeEstimator(estimator, task)
        yield Runtime(own.name, [own], whole=True)


def _back(transformer: Any) -> Callable[[Floats], Floats]:
    """From what was learned to the label's unit."""
    match transformer:
        case StandardScaler():
            return standardised(transformer).back
        case QuantileTransformer():
            return ranked(transformer).back
    raise NotPlanned(f"{type(transformer).__name__} is not planned.")


def _linear(coefficients: Floats, intercept: Any, plan: ColumnPlan) -> Linear:
    """`coefficients` are `(k, columns)` or `(columns,)` of what is left of the plan's columns and words."""
    table = np.atleast_2d(coefficients).T
    dense = plan.width if plan.kept is None else len(plan.kept)
    if not plan.words:
        return Linear(table, np.atleast_1d(intercept))
    if plan.kept_words is None:
        return Linear(table[:dense], np.atleast_1d(intercept), table[dense:])
    words = np.zeros((sum(each.width for _, each in plan.words), table.shape[1]))
    words[plan.kept_words] = table[dense:]
    return Linear(table[:dense], np.atleast_1d(intercept), words)


def _logistic(estimator: LogisticRegression, plan: ColumnPlan) -> Iterator[Runtime]:
    link = runtimes.sigmoid_pair if len(estimator.classes_) == 2 else runtimes.softmax
    yield Runtime(NUMPY, [_linear(estimator.coef_, estimator.intercept_, plan), link])


def _number(estimator: Any, plan: ColumnPlan) -> Iterator[Runtime]:
    yield Runtime(NUMPY, [_linear(estimator.coef_, estimator.intercept_, plan), runtimes.value])


def _counts(estimator: MultinomialNB, plan: ColumnPlan) -> Iterator[Runtime]:
    linear = _linear(estimator.feature_log_prob_, estimator.class_log_prior_, plan)
    yield Runtime(NUMPY, [linear, runtimes.densities])


def _normal(estimator: GaussianNB, plan: ColumnPlan) -> Iterator[Runtime]:
    constant = np.log(estimator.class_prior_) - 0.5 * np.log(2 * np.pi * estimator.var_).sum(axis=1)
    yield Runtime(NUMPY, [runtimes.Normal(estimator.theta_, estimator.var_, constant), runtimes.densities])


def _calibrated(estimator: CalibratedClassifierCV, plan: ColumnPlan) -> Iterator[Runtime]:
    """Of the machines that `families` calibrates, with one sigmoid for each class."""
    (inner,) = estimator.calibrated_classifiers_
    slopes, intercepts = np.array([(each.a_, each.b_) for each in inner.calibrators]).T
    sigmoids = runtimes.Calibrated(slopes, intercepts)
    match inner.estimator:
        case LinearSVC() as machine:
            yield Runtime(NUMPY, [_linear(machine.coef_, machine.intercept_, plan), sigmoids])
        case SVC(kernel="rbf") as machine if isinstance(machine.support_vectors_, np.ndarray):
            duels = [] if len(machine.classes_) == 2 else [runtimes.OneVsOneVotes.of(len(machine.classes_))]
            yield Runtime(NUMPY, [_kernel(machine, _pairs(machine)), *duels, sigmoids])


def _kernel(machine: Any, weights: Floats) -> runtimes.Kernel:
    return runtimes.Kernel(machine.support_vectors_, machine._gamma, weights, machine.intercept_)


def _pairs(machine: SVC) -> Floats:
    """The support vectors' weights in each pair of classes: `(vectors, pairs)`."""
    ends = np.cumsum([0, *machine.n_support_])
    pairs = list(zip(*np.triu_indices(len(machine.classes_), 1), strict=True))
    weights = np.zeros((ends[-1], len(pairs)))
    for pair, (one, other) in enumerate(pairs):
        # libsvm keeps, for each vector of a class, its weights against the other classes in their order.
        weights[ends[one] : ends[one + 1], pair] = machine.dual_coef_[other - 1, ends[one] : ends[one + 1]]
        weights[ends[other] : ends[other + 1], pair] = machine.dual_coef_[one, ends[other] : ends[other + 1]]
    return weights


def _kernel_number(estimator: SVR, plan: ColumnPlan) -> Iterator[Runtime]:
    if isinstance(estimator.support_vectors_, np.ndarray):
        yield Runtime(NUMPY, [_kernel(estimator, estimator.dual_coef_.T), runtimes.value])


def _layers(estimator: Any, plan: ColumnPlan) -> Iterator[Runtime]:
    links = {"logistic": runtimes.sigmoid_pair, "softmax": runtimes.softmax, "identity": runtimes.value}
    layers = runtimes.Layers(estimator.coefs_, estimator.intercepts_)
    yield Runtime(NUMPY, [layers, links[estimator.out_activation_]])


def _nearest(estimator: Any, plan: ColumnPlan) -> Iterator[Runtime]:
    classes = getattr(estimator, "classes_", None)
    labels = estimator._y[:, None] if classes is None else np.eye(len(classes))[estimator._y]
    ends: list[Callable[[Any], Any]] = [runtimes.value] if classes is None else []
    weighed: list[Callable[[Any], Any]] = [neighbours.WeightedVotes(labels), *ends]
    if estimator._tree is not None:
        yield Runtime(
            "scikit-learn", [neighbours.TreeNeighbours(estimator._tree, estimator.n_neighbors), *weighed]
        )
    yield Runtime(NUMPY, [neighbours.BruteForceNeighbours(estimator._fit_X, estimator.n_neighbors), *weighed])


def _prior(estimator: DummyClassifier, plan: ColumnPlan) -> Iterator[Runtime]:
    yield Runtime(NUMPY, [runtimes.Constant(estimator.class_prior_[None, :])])


def _mean(estimator: DummyRegressor, plan: ColumnPlan) -> Iterator[Runtime]:
    yield Runtime(NUMPY, [runtimes.Constant(estimator.constant_[0])])


def _clusters(estimator: Clusters, plan: ColumnPlan) -> Iterator[Runtime]:
    if estimator.nearest_ is not None:
        rows = neighbours.NearestRow(*estimator.nearest_)
        yield Runtime(SCIPY, [neighbours.ClusterRuntime(rows, None, estimator.centres_)])
        return
    match estimator.algorithm:
        case KMeans(cluster_centers_=centres):
            assign: Callable[[Floats], NDArray[Any]] = neighbours.NearestCentre(centres)
        case GaussianMixture(covariance_type="diag" | "full") as mixture:
            assign = _mixture(mixture)
        case _:
            return
    numbers = neighbours.numbered(estimator.numbers_, max(estimator.numbers_) + 1)
    yield Runtime(NUMPY, [neighbours.ClusterRuntime(assign, numbers, estimator.centres_)])


def _mixture(mixture: GaussianMixture) -> Callable[[Floats], NDArray[Any]]:
    precise, means = mixture.precisions_cholesky_, mixture.means_
    if mixture.covariance_type == "diag":
        constant = np.log(mixture.weights_) + np.log(precise).sum(axis=1)
        return neighbours.DiagonalMixture(means, precise**2, constant)
    constant = np.log(mixture.weights_) + np.log(np.diagonal(precise, axis1=1, axis2=2)).sum(axis=1)
    middles = np.einsum("ij,ijk->ik", means, precise).ravel()
    return neighbours.FullMixture(np.hstack(precise), middles, constant)


MAKERS: Mapping[type, Callable[[Any, ColumnPlan], Iterator[Runtime]]] = {
    LogisticRegression: _logistic,
    Ridge: _number,
    ElasticNet: _number,
    MultinomialNB: _counts,
    GaussianNB: _normal,
    CalibratedClassifierCV: _calibrated,
    SVR: _kernel_number,
    MLPClassifier: _layers,
    MLPRegressor: _layers,
    KNeighborsClassifier: _nearest,
    KNeighborsRegressor: _nearest,
    DummyClassifier: _prior,
    DummyRegressor: _mean,
    Clusters: _clusters,
    **tree_runtimes.MAKERS,
}
