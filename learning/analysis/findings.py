"""What is odd about the features, as sentences."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ..encoding import MISSING
from .identifiers import is_identifier
from .relations import RelationScores
from .report import Finding, FindingKind
from .statistics import Look

#: A score that hardly any honest feature reaches all by itself.
DECIDES = 0.995
#: And so many times the error of the next feature, or of chance, is what it leaves.
CLEARLY = 4
#: Rows of a category, on average, that it takes to learn what it means.
ENOUGH = 5
#: Cells that say whether two columns might be equal.
GLANCE = 1_000


def find_findings(looks: Sequence[Look], scores: RelationScores | None) -> Iterator[Finding]:
    """Of each feature in its order, each with its reason."""
    copies = _copies([look for look in looks if _varies(look)])
    leaks = _leaks(scores) if scores else {}
    for look in looks:
        if not _varies(look):
            yield _finding(FindingKind.CONSTANT, look, _constant(look))
            continue
        if look.name in copies:
            yield _finding(FindingKind.DUPLICATE, look, f"equals {copies[look.name]} in each row.")
        if look.name in leaks:
            yield _finding(FindingKind.LEAKAGE, look, leaks[look.name])
        if _identifies(look):
            told = f"{look.distinct:,} different values in {look.rows:,} rows"
            yield _finding(FindingKind.IDENTIFIER, look, f"looks like an identifier: it has {told}.")
        elif _too_many(look):
            told = f"{look.distinct:,} categories in {look.rows - look.gaps:,} rows"
            yield _finding(
                FindingKind.MANY_CATEGORIES, look, f"has {told}: most come too seldom to learn from."
            )


def _finding(kind: FindingKind, look: Look, said: str) -> Finding:
    return Finding(kind=kind, feature=look.name, sentence=f"{look.name} {said}")


def _varies(look: Look) -> bool:
    """Whether two rows differ in it: a value that is sometimes missing says something, too."""
    return look.gaps < look.rows and (look.gaps > 0 or look.seen > 1 or _differs(look.values))


def _differs(values: NDArray[Any]) -> bool:
    """Whether a column that was only drawn from has another value somewhere."""
    return bool((values != values[0]).any())


def _constant(look: Look) -> str:
    return "is the same in each row." if look.gaps < look.rows else "is missing in each row."


def _copies(looks: Sequence[Look]) -> dict[str, str]:
    """The columns that equal an earlier one, and which.

    Few columns are compared cell by cell: only those that are alike at a glance are hashed, and only those with one
    hash compared.
    """
    found: dict[str, str] = {}
    for alike in _groups(looks, _glance):
        for same in _groups(alike, _hash) if len(alike) > 1 else ():
            originals: list[Look] = []
            for look in same:
                original = next((o for o in originals if _equal(_cells(o), _cells(look))), None)
                if original is None:
                    originals.append(look)
                else:
                    found[look.name] = original.name
    return found


def _groups(looks: Sequence[Look], key: Callable[[Look], Hashable]) -> Iterator[list[Look]]:
    """Those with one key together, in their order."""
    groups: dict[Hashable, list[Look]] = {}
    for look in looks:
        groups.setdefault(key(look), []).append(look)
    yield from groups.values()


def _glance(look: Look) -> Hashable:
    step = max(1, look.rows // GLANCE)
    return look.gaps, _hash(look, step)


def _hash(look: Look, step: int = 1) -> Hashable:
    cells = _cells(look)[::step]
    # Zero has two signs, which are equal.
    return hash(tuple(cells)) if cells.dtype == object else crc32((cells + 0.0).tobytes())


def _cells(look: Look) -> NDArray[Any]:
    """Values that can be compared with those of another column: categories by what they mean."""
    if not look.column.kind.is_category:
        return look.values
    meanings: NDArray[np.object_] = np.array([*look.column.choices, None], dtype=object)
    assert MISSING == -1, "the last meaning is that of a missing one"
    return meanings[look.values]


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    if one.dtype != other.dtype:
        return False
    return bool(np.array_equal(one, other, equal_nan=one.dtype != object))


def _leaks(scores: RelationScores) -> dict[str, str]:
    """The features that nearly decide the label alone, far better than the others do; and what is said of them."""
    deciding = {name: score for name, score in scores.by_name.items() if score >= DECIDES}
    next_best = max([s for name, s in scores.by_name.items() if name not in deciding], default=scores.chance)
    next_best = max(next_best, scores.chance)
    return {
        name: f"nearly decides the label all by itself ({scores.measure} {score:.4g}, where the next feature has "
        f"{next_best:.2g}): does it say the label in other words, or come from after it?"
        for name, score in deciding.items()
        if (1 - score) * CLEARLY <= 1 - next_best
    }


def _identifies(look: Look) -> bool:
    values, kind = look.present, look.kind
    if kind.is_whole and len(values):
        span = {"low": float(values[0]), "high": float(values[-1])}
        return is_identifier(look.name, len(values), look.seen, **span)
    return not kind.is_numeric and is_identifier(look.name, len(values), look.seen, words=look.spaces)


def _too_many(look: Look) -> bool:
    return look.kind.is_category and look.rows - look.gaps < ENOUGH * look.distinct
