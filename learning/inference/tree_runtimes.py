"""Runtimes of forests and of histogram boosting."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import treelite.frontend
import treelite.sklearn
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from treelite import TreeliteError

from . import onnx_trees, runtimes
from .numeric import Floats
from .onnx_sessions import OnnxSession, narrowed
from .plan import ColumnPlan
from .runtimes import Runtime
from .treelite_models import TreeliteModel

#: With more nodes than this, trees take too long to be written down for onnxruntime, and half a kilobyte each to load.
MOST_NODES = 500_000
ONNX, TREELITE = "onnxruntime", "treelite"
Step = Callable[[Any], Any]


def _forest(forest: Any, plan: ColumnPlan) -> Iterator[Runtime]:
    made, answers = onnx_trees.of_forest(forest)
    classes = hasattr(forest, "n_classes_")
    one: list[Step] = [runtimes.both] if classes else [runtimes.value]
    if _nodes(made) <= MOST_NODES:
        session = OnnxSession(onnx_trees.written(made, answers, forest.n_features_in_))
        yield Runtime(ONNX, [narrowed, session, *(one if answers == 1 else [])])
    yield from _treelite(forest, [narrowed], [] if classes else one)


def _boosting(boosting: Any, plan: ColumnPlan) -> Iterator[Runtime]:
    width = boosting.n_features_in_
    splits = onnx_trees.Splits(_codes(boosting), width)
    made, answers = onnx_trees.of_boosting(boosting, splits)
    tables = splits.tables()
    if _nodes(made) <= MOST_NODES:
        wide = width + (tables.more if tables else 0)
        session = OnnxSession(onnx_trees.written(made, answers, wide, boosting._baseline_prediction.ravel()))
        yield Runtime(ONNX, [*([tables] if tables else []), session, _link(boosting, answers)])
    yield from _treelite(boosting, [], _ends(boosting))


def _nodes(made: Sequence[onnx_trees.OnnxTree]) -> int:
    return sum(len(tree.leaf) for tree in made)


def _treelite(estimator: Any, before: list[Step], behind: list[Step]) -> Iterator[Runtime]:
    try:
        model = treelite.sklearn.import_model(estimator)
    except (
        TreeliteError,
        AssertionError,
        NotImplementedError,
    ):  # as it says that it does not know the estimator
        return
    yield Runtime(TREELITE, [*before, TreeliteModel(model), *behind])


def _ends(boosting: Any) -> list[Step]:
    """From what Treelite says of boosting."""
    if not hasattr(boosting, "classes_"):
        return [runtimes.value]
    return [runtimes.both] if len(boosting.classes_) == 2 else []


def _lightgbm(boosting: Any, plan: ColumnPlan) -> Iterator[Runtime]:
    yield Runtime(
        TREELITE, [TreeliteModel(treelite.frontend.from_lightgbm(boosting.booster_)), *_ends(boosting)]
    )


def _xgboost(boosting: Any, plan: ColumnPlan) -> Iterator[Runtime]:
    yield Runtime(
        TREELITE, [TreeliteModel(treelite.frontend.from_xgboost(boosting.get_booster())), *_ends(boosting)]
    )


def _link(boosting: Any, answers: int) -> Step:
    if not hasattr(boosting, "classes_"):
        return runtimes.value
    return runtimes.sigmoid_pair if answers == 1 else runtimes.softmax


def _codes(boosting: Any) -> dict[int, Floats]:
    """Of each column of codes, the codes as the estimator has them by the codes as `preprocess.ordinal` has them; one
    more, for what is missing, is NaN.
    """
    if boosting._preprocessor is None:
        return {}
    encoder = boosting._preprocessor.named_transformers_["encoder"]
    places = np.flatnonzero(boosting.is_categorical_)
    return {int(p): _recoded(seen) for p, seen in zip(places, encoder.categories_, strict=True)}


def _recoded(seen: Floats) -> Floats:
    """`seen` are the codes that occurred, ascending; others are as good as missing."""
    known = seen[np.isfinite(seen)].astype(np.int64)
    codes = np.full((known.max() if len(known) else 0) + 2, np.nan)
    codes[known] = np.arange(len(known))
    return codes


MAKERS: Mapping[type, Callable[[Any, ColumnPlan], Iterator[Runtime]]] = {
    **dict.fromkeys(
        (ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor), _forest
    ),
    **dict.fromkeys((HistGradientBoostingClassifier, HistGradientBoostingRegressor), _boosting),
}
#: By the package that an estimator is from: it need not be installed.
MAKERS_OF_OTHERS: Mapping[str, Callable[[Any, ColumnPlan], Iterator[Runtime]]] = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
}
