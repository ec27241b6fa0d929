"""PostgreSQL's types and operators in Python: the same results to the last bit, and errors where it raises one.

A value of PostgreSQL's integers is an int, of `numeric` a Decimal whose exponent is its display scale, of `double
precision` a finite float. Rounding and scales follow PostgreSQL's `numeric.c`, `float.c` and `int.c`.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from enum import Enum
from math import isinf
from typing import Any

#: An operator over two values, neither of them null.
Binary = Callable[[Any, Any], Any]

#: Exact for every numeric: only `_divide_numerics` loses digits, those that PostgreSQL loses.
EXACT = Context(prec=40_000, traps=[])
#: Significant digits of a quotient, at least, and the largest scale of one.
QUOTIENT_DIGITS, MAX_SCALE = 16, 1_000
#: Decimal digits in each digit of PostgreSQL's numeric.
DIGIT_WIDTH = 4


class SqlType(Enum):
    """A type of an SQL expression, by its name."""

    #: The type of null and of a text literal, until a neighbour decides it.
    UNKNOWN = "unknown"
    INT2 = "smallint"
    INT4 = "integer"
    INT8 = "bigint"
    NUMERIC = "numeric"
    FLOAT8 = "double precision"
    TEXT = "text"
    BOOLEAN = "boolean"
    DATE = "date"
    #: A timestamp at the start of a period, which Django reads as a date.
    PERIOD = "timestamp"
    MOMENT = "timestamp with time zone"
    TIME = "time without time zone"
    #: Microseconds, as only parts of an interval are computed.
    INTERVAL = "interval"


#: Numbers from the narrowest to the widest: of two, PostgreSQL converts to the wider one.
NUMBERS = (SqlType.INT2, SqlType.INT4, SqlType.INT8, SqlType.NUMERIC, SqlType.FLOAT8)
#: The bits of each integer.
BITS: Mapping[SqlType, int] = {SqlType.INT2: 16, SqlType.INT4: 32, SqlType.INT8: 64}


def common_type(types: Sequence[SqlType]) -> SqlType | None:
    """Find the type to which PostgreSQL converts all of these; None where it finds none."""
    declared = [type_ for type_ in types if type_ is not SqlType.UNKNOWN]
    if declared and all(type_ in NUMBERS for type_ in declared):
        return max(declared, key=NUMBERS.index)
    return declared[0] if len(set(declared)) == 1 else None


def integer_literal(number: int) -> SqlType:
    """Find the type of a whole number as written: a minus sign is an operator behind the literal."""
    return next(
        (type_ for type_ in (SqlType.INT4, SqlType.INT8) if abs(number) < 2 ** (BITS[type_] - 1)),
        SqlType.NUMERIC,
    )


def converter(type_: SqlType, wider: SqlType) -> Callable[[Any], Any] | None:
    """Build the implicit conversion of a number; None where its value stays as it is."""
    if wider is SqlType.FLOAT8 and type_ is not SqlType.FLOAT8:
        return to_float
    return Decimal if wider is SqlType.NUMERIC and type_ in BITS else None


def to_float(number: int | Decimal) -> float:
    """Convert to double precision. Raises OverflowError beyond its range."""
    converted = float(number)
    if isinf(converted) or (converted == 0.0 and number != 0):
        raise OverflowError("a number is out of the range of double precision")
    return converted


def to_integer(type_: SqlType) -> Callable[[Any], int]:
    """Build the rounding to an integer: floats to even, decimals away from zero."""
    checked = bounded(type_)

    def convert(number: Any) -> int:
        if number != number:
            raise OverflowError(f"NaN is out of the range of {type_.value}")
        if isinstance(number, Decimal):
            number = number.to_integral_value(ROUND_HALF_UP, EXACT)
        return checked(round(number))

    return convert


def to_numeric(digits: int, places: int) -> Callable[[Any], Decimal]:
    """Build the rounding to `numeric(digits, places)`, which takes 15 digits of a float."""
    unit, limit = Decimal(1).scaleb(-places), Decimal(10) ** (digits - places)

    def convert(number: Any) -> Decimal:
        exact = Decimal(f"{number:.15g}") if isinstance(number, float) else Decimal(number)
        rounded = without_negative_zero(exact.quantize(unit, ROUND_HALF_UP, EXACT))
        if abs(rounded) >= limit:
            raise OverflowError(f"a number is out of the range of numeric({digits}, {places})")
        return rounded

    return convert


def without_negative_zero(number: Decimal) -> Decimal:
    """Replace −0, which numeric does not have and which shows in texts, by 0 of the same scale."""
    return EXACT.plus(number)


def bounded(type_: SqlType) -> Callable[[int], int]:
    """Build the check that a result fits an integer type."""
    limit = 2 ** (BITS[type_] - 1)

    def check(number: int) -> int:
        if -limit <= number < limit:
            return number
        raise OverflowError(f"a number is out of the range of {type_.value}")

    return check


def binary(symbol: str, type_: SqlType) -> Binary | None:
    """Find the operator for two values of one type; None where PostgreSQL has none."""
    if type_ in BITS:
        apply, check = _INTEGER_OPERATORS[symbol], bounded(type_)
        return lambda left, right: check(apply(left, right))
    if type_ is SqlType.NUMERIC:
        return _NUMERIC_OPERATORS[symbol]
    return _FLOAT_OPERATORS.get(symbol) if type_ is SqlType.FLOAT8 else None


def absolute(type_: SqlType) -> Callable[[Any], Any]:
    """Build the absolute value."""
    if type_ not in BITS:
        return operator.methodcaller("copy_abs") if type_ is SqlType.NUMERIC else abs
    check = bounded(type_)
    return lambda number: check(abs(number))


def _divide_integers(left: int, right: int) -> int:
    quotient = abs(left) // abs(_divisor(right))
    return quotient if (left < 0) is (right < 0) else -quotient


def _remainder_of_integers(left: int, right: int) -> int:
    remainder = abs(left) % abs(_divisor(right))
    return -remainder if left < 0 else remainder


def _divisor(number: Any) -> Any:
    if not number:
        raise ZeroDivisionError("division by zero")
    return number


def _multiply_numerics(left: Decimal, right: Decimal) -> Decimal:
    return without_negative_zero(EXACT.multiply(left, right))


def _divide_numerics(left: Decimal, right: Decimal) -> Decimal:
    left_scale, right_scale = scale_of(left), scale_of(_divisor(right))
    dividend, divisor = int(left.scaleb(left_scale, EXACT)), int(right.scaleb(right_scale, EXACT))
    (weight, first), (other_weight, other_first) = (
        _first_digit(dividend, left_scale),
        _first_digit(divisor, right_scale),
    )
    quotient_weight = weight - other_weight - (first <= other_first)
    # PostgreSQL's choice: 16 significant digits, and at least the digits of either number.
    least = QUOTIENT_DIGITS - quotient_weight * DIGIT_WIDTH
    scale = min(max(least, left_scale, right_scale, 0), MAX_SCALE)
    shift = scale + right_scale - left_scale
    dividend, divisor = dividend * 10 ** max(shift, 0), divisor * 10 ** max(-shift, 0)
    half_up = (2 * abs(dividend) + abs(divisor)) // (2 * abs(divisor))
    return Decimal(half_up if (dividend < 0) is (divisor < 0) else -half_up).scaleb(-scale, EXACT)


def _first_digit(unscaled: int, scale: int) -> tuple[int, int]:
    """Get the weight and the value of a numeric's first digit to the base 10,000; zeros for zero."""
    if not unscaled:
        return 0, 0
    digits = str(abs(unscaled))
    weight, places = divmod(len(digits) - 1 - scale, DIGIT_WIDTH)
    return weight, int(digits[: places + 1].ljust(places + 1, "0"))


