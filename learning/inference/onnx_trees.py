"""Trees as ONNX's operator for them, written down straight from the fitted arrays.

Their thresholds and leaves stay float64, so that each row takes the branches that scikit-learn takes; only the sum is
float32.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from .numeric import Floats

#: Versions that every onnxruntime of today reads.
_OPSETS = (("ai.onnx.ml", 3), ("", 17))
_IR = 8


@dataclass(frozen=True, eq=False)
class OnnxTree:
    """One tree by its nodes; children come behind their parents."""

    #: `(nodes,)` each; at a leaf the children are not read.
    leaf: NDArray[np.bool_]
    column: NDArray[np.integer[Any]]
    threshold: Floats
    left: NDArray[np.integer[Any]]
    right: NDArray[np.integer[Any]]
    #: Where what is missing goes.
    missing_left: NDArray[Any]
    #: `(nodes, answers)`, and which of the ensemble's answers the first is.
    values: Floats
    first: int = 0


def of_forest(forest: Any) -> tuple[list[OnnxTree], int]:
    """A fitted forest's trees, and how many answers they give; of two classes, the second's probability."""
    return [_of_tree(each.tree_, len(forest.estimators_)) for each in forest.estimators_], _answers(forest)


def _answers(forest: Any) -> int:
    classes = getattr(forest, "n_classes_", 1)
    return 1 if classes == 2 else int(classes)


def _of_tree(tree: Any, trees: int) -> OnnxTree:
    values = tree.value[:, 0, :]
    return OnnxTree(
        leaf=tree.children_left == -1,
        column=tree.feature,
        threshold=tree.threshold,
        left=tree.children_left,
        right=tree.children_right,
        missing_left=np.zeros(tree.node_count, dtype=np.int64),
        values=(values[:, 1:] if values.shape[1] == 2 else values) / trees,
    )


def of_boosting(boosting: Any, splits: "Splits") -> tuple[list[OnnxTree], int]:
    """The trees of fitted histogram boosting, and how many answers they give."""
    rounds = boosting._predictors
    trees = [
        _of_predictor(predictor, answer, splits)
        for predictors in rounds
        for answer, predictor in enumerate(predictors)
    ]
    return trees, boosting.n_trees_per_iteration_


def _of_predictor(predictor: Any, answer: int, splits: "Splits") -> OnnxTree:
    nodes = predictor.nodes
    column, threshold = nodes["feature_idx"].astype(np.int64), nodes["num_threshold"].copy()
    categorical = np.flatnonzero((nodes["is_categorical"] == 1) & (nodes["is_leaf"] == 0))
    for node in categorical:
        bits = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
        column[node] = splits.column(int(column[node]), bits, bool(nodes["missing_go_to_left"][node]))
        threshold[node] = 0.5
    return OnnxTree(
        leaf=nodes["is_leaf"] == 1,
        column=column,
        threshold=threshold,
        left=nodes["left"],
        right=nodes["right"],
        missing_left=nodes["missing_go_to_left"],
        values=nodes["value"][:, None],
        first=answer,
    )


@dataclass(eq=False)
class Splits:
    """Splits of categories as columns of their own, behind the others: 0 where a code goes left, 1 where right."""

    #: Of each column of codes, by its place: the codes as the estimator has them; NaN is missing or unknown to it.
    codes: dict[int, Floats]
    width: int
    _columns: dict[tuple[int, bytes, bool], int] = field(default_factory=dict)

    def column(self, place: int, bits: NDArray[np.uint32], missing_left: bool) -> int:
        """Which column tells where this split sends a code."""
        return self._columns.setdefault(
            (place, bits.tobytes(), missing_left), self.width + len(self._columns)
        )

    def tables(self) -> "Tables | None":
        """None where nothing is split by categories."""
        made = []
        for place, codes in self.codes.items():
            mine = [(c, bits, left) for (p, bits, left), c in self._columns.items() if p == place]
            if mine:
                columns = np.array([column for column, _, _ in mine], dtype=np.intp)
                sides = [_sides(codes, bits, left) for _, bits, left in mine]
                made.append((place, columns, np.column_stack(sides)))
        return Tables(made, self.width, len(self._columns)) if made else None


def _sides(codes: Floats, bits: bytes, missing_left: bool) -> Floats:
    words = np.frombuffer(bits, dtype=np.uint32)
    known = np.isfinite(codes)
    whole = np.where(known, codes, 0).astype(np.int64)
    left = (words[whole // 32] >> (whole % 32).astype(np.uint32)) & 1
    return np.where(known, 1.0 - left, 0.0 if missing_left else 1.0)


@dataclass(frozen=True, eq=False)
class Tables:
    """Adds the columns that say where splits of categories send a row."""

    #: Of each column of codes: its place, the columns that it makes, and their values by code, the missing one last.
    parts: Sequence[tuple[int, NDArray[np.intp], Floats]]
    width: int
    more: int

    def __call__(self, X: Floats) -> Floats:
        out = np.empty((len(X), self.width + self.more))
        out[:, : self.width] = X
        for place, columns, table in self.parts:
            codes = X[:, place]
            # Neither NaN nor a code beyond those that occurred is below the last.
            last = len(table) - 1
            known = np.where(codes < last, codes, last).astype(np.intp)
            out[:, columns] = table.take(known, axis=0)
        return out


def written(trees: Sequence[OnnxTree], answers: int, width: int, base: Floats | None = None) -> bytes:
    """The trees as an ONNX model from "X", float64 `(n, width)`, to "Y", float32 `(n, answers)`: the sum of their
    leaves and of `base`.
    """
    attributes = _nodes(trees) | _leaves(trees)
    if base is not None:
        attributes["base_values_as_tensor"] = numpy_helper.from_array(base, "base")
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["X"],
        ["Y"],
        domain="ai.onnx.ml",
        n_targets=answers,
        aggregate_function="SUM",
        post_transform="NONE",
        **attributes,
    )
    graph = helper.make_graph(
        [node],
        "trees",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, width])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, answers])],
    )
    opsets = [helper.make_opsetid(*opset) for opset in _OPSETS]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=_IR).SerializeToString())


def _nodes(trees: Sequence[OnnxTree]) -> dict[str, Any]:
    def inner(part: str) -> list[int]:
        return (
            np.concatenate([np.where(t.leaf, 0, getattr(t, part)) for t in trees]).astype(np.int64).tolist()
        )

    leaf = np.concatenate([tree.leaf for tree in trees])
    thresholds = np.concatenate([np.where(tree.leaf, 0.0, tree.threshold) for tree in trees])
    return {
        "nodes_treeids": [place for place, tree in enumerate(trees) for _ in tree.leaf],
        "nodes_nodeids": [node for tree in trees for node in range(len(tree.leaf))],
        "nodes_featureids": inner("column"),
        "nodes_values_as_tensor": numpy_helper.from_array(thresholds, "thresholds"),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_truenodeids": inner("left"),
        "nodes_falsenodeids": inner("right"),
        "nodes_missing_value_tracks_true": inner("missing_left"),
    }


def _leaves(trees: Sequence[OnnxTree]) -> dict[str, Any]:
    found = [_told(place, tree) for place, tree in enumerate(trees)]
    ids, nodes, answers, weights = (np.concatenate(part) for part in zip(*found, strict=True))
    return {
        "target_treeids": ids.tolist(),
        "target_nodeids": nodes.tolist(),
        "target_ids": answers.tolist(),
        "target_weights_as_tensor": numpy_helper.from_array(weights, "weights"),
    }


def _told(place: int, tree: OnnxTree) -> Iterator[Any]:
    """Of each leaf what it says: zeros are left out where it says something else too."""
    leaves = np.flatnonzero(tree.leaf)
    values = tree.values[leaves]
    said = values != 0 if values.shape[1] > 1 else np.ones_like(values, dtype=np.bool_)
    rows, answers = np.nonzero(said)
    yield from (np.full(len(rows), place), leaves[rows], tree.first + answers, values[rows, answers])
