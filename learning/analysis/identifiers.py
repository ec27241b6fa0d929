"""Identifiers: columns that name their row and teach nothing about the next one."""

import re

#: Rows below which nothing is concluded from what they have in common.
SURE = 20
#: Spaces in a text, on average, that make it prose rather than a name or a code.
PROSE = 3.0
#: How a column with a different value in each row is called where these are no measurements.
NAMED = re.compile(r"(^|_)(id|ids|key|number|no|nr|num|index|idx|code|uuid|guid|row|unnamed_0)$")
#: The share of rows that has a value of its own.
ALMOST_ALL = 0.99
#: Repetitions that chance would bring and that do not come: three of four stay away once in 50,000 draws.
TOO_MANY = 20


def is_identifier(
    name: str, rows: int, distinct: int, *, words: float | None = None, low: float = 0.0, high: float = 0.0
) -> bool:
    """Whether `rows` values, `distinct` ones among them, name their rows.

    Texts and categories do unless they are prose: `words` are the spaces of one, on average. Whole numbers (`words`
    is None) between `low` and `high` do where they are called so, count the rows from 0 or 1, or repeat far less
    often than as many draws from that range would: n(n − 1) / 2R times (the birthday problem).
    """
    if rows < SURE or distinct < ALMOST_ALL * rows:
        return False
    if words is not None:
        return words < PROSE
    counted = low in (0, 1) and high - low <= rows
    expected = rows * (rows - 1) / (2 * (high - low + 1))
    numbered = expected >= TOO_MANY and rows - distinct < expected / 4
    return counted or numbered or bool(NAMED.search(name))