def scale_of(number: Decimal) -> int:
    """Get the number of digits behind the point."""
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return -exponent


def _remainder_of_numerics(left: Decimal, right: Decimal) -> Decimal:
    return without_negative_zero(EXACT.remainder(left, _divisor(right)))


def _add_floats(left: float, right: float) -> float:
    return _finite(left + right)


def _subtract_floats(left: float, right: float) -> float:
    return _finite(left - right)


def _multiply_floats(left: float, right: float) -> float:
    product = _finite(left * right)
    if product == 0.0 and left != 0.0 and right != 0.0:
        raise OverflowError("a product is too small for double precision")
    return product


def _divide_floats(left: float, right: float) -> float:
    quotient = _finite(left / _divisor(right))
    if quotient == 0.0 and left != 0.0:
        raise OverflowError("a quotient is too small for double precision")
    return quotient


def _finite(number: float) -> float:
    if isinf(number):
        raise OverflowError("a number is out of the range of double precision")
    return number


_INTEGER_OPERATORS: Mapping[str, Binary] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide_integers,
    "%": _remainder_of_integers,
}
_NUMERIC_OPERATORS: Mapping[str, Binary] = {
    "+": EXACT.add,
    "-": EXACT.subtract,
    "*": _multiply_numerics,
    "/": _divide_numerics,
    "%": _remainder_of_numerics,
}
#: Double precision has no remainder.
_FLOAT_OPERATORS: Mapping[str, Binary] = {
    "+": _add_floats,
    "-": _subtract_floats,
    "*": _multiply_floats,
    "/": _divide_floats,
}


