"""Forms: the kinds that a cell of a file looks like."""

import re
from collections.abc import Callable

from learning.kinds import Kind, registered

#: Cells that say yes or no, as PostgreSQL reads them.
YES_OR_NO = ({"true", "false"}, {"t", "f"}, {"yes", "no"}, {"y", "n"}, {"on", "off"})
#: The same as numbers, which could be counts as well.
ZERO_OR_ONE = ({"0", "1"}, {"0.0", "1.0"})
#: The form of a number that may be infinite, which is no kind; and the kind of one that may not.
INFINITE = "INFINITE"
NUMBER: Kind = Kind.NUMBER

_INFINITY = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)


def matchers(decimal_comma: bool) -> dict[str, Callable[[str], object]]:
    """For each kind that a cell can look like, the narrower ones first, and for INFINITE: whether a cell does."""
    matching: dict[str, Callable[[str], object]] = {}
    for kind in sorted(registered(), key=lambda kind: not kind.wider_code):
        if matcher := kind.cell_matcher(decimal_comma):
            matching[kind] = matcher
    is_number = matching[NUMBER]
    return {**matching, INFINITE: lambda cell: is_number(cell) or _INFINITY.fullmatch(cell)}


def number(cell: str, decimal_comma: bool) -> str:
    """The cell as Python's int and float read it."""
    return cell.replace(".", "").replace(",", ".") if decimal_comma else cell.replace(",", "")
