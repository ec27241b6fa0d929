"""Converters: yield the runtimes that can replace a fitted estimator."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
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

from ..estimators.clusters import NOISE, Clusters
from ..inference import neighbours, runtimes
from ..inference.exceptions import NotCompilable
from ..inference.native import NativeEstimator
from ..inference.numeric import Floats
from ..inference.plan import ColumnPlan
from ..inference.runtimes import Linear, Runtime, Step
from . import tree_converters
from .numeric_steps import convert_ranks, convert_scaler
from .tree_converters import Converter

NUMPY, SCIPY = "numpy", "scipy"
#: Distributions whose package has another name.
_DISTRIBUTIONS = {"sklearn": "scikit-learn"}


def convert(estimator: BaseEstimator, plan: ColumnPlan, task: str) -> Iterator[Runtime]:
    """Yield the runtimes of a fitted estimator; the estimator itself, on the plan's array, comes last."""
    if isinstance(estimator, TransformedTargetRegressor):
        invert = _inverse(estimator.transformer_)
        yield from (each.append(invert) for each in convert(estimator.regressor_, plan, task))
        return
    package = type(estimator).__module__.split(".")[0]
    converter = CONVERTERS.get(type(estimator)) or tree_converters.PACKAGE_CONVERTERS.get(package)
    if converter is not None:
        yield from converter(estimator, plan)
    if not plan.words or plan.selected is None:
        native = NativeEstimator(estimator, task)
        yield Runtime(_library(estimator), [native], holds_estimator=True)


def _library(estimator: BaseEstimator) -> str:
    """Name the distribution of the library that implements the estimator."""
    algorithm = estimator.algorithm if isinstance(estimator, Clusters) else estimator
    package = type(algorithm).__module__.split(".")[0]
    return _DISTRIBUTIONS.get(package, package)


def _inverse(transformer: BaseEstimator) -> Callable[[Floats], Floats]:
    """Return the map from the transformed target back to the label's unit."""
    match transformer:
        case StandardScaler():
            return convert_scaler(transformer).invert
        case QuantileTransformer():
            return convert_ranks(transformer).invert
    raise NotCompilable(f"{type(transformer).__name__} has no compiled counterpart.")


def _linear(coefficients: Floats, intercept: float | Floats, plan: ColumnPlan) -> Linear:
    """Build the linear combination.

    Args:
        coefficients: `(k, columns)` or `(columns,)`, of the columns and words that feature selection left.
    """
    table = np.atleast_2d(coefficients).T
    dense = plan.width if plan.selected is None else len(plan.selected)
    if not plan.words:
        return Linear(table, np.atleast_1d(intercept))
    if plan.selected_words is None:
        return Linear(table[:dense], np.atleast_1d(intercept), table[dense:])
    words = np.zeros((sum(encoder.width for _, encoder in plan.words), table.shape[1]))
    words[plan.selected_words] = table[dense:]
    return Linear(table[:dense], np.atleast_1d(intercept), words)


def _convert_logistic(estimator: LogisticRegression, plan: ColumnPlan) -> Iterator[Runtime]:
    link = runtimes.sigmoid_pair if len(estimator.classes_) == 2 else runtimes.softmax
    yield Runtime(NUMPY, [_linear(estimator.coef_, estimator.intercept_, plan), link])


def _convert_linear(estimator: Ridge | ElasticNet, plan: ColumnPlan) -> Iterator[Runtime]:
    yield Runtime(NUMPY, [_linear(estimator.coef_, estimator.intercept_, plan), runtimes.first_column])


def _convert_multinomial(estimator: MultinomialNB, plan: ColumnPlan) -> Iterator[Runtime]:
    linear = _linear(estimator.feature_log_prob_, estimator.class_log_prior_, plan)
    yield Runtime(NUMPY, [linear, runtimes.normalise_log_densities])


def _convert_gaussian(estimator: GaussianNB, plan: ColumnPlan) -> Iterator[Runtime]:
    constant = np.log(estimator.class_prior_) - 0.5 * np.log(2 * np.pi * estimator.var_).sum(axis=1)
    densities = runtimes.GaussianDensities(estimator.theta_, estimator.var_, constant)
    yield Runtime(NUMPY, [densities, runtimes.normalise_log_densities])


def _convert_calibrated(estimator: CalibratedClassifierCV, plan: ColumnPlan) -> Iterator[Runtime]:
    """Convert the support vector machines that `families` calibrates with one sigmoid per class."""
    (inner,) = estimator.calibrated_classifiers_
    slopes, intercepts = np.array([(each.a_, each.b_) for each in inner.calibrators]).T
    sigmoids = runtimes.SigmoidCalibration(slopes, intercepts)
    match inner.estimator:
        case LinearSVC() as machine:
            yield Runtime(NUMPY, [_linear(machine.coef_, machine.intercept_, plan), sigmoids])
        case SVC(kernel="rbf") as machine if isinstance(machine.support_vectors_, np.ndarray):
            classes = len(machine.classes_)
            votes = [] if classes == 2 else [runtimes.OneVsOneVotes.for_classes(classes)]
            yield Runtime(NUMPY, [_kernel(machine, _pair_weights(machine)), *votes, sigmoids])