def _part_of_interval(unit: int, below: int | None) -> Callable[[int], int]:
    """Read a part of an interval: whole units of microseconds beside the next larger unit, with the interval's sign."""

    def read(microseconds: int) -> int:
        size = abs(microseconds) if below is None else abs(microseconds) % below
        return size // unit if microseconds >= 0 else -(size // unit)

    return read


_DAY_PARTS: Mapping[str, Callable[[Any], int]] = {
    "year": operator.attrgetter("year"),
    "iso_year": lambda day: day.isocalendar()[0],
    "quarter": lambda day: (day.month + 2) // 3,
    "month": operator.attrgetter("month"),
    "week": lambda day: day.isocalendar()[1],
    "day": operator.attrgetter("day"),
    "week_day": lambda day: day.isoweekday() % 7 + 1,
    "iso_week_day": lambda day: day.isoweekday(),
}
_CLOCK_PARTS: Mapping[str, Callable[[Any], int]] = {
    name: operator.attrgetter(name) for name in ("hour", "minute", "second")
}
#: Microseconds.
_SECOND, _MINUTE, _HOUR, _DAY = 10**6, 60 * 10**6, 3_600 * 10**6, 86_400 * 10**6
#: Digits behind the point of parts that have some, although Django cuts the fraction off.
PART_SCALES: Mapping[str, int] = {"second": 6}
#: Parts by the type that they are read from.
PARTS: Mapping[SqlType, Mapping[str, Callable[[Any], int]]] = {
    SqlType.DATE: _DAY_PARTS,
    SqlType.PERIOD: _DAY_PARTS,
    SqlType.MOMENT: {**_DAY_PARTS, **_CLOCK_PARTS},
    SqlType.TIME: _CLOCK_PARTS,
    SqlType.INTERVAL: {
        "day": _part_of_interval(_DAY, None),
        "hour": _part_of_interval(_HOUR, _DAY),
        "minute": _part_of_interval(_MINUTE, _HOUR),
        "second": _part_of_interval(_SECOND, _MINUTE),
    },
}
#: The first day of the period in which a day lies.
PERIODS: Mapping[str, Callable[[Any], date]] = {
    "year": lambda day: day.replace(month=1, day=1),
    "quarter": lambda day: day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
    "month": lambda day: day.replace(day=1),
    "week": lambda day: day - timedelta(days=day.weekday()),
    "day": lambda day: day,
}
