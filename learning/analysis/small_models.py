"""Small trees and their scores, as scikit-learn has them, without its checks of inputs: these take most of the time.

The inputs are arrays that this package made itself. Results equal scikit-learn's to the last digit.
"""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

Tree = TypeVar("Tree", DecisionTreeClassifier, DecisionTreeRegressor)
Numbers = NDArray[np.float64]


def tree_input(X: Numbers) -> NDArray[np.float32]:
    """Convert finite numbers to what trees split: `(m, columns)`."""
    return np.ascontiguousarray(X, dtype=np.float32)


def fit_tree(tree: Tree, X: NDArray[np.float32], y: NDArray[Any]) -> Tree:
    """Fit a tree; its `predict` takes `check_input=False`, too."""
    with config_context(skip_parameter_validation=True):
        tree.fit(X, y, check_input=False)
    return tree


def fit_predict(model: BaseEstimator, X: Numbers, y: NDArray[Any], unseen: Numbers) -> NDArray[Any]:
    """Fit a model, and predict other rows."""
    if not isinstance(model, DecisionTreeClassifier | DecisionTreeRegressor):
        return np.asarray(model.fit(X, y).predict(unseen))
    tree = fit_tree(model, tree_input(X), y)
    return np.asarray(tree.predict(tree_input(unseen), check_input=False))


def roc_auc(y: NDArray[np.int64], scores: Numbers) -> float:
    """Compute the area under the ROC curve of classes 0 and 1 by the trapezoidal rule."""
    order = np.argsort(-scores, kind="stable")
    ordered, truth = scores[order], y[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(y) - 1)
    hits = np.cumsum(truth, dtype=np.float64)[ends]
    alarms = 1.0 + ends - hits
    if len(ends) > 2:  # points between others on a line
        corners = np.concatenate(([True], np.logical_or(np.diff(alarms, 2), np.diff(hits, 2)), [True]))
        hits, alarms = hits[corners], alarms[corners]
    hits, alarms = np.append(0.0, hits), np.append(0.0, alarms)
    return float(np.trapezoid(hits / hits[-1], alarms / alarms[-1]))


def accuracy(y: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Compute the share of equal classes."""
    return float((y == predicted).mean())


def explained_variance(y: Numbers, predicted: Numbers) -> float:
    """Compute R²; 1 of predictions without errors, else 0 of labels without variance."""
    errors, deviations = (y - predicted) ** 2, (y - y.mean()) ** 2
    error, total = float(errors.sum()), float(deviations.sum())
    if not total:
        return 0.0 if error else 1.0
    return 1 - error / total
