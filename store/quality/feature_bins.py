"""Bins of features and answers, by which served values are compared with those that a version learned from.

Each bin has a place from 0; the last one is of missing values. Numbers and times have ranges with about equally many
rows that were learned from, and a place below and above these. Categories have a place for each value, and one for all
others; those of open categories are stored as hashes, since they may be about people. Texts and sets are compared by
their lengths.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from learning.json_types import JSONObject

from ..products.features import Feature

#: Ranges of a feature's numbers, and values up to which each is a range of its own.
RANGES, MOST_VALUES = 10, 20
#: Levels of an open category that have a place of their own.
MOST_LEVELS = 29
#: Characters of a level's hash.
HASH = 12

Counts = NDArray[np.int64]


class BinsBasis(StrEnum):
    """Kind of the values that bins are of."""

    #: Ranges of numbers, or of times in days.
    RANGES = "RANGES"
    #: Values of a category.
    VALUES = "VALUES"
    #: Hashes of the most frequent values of an open category.
    LEVELS = "LEVELS"
    #: Ranges of the number of characters.
    LENGTHS = "LENGTHS"


def basis_of(column: Feature) -> BinsBasis:
    """Return what bins of a feature are of."""
    kind = column.kind
    assert kind is not None
    if kind.is_open and not kind.is_set:
        return BinsBasis.LEVELS
    if kind.own_choices or (kind.is_category and not kind.is_open):
        return BinsBasis.VALUES
    return BinsBasis.RANGES if kind.is_ranged else BinsBasis.LENGTHS


def values_of(column: Feature) -> list[str]:
    """List the values of a category as PostgreSQL writes them."""
    assert column.kind is not None
    if column.kind.own_choices:
        return [str(value).lower() for value, _ in column.kind.own_choices]
    return [choice.text for choice in column.choices]


def key_sql(column: Feature, value: str) -> str:
    """Compile what bins are by, from a value `{0}` of the column's type: a number, or a text; null where missing."""
    basis, kind = basis_of(column), column.field_kind
    present = (kind.present_sql or "{0}").format(value)
    match basis:
        case BinsBasis.RANGES:
            return kind.number_sql.format(present)
        case BinsBasis.LENGTHS:
            return f"length(({value})::text)::float8"
        case BinsBasis.LEVELS:
            return f"left(md5(({value})::text), {HASH})"
    return f"({value})::text"


@dataclass(frozen=True, kw_only=True)
class FeatureBins:
    """The bins of one feature, or of answers, with the number of rows in each that were learned from."""

    #: The feature's name.
    name: str
    basis: BinsBasis
    #: Ends of the ranges, the last one just above the greatest number; empty unless these are ranges.
    edges: tuple[float, ...] = ()
    #: Values or hashes with a place each.
    values: tuple[str, ...] = ()
    #: True if each value that was learned from has a place.
    is_complete: bool = True
    #: By place; empty before they were counted.
    counts: tuple[int, ...] = ()

    @property
    def is_ranged(self) -> bool:
        """True for ranges of numbers."""
        return self.basis in (BinsBasis.RANGES, BinsBasis.LENGTHS)

    @property
    def size(self) -> int:
        """Number of places."""
        return (len(self.edges) + 1 if self.is_ranged else len(self.values) + 1) + 1

    def place_sql(self, key: str) -> str:
        """Compile the place of what `key_sql` compiles. Without placeholders, for a statement with parameters."""
        if self.is_ranged:
            edges = ",".join(map(repr, self.edges))
            place = f"width_bucket({key}, '{{{edges}}}'::float8[])" if self.edges else f"({key} * 0)::int"
            return f"COALESCE({place}, {self.size - 1})"
        with connection.cursor() as cursor:
            listed = cursor.mogrify("%s::text[]", [list(self.values)]).decode().replace("%", "%%")
        place = f"COALESCE(array_position({listed}, {key}) - 1, {len(self.values)})"
        return f"CASE WHEN {key} IS NULL THEN {self.size - 1} ELSE {place} END"

    def compared(self, counts: Counts) -> Counts:
        """Reduce counts by place to those of the bins that are compared: what lies beyond the ranges joins the ends."""
        if not self.is_ranged or len(self.edges) < 2:
            return counts
        below, *within, above, missing = counts.tolist()
        within[0] += below
        within[-1] += above
        return np.array([*within, missing], dtype=np.int64)

    def unseen(self, counts: Counts) -> int | None:
        """Count the values that the version has not learned from: out of range, or unknown; None if that is unknown."""
        if self.is_ranged:
            return int(counts[0] + counts[-2]) if self.edges else int(counts[:-1].sum())
        if not self.is_complete:
            return None
        learned = np.array(self.counts[:-1])
        return int(counts[:-1][learned == 0].sum())

    def with_counts(self, counts: Sequence[int] | Counts) -> Self:
        """Return the bins with the counts of the rows that were learned from."""
        return replace(self, counts=tuple(int(count) for count in counts))

    def as_json(self) -> JSONObject:
        """Convert to JSON's own types; `from_json` is the inverse."""
        return {
            "name": self.name,
            "basis": str(self.basis),
            "edges": list(self.edges),
            "values": list(self.values),
            "is_complete": self.is_complete,
            "counts": list(self.counts),
        }

    @classmethod
    def from_json(cls, stored: Any) -> Self:
        """Convert from `as_json`'s form."""
        return cls(
            name=stored["name"],
            basis=BinsBasis(stored["basis"]),
            edges=tuple(stored["edges"]),
            values=tuple(stored["values"]),
            is_complete=stored["is_complete"],
            counts=tuple(stored["counts"]),
        )


def edges_of(points: Sequence[float]) -> tuple[float, ...]:
    """Make the ends of ranges from ascending points, the last of which is the greatest number."""
    distinct = list(dict.fromkeys(points))
    if not distinct:
        return ()
    return (*(distinct[:-1] or distinct), float(np.nextafter(distinct[-1], np.inf)))


def edges_of_values(values: Sequence[float]) -> tuple[float, ...]:
    """Make the ends of ranges that have one value each."""
    return (*values, float(np.nextafter(values[-1], np.inf))) if values else ()


def bins_of_numbers(name: str, numbers: NDArray[Any]) -> FeatureBins:
    """Divide numbers into ranges, and count them."""
    ordered = np.sort(numbers.astype(np.float64))
    distinct = np.unique(ordered).tolist()
    if len(distinct) <= MOST_VALUES:
        edges = edges_of_values(distinct)
    else:
        points = np.quantile(ordered, np.arange(RANGES + 1) / RANGES, method="inverted_cdf")
        edges = edges_of(points.tolist())
    bins = FeatureBins(name=name, basis=BinsBasis.RANGES, edges=edges)
    places = np.searchsorted(np.array(edges), ordered, side="right")
    return bins.with_counts(np.bincount(places, minlength=bins.size))
