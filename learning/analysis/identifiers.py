"""Identifiers: columns that name their row and do not generalise to other rows."""

import re

#: Least number of rows from which anything is concluded.
SURE = 20
#: Mean number of spaces from which on texts are prose rather than names or codes.
PROSE = 3.0
#: Names of numeric identifiers.
NAMED = re.compile(r"(^|_)(id|ids|key|number|no|nr|num|index|idx|code|uuid|guid|row|unnamed_0)$")
#: Least share of distinct values.
ALMOST_ALL = 0.99
#: Least number of repetitions expected by chance for the test of numbers that repeat too rarely; three quarters of
#: them are missing by chance once in 50,000 draws.
TOO_MANY = 20
#: Least number of rows for that test. Who writes a small file by hand avoids repetitions: ages, percentages and scores
#: have no more values than this, so that they must repeat in longer files.
LONG = 150


def is_identifier(
    name: str, rows: int, distinct: int, *, words: float | None = None, low: float = 0.0, high: float = 0.0
) -> bool:
    """Return whether the values of a column identify its rows.

    Texts and categories do unless they are prose. Integers do if they are called so, count the rows from 0 or 1, or
    repeat far less often than random draws from their range, n(n − 1) / 2R times (the birthday problem). Few values
    may repeat, because a copied row repeats its identifier.

    Args:
        rows: Number of values; missing ones do not count.
        distinct: Number of distinct values.
        words: Mean number of spaces of a text or category; None for integers.
        low, high: Range of integers.
    """
    if rows < SURE or distinct < ALMOST_ALL * rows:
        return False
    if words is not None:
        return words < PROSE
    counted = low in (0, 1) and high - low <= rows
    expected = rows * (rows - 1) / (2 * (high - low + 1))
    numbered = rows >= LONG and expected >= TOO_MANY and rows - distinct < expected / 4
    return counted or numbered or bool(NAMED.search(name))
