"""Findings: features that are constant, copies, recodings, identifiers, give the label, or have too many categories."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ..dataset import Dataset
from ..encoding import MISSING
from .determination import find_determination
from .identifiers import is_identifier
from .recodings import find_recodings
from .relations import RelationScores
from .report import Correlation, Finding, FindingKind
from .statistics import Cells, ColumnStatistics

#: Score from which on a single feature is suspected to leak the label.
DECIDES = 0.995
#: A leaking feature's error is this many times smaller than that of the next feature, or of chance.
CLEARLY = 4
#: Mean rows per category below which there are too many categories.
ENOUGH = 5
#: Sampled cells of the first comparison of two columns.
COMPARED_CELLS = 1_000


def find_findings(
    columns: Sequence[ColumnStatistics],
    scores: RelationScores | None,
    correlations: Mapping[str, Sequence[Correlation]],
    dataset: Dataset,
    seed: int,
    related: Sequence[ColumnStatistics] | None = None,
) -> Iterator[Finding]:
    """Find what is suspicious about each feature, in the features' order.

    Args:
        dataset: The rows whose labels count.
        related: The same columns in these rows; None: they are all rows.
    """
    copies = _find_copies([column for column in columns if _varies(column)])
    originals = [c for c in columns if _varies(c) and c.name not in copies and not _identifies(c)]
    recodings = find_recodings(originals, correlations, seed)
    leaks = _find_leaks(scores) if scores else {}
    others = [column for column in originals if column.name not in {*recodings, *leaks}]
    names = {column.name for column in others}
    others = others if related is None else [c for c in related if c.name in names and _varies(c)]
    together, determination = find_determination(others, dataset, seed) or ((), "")
    by_kind: dict[FindingKind, Mapping[str, str]] = {
        FindingKind.DUPLICATE: {name: f"equals {original} in each row." for name, original in copies.items()},
        FindingKind.RECODING: recodings,
        FindingKind.LEAKAGE: leaks,
    }
    for column in columns:
        if not _varies(column):
            yield _finding(FindingKind.CONSTANT, column, _describe_constant(column))
            continue
        for kind, predicates in by_kind.items():
            if column.name in predicates:
                yield _finding(kind, column, predicates[column.name])
        if column.name in together:
            yield Finding(kind=FindingKind.DETERMINATION, feature=column.name, sentence=determination)
        yield from _find_many_values(column)


def _find_many_values(column: ColumnStatistics) -> Iterator[Finding]:
    """Find whether the values of a column are too many to learn from."""
    if _identifies(column):
        count = f"{column.distinct:,} different values in {column.rows:,} rows"
        yield _finding(FindingKind.IDENTIFIER, column, f"looks like an identifier: it has {count}.")
    elif _has_too_many_categories(column):
        count = f"{column.distinct:,} categories in {column.rows - column.missing_count:,} rows"
        predicate = f"has {count}: most are too rare to learn from."
        yield _finding(FindingKind.MANY_CATEGORIES, column, predicate)


def _finding(kind: FindingKind, column: ColumnStatistics, predicate: str) -> Finding:
    return Finding(kind=kind, feature=column.name, sentence=f"{column.name} {predicate}")


def _varies(column: ColumnStatistics) -> bool:
    """Return whether two rows differ; a value that is sometimes missing differs too."""
    if column.missing_count == column.rows:
        return False
    return column.missing_count > 0 or column.sampled_distinct > 1 or _has_two_values(column.values)


def _has_two_values(values: Cells) -> bool:
    """Return whether a column that is constant in the sample has another value elsewhere."""
    return bool((values != values[0]).any())


def _describe_constant(column: ColumnStatistics) -> str:
    return "is the same in each row." if column.missing_count < column.rows else "is missing in each row."


def _find_copies(columns: Sequence[ColumnStatistics]) -> dict[str, str]:
    """Map the columns that equal an earlier one to that column.

    Only columns with equal samples are hashed, and only columns with equal hashes are compared cell by cell.
    """
    copies: dict[str, str] = {}
    for similar in _group(columns, _hash_sample):
        for equal in _group(similar, _hash) if len(similar) > 1 else ():
            originals: list[ColumnStatistics] = []
            for column in equal:
                original = next((o for o in originals if _equal(_comparable(o), _comparable(column))), None)
                if original is None:
                    originals.append(column)
                else:
                    copies[column.name] = original.name
    return copies


def _group(
    columns: Sequence[ColumnStatistics], key: Callable[[ColumnStatistics], Hashable]
) -> Iterator[list[ColumnStatistics]]:
    """Yield the columns with equal keys, in their order."""
    groups: dict[Hashable, list[ColumnStatistics]] = {}
    for column in columns:
        groups.setdefault(key(column), []).append(column)
    yield from groups.values()


def _hash_sample(column: ColumnStatistics) -> Hashable:
    step = max(1, column.rows // COMPARED_CELLS)
    return column.missing_count, _hash(column, step)


def _hash(column: ColumnStatistics, step: int = 1) -> Hashable:
    cells = _comparable(column)[::step]
    # Adding zero makes the two signs of zero equal.
    return hash(tuple(cells)) if cells.dtype == object else crc32((cells + 0.0).tobytes())


def _comparable(column: ColumnStatistics) -> Cells:
    """Return values that can be compared between columns: choices or levels of categories instead of their codes."""
    if not column.column.kind.is_category:
        return column.values
    choices: NDArray[np.object_] = np.array([*column.levels, None], dtype=object)
    assert MISSING == -1, "the code of a missing value selects the last entry"
    return choices[column.values]


def _equal(one: Cells, other: Cells) -> bool:
    if one.dtype != other.dtype:
        return False
    return bool(np.array_equal(one, other, equal_nan=one.dtype != object))


def _find_leaks(scores: RelationScores) -> dict[str, str]:
    """Map the features that predict the label almost perfectly, and far better than others, to a sentence."""
    deciding = {name: score for name, score in scores.by_name.items() if score >= DECIDES}
    next_best = max([s for name, s in scores.by_name.items() if name not in deciding], default=scores.chance)
    next_best = max(next_best, scores.chance)
    return {
        name: f"nearly decides the label all by itself ({scores.measure} {score:.4g}, where the next feature has "
        f"{next_best:.2g}): does it contain the label, or come from after it?"
        for name, score in deciding.items()
        if (1 - score) * CLEARLY <= 1 - next_best
    }


def _identifies(column: ColumnStatistics) -> bool:
    values, distinct = column.present, column.sampled_distinct
    if column.kind.is_whole and len(values):
        low, high = float(values[0]), float(values[-1])
        return is_identifier(column.name, len(values), distinct, low=low, high=high)
    if column.kind.is_numeric or column.kind.is_set:
        return False
    return is_identifier(column.name, len(values), distinct, words=column.spaces)


def _has_too_many_categories(column: ColumnStatistics) -> bool:
    return column.kind.is_category and column.rows - column.missing_count < ENOUGH * column.distinct
