"""Forms: what a cell looks like."""

import re
from collections.abc import Callable
from datetime import date
from enum import StrEnum

#: Cells that say yes or no, as PostgreSQL reads them.
YES_OR_NO = ({"true", "false"}, {"t", "f"}, {"yes", "no"}, {"y", "n"}, {"on", "off"})
#: The same as numbers, which could be counts as well.
ZERO_OR_ONE = ({"0", "1"}, {"0.0", "1.0"})

_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d\d?)\2(\d\d?)")
_YEAR_LAST = re.compile(r"(\d\d?)([-/.])(\d\d?)\2(\d{4})")
_CLOCK = re.compile(
    r"[ T]([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?( ?[AaPp][Mm])?( ?(Z|[+-]\d\d(:?\d\d)?))?"
)
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)


class Form(StrEnum):
    """What all cells of a column look like; the first that holds is its type."""

    INTEGER = "an integer"
    DECIMAL = "a number"
    #: A number, or infinity.
    INFINITE = "a number or infinite"
    DATE = "a date"
    TIME = "a date or time"


def matchers(decimal_comma: bool) -> dict[Form, Callable[[str], object]]:
    """For each form, whether a cell has it."""
    point, group = (",", r"\.") if decimal_comma else (r"\.", ",")
    # No leading zeros: 007 is a code.
    whole = rf"(0|[1-9]\d{{0,999}}|[1-9]\d{{0,2}}({group}\d{{3}})+)"
    integer = re.compile(rf"[+-]?{whole}", re.ASCII)
    # Inside of an exponent there is no comma, and no more digits than floats have room for.
    decimal = re.compile(rf"[+-]?({whole}({point}\d*)?|{point}\d+)([eE][+-]?\d{{1,4}})?", re.ASCII)
    return {
        Form.INTEGER: integer.fullmatch,
        Form.DECIMAL: decimal.fullmatch,
        Form.INFINITE: lambda cell: decimal.fullmatch(cell) or _INFINITE.fullmatch(cell),
        Form.DATE: lambda cell: _is_date(cell, clock=False),
        Form.TIME: lambda cell: _is_date(cell, clock=True),
    }


def number(cell: str, decimal_comma: bool) -> str:
    """The cell as Python's int and float read it."""
    return cell.replace(".", "").replace(",", ".") if decimal_comma else cell.replace(",", "")


def order(cell: str) -> tuple[bool, bool] | None:
    """Whether the day stands first for certain, and the month; None where the year stands first."""
    if not (found := _YEAR_LAST.match(cell)):
        return None
    first, separator, second = int(found[1]), found[2], int(found[3])
    return separator == "." or first > 12, separator != "." and second > 12


def _is_date(cell: str, clock: bool) -> bool:
    found = _YEAR_FIRST.match(cell)
    last = None if found else _YEAR_LAST.match(cell)
    part = found or last
    if part is None or not (
        _CLOCK.fullmatch(cell, part.end()) if clock and part.end() < len(cell) else part.end() == len(cell)
    ):
        return False
    if found:
        return _exists(int(found[1]), int(found[3]), int(found[4]))
    assert last
    year, one, other = int(last[4]), int(last[1]), int(last[3])
    return _exists(year, one, other) or _exists(year, other, one)


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
