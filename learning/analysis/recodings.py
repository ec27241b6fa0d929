"""Recodings: columns that say what another says in other units, on another scale, or by other names.

Equal columns are found by `findings`. Columns are compared on at most `CELLS` sampled cells.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from pandas import factorize
from scipy.stats import rankdata

from .report import Correlation
from .statistics import Cells, ColumnStatistics, Rows, is_missing, sample

Columns = Sequence[ColumnStatistics]
Numbers = NDArray[np.float64]

#: Upper bound of the sampled cells.
CELLS = 2_000_000
#: Least information of a column, summed over the rows in nats: with less, chance may make two columns agree.
EVIDENCE = 20.0
#: Mean number of rows per value from which on values that go with each other are a recoding, not two identifiers.
REPEATED = 5
#: Least rank correlation of rounded columns that are compared.
CORRELATED = 0.99
#: Decimal places that rounding is looked for at; slack of its bounds, and their largest share of a column's deviation.
PLACES, SLACK, FINE = range(7), 1.1, 0.25
#: Slopes closer to 1 than this may be one unit, in which equal quantities have equal digits.
SAME_UNIT = 0.02
#: Relative rounding error of numbers that are not rounded.
EXACT = 1e-9


def find_recodings(
    columns: Columns, correlations: Mapping[str, Sequence[Correlation]], seed: int
) -> dict[str, str]:
    """Map the columns that are better left out to a predicate about what they repeat."""
    if len(columns) < 2:
        return {}
    rows = sample(columns[0].rows, len(columns), seed, CELLS)
    codings = [coding for column in columns if (coding := Coding(column, rows)).is_evidence]
    predicates: dict[str, str] = {}
    for first, second, predicate in _pairs(codings, correlations):
        if first.name not in predicates:
            predicates.setdefault(second.name, predicate)
    return predicates


@dataclass(frozen=True, eq=False)
class Coding:
    """Sampled values of a column."""

    column: ColumnStatistics
    rows: Rows | None

    @property
    def name(self) -> str:
        return self.column.name

    @cached_property
    def cells(self) -> Cells:
        values = self.column.values
        return values if self.rows is None else values[self.rows]

    @cached_property
    def codes(self) -> NDArray[np.intp]:
        """Values numbered in the order in which they appear: equal for columns whose values go one to one."""
        return np.asarray(factorize(self.cells, use_na_sentinel=False)[0])

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        return np.bincount(self.codes)

    @property
    def is_evidence(self) -> bool:
        """Return whether chance does not repeat the column."""
        shares = self.counts / len(self.codes)
        return bool(-(self.counts * np.log(shares)).sum() >= EVIDENCE)

    @property
    def is_repeated(self) -> bool:
        """Return whether values recur so often that they are names of something."""
        return len(self.codes) >= REPEATED * len(self.counts)

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Ranks of the distinct values, ascending or descending so that the first of the rows is low."""
        missing = is_missing(self.cells)
        ranks = np.zeros(len(self.cells), dtype=np.intp)
        ranks[~missing] = rankdata(self.cells[~missing], method="dense")
        reverse = np.where(missing, 0, ranks.max() + 1 - ranks)
        different = np.flatnonzero(ranks != reverse)
        return reverse if len(different) and ranks[different[0]] > reverse[different[0]] else ranks


def _pairs(
    codings: Sequence[Coding], correlations: Mapping[str, Sequence[Correlation]]
) -> Iterator[tuple[Coding, Coding, str]]:
    """Yield pairs of which the second may be left out, with a predicate about it."""
    ordered = [coding for coding in codings if coding.column.kind.is_ordered]
    for first, second in _equal_pairs(ordered, lambda coding: coding.order):
        predicate = _describe_unit(first, second)
        yield first, second, predicate or f"orders all rows as {first.name} does: leave one of them out."
    by_name = {coding.name: coding for coding in ordered}
    for name, other in _correlated(correlations):
        if name in by_name and other in by_name:
            one, two = sorted((by_name[name], by_name[other]), key=lambda coding: -len(coding.counts))
            if predicate := _describe_unit(one, two):
                yield one, two, predicate
    named = [c for c in codings if c.is_repeated and (not c.column.kind.is_ranged or c.column.kind.is_whole)]
    for one, two in _equal_pairs(named, lambda coding: coding.codes):
        if not (one.column.kind.is_ordered and two.column.kind.is_ordered):
            first, second = (two, one) if two.column.kind.is_ordered else (one, two)
            yield first, second, f"has another name for each value of {first.name}: leave one of them out."


def _equal_pairs(
    codings: Iterable[Coding], key: Callable[[Coding], NDArray[np.intp]]
) -> Iterator[tuple[Coding, Coding]]:
    """Yield the pairs of columns with equal keys, in their order."""
    groups: dict[int, list[Coding]] = {}
    for coding in codings:
        groups.setdefault(crc32(key(coding).tobytes()), []).append(coding)
    for group in groups.values():
        yield from ((one, two) for one, two in combinations(group, 2) if np.array_equal(key(one), key(two)))


def _correlated(correlations: Mapping[str, Sequence[Correlation]]) -> list[tuple[str, str]]:
    """List the pairs whose ranks are almost equal."""
    pairs = {
        (name, other.feature) if name < other.feature else (other.feature, name): None
        for name, others in correlations.items()
        for other in others
        if abs(other.rho) >= CORRELATED
    }
    return list(pairs)


def _describe_unit(first: Coding, second: Coding) -> str | None:
    """Describe the second column as the first one in another unit; None if it is not, up to rounding."""
    missing = is_missing(first.cells)
    if not np.array_equal(missing, is_missing(second.cells)):
        return None
    x, y = first.cells[~missing].astype(np.float64), second.cells[~missing].astype(np.float64)
    deviation = float(y.std())
    if x.std() == 0 or deviation == 0:
        return None
    slope = float(((x - x.mean()) * (y - y.mean())).mean() / x.var())
    constant = float(y.mean() - slope * x.mean())
    error = float(abs(y - constant - slope * x).max())
    if error > _rounding(x, y, slope) or error > FINE * deviation:
        return None
    sign, shift = ("+", constant) if constant >= 0 else ("−", -constant)
    shifted = f" {sign} {shift:.4g}" if shift > EXACT * float(abs(y).max()) + error else ""
    rounded = ", rounded" if error > EXACT * float(abs(y).max()) else ""
    return f"is {first.name} in another unit ({slope:.4g} × {first.name}{shifted}{rounded}): leave it out."


def _rounding(x: Numbers, y: Numbers, slope: float) -> float:
    """Compute the largest difference that rounding both columns makes."""
    steps = _step(x), _step(y)
    exact = EXACT * float(abs(y).max())
    if abs(abs(slope) - 1) < SAME_UNIT and steps[0] == steps[1]:
        return exact
    return SLACK * (abs(slope) * steps[0] + steps[1]) / 2 + exact


def _step(numbers: Numbers) -> float:
    """Find the decimal unit that the numbers are rounded to; 0 if they are not."""
    for places in PLACES:
        scaled = numbers * 10.0**places
        if float(abs(scaled - np.round(scaled)).max()) <= 1e-6:
            return float(10.0**-places)
    return 0.0
