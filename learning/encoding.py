"""Encoding of values as numbers: bounds, times, codes of categories."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .lazy_imports import LazyModule

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = LazyModule("pandas")

#: Larger numbers are clipped: trees compute in float32, and squares of float64 must not overflow.
LARGEST = 1e30
#: pandas' code of a category that is missing.
MISSING = -1
_DAY = 86_400.0
_EXACT = 1 << 53
_EPOCH = date(1970, 1, 1)


def encode_numbers(cells: Sequence[Any], number: Callable[[Any], float]) -> NDArray[np.float64]:
    """Encode values as bounded float64, `(n,)`: `number` converts one of them, None becomes NaN."""
    floats = (np.nan if cell is None else number(cell) for cell in cells)
    return bounded(np.fromiter(floats, dtype=np.float64, count=len(cells)))


def bounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Make numbers computable, in place: NaN for what is not finite, clipped at LARGEST."""
    values[~np.isfinite(values)] = np.nan
    return np.clip(values, -LARGEST, LARGEST, out=values)


def category(choices: Iterable[str], codes: Sequence[int] | NDArray[np.signedinteger]) -> "pd.Series":
    """Build pandas' categories from positions in the declared choices; `MISSING` is no value."""
    dtype = pd.CategoricalDtype(pd.Index(list(choices), dtype=object))
    return pd.Series(pd.Categorical.from_codes(codes, dtype=dtype))


def sorted_category(
    levels: Sequence[str] | NDArray[np.object_], codes: NDArray[np.signedinteger]
) -> "pd.Series":
    """Build pandas' categories from codes of levels in any order: the categories are sorted, whoever came first."""
    order = sorted(range(len(levels)), key=levels.__getitem__)
    place = np.append(np.argsort(order), MISSING).astype(np.int32)
    return category([levels[index] for index in order], place[codes])


def times(cells: Sequence[date | datetime | None]) -> NDArray[np.float64]:
    """Encode dates and times as `frame` does: `(n,)` days since 1970-01-01 (UTC), NaN for None."""
    return encode_numbers(cells, days)


def days(when: date | datetime) -> float:
    """Count the days since 1970-01-01 (UTC)."""
    if not isinstance(when, datetime):
        return float((when - _EPOCH).days)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() / _DAY


def days_of(microseconds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Convert microseconds since 1970-01-01 (UTC) as `days` converts times, to the last bit."""
    counted = microseconds / 1e6 / _DAY
    # Within two centuries of 1970, float64 represents each microsecond; beyond, the division must be of integers.
    far = np.flatnonzero(np.abs(microseconds) >= _EXACT)
    counted[far] = [int(microseconds[row]) / 10**6 / _DAY for row in far]
    return counted
