"""ONNX models of tree ensembles, encoded directly from the fitted arrays.

Thresholds and leaf values stay float64, so that each row takes the same branches as in scikit-learn; only the sum is
float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ..inference.numeric import Floats
from ..inference.split_indicators import SplitIndicators

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
    from sklearn.tree._tree import Tree

#: Versions that current onnxruntime releases read.
_OPSETS = (("ai.onnx.ml", 3), ("", 17))
_IR_VERSION = 8
#: Attributes of ONNX's TreeEnsembleRegressor operator.
Attributes = dict[str, Any]


@dataclass(frozen=True, eq=False)
class OnnxTree:
    """Nodes of one tree; children come after their parents."""

    #: `(nodes,)` each; at a leaf the children are not read.
    is_leaf: NDArray[np.bool_]
    column: NDArray[np.integer]
    threshold: Floats
    left: NDArray[np.integer]
    right: NDArray[np.integer]
    #: Whether missing values go left.
    missing_left: NDArray[np.integer]
    #: `(nodes, outputs)`, and the index of the first of these outputs in the ensemble.
    values: Floats
    first_output: int = 0


def read_forest(forest: "BaseEstimator") -> tuple[list[OnnxTree], int]:
    """Read a fitted forest's trees and the number of its outputs (one for two classes: the second's probability)."""
    classes = getattr(forest, "n_classes_", 1)
    trees = [_read_tree(member.tree_, len(forest.estimators_)) for member in forest.estimators_]
    return trees, 1 if classes == 2 else int(classes)


def _read_tree(tree: "Tree", trees: int) -> OnnxTree:
    values = tree.value[:, 0, :]
    return OnnxTree(
        is_leaf=tree.children_left == -1,
        column=tree.feature,
        threshold=tree.threshold,
        left=tree.children_left,
        right=tree.children_right,
        missing_left=np.zeros(tree.node_count, dtype=np.int64),
        values=(values[:, 1:] if values.shape[1] == 2 else values) / trees,
    )


def read_boosting(boosting: "BaseEstimator", splits: "CategorySplits") -> tuple[list[OnnxTree], int]:
    """Read the trees of fitted histogram boosting and the number of outputs; adds category splits to `splits`."""
    trees = [
        _read_predictor(predictor, output, splits)
        for predictors in boosting._predictors
        for output, predictor in enumerate(predictors)
    ]
    return trees, boosting.n_trees_per_iteration_


def _read_predictor(predictor: "TreePredictor", output: int, splits: "CategorySplits") -> OnnxTree:
    nodes = predictor.nodes
    column, threshold = nodes["feature_idx"].astype(np.int64), nodes["num_threshold"].copy()
    categorical = np.flatnonzero((nodes["is_categorical"] == 1) & (nodes["is_leaf"] == 0))
    for node in categorical:
        bits = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
        column[node] = splits.add(int(column[node]), bits, bool(nodes["missing_go_to_left"][node]))
        threshold[node] = 0.5
    return OnnxTree(
        is_leaf=nodes["is_leaf"] == 1,
        column=column,
        threshold=threshold,
        left=nodes["left"],
        right=nodes["right"],
        missing_left=nodes["missing_go_to_left"],
        values=nodes["value"][:, None],
        first_output=output,
    )


@dataclass(eq=False)
class CategorySplits:
    """Splits by categories as added 0/1 columns: 0 sends a row left, 1 sends it right."""

    #: For each category column, by index: `preprocess.ordinal`'s codes to the estimator's; NaN is missing or unknown.
    codes: dict[int, Floats]
    width: int
    _columns: dict[tuple[int, bytes, bool], int] = field(default_factory=dict)

    def add(self, column: int, bits: NDArray[np.uint32], missing_left: bool) -> int:
        """Add a split of this category column, if new; returns the index of its 0/1 column."""
        return self._columns.setdefault(
            (column, bits.tobytes(), missing_left), self.width + len(self._columns)
        )

    def indicators(self) -> SplitIndicators | None:
        """Build the step that appends the 0/1 columns; None if no category is split."""
        parts = []
        for source, codes in self.codes.items():
            splits = [(c, bits, left) for (s, bits, left), c in self._columns.items() if s == source]
            if splits:
                columns = np.array([column for column, _, _ in splits], dtype=np.intp)
                sides = [_sides(codes, bits, left) for _, bits, left in splits]
                parts.append((source, columns, np.column_stack(sides)))
        return SplitIndicators(parts, self.width, len(self._columns)) if parts else None


def _sides(codes: Floats, bits: bytes, missing_left: bool) -> Floats:
    """Compute the side, 0 or 1, of each code from the bitset of the codes that go left."""
    words = np.frombuffer(bits, dtype=np.uint32)
    present = np.isfinite(codes)
    integers = np.where(present, codes, 0).astype(np.int64)
    left = (words[integers // 32] >> (integers % 32).astype(np.uint32)) & 1
    return np.where(present, 1.0 - left, 0.0 if missing_left else 1.0)


def encode(trees: Sequence[OnnxTree], outputs: int, width: int, base: Floats | None = None) -> bytes:
    """Encode the trees as an ONNX model from "X", float64 `(n, width)`, to "Y", float32 `(n, outputs)`: the sum of
    the leaves and of `base`.
    """
    attributes = _node_attributes(trees) | _leaf_attributes(trees)
    if base is not None:
        attributes["base_values_as_tensor"] = numpy_helper.from_array(base, "base")
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["X"],
        ["Y"],
        domain="ai.onnx.ml",
        n_targets=outputs,
        aggregate_function="SUM",
        post_transform="NONE",
        **attributes,
    )
    graph = helper.make_graph(
        [node],
        "trees",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, width])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, outputs])],
    )
    opsets = [helper.make_opsetid(*opset) for opset in _OPSETS]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION).SerializeToString())


def _node_attributes(trees: Sequence[OnnxTree]) -> Attributes:
    def inner(part: str) -> list[int]:
        values = np.concatenate([np.where(t.is_leaf, 0, getattr(t, part)) for t in trees])
        return values.astype(np.int64).tolist()

    is_leaf = np.concatenate([tree.is_leaf for tree in trees])
    thresholds = np.concatenate([np.where(tree.is_leaf, 0.0, tree.threshold) for tree in trees])
    return {
        "nodes_treeids": [index for index, tree in enumerate(trees) for _ in tree.is_leaf],
        "nodes_nodeids": [node for tree in trees for node in range(len(tree.is_leaf))],
        "nodes_featureids": inner("column"),
        "nodes_values_as_tensor": numpy_helper.from_array(thresholds, "thresholds"),
        "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_truenodeids": inner("left"),
        "nodes_falsenodeids": inner("right"),
        "nodes_missing_value_tracks_true": inner("missing_left"),
    }


def _leaf_attributes(trees: Sequence[OnnxTree]) -> Attributes:
    parts = [_leaf_entries(index, tree) for index, tree in enumerate(trees)]
    ids, nodes, outputs, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
    return {
        "target_treeids": ids.tolist(),
        "target_nodeids": nodes.tolist(),
        "target_ids": outputs.tolist(),
        "target_weights_as_tensor": numpy_helper.from_array(weights, "weights"),
    }


def _leaf_entries(
    index: int, tree: OnnxTree
) -> tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.intp], Floats]:
    """List the tree's leaf values as (tree, node, output, weight); zeros are dropped if there are several outputs."""
    leaves = np.flatnonzero(tree.is_leaf)
    values = tree.values[leaves]
    nonzero = values != 0 if values.shape[1] > 1 else np.ones_like(values, dtype=np.bool_)
    rows, outputs = np.nonzero(nonzero)
    return np.full(len(rows), index), leaves[rows], tree.first_output + outputs, values[rows, outputs]