def _kernel(machine: SVC | SVR, weights: Floats) -> runtimes.RbfKernel:
    return runtimes.RbfKernel(machine.support_vectors_, machine._gamma, weights, machine.intercept_)


def _pair_weights(machine: SVC) -> Floats:
    """Compute the support vectors' weights for each pair of classes: `(vectors, pairs)`."""
    ends = np.cumsum([0, *machine.n_support_])
    pairs = list(zip(*np.triu_indices(len(machine.classes_), 1), strict=True))
    weights = np.zeros((ends[-1], len(pairs)))
    for pair, (one, other) in enumerate(pairs):
        # libsvm stores, per vector of a class, its weights against the other classes in their order.
        weights[ends[one] : ends[one + 1], pair] = machine.dual_coef_[other - 1, ends[one] : ends[one + 1]]
        weights[ends[other] : ends[other + 1], pair] = machine.dual_coef_[one, ends[other] : ends[other + 1]]
    return weights


def _convert_svr(estimator: SVR, plan: ColumnPlan) -> Iterator[Runtime]:
    if isinstance(estimator.support_vectors_, np.ndarray):
        yield Runtime(NUMPY, [_kernel(estimator, estimator.dual_coef_.T), runtimes.first_column])


def _convert_perceptron(estimator: MLPClassifier | MLPRegressor, plan: ColumnPlan) -> Iterator[Runtime]:
    links = {
        "logistic": runtimes.sigmoid_pair,
        "softmax": runtimes.softmax,
        "identity": runtimes.first_column,
    }
    layers = runtimes.Perceptron(estimator.coefs_, estimator.intercepts_)
    yield Runtime(NUMPY, [layers, links[estimator.out_activation_]])


def _convert_neighbours(
    estimator: KNeighborsClassifier | KNeighborsRegressor, plan: ColumnPlan
) -> Iterator[Runtime]:
    classes, k = getattr(estimator, "classes_", None), estimator.n_neighbors
    labels = estimator._y[:, None] if classes is None else np.eye(len(classes))[estimator._y]
    votes: list[Step] = [
        neighbours.WeightedVotes(labels),
        *([runtimes.first_column] if classes is None else []),
    ]
    if estimator._tree is not None:
        yield Runtime("scikit-learn", [neighbours.TreeNeighbours(estimator._tree, k), *votes])
    yield Runtime(NUMPY, [neighbours.BruteForceNeighbours(estimator._fit_X, k), *votes])


def _convert_prior(estimator: DummyClassifier, plan: ColumnPlan) -> Iterator[Runtime]:
    yield Runtime(NUMPY, [runtimes.Constant(estimator.class_prior_[None, :])])


def _convert_mean(estimator: DummyRegressor, plan: ColumnPlan) -> Iterator[Runtime]:
    yield Runtime(NUMPY, [runtimes.Constant(estimator.constant_[0])])


def _index_numbers(numbers: dict[int, int], labels: int) -> NDArray[np.int64]:
    """Convert the map from labels to cluster numbers to an array; unused labels are noise."""
    return np.array([numbers.get(label, NOISE) for label in range(labels)], dtype=np.int64)


def _convert_clusters(estimator: Clusters, plan: ColumnPlan) -> Iterator[Runtime]:
    if estimator.nearest_ is not None:
        rows = neighbours.NearestRow(*estimator.nearest_)
        yield Runtime(SCIPY, [neighbours.ClusterRuntime(rows, None, estimator.centres_)])
        return
    match estimator.algorithm:
        case KMeans(cluster_centers_=centres):
            assign: Callable[[Floats], NDArray[np.integer]] = neighbours.NearestCentre(centres)
        case GaussianMixture(covariance_type="diag" | "full") as mixture:
            assign = _mixture(mixture)
        case _:
            return
    numbers = _index_numbers(estimator.numbers_, max(estimator.numbers_) + 1)
    yield Runtime(NUMPY, [neighbours.ClusterRuntime(assign, numbers, estimator.centres_)])


def _mixture(mixture: GaussianMixture) -> Callable[[Floats], NDArray[np.integer]]:
    cholesky, means = mixture.precisions_cholesky_, mixture.means_
    if mixture.covariance_type == "diag":
        constant = np.log(mixture.weights_) + np.log(cholesky).sum(axis=1)
        return neighbours.DiagonalMixture(means, cholesky**2, constant)
    constant = np.log(mixture.weights_) + np.log(np.diagonal(cholesky, axis1=1, axis2=2)).sum(axis=1)
    whitened_means = np.einsum("ij,ijk->ik", means, cholesky).ravel()
    return neighbours.FullMixture(np.hstack(cholesky), whitened_means, constant)


CONVERTERS: Mapping[type, Converter] = {
    LogisticRegression: _convert_logistic,
    Ridge: _convert_linear,
    ElasticNet: _convert_linear,
    MultinomialNB: _convert_multinomial,
    GaussianNB: _convert_gaussian,
    CalibratedClassifierCV: _convert_calibrated,
    SVR: _convert_svr,
    MLPClassifier: _convert_perceptron,
    MLPRegressor: _convert_perceptron,
    KNeighborsClassifier: _convert_neighbours,
    KNeighborsRegressor: _convert_neighbours,
    DummyClassifier: _convert_prior,
    DummyRegressor: _convert_mean,
    Clusters: _convert_clusters,
    **tree_converters.CONVERTERS,
}
