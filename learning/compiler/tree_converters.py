"""Converters of fitted forests and boosted trees to onnxruntime and Treelite."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import treelite.frontend
import treelite.sklearn
from sklearn.base import BaseEstimator
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from treelite import TreeliteError

from ..inference import runtimes
from ..inference.numeric import Floats
from ..inference.onnx_sessions import OnnxSession, round_to_float32
from ..inference.plan import ColumnPlan
from ..inference.runtimes import Runtime, Step
from ..inference.treelite_models import TreeliteModel
from . import onnx_trees

#: Above this number of nodes an ONNX model takes too long to encode, and half a kilobyte per node to load.
MOST_NODES = 500_000
ONNX, TREELITE = "onnxruntime", "treelite"
#: Yields the runtimes of a fitted estimator that takes the plan's array.
Converter = Callable[[BaseEstimator, ColumnPlan], Iterator[Runtime]]


def _convert_forest(forest: BaseEstimator, plan: ColumnPlan) -> Iterator[Runtime]:
    trees, outputs = onnx_trees.read_forest(forest)
    is_classifier = hasattr(forest, "n_classes_")
    single: list[Step] = [runtimes.complement] if is_classifier else [runtimes.first_column]
    if _count_nodes(trees) <= MOST_NODES:
        session = OnnxSession(onnx_trees.encode(trees, outputs, forest.n_features_in_))
        yield Runtime(ONNX, [round_to_float32, session, *(single if outputs == 1 else [])])
    yield from _convert_to_treelite(forest, [round_to_float32], [] if is_classifier else single)


def _convert_boosting(boosting: BaseEstimator, plan: ColumnPlan) -> Iterator[Runtime]:
    columns = boosting.n_features_in_
    splits = onnx_trees.CategorySplits(_estimator_codes(boosting), columns)
    trees, outputs = onnx_trees.read_boosting(boosting, splits)
    indicators = splits.indicators()
    if _count_nodes(trees) <= MOST_NODES:
        width = columns + (indicators.added if indicators else 0)
        model = onnx_trees.encode(trees, outputs, width, boosting._baseline_prediction.ravel())
        steps: list[Step] = [
            *([indicators] if indicators else []),
            OnnxSession(model),
            _link(boosting, outputs),
        ]
        yield Runtime(ONNX, steps)
    yield from _convert_to_treelite(boosting, [], _treelite_link(boosting))


def _count_nodes(trees: Sequence[onnx_trees.OnnxTree]) -> int:
    return sum(len(tree.is_leaf) for tree in trees)


def _convert_to_treelite(
    estimator: BaseEstimator, before: list[Step], after: list[Step]
) -> Iterator[Runtime]:
    try:
        model = treelite.sklearn.import_model(estimator)
    except (
        TreeliteError,
        AssertionError,
        NotImplementedError,
    ):  # raised for estimators that it does not support
        return
    yield Runtime(TREELITE, [*before, TreeliteModel(model), *after])


def _treelite_link(boosting: BaseEstimator) -> list[Step]:
    """Return the steps from Treelite's output of boosted trees to the estimator's."""
    if not hasattr(boosting, "classes_"):
        return [runtimes.first_column]
    return [runtimes.complement] if len(boosting.classes_) == 2 else []


def _convert_lightgbm(boosting: BaseEstimator, plan: ColumnPlan) -> Iterator[Runtime]:
    model = treelite.frontend.from_lightgbm(boosting.booster_)
    yield Runtime(TREELITE, [TreeliteModel(model), *_treelite_link(boosting)])


def _convert_xgboost(boosting: BaseEstimator, plan: ColumnPlan) -> Iterator[Runtime]:
    model = treelite.frontend.from_xgboost(boosting.get_booster())
    yield Runtime(TREELITE, [TreeliteModel(model), *_treelite_link(boosting)])


def _link(boosting: BaseEstimator, outputs: int) -> Step:
    if not hasattr(boosting, "classes_"):
        return runtimes.first_column
    return runtimes.sigmoid_pair if outputs == 1 else runtimes.softmax


def _estimator_codes(boosting: BaseEstimator) -> dict[int, Floats]:
    """Map each category column's codes, as `preprocess.ordinal` writes them, to the estimator's own codes.

    The last entry of each array is NaN: the code of a missing value.
    """
    if boosting._preprocessor is None:
        return {}
    encoder = boosting._preprocessor.named_transformers_["encoder"]
    columns = np.flatnonzero(boosting.is_categorical_)
    return {int(c): _renumber(present) for c, present in zip(columns, encoder.categories_, strict=True)}


def _renumber(present: Floats) -> Floats:
    """Number the codes that occurred in the training data, ascending; all others count as missing."""
    codes = present[np.isfinite(present)].astype(np.int64)
    renumbered = np.full((codes.max() if len(codes) else 0) + 2, np.nan)
    renumbered[codes] = np.arange(len(codes))
    return renumbered


CONVERTERS: Mapping[type, Converter] = {
    **dict.fromkeys(
        (ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor),
        _convert_forest,
    ),
    **dict.fromkeys((HistGradientBoostingClassifier, HistGradientBoostingRegressor), _convert_boosting),
}
#: Converters by the estimator's package, which need not be installed.
PACKAGE_CONVERTERS: Mapping[str, Converter] = {"lightgbm": _convert_lightgbm, "xgboost": _convert_xgboost}
