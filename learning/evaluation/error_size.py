"""Size of a regressor's error at an instance, as an interval needs it: plain Python, without scikit-learn.

An interval is computed on request in a web process, from the stored prediction and its features. Both parts of a size
are therefore tables in JSON's own types: a curve over the predicted value, and small trees over the features.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, isnan, nan
from typing import Any, Self, TypedDict

from ..encoding import LARGEST
from ..kinds import Kind

#: Factors by which the features may change the size of an error, at most.
LEAST_FACTOR, MOST_FACTOR = 0.1, 10.0

#: A node of a tree: the value of a leaf; or the column's index, the threshold up to which a row goes left, the nodes on
#: the left and on the right, and whether a missing value goes left. A list of length 1 or 5.
Node = Sequence[float]


class SizeCurveJSON(TypedDict):
    """A curve in JSON's own types."""

    at: list[float]
    below: list[float]
    above: list[float]


@dataclass(frozen=True, kw_only=True)
class SizeCurve:
    """Mean size of the errors around a predicted value: a line through points, level beyond the outer ones."""

    #: Predicted values, ascending.
    at: tuple[float, ...]
    #: Of the truths below the prediction, and above it: mean distance from it, over all truths.
    below: tuple[float, ...]
    above: tuple[float, ...]

    def sides(self, value: float) -> tuple[float, float]:
        """Compute the size below and above a predicted value."""
        right = bisect_right(self.at, value)
        if right == 0 or right == len(self.at):
            end = min(right, len(self.at) - 1)
            return self.below[end], self.above[end]
        share = (value - self.at[right - 1]) / (self.at[right] - self.at[right - 1])
        return _between(self.below, right, share), _between(self.above, right, share)

    def as_json(self) -> SizeCurveJSON:
        """Convert to JSON's own types; `from_json` is the inverse."""
        return {"at": list(self.at), "below": list(self.below), "above": list(self.above)}

    @classmethod
    def from_json(cls, stored: SizeCurveJSON) -> Self:
        """Convert from `as_json`'s form."""
        return cls(at=tuple(stored["at"]), below=tuple(stored["below"]), above=tuple(stored["above"]))


def _between(sizes: Sequence[float], right: int, share: float) -> float:
    return sizes[right - 1] * (1 - share) + sizes[right] * share


class SizeColumnJSON(TypedDict):
    """A column in JSON's own types."""

    name: str
    kind: str
    levels: dict[str, float] | None


class SizeFactorJSON(TypedDict):
    """A factor in JSON's own types."""

    columns: list[SizeColumnJSON]
    trees: list[list[list[float]]]


@dataclass(frozen=True, kw_only=True)
class SizeColumn:
    """A feature on which the size depends."""

    name: str
    kind: Kind
    #: Number of each level of a category; others count as missing. None: no category.
    levels: Mapping[str, float] | None = None

    def number(self, features: Mapping[str, Any]) -> float:
        """Encode the value of a stored instance; NaN where it is missing or not readable."""
        value = features.get(self.name)
        if value is None:
            return nan
        if self.levels is not None:
            return self.levels.get(str(value), nan)
        try:
            number = self.kind.to_float(self.kind.from_json(value))
        except (ArithmeticError, AttributeError, TypeError, ValueError):
            return nan
        return min(max(number, -LARGEST), LARGEST)


@dataclass(frozen=True, kw_only=True)
class SizeFactor:
    """Factor of an error's size by the features: the exponential of a sum of small trees.

    The trees take the columns in their order, and the predicted value as the last one.
    """

    columns: tuple[SizeColumn, ...]
    trees: tuple[tuple[Node, ...], ...]

    def of(self, value: float, features: Mapping[str, Any]) -> float:
        """Compute the factor for a stored instance with this prediction."""
        row = [column.number(features) for column in self.columns]
        row.append(value)
        total = sum(_leaf(tree, row) for tree in self.trees)
        return min(max(exp(min(total, 50.0)), LEAST_FACTOR), MOST_FACTOR)

    def as_json(self) -> SizeFactorJSON:
        """Convert to JSON's own types; `from_json` is the inverse."""
        return {
            "columns": [
                {
                    "name": column.name,
                    "kind": str(column.kind),
                    "levels": None if column.levels is None else dict(column.levels),
                }
                for column in self.columns
            ],
            "trees": [[list(node) for node in tree] for tree in self.trees],
        }

    @classmethod
    def from_json(cls, stored: SizeFactorJSON) -> Self:
        """Convert from `as_json`'s form."""
        columns = (
            SizeColumn(name=each["name"], kind=Kind(each["kind"]), levels=each["levels"])
            for each in stored["columns"]
        )
        trees = (tuple(tuple(node) for node in tree) for tree in stored["trees"])
        return cls(columns=tuple(columns), trees=tuple(trees))


def _leaf(tree: Sequence[Node], row: Sequence[float]) -> float:
    """Find the value of the leaf in which a row ends."""
    node = tree[0]
    while len(node) > 1:
        column, threshold, left, right, missing_left = node
        number = row[int(column)]
        goes_left = missing_left if isnan(number) else number <= threshold
        node = tree[int(left if goes_left else right)]
    return node[0]
