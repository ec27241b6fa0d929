"""Forms of cells: matchers that recognise the kind of a value by its text."""

import re
from collections.abc import Callable

from learning.kinds import Kind, registered

#: Pairs of texts that PostgreSQL reads as booleans.
YES_OR_NO = ({"true", "false"}, {"t", "f"}, {"yes", "no"}, {"y", "n"}, {"on", "off"})
#: Pairs of numbers that stand for booleans or counts.
ZERO_OR_ONE = ({"0", "1"}, {"0.0", "1.0"})
#: The form of a number that may be infinite, which is no kind; and the kind of finite numbers.
INFINITE = "INFINITE"
NUMBER: Kind = Kind.NUMBER

_INFINITY = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)


def build_matchers(decimal_comma: bool) -> dict[str, Callable[[str], object]]:
    """Build the matcher of each kind, narrower kinds first, and of INFINITE; it is true for a cell of this form.

    Days are narrower than integers: 20240131 is both.
    """
    matchers: dict[str, Callable[[str], object]] = {}
    for kind in sorted(registered(), key=lambda kind: (not kind.wider_code, not kind.is_day)):
        if matcher := kind.cell_matcher(decimal_comma):
            matchers[kind] = matcher
    is_number = matchers[NUMBER]
    return {**matchers, INFINITE: lambda cell: is_number(cell) or _INFINITY.fullmatch(cell)}


def normalize_number(cell: str, decimal_comma: bool) -> str:
    """Convert the text of a number to what Python's int and float parse."""
    return cell.replace(".", "").replace(",", ".") if decimal_comma else cell.replace(",", "")
