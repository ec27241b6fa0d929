"""Column kinds: one class for each, with all that its values are on every path.

A class says what a kind is to the frame and the models, to COPY, to validation, to GraphQL and JSON, to a cell of a
file, to the scaffold and to a form. Whatever depends on a kind asks its object; no other module compares kinds, so a
new kind is one class here and its registration. The module stands in `learning`, the lowest package, because every
package needs its part: types of SQL, GraphQL and Django are names and templates in text, and no library of theirs is
imported (docs/adr/0073).
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_UP, Context, Decimal, InvalidOperation
from enum import Enum
from itertools import pairwise
from sys import float_info
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NewType, Protocol

import numpy as np
from numpy.typing import NDArray

from .encoding import MISSING, bounded, category, days, days_of, encode_numbers, sorted_category
from .exceptions import InvalidValue, ValueNotFinite, ValueOutOfRange
from .lazy_imports import LazyModule

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = LazyModule("pandas")

Array = NDArray[Any]

#: A whole number of 64 bits, which GraphQL's Int cannot hold.
BigInt = NewType("BigInt", int)
#: A set of texts, as the text of the JSON list of its sorted members.
TextSet = NewType("TextSet", str)
#: The first number beyond what a column of 64 bits holds.
BEYOND_64_BITS = 2**63
#: Characters that say nothing: a text of these alone is blank.
BLANKS = " \t\r\n\u00a0"
#: Digits of a float that people read, at most.
PRECISION = 12
#: Cells of files that say nothing; for texts these count only where the column takes no such value.
NO_VALUE = ("", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "?", "-", "--", ".", "missing", "unknown")


class Sql(NamedTuple):
    """An SQL expression as a template.

    `{text}` is a file's cell without blanks around it, `{raw}` the cell as it is, `{type}` the column's type,
    `{type_name}` that type as a literal; every other place is a literal of `values`.
    """

    template: str
    values: Mapping[str, object] = {}


class CellCheck(NamedTuple):
    """A condition that a cell of a file must meet where it has a value; each may rely on those before it."""

    holds: Sql
    #: The sentence about a cell that does not meet it.
    sentence: Sql


class Rewrite(NamedTuple):
    """The value of a cell as PostgreSQL would write it."""

    value: Sql
    #: The cells that are a value although they are one of `NO_VALUE`.
    is_value: Sql = Sql("false")


@dataclass(frozen=True, kw_only=True)
class BinaryCopy:
    """A column in a binary COPY: values of one size, never null."""

    #: The expression to select; `{0}` is the column.
    sql: str
    #: numpy's name of the type in the COPY.
    wire: str
    #: From `(n,)` of `wire` to `(n,)` as `Kind.encode_cells` has it.
    read: Callable[[Array], Array]


class OtherCopy(Enum):
    """Columns whose values are not of one size."""

    #: As text, in a COPY of its own.
    TEXT = "text"
    #: As the 64-bit hash of its text, which stands for a choice.
    HASH = "hash"
    #: As text of which each level is stored once.
    LEVELS = "levels"


class Declaration(Protocol):
    """A declared column, as far as its kind needs to know it."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str:
        """The name for people."""

    @property
    def unit(self) -> str | None: ...
    @property
    def by_text(self) -> Mapping[str, object]:
        """A category's values by their text."""

    @property
    def limits(self) -> tuple[Any, Any]:
        """The smallest and the largest value; None: no limit."""

    @property
    def moment_limits(self) -> tuple[Any, Any]:
        """The first and the last day or moment, as they are now; None: no limit."""

    @property
    def longest(self) -> int | None:
        """The number of characters that a text may have."""

    @property
    def decimal_places(self) -> int | None: ...
    @property
    def blank_is_null(self) -> bool:
        """True if an empty text is stored as null."""

    @property
    def field_kind(self) -> "Kind":
        """The kind of the field without its choices."""


class FileColumn(Protocol):
    """A column of a file that becomes a declared column."""

    @property
    def typed(self) -> Declaration: ...
    @property
    def type(self) -> str:
        """The SQL type of the table's column."""

    @property
    def null(self) -> bool:
        """True if the table's column may be null."""

    @property
    def decimal_comma(self) -> bool:
        """True if the file writes 1.234,5 for 1234.5."""

    @property
    def day_first(self) -> bool | None:
        """True if 03/04/2024 is in April; None: unknown."""


class SeenCells(Protocol):
    """The cells of a file's column, as the scaffold has seen them."""

    @property
    def values(self) -> Sequence[str]: ...
    @property
    def longest(self) -> int: ...
    @property
    def low(self) -> int: ...
    @property
    def high(self) -> int: ...


class Kind(str):
    """Meaning of a column's values.

    The object of a kind is its name, so that signatures, analyses and the API hold names: `Kind("DATE")` is
    `Kind.DATE`. Each kind's class has a method for each question that depends on it; the defaults here are those of
    numbers that need no conversion.
    """

    __slots__ = ()

    NUMBER: ClassVar["Kind"]
    INTEGER: ClassVar["Kind"]
    DECIMAL: ClassVar["Kind"]
    BIGINT: ClassVar["Kind"]
    BOOLEAN: ClassVar["Kind"]
    CATEGORY: ClassVar["Kind"]
    ORDINAL: ClassVar["Kind"]
    DATE: ClassVar["Kind"]
    DATETIME: ClassVar["Kind"]
    TEXT: ClassVar["Kind"]
    OPEN_CATEGORY: ClassVar["Kind"]
    TEXT_SET: ClassVar["Kind"]

    #: The name.
    code: ClassVar[str]
    #: The kind that models, analyses and the API see; "": this one. Where it is another, only storage differs.
    learned_as_code: ClassVar[str] = ""
    #: The description of the kind in the API's enum of kinds.
    api_description: ClassVar[str] = ""
    #: False: the API's enum of kinds names it only where a declared product has such a column.
    in_every_schema: ClassVar[bool] = True

    #: Django's fields whose columns are of this kind; the first is the one that the scaffold writes.
    fields: ClassVar[tuple[str, ...]] = ()
    #: PostgreSQL's types that a snapshot reads without making Python objects.
    sql_types: ClassVar[tuple[str, ...]] = ()
    #: The SQL type of a computed column whose type Django leaves open; None: Django always knows it.
    computed_sql_type: ClassVar[str | None] = None

    #: The GraphQL scalar; None: an enum of the column's choices.
    scalar: ClassVar[str | None] = None
    #: Of a scalar of our own, whose `parse` and `serialize` GraphQL uses; "": GraphQL or Strawberry has the scalar.
    scalar_description: ClassVar[str] = ""
    scalar_url: ClassVar[str | None] = None
    #: The Python type of a value.
    python: ClassVar[Any] = float
    #: The type of an HTML form's control.
    form: ClassVar[str] = "number"
    #: Titles of the values where the kind itself has few of them: a label needs no choices then.
    own_choices: ClassVar[tuple[tuple[object, str], ...]] = ()

    #: True if models see float64.
    is_numeric: ClassVar[bool] = True
    #: True if models see codes of choices or levels.
    is_category: ClassVar[bool] = False
    #: True if the categories are open: any text is one, and the values that occur are the levels.
    is_open: ClassVar[bool] = False
    #: True if models see texts.
    is_text: ClassVar[bool] = False
    #: True if these texts are sets, of whose members each counts as a whole.
    is_set: ClassVar[bool] = False
    #: True if values have an order, so that their ranks mean something.
    is_ordered: ClassVar[bool] = True
    #: True if a minimum, a maximum and quantiles describe the values.
    is_ranged: ClassVar[bool] = True
    #: True if each value is a group of rows by itself; ranges group the rows otherwise.
    is_discrete: ClassVar[bool] = False
    #: True if a regression can learn it as its label.
    is_quantity: ClassVar[bool] = False
    #: True if values are whole numbers.
    is_whole: ClassVar[bool] = False
    #: True if an integer column holds the values.
    is_integer: ClassVar[bool] = False
    #: True if values are on a day.
    has_date: ClassVar[bool] = False
    #: True if values are whole days, so that they do not tell when on that day.
    is_day: ClassVar[bool] = False
    #: True if values are yes and no.
    is_boolean: ClassVar[bool] = False
    #: numpy's type of the encoded values.
    dtype: ClassVar[str] = "f8"
    #: True if `to_float` must convert values; numpy reads them as they are otherwise.
    converts: ClassVar[bool] = False
    #: Encodes one value as models see it: a function, not a method, as serving calls it for each cell.
    to_float: ClassVar["staticmethod[[Any], float]"] = staticmethod(float)
    #: Values that a compiled model must treat as the pipeline does.
    probes: ClassVar[tuple[object, ...]] = (None,)
    #: The type of values that can be validated all at once; None: one by one.
    batch_type: ClassVar[type | None] = None
    #: True if cleaned values stand in JSON as they are.
    is_json: ClassVar[bool] = True
    #: SQL of a cell's text `{0}` as a value of the type `{1}`.
    cast_sql: ClassVar[str] = "CAST({0} AS {1})"
    #: SQL of a stored value `{0}` as the number that a minimum and quantiles are of.
    number_sql: ClassVar[str] = "CAST({0} AS float8)"
    #: SQL of a stored value `{0}`, null where `is_missing`; "" where no value is.
    present_sql: ClassVar[str] = ""

    #: The unit of the values, where the kind itself has one.
    unit: ClassVar[str | None] = None
    #: SQL of a JSON value's text `{0}`, null where it is certainly no value of this kind.
    json_sql: ClassVar[str] = "{0}"
    #: SQL of a stored instance's JSON value `{0}` in the order of the values; "": JSON's own order is theirs.
    json_order_sql: ClassVar[str] = ""
    #: SQL of a table's value `{0}` as answers have it.
    answer_sql: ClassVar[str] = "{0}"
    #: SQL of the member `{1}` of a stored instance `{0}`, which is jsonb, as answers have it.
    stored_answer_sql: ClassVar[str] = "{0} -> {1}"
    #: The words for what a client must send; "": one of the choices.
    expected: ClassVar[str] = ""
    #: The words for the kind where the scaffold shows a column.
    described: ClassVar[str] = ""
    #: The words for a cell that looks so.
    cell_described: ClassVar[str] = ""
    #: The kind that takes all cells that look like this one, and others; "": none does.
    wider_code: ClassVar[str] = ""

    def __new__(cls, code: str | None = None) -> "Kind":
        """Return the registered kind of this name. Raises ValueError if there is none."""
        if cls is not Kind:
            return str.__new__(cls, cls.code)
        try:
            return _REGISTERED[code or ""]
        except KeyError:
            raise ValueError(f"{code!r} is no column kind; there are {', '.join(_REGISTERED)}.") from None

    def __reduce__(self) -> tuple[type["Kind"], tuple[str]]:
        return Kind, (str(self),)

    @property
    def learned_as(self) -> "Kind":
        """The kind that models and the API see."""
        return Kind(self.learned_as_code) if self.learned_as_code else self

    # -- Frame and models --

    def can_read(self, other: "Kind") -> bool:
        """True if a model that learned this kind encodes values of the other one by the same rule."""
        is_number = self.is_numeric and other.is_numeric and self.is_boolean == other.is_boolean
        return self == other or (is_number and self.to_float is other.to_float)

    def encode_cells(self, choices: Sequence[str], cells: Sequence[object]) -> Array:
        """Encode Python values as the models' frame holds them: `(n,)` of `dtype`."""
        return encode_numbers(cells, self.to_float)

    def series(self, choices: Sequence[str], encoded: Array) -> "pd.Series":
        """Wrap encoded values as a column of the frame."""
        return pd.Series(encoded, dtype=encoded.dtype, copy=False)

    def code_by_choice(self, choices: Sequence[str]) -> dict[str | None, int]:
        """Map texts of cells, or None, to the codes by which serving looks them up; any other text is the next one."""
        return {choice: code for code, choice in enumerate(choices)}

    def learned_from(self, cells: "pd.Series") -> "Kind":
        """The kind as which models learn a column of this kind with these cells."""
        return self

    def decode_cells(self, cells: Sequence[object]) -> list[object]:
        """Convert a frame's cells back to Python values."""
        return [None if cell is None or cell != cell else self.decode_cell(cell) for cell in cells]

    def decode_cell(self, cell: object) -> object:
        return cell

    def analysed_as(self, choices: Sequence[str]) -> "Kind":
        """The kind that an analysis of the column describes."""
        return self

    def describe_value(self, value: object) -> str:
        """Render one of few values for people."""
        return str(value)

    def text_for_people(self, value: Any, unit: str | None) -> str:
        """Render a value, which is not None, as people read it, with its unit."""
        return in_figures(self.serialize(value), unit)

    def describe_number(self, number: float) -> str:
        """Render the end of a range of encoded values for people."""
        return f"{number:.4g}"

    # -- COPY --

    def copy(self, type_: str, digits: int = 0) -> BinaryCopy | OtherCopy | None:
        """The way by which a column of this PostgreSQL type travels in a snapshot; None: as Python values."""
        return None

    # -- Values in tables, which others may have written --

    def stored_sql(self, null: bool) -> str:
        """SQL of a stored value `{0}` as `canonical` returns it; "" where it already is.

        Args:
            null: True if the column may be null, so that it holds null instead of an empty text.
        """
        return ""

    def canonical(self, value: object, null: bool) -> object:
        """The value that every way has for a stored one: `clean` without validation."""
        return None if null and self.is_missing(value) else value

    def is_missing(self, value: object) -> bool:
        """True if models learn a stored value, which is not None, as missing."""
        return False

    def from_float(self, number: float, column: Declaration) -> object:
        """The value of a label that is stored as a number."""
        return number

    # -- Validation, JSON and GraphQL --

    def clean(self, value: object, column: Declaration) -> object:
        """Return the canonical value. Raises InvalidValue, ValueNotFinite or ValueOutOfRange."""
        return value

    def clean_batch(
        self, values: Sequence[Any], some: Sequence[Any], column: Declaration
    ) -> Sequence[object] | None:
        """Clean values of `batch_type` all at once, `some` being those that are not None; None: not possible."""
        return None

    def to_json(self, value: object) -> object:
        """Encode a cleaned value as a stored instance has it."""
        return value

    def from_json(self, value: object) -> object:
        """Decode what `to_json` wrote; None if it no longer fits."""
        return value

    def parse(self, value: object) -> object:
        """Decode what a client sent for the scalar. Raises ValueError with a sentence that begins with "it takes"."""
        return value

    def serialize(self, value: object) -> object:
        """Encode a cleaned value, or None, as the API answers it."""
        return value

    def float_bounds(self, column: Declaration) -> tuple[float, float]:
        """Between which `clean` takes any float and changes but −0.0; an empty range where that does not hold."""
        return math.inf, -math.inf

    # -- Cells of files --

    def check_cells(self, column: FileColumn) -> Iterator[CellCheck]:
        """Yield what a cell must meet to fit the column."""
        yield CellCheck(VALID, literal(f"is not a value of type {column.type}"))

    def rewrite(self, column: FileColumn) -> Rewrite:
        return Rewrite(Sql("{text}"))

    # -- Scaffold --

    def cell_matcher(self, decimal_comma: bool) -> Callable[[str], object] | None:
        """Make a predicate for cells that look like this kind; None: no cell does by itself."""
        return None

    def kind_for(self, low: int, high: int) -> "Kind":
        """The kind that holds whole numbers between `low` and `high`."""
        return self

    def declare_field(self, cells: SeenCells) -> tuple[str, list[str]]:
        """Name Django's field for such a column, and its arguments."""
        return self.fields[0], []


VALID = Sql("pg_input_is_valid({text}, {type_name})")


def literal(sentence: str) -> Sql:
    """Make a literal of a sentence."""
    return Sql("{sentence}", {"sentence": sentence})


def is_one_of(values: Sequence[str]) -> Sql:
    """Build the condition that a cell is one of these values."""
    return Sql("{text} = ANY({values}::text[])", {"values": list(values)})


def between(low: float | None, high: float | None, unit: str | None = None) -> str:
    """Render limits as the end of a sentence that begins with "must"."""
    if low is None:
        return f"be at most {in_figures(high, unit)}"
    if high is None:
        return f"be at least {in_figures(low, unit)}"
    return f"lie between {in_figures(low)} and {in_figures(high, unit)}"


def in_figures(value: object, unit: str | None = None) -> str:
    """Render a number for people, with its unit; a whole one without decimals."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    figures = str(value)
    return f"{figures} {unit}" if unit else figures


# -- Numbers --

_INTEGERS = ("int2", "int4", "int8")
#: Rounds as PostgreSQL's numeric does, with room for all digits that `DecimalNumber.parse` accepts.
_NUMERIC = Context(prec=20_000, rounding=ROUND_HALF_UP, Emin=MIN_EMIN, Emax=MAX_EMAX)
#: Digits of a numeric that float64 always has room for.
_MOST_DIGITS = 300
#: A numeric that is too large for float64 is NaN, one that is too small is 0; PostgreSQL refuses to convert them.
_FINITE = (
    "CASE WHEN abs({0}) > 1.7976931348623157e308 THEN 'NaN' "
    "WHEN abs({0}) < 2.4703282292062328e-324 THEN 0 ELSE {0} END"
)


class Number(Kind):
    """A floating-point number."""

    __slots__ = ()
    code = "NUMBER"
    expected = "a number"
    api_description = "A number with a fraction, as Float or Decimal."
    fields: ClassVar[tuple[str, ...]] = ("FloatField",)
    sql_types = (*_INTEGERS, "float8", "numeric", "bool")
    scalar = "Float"
    is_quantity = True
    probes: ClassVar[tuple[object, ...]] = (
        None,
        0.0,
        -0.0,
        1e300,
        -1e300,
        1e30,
        -1e-300,
        10**25,
        math.inf,
        -math.inf,
        math.nan,
    )
    batch_type: ClassVar[type | None] = float
    cast_sql: ClassVar[str] = "(CAST({0} AS {1}) + 0)"  # −0.0 as 0.0
    present_sql: ClassVar[str] = "(CASE WHEN {0} NOT IN ('NaN', 'Infinity', '-Infinity') THEN {0} END)"
    answer_sql: ClassVar[str] = present_sql
    described = "decimal"
    cell_described = "a number"
    #: The condition under which an invalid cell is a number all the same, too large for its column.
    too_large: ClassVar[str] = "~* '^[+-]?[0-9.]+(e[+-]?[0-9]+)?$'"
    #: The sentence about a cell that is none.
    not_one: ClassVar[str] = "is no number"

    def copy(self, type_: str, digits: int = 0) -> BinaryCopy | OtherCopy | None:
        if type_ not in self.sql_types:
            return None
        if type_ == "bool":
            return BinaryCopy(sql="COALESCE({0}::int4, -1)", wire=">i4", read=_read_boolean)
        open_ = type_ == "numeric" and not 0 < digits <= _MOST_DIGITS
        return BinaryCopy(
            sql=f"COALESCE({_FINITE if open_ else '{0}'}::float8, 'NaN')",
            wire=">f8",
            read=_read_number,
        )

    def is_missing(self, value: Any) -> bool:
        return value is not None and not _is_finite(value)

    def canonical(self, value: object, null: bool) -> object:
        value = super().canonical(value, null)
        # A column of type numeric, whatever the field is.
        return self._of_decimal(value) if isinstance(value, Decimal) else value

    def _of_decimal(self, value: Decimal) -> object:
        return float(value)

    def clean(self, value: Any, column: Declaration) -> object:
        if not _is_finite(value):
            raise ValueNotFinite(f"{column.title} must be a finite number.")
        return self._within(self._rounded(value, column), column)

    def _within(self, value: Any, column: Declaration) -> Any:
        low, high = column.limits
        if (low is not None and value < low) or (high is not None and value > high):
            raise ValueOutOfRange(
                f"{column.title} must {between(low, high, column.unit)}, not {in_figures(value, column.unit)}.",
                minimum=None if low is None else float(low),
                maximum=None if high is None else float(high),
            )
        return value

    def _rounded(self, value: Any, column: Declaration) -> Any:
        return float(value) + 0.0  # −0.0 as 0.0

    def clean_batch(
        self, values: Sequence[Any], some: Sequence[Any], column: Declaration
    ) -> Sequence[object] | None:
        if not _all_within(some, column):
            return None
        return [None if value is None else value + 0.0 for value in values]

    def serialize(self, value: Any) -> object:
        return value if value is None or math.isfinite(value) else None

    def text_for_people(self, value: Any, unit: str | None) -> str:
        # A float has digits that nobody wrote, as 0.1 + 0.2.
        return in_figures(float(f"{value:.{PRECISION}g}") if isinstance(value, float) else value, unit)

    def float_bounds(self, column: Declaration) -> tuple[float, float]:
        low, high = column.limits
        return -float_info.max if low is None else low, float_info.max if high is None else high

    def check_cells(self, column: FileColumn) -> Iterator[CellCheck]:
        low, high = column.typed.limits
        is_limited = (low, high) != (None, None)
        outside = f"must {between(low, high, column.typed.unit)}" if is_limited else "must be finite"
        sentence = f"CASE WHEN {{text}} {self.too_large} THEN {{outside}} ELSE {{invalid}} END"
        yield CellCheck(VALID, Sql(sentence, {"outside": outside, "invalid": self.not_one}))
        yield from self._check_finite()
        low, high = self._unforced(low, high, column.type)
        if (low, high) != (None, None):
            yield CellCheck(_lies_between(low, high), literal(outside))

    def _check_finite(self) -> Iterator[CellCheck]:
        yield CellCheck(_lies_between(-float_info.max, float_info.max), literal("is no finite number"))

    def _unforced(self, low: Any, high: Any, type_: str) -> tuple[Any, Any]:
        """The limits that the column's type does not force by itself."""
        return low, high

    def rewrite(self, column: FileColumn) -> Rewrite:
        if column.decimal_comma:
            return Rewrite(Sql("replace(replace({text}, '.', ''), ',', '.')"))
        grouped = "^[+-]?[0-9]{1,3}(,[0-9]{3})+(\\.[0-9]+)?$"
        value = "CASE WHEN {text} ~ {grouped} THEN replace({text}, ',', '') ELSE {text} END"
        return Rewrite(Sql(value, {"grouped": grouped}))

    def cell_matcher(self, decimal_comma: bool) -> Callable[[str], object] | None:
        point = "," if decimal_comma else r"\."
        # Inside of an exponent there is no comma, and no more digits than floats have room for.
        return re.compile(
            rf"[+-]?({_whole(decimal_comma)}({point}\d*)?|{point}\d+)([eE][+-]?\d{{1,4}})?", re.ASCII
        ).fullmatch


class Integer(Number):
    """A whole number."""

    __slots__ = ()
    code = "INTEGER"
    expected = "a whole number"
    api_description = "A whole number, as Int or BigInt."
    fields: ClassVar[tuple[str, ...]] = ("IntegerField",)
    scalar = "Int"
    python: ClassVar[Any] = int
    is_whole = is_integer = True
    probes = (None, 0, -1, 2**63, -(10**30))
    batch_type = int
    cast_sql, present_sql = Kind.cast_sql, Kind.present_sql
    answer_sql: ClassVar[str] = Kind.answer_sql
    json_sql = r"regexp_replace({0}, '\.0+$', '')"  # JSON knows numbers alone
    described = "integer"
    cell_described = "an integer"
    wider_code = "NUMBER"
    too_large = "~ '^[+-]?[0-9]+$'"
    not_one = "is no whole number"
    #: Whole numbers that leave room below the 32 bits of an IntegerField.
    _ROOM = range(-200_000_000, 200_000_001)

    def decode_cell(self, cell: Any) -> object:
        return int(cell)

    def _of_decimal(self, value: Decimal) -> object:
        return int(value) if value.is_finite() else None

    def from_float(self, number: float, column: Declaration) -> object:
        return int(number)

    def clean(self, value: Any, column: Declaration) -> object:
        return int(self._within(value, column))

    def clean_batch(
        self, values: Sequence[Any], some: Sequence[Any], column: Declaration
    ) -> Sequence[object] | None:
        return values if _all_within(some, column) else None

    def serialize(self, value: Any) -> object:
        return value

    def float_bounds(self, column: Declaration) -> tuple[float, float]:
        return math.inf, -math.inf

    def _check_finite(self) -> Iterator[CellCheck]:
        yield from ()

    def _unforced(self, low: Any, high: Any, type_: str) -> tuple[Any, Any]:
        bound = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}.get(type_)
        return (None if bound and low == -bound else low), (None if bound and high == bound - 1 else high)

    def rewrite(self, column: FileColumn) -> Rewrite:
        """Write a whole number in the one form in which choices are compared: no plus, zeros or fraction around it."""
        template, values = super().rewrite(column).value
        whole = f"regexp_replace({template}, '^[+](?=[0-9])|\\.0+$', '', 'g')"
        return Rewrite(Sql(f"regexp_replace({whole}, '^(-?)0+([0-9])', '\\1\\2')", values))

    def cell_matcher(self, decimal_comma: bool) -> Callable[[str], object] | None:
        return re.compile(rf"[+-]?{_whole(decimal_comma)}", re.ASCII).fullmatch

    def kind_for(self, low: int, high: int) -> Kind:
        bits = range(-BEYOND_64_BITS, BEYOND_64_BITS)
        return self if low in bits and high in bits else Kind("LARGE")

    def declare_field(self, cells: SeenCells) -> tuple[str, list[str]]:
        fits = cells.low in self._ROOM and cells.high in self._ROOM
        return ("IntegerField" if fits else "BigIntegerField"), []


class BigInteger(Integer):
    """A whole number of 64 bits: an integer that JSON's numbers cannot carry."""

    __slots__ = ()
    code = "BIGINT"
    learned_as_code = "INTEGER"
    fields = ("BigIntegerField", "PositiveBigIntegerField", "BigAutoField")
    scalar = "BigInt"
    scalar_description = (
        "A whole number of 64 bits. Answers have it as a string; inputs take a string or a number."
    )
    python = BigInt
    answer_sql = "CAST({0} AS text)"
    stored_answer_sql = "{0} ->> {1}"

    def parse(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError("it takes a whole number, as a string or as a number")
        number = int(value) if len(str(value)) <= 20 else BEYOND_64_BITS
        if not -BEYOND_64_BITS <= number < BEYOND_64_BITS:
            raise ValueError("it takes 64 bits")
        return number

    def serialize(self, value: object) -> object:
        return None if value is None else str(value)

    def cell_matcher(self, decimal_comma: bool) -> Callable[[str], object] | None:
        return None


class DecimalNumber(Number):
    """A number with a fixed number of decimal places."""

    __slots__ = ()
    code = "DECIMAL"
    expected = "a decimal number"
    learned_as_code = "NUMBER"
    fields: ClassVar[tuple[str, ...]] = ("DecimalField",)
    computed_sql_type = "numeric"
    scalar = "Decimal"
    scalar_description = "A decimal number. Answers have it as a string; inputs take a string or a number."
    python = Decimal
    is_json = False
    json_order_sql = (
        "CAST(substring({0} #>> '{{}}' FROM '^[+-]?[0-9]+(?:[.][0-9]+)?(?:E[+-]?[0-9]+)?$') AS numeric)"
    )
    batch_type = None
    cast_sql = Kind.cast_sql
    answer_sql = "CAST({0} AS text)"
    stored_answer_sql = "{0} ->> {1}"

    def parse(self, value: object) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > 1_000:
            raise ValueError("it takes a decimal number, as a string or as a number")
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            raise ValueError("it takes a decimal number, as a string or as a number") from None
        if not number.is_finite():
            raise ValueError("it takes a finite number")
        return number

    def _rounded(self, value: Any, column: Declaration) -> Any:
        """Round as a numeric column does, ties away from zero; −0 as 0.

        Without declared places the zeros at the end go, of which each way would have others.
        """
        places, number = column.decimal_places, _NUMERIC.plus(Decimal(str(value)))
        if places is None:
            places = max(0, -_exponent(_NUMERIC.normalize(number)))
        if number.adjusted() + places >= _NUMERIC.prec:
            return number  # beyond every column, as its limits say
        return _NUMERIC.plus(number.quantize(Decimal((0, (1,), -places)), context=_NUMERIC))

    def _of_decimal(self, value: Decimal) -> object:
        return value

    def from_float(self, number: float, column: Declaration) -> object:
        return self._rounded(number, column)

    def to_json(self, value: object) -> object:
        return None if value is None else str(value)

    def from_json(self, value: Any) -> object:
        try:
            return None if value is None else Decimal(value)
        except (InvalidOperation, TypeError, ValueError):
            return None

    def serialize(self, value: object) -> object:
        return None if value is None else str(value)

    def float_bounds(self, column: Declaration) -> tuple[float, float]:
        return math.inf, -math.inf

    def _check_finite(self) -> Iterator[CellCheck]:
        yield from ()

    def cell_matcher(self, decimal_comma: bool) -> Callable[[str], object] | None:
        return None


class LargeInteger(DecimalNumber):
    """A whole number beyond 64 bits, as files have them: a decimal number without places."""

    __slots__ = ()
    code = "LARGE"
    expected = "a whole number"
    fields = ()
    is_whole = True
    described = "large integer"

    def declare_field(self, cells: SeenCells) -> tuple[str, list[str]]:
        return "DecimalField", [f"max_digits={max(40, cells.longest)}", "decimal_places=0"]


class Boolean(Kind):
    """Yes or no."""

    __slots__ = ()
    code = "BOOLEAN"
    expected = "true or false"
    api_description = "True or false."
    fields = ("BooleanField",)
    sql_types = Number.sql_types
    scalar = "Boolean"
    python = bool
    form = "checkbox"
    own_choices = ((False, "no"), (True, "yes"))
    is_ranged = False
    is_discrete = is_boolean = True
    probes = (None, True, False)
    described = "yes or no"

    def decode_cell(self, cell: object) -> object:
        return bool(cell)

    def describe_value(self, value: object) -> str:
        return "yes" if value else "no"

    def text_for_people(self, value: Any, unit: str | None) -> str:
        return self.describe_value(value)

    def copy(self, type_: str, digits: int = 0) -> BinaryCopy | OtherCopy | None:
        return Kind.NUMBER.copy(type_, digits)

    def clean(self, value: object, column: Declaration) -> object:
        return bool(value)

    def check_cells(self, column: FileColumn) -> Iterator[CellCheck]:
        yield CellCheck(VALID, literal("is not yes or no"))

    def rewrite(self, column: FileColumn) -> Rewrite:
        return Rewrite(Sql("regexp_replace({text}, '^([01])\\.0+$', '\\1')"))


def _whole(decimal_comma: bool) -> str:
    group = r"\." if decimal_comma else ","
    # No leading zeros: 007 is a code.
    return rf"(0|[1-9]\d{{0,999}}|[1-9]\d{{0,2}}({group}\d{{3}})+)"


def _read_number(values: Array) -> Array:
    return bounded(values.astype(np.float64))


def _read_boolean(values: Array) -> Array:
    return np.where(values < 0, np.nan, values)


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int), "the number is finite"
    return exponent


def _is_finite(value: Any) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite()
    try:
        return math.isfinite(value)
    except OverflowError:
        return False  # an integer longer than any float


def _all_within(values: Sequence[float], column: Declaration) -> bool:
    """True if all are finite and within the column's limits; False also where a sum overflows."""
    low, high = column.limits
    return (
        math.isfinite(sum(values))
        and (low is None or min(values) >= low)
        and (high is None or max(values) <= high)
    )


def _lies_between(low: Any, high: Any) -> Sql:
    number, values = "CAST({text} AS {type})", {"low": low, "high": high}
    limits = [(f"{number} >= {{low}}", low), (f"{number} <= {{high}}", high)]
    return Sql(f"({' AND '.join(form for form, limit in limits if limit is not None)})", values)


# -- Categories and texts --

_TEXT_TYPES = ("text", "varchar")


class Category(Kind):
    """One of the declared choices."""

    __slots__ = ()
    code = "CATEGORY"
    api_description = "One of the values in `choices`, as a member of the column's enum."
    sql_types = (*_TEXT_TYPES, "bool", *_INTEGERS)
    python = str
    form = "select"
    is_numeric = is_ordered = is_ranged = False
    is_category = is_discrete = True
    dtype = "i4"
    probes = (None, "", "what nobody has declared")
    described = "category"

    def encode_cells(self, choices: Sequence[str], cells: Sequence[object]) -> Array:
        code = {choice: position for position, choice in enumerate(choices)}
        codes = (MISSING if cell is None else code.get(str(cell), MISSING) for cell in cells)
        return np.fromiter(codes, dtype=np.int32, count=len(cells))

    def series(self, choices: Sequence[str], encoded: Array) -> "pd.Series":
        return category(choices, encoded)

    def can_read(self, other: Kind) -> bool:
        return self == other or other.is_open

    def analysed_as(self, choices: Sequence[str]) -> Kind:
        return Kind.ORDINAL if is_ascending(choices) else self

    def copy(self, type_: str, digits: int = 0) -> BinaryCopy | OtherCopy | None:
        return OtherCopy.HASH if type_ in self.sql_types else None

    def clean(self, value: object, column: Declaration) -> object:
        if (text := str(value)) in column.by_text or (text := normal_form(text)) in column.by_text:
            return column.by_text[text]
        if column.blank_is_null and canonical_text(text, null=True) is None:
            return None
        raise InvalidValue(f"{column.title} must be {one_of(list(column.by_text))}, not {text!r}.")

    def check_cells(self, column: FileColumn) -> Iterator[CellCheck]:
        values = list(column.typed.by_text)
        yield CellCheck(is_one_of(values), literal(f"is none of {listed(values)}"))

    def rewrite(self, column: FileColumn) -> Rewrite:
        if column.typed.field_kind.is_quantity:
            return column.typed.field_kind.rewrite(column)
        return Rewrite(Sql("normalize({text}, NFC)"), is_one_of(list(column.typed.by_text)))

    def declare_field(self, cells: SeenCells) -> tuple[str, list[str]]:
        return "CharField", [f"max_length={max(map(len, cells.values))}"]


class Ordinal(Category):
    """A category whose choices are numbers in ascending order: nobody declares it, an analysis finds it."""

    __slots__ = ()
    code = "ORDINAL"
    api_description = "A category whose values are numbers in ascending order. Only analyses report it."
    is_ordered = True


class Text(Kind):
    """Words."""

    __slots__ = ()
    code = "TEXT"
    expected = "text"
    api_description = "Free text."
    fields: ClassVar[tuple[str, ...]] = ("TextField", "CharField")
    sql_types = _TEXT_TYPES
    scalar = "String"
    python: ClassVar[Any] = str
    form = "textarea"
    is_numeric = is_ordered = is_ranged = False
    is_text = True
    dtype = "O"
    probes: ClassVar[tuple[object, ...]] = (
        None,
        "",
        " \n",
        "?!",
        "a",
        "Straße ÇA İ ﬁ",
        "🙂 \u0301",
        "word " * 500,
        "unheardof",
    )
    described = "text"

    def can_read(self, other: Kind) -> bool:
        return self == other or other.is_open

    def encode_cells(self, choices: Sequence[str], cells: Sequence[object]) -> Array:
        encoded = np.empty(len(cells), dtype=object)
        encoded[:] = [None if cell is None else str(cell) for cell in cells]
        return encoded

    def learned_from(self, cells: "pd.Series") -> Kind:
        """An open category where the cells are names or codes that repeat, else a text."""
        return Kind.OPEN_CATEGORY if repeats_as_names(cells) else self

    def copy(self, type_: str, digits: int = 0) -> BinaryCopy | OtherCopy | None:
        return OtherCopy.TEXT if type_ in self.sql_types else None

    def clean(self, value: Any, column: Declaration) -> object:
        if not is_storable(value):
            raise InvalidValue(
                f"{column.title} has a character that cannot be stored (NUL or half a pair): leave it out."
            )
        text = canonical_text(value, column.blank_is_null)
        if text is not None and column.longest is not None and len(text) > column.longest:
            raise InvalidValue(f"{column.title} may have {column.longest} characters, not {len(text)}.")
        return text

    def stored_sql(self, null: bool) -> str:
        return _canonical_sql(null)

    def canonical(self, value: object, null: bool) -> object:
        return None if value is None else canonical_text(str(value), null)

    def check_cells(self, column: FileColumn) -> Iterator[CellCheck]:
        # Rewriting makes null of a blank cell, and of a word for missing where the column may be null.
        words = [*NO_VALUE, *map(str.upper, NO_VALUE), *map(str.capitalize, NO_VALUE), "NaN"]
        missing = sorted(set(words)) if column.null else [""]
        has_value = "btrim({text}, {blanks}) <> ALL({missing}::text[])"
        yield CellCheck(Sql(has_value, {"blanks": BLANKS, "missing": missing}), literal("is missing"))
        canonical = Sql("(octet_length({text}) = length({text}) OR {text} IS NFC NORMALIZED)")
        yield CellCheck(canonical, literal("is not in Unicode's normal form C"))
        if (longest := column.typed.longest) is not None:
            short = Sql("length({text}) <= {longest}", {"longest": longest})
            yield CellCheck(short, literal(f"has more than {longest} characters"))

    def rewrite(self, column: FileColumn) -> Rewrite:
        is_value = "false" if column.null else "{text} <> ''"
        return Rewrite(Sql("normalize({raw}, NFC)"), Sql(is_value))


class OpenCategory(Text):
    """A name or a code of an open set, as a city or a foreign key: the whole value is a level."""

    __slots__ = ()
    code = "OPEN_CATEGORY"
    api_description = (
        "A name or code of an open set, as a city: the whole text counts, and new ones are accepted."
    )
    fields = ()
    form = "text"
    is_text = False
    is_category = is_open = is_discrete = True
    probes = (None, "", " \n", "A-1", "what nobody has seen", "Straße ÇA İ ﬁ", "🙂 \u0301", "7")
    described = "open category"

    def can_read(self, other: Kind) -> bool:
        return (other.is_text and not other.is_set) or other.is_category

    def series(self, choices: Sequence[str], encoded: Array) -> "pd.Series":
        """Number the texts that occur, in their order; `choices` are none."""
        codes, levels = pd.factorize(encoded)
        return sorted_category(levels, codes)

    def code_by_choice(self, choices: Sequence[str]) -> dict[str | None, int]:
        """A missing value is a level of its own, behind the others."""
        return {**super().code_by_choice(choices), None: len(choices)}

    def learned_from(self, cells: "pd.Series") -> Kind:
        return self

    def copy(self, type_: str, digits: int = 0) -> BinaryCopy | OtherCopy | None:
        return OtherCopy.LEVELS if type_ in self.sql_types else None

    def declare_field(self, cells: SeenCells) -> tuple[str, list[str]]:
        return Kind.TEXT.declare_field(cells)


#: Members of a set, at most.
MOST_MEMBERS = 1_000


class SetOfTexts(Text):
    """A set of names or codes, as the tags of a row: each member is a yes or no by itself.

    A value is the text of a JSON list whose members are sorted by their code points, as PostgreSQL writes it, so that
    equal sets are equal texts on every path.
    """

    __slots__ = ()
    code = "TEXT_SET"
    expected = "a list of texts"
    api_description = "A set of names or codes, as a list of texts."
    in_every_schema = False
    fields = ("TextSetField",)
    scalar = "TextSet"
    scalar_description = (
        "A set of texts, as a list. As input the order does not matter, and a text that comes twice counts once; "
        "answers are sorted."
    )
    python = TextSet
    is_set = True
    probes = (
        None,
        "[]",
        '[""]',
        '["A-1"]',
        '["A-1","what nobody has seen"]',
        '["🙂 \u0301"]',
        "7",
        "no list",
    )
    is_json = False
    answer_sql = "CAST({0} AS json)"
    stored_answer_sql = "CAST({0} ->> {1} AS json)"
    described = "set of texts"

    def can_read(self, other: Kind) -> bool:
        return self == other

    def learned_from(self, cells: "pd.Series") -> Kind:
        return self

    def stored_sql(self, null: bool) -> str:
        return ""

    def canonical(self, value: object, null: bool) -> object:
        return value

    def clean(self, value: Any, column: Declaration) -> object:
        """Normalise and sort the members of a list, or of a value as tables have it; blank ones are left out."""
        members = self._stored(value, column) if isinstance(value, str) else value
        cleaned = (super(SetOfTexts, self).clean(member, column) for member in members)
        texts = {text for text in cleaned if isinstance(text, str) and text}
        if len(texts) > MOST_MEMBERS:
            raise InvalidValue(
                f"{column.title} may have {MOST_MEMBERS:,} different texts, not {len(texts):,}."
            )
        return write_set(texts)

    def _stored(self, value: str, column: Declaration) -> list[str]:
        if self.from_json(value) is None:
            raise InvalidValue(f"{column.title} must be {self.expected}, not {value!r}.")
        return members_of(value)

    def from_json(self, value: object) -> object:
        return value if isinstance(value, str) and value == write_set(members_of(value)) else None

    def parse(self, value: object) -> object:
        if not isinstance(value, list | tuple) or not all(isinstance(member, str) for member in value):
            raise ValueError("it takes a list of texts")
        return tuple(value)

    def serialize(self, value: Any) -> object:
        return None if value is None else members_of(value)

    def text_for_people(self, value: Any, unit: str | None) -> str:
        return ", ".join(members_of(value))


def write_set(members: Iterable[str]) -> str:
    """Write a set as PostgreSQL does by `array_to_json`: its members sorted by their code points."""
    return json.dumps(sorted(set(members)), ensure_ascii=False, separators=(",", ":"))


def members_of(text: str) -> list[str]:
    """List the members of a set as it is stored; none of a text that is no set."""
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        return []
    is_set = isinstance(members, list) and all(isinstance(member, str) for member in members)
    return members if is_set else []


def place_members(places: Mapping[str, int], text: str) -> list[int]:
    """Look up the places of the members of a set that have one."""
    return list({places[member] for member in members_of(text) if member in places})


#: Characters of a name or a code; longer texts are prose, whatever repeats.
LONGEST_NAME = 80
#: Mean number of spaces in names and codes, at most: of prose each word counts.
MOST_SPACES = 1.0
#: Least share of the cells whose value other cells have too.
REPEATED = 0.5
#: Cells whose length is looked at before the others are.
GLANCE = 1_000


def repeats_as_names(cells: "pd.Series") -> bool:
    """True if these texts are names or codes that repeat, which are levels rather than words."""
    texts = cells.to_numpy()
    present = texts[~pd.isna(texts)]
    glance = present[:: max(1, len(present) // GLANCE)]
    if not len(glance) or not are_names(max(map(len, glance)), _mean_spaces(glance), REPEATED):
        return False
    counts = np.bincount(pd.factorize(present)[0])
    repeated = counts[counts > 1].sum() / len(present)
    return bool(len(counts) > 1 and repeated >= REPEATED)


def are_names(longest: int, spaces: float, repeated: float) -> bool:
    """True if texts are names or codes that repeat.

    Args:
        longest: Number of characters of the longest.
        spaces: Mean number of spaces.
        repeated: Share of the cells whose value other cells have too.
    """
    return longest <= LONGEST_NAME and spaces <= MOST_SPACES and repeated >= REPEATED


def _mean_spaces(texts: Array) -> float:
    return sum(text.count(" ") for text in texts) / len(texts)


def normal_form(text: str) -> str:
    """Convert a text to Unicode's form C, in which equal texts have equal characters."""
    return unicodedata.normalize("NFC", text)


def is_storable(text: str) -> bool:
    """Return True for a text that PostgreSQL can store: without NUL and without halves of surrogate pairs."""
    return "\0" not in text and (
        text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
    )


def canonical_text(text: str, null: bool) -> str | None:
    """Convert a text to its normal form; a blank one to null where the column may be null, else to the empty text."""
    normal = normal_form(text)
    return normal if normal.strip(BLANKS) else None if null else ""


def _canonical_sql(null: bool) -> str:
    """`canonical_text` in SQL, by a function of ours that knows BLANKS too; of an enum, citext or any type as text."""
    text = "exemplar.normal_text(CAST({0} AS text))"
    return f"NULLIF({text}, '')" if null else text


def one_of(values: Sequence[str]) -> str:
    """Render the values of which one is expected."""
    return f"one of {listed(values)}"


def listed(values: Sequence[str]) -> str:
    """Render values, the first 20 at most."""
    return ", ".join(value or "an empty text" for value in values[:20]) + (", …" if len(values) > 20 else "")


def is_ascending(choices: Sequence[str]) -> bool:
    """True if the choices are two or more numbers in ascending order."""
    try:
        numbers = [float(choice) for choice in choices]
    except ValueError:
        return False
    return len(numbers) > 1 and all(one < next_ for one, next_ in pairwise(numbers))


# -- Dates and times --

#: SQL of ISO 8601 in JSON, which is in the order of time, character by character.
_ISO_ORDER = "(({0} #>> '{{}}') COLLATE \"C\")"
#: Whole days, and microseconds, from 1970 to 2000, where PostgreSQL counts from.
_DAYS, _MICROSECONDS = 10_957, 946_684_800_000_000
#: Before all times that Python knows, and days from it to 2000: stands for null.
_EARLIEST = "4714-11-24 00:00:00+00 BC"
_EARLIEST_DAY = -2_451_545
_START = datetime(1970, 1, 1, tzinfo=UTC)
_TIMESTAMPS = ("timestamptz", "timestamp")
# The forms in which cells of files have days, as Python and PostgreSQL read regular expressions alike.
_MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?)"
)
_MONTH_STARTS = "janfebmaraprmayjunjulaugsepoctnovdec"
_WEEKDAY = "(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?[.,]? +"
_DAY = "([0-9]{1,2})(?:st|nd|rd|th)?"
_YEAR = "([0-9]{4}|[0-9]{2})(?![0-9])"
_YEAR_FIRST = re.compile("([0-9]{4})([-/.])([0-9]{1,2})\\2([0-9]{1,2})(?![0-9])")
_COMPACT = re.compile("((?:19|20)[0-9]{2})()([0-9]{2})([0-9]{2})(?![0-9])")
_YEAR_LAST = re.compile(f"([0-9]{{1,2}})([-/.])([0-9]{{1,2}})\\2{_YEAR}")
_DAY_NAMED = re.compile(f"(?:{_WEEKDAY})?{_DAY}[. -]*({_MONTH})[., -]*{_YEAR}", re.IGNORECASE)
_NAMED_DAY = re.compile(f"(?:{_WEEKDAY})?({_MONTH})[. -]*{_DAY}[, -]+{_YEAR}", re.IGNORECASE)
_CLOCK = re.compile(
    r"[ T]([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d{1,9})?)?( ?[AaPp][Mm])?( ?(Z|UTC|GMT|[+-]\d\d(:?\d\d)?))?"
)
#: Forms that look like days, and are none or not certainly: months, quarters, weeks, days without a year, months named
#: in other languages than English, years of two digits that come first.
_NEARLY = re.compile(
    r"\d{4}[-/](0?[1-9]|1[0-2])|(0?[1-9]|1[0-2])[-/]\d{4}"
    r"|\d{4}[ -]?Q[1-4]|Q[1-4][ /-]?\d{4}|\d{4}-?W\d\d(-?\d)?"
    rf"|{_MONTH}[. /-]*'?\d{{2,4}}|\d\d?[. -]*{_MONTH}|{_MONTH}[. -]+\d\d?"
    r"|\d\d?\.?[ -][^\W\d_]{3,10}\.?[ -]\d{2,4}|\d{1,4}(?P<mark>[-/.])\d\d?(?P=mark)\d{1,4}",
    re.IGNORECASE,
)
#: The first of the hundred years that two digits stand for, as POSIX has it.
FIRST_YEAR = 1970
_MOMENT = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)[T ](\d\d?):(\d\d?)(?::(\d\d?)(?:[.,](\d{1,12}))?)?\s*"
    r"(Z|[+-]\d\d(?::?\d\d)?)?"
)
#: More digits of a second than a moment has: Python cuts them off, and PostgreSQL rounds.
_FINE = re.compile(r"[.,]\d{7}")


class Date(Kind):
    """A day."""

    __slots__ = ()
    code = "DATE"
    expected = "a date, as 2026-01-31"
    api_description = "A date: ISO 8601, as 2026-01-31."
    fields = ("DateField",)
    sql_types = ("date", *_TIMESTAMPS)
    scalar = "Date"
    python = date
    form = "date"
    has_date = is_day = True
    converts = True
    to_float = staticmethod(days)
    probes = (None, date.min, date.max, date(1970, 1, 1))
    is_json = False
    described = "date"
    cell_described = "a date"
    wider_code = "DATETIME"
    #: The word for one in a sentence.
    word: ClassVar[str] = "date"
    number_sql = "CAST(extract(epoch FROM {0}) / 86400 AS float8)"
    #: PostgreSQL would read words too, as "today".
    json_sql = "substring({0} FROM '^[0-9][0-9][0-9][0-9]-.*$')"
    json_order_sql = _ISO_ORDER

    def decode_cell(self, cell: Any) -> object:
        return _moment_of(cell).date()

    def describe_number(self, number: float) -> str:
        return _moment_of(number).date().isoformat()

    def copy(self, type_: str, digits: int = 0) -> BinaryCopy | OtherCopy | None:
        if type_ not in self.sql_types:
            return None
        wire, read = (">i4", _read_days) if type_ == "date" else (">i8", _read_moments)
        return BinaryCopy(sql=f"COALESCE({{0}}, '{_EARLIEST}'::{type_})", wire=wire, read=read)

    def clean(self, value: Any, column: Declaration) -> object:
        first, last = column.moment_limits
        if (first is not None and value < first) or (last is not None and value > last):
            words = self._within_words(first, last)
            raise ValueOutOfRange(f"{column.title} must {words}, not {self.text_for_people(value, None)}.")
        return value

    def _within_words(self, first: Any, last: Any) -> str:
        """Render limits as the end of a sentence that begins with "must"."""
        texts = [None if limit is None else self.text_for_people(limit, None) for limit in (first, last)]
        if texts[0] is None:
            return f"be {texts[1]} at the latest"
        if texts[1] is None:
            return f"be {texts[0]} at the earliest"
        return f"lie between {texts[0]} and {texts[1]}"

    def to_json(self, value: Any) -> object:
        return None if value is None else value.isoformat()

    def from_json(self, value: Any) -> object:
        try:
            return None if value is None else self.python.fromisoformat(value)
        except (TypeError, ValueError):
            return None

    def serialize(self, value: Any) -> object:
        return None if value is None else value.isoformat()

    def check_cells(self, column: FileColumn) -> Iterator[CellCheck]:
        unsure = " (or say whether the day or the month comes first)" if column.day_first is None else ""
        sentence = literal(f"is no {self.word}: write it as 2024-12-31{unsure}")
        yield CellCheck(self._is_written(), sentence)
        yield CellCheck(VALID, sentence)
        # PostgreSQL has more years than Python, which could not read the row.
        yield CellCheck(_lies_between(*self.probes[1:3]), literal("must lie in the years 1 to 9999"))
        first, last = column.typed.moment_limits
        if (first, last) != (None, None):
            outside = literal(f"must {self._within_words(first, last)}")
            yield CellCheck(_lies_between(first, last), outside)

    def _is_written(self) -> Sql:
        return Sql("({text} LIKE '____-%' AND length({text}) <= 10)")

    def rewrite(self, column: FileColumn) -> Rewrite:
        """The year first, however the file orders the parts; as it stands where the order is unknown."""
        value, values = "{text}", {"months": f"(?i){_MONTH}", "starts": _MONTH_STARTS}
        place = "(strpos({starts}, lower(left(substring({text}, {months}), 3))) + 2) / 3"
        month = f"coalesce(lpad(({place})::text, 2, '0'), '')"  # nothing where no month is named
        for step, (pattern, replacement) in enumerate(_rewritings(month, column.day_first)):
            value = f"regexp_replace({value}, {{pattern{step}}}, {replacement}, 'i')"
            values[f"pattern{step}"] = f"^{pattern}"
        return Rewrite(Sql(self._without_midnight(value), values))

    def _without_midnight(self, value: str) -> str:
        return f"regexp_replace({value}, '[ T]00:00(:00(\\.0*)?)?(Z|\\+00(:00)?)?$', '')"

    def cell_matcher(self, decimal_comma: bool) -> Callable[[str], object] | None:
        return lambda cell: _is_date(cell, clock=False)


class DateTime(Date):
    """A moment."""

    __slots__ = ()
    code = "DATETIME"
    expected = "a date and time with an offset, as 2026-01-31T12:00:00Z"
    api_description = "A moment: ISO 8601 with an offset."
    fields = ("DateTimeField",)
    scalar = "DateTime"
    scalar_description = "A moment: ISO 8601 with an offset, as 2026-01-31T12:00:00Z."
    scalar_url = "https://scalars.graphql.org/andimarek/date-time.html"
    python = datetime
    form = "datetime-local"
    is_day = False
    probes = (
        None,
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        datetime(2000, 2, 29, 23, 59, 59, 999_999),
    )
    described = "date and time"
    cell_described = "a date or time"
    wider_code = ""
    word = "time"

    def parse(self, value: object) -> datetime:
        moment = _parse_moment(value) if isinstance(value, str) else None
        if moment is None or moment.tzinfo is None:
            raise ValueError("it takes ISO 8601 with an offset, as 2026-01-31T12:00:00Z")
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            raise ValueError("it takes years from 1 to 9999") from None

    def decode_cell(self, cell: Any) -> object:
        return _moment_of(cell)

    def clean(self, value: Any, column: Declaration) -> object:
        return super().clean(value.astimezone(UTC), column)

    def serialize(self, value: Any) -> object:
        return None if value is None else value.astimezone(UTC).isoformat()

    def text_for_people(self, value: Any, unit: str | None) -> str:
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

    def _is_written(self) -> Sql:
        return Sql("{text} LIKE '____-%'")

    def _without_midnight(self, value: str) -> str:
        return value

    def cell_matcher(self, decimal_comma: bool) -> Callable[[str], object] | None:
        return lambda cell: _is_date(cell, clock=True)


def _read_days(values: Array) -> Array:
    return _with_ends(values, values.astype(np.float64) + _DAYS, date.min, date.max)


def _read_moments(values: Array) -> Array:
    whole = values.astype(np.int64)
    last = np.iinfo(np.int64)
    counted = days_of(np.where((whole == last.min) | (whole == last.max), 0, whole) + _MICROSECONDS)
    return _with_ends(values, counted, datetime.min, datetime.max)


def _with_ends(values: Array, counted: Array, first: date, last: date) -> Array:
    """Infinities are Python's first and last, as psycopg2 has it; the earliest time is none."""
    range_ = np.iinfo(values.dtype)
    counted[values == range_.max] = days(last)
    counted[values == range_.min] = days(first)
    counted[values == _EARLIEST_DAY * (1 if range_.bits == 32 else 86_400_000_000)] = np.nan
    return counted


def _moment_of(counted: float) -> datetime:
    try:
        return _START + timedelta(days=counted)
    except OverflowError:  # no time, or the last microsecond that Python knows, rounded up
        return (datetime.max if counted > 0 else datetime.min).replace(tzinfo=UTC)


def _parse_moment(text: str) -> datetime | None:
    """The moment that a client wrote, in ISO 8601 or with parts of one digit, rounded as PostgreSQL does."""
    match = _MOMENT.fullmatch(text) if _FINE.search(text) else None
    if match is None:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    *parts, fraction, offset = match.groups()
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    try:
        whole = datetime(year, month, day, hour, minute, second, tzinfo=_offset(offset))
        return whole + timedelta(microseconds=round(float(f"0.{fraction or 0}") * 1e6))
    except (ValueError, OverflowError):
        return None


def _offset(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text == "Z":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[3:].lstrip(":") or 0)
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _rewritings(month: str, day_first: bool | None) -> Iterator[tuple[str, str]]:
    """Yield patterns of a cell's start, and SQL of what replaces them, one after the other, until the year is first.

    Args:
        month: SQL of the two digits of the month that the cell names.
    """
    yield _WEEKDAY, "''"
    before = (
        f"([0-9]{{1,2}}[-/.][0-9]{{1,2}}[-/.]|[0-9]{{1,2}}(?:st|nd|rd|th)?[. -]*{_MONTH}[., -]*"
        f"|{_MONTH}[. -]*[0-9]{{1,2}}(?:st|nd|rd|th)?[, -]+)"
    )
    yield f"{before}([0-6][0-9])(?![0-9])", r"'\120\2'"
    yield f"{before}([7-9][0-9])(?![0-9])", r"'\119\2'"
    yield f"{_DAY}[. -]*{_MONTH}[., -]*([0-9]{{4}})(?![0-9])", rf"'\2-' || {month} || '-\1'"
    yield f"{_MONTH}[. -]*{_DAY}[, -]+([0-9]{{4}})(?![0-9])", rf"'\2-' || {month} || '-\1'"
    yield "([0-9]{4})[/.]([0-9]{1,2})[/.]([0-9]{1,2})(?![0-9])", r"'\1-\2-\3'"
    yield "([0-9]{4})([0-9]{2})([0-9]{2})(?![0-9])", r"'\1-\2-\3'"
    yield "(.*:[0-9]{2}),([0-9])", r"'\1.\2'"
    if day_first is not None:
        order = r"'\3-\2-\1'" if day_first else r"'\3-\1-\2'"
        yield "([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4})", order


class DateCell(NamedTuple):
    """The day that a cell of a file begins with."""

    #: Where the day ends in the cell.
    end: int
    year: int
    #: True for a year of two digits.
    is_short: bool = False
    #: True if the day stands before the month for certain, and True if the month stands first; both False: unknown.
    day_first: bool = False
    month_first: bool = False
    #: True if only the year stands last, and two numbers before it.
    is_ordered: bool = False


def read_date(cell: str) -> DateCell | None:
    """Read the day at the start of a cell; None if there is none, or none that exists."""
    if match := _YEAR_FIRST.match(cell) or _COMPACT.match(cell):
        year = int(match[1])
        return DateCell(match.end(), year) if _exists(year, int(match[3]), int(match[4])) else None
    if match := _YEAR_LAST.match(cell):
        return _read_year_last(match)
    if match := _DAY_NAMED.match(cell):
        day, name, text = match.groups()
    elif match := _NAMED_DAY.match(cell):
        name, day, text = match.groups()
    else:
        return None
    year, is_short = _read_year(text)
    month = _MONTH_STARTS.index(name[:3].lower()) // 3 + 1
    return DateCell(match.end(), year, is_short) if _exists(year, month, int(day)) else None


def _read_year_last(match: re.Match[str]) -> DateCell | None:
    first, separator, second = int(match[1]), match[2], int(match[3])
    year, is_short = _read_year(match[4])
    if is_short and separator == "." and not len(match[1]) == len(match[3]) == 2:
        return None  # 1.2.10 is more often a version
    if not (_exists(year, first, second) or _exists(year, second, first)):
        return None
    return DateCell(
        end=match.end(),
        year=year,
        is_short=is_short,
        day_first=separator == "." or first > 12,
        month_first=separator != "." and second > 12,
        is_ordered=True,
    )


def _read_year(text: str) -> tuple[int, bool]:
    """Read a year, and whether it has two digits."""
    if len(text) == 4:
        return int(text), False
    return FIRST_YEAR + (int(text) - FIRST_YEAR) % 100, True


def is_nearly_date(cell: str) -> bool:
    """True for a cell that people would take for a day, whether or not it can be read as one."""
    return bool(_NEARLY.fullmatch(cell)) or _is_date(cell, clock=True)


def _is_date(cell: str, clock: bool) -> bool:
    day = read_date(cell)
    if day is None:
        return False
    return day.end == len(cell) or (clock and bool(_CLOCK.fullmatch(cell, day.end)))


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _seconds(clock: time) -> float:
    """Count the seconds since midnight."""
    whole = (clock.hour * 60 + clock.minute) * 60 + clock.second
    return (whole * 10**6 + clock.microsecond) / 1e6


class TimeOfDay(Kind):
    """A time of day: seconds since midnight to models."""

    __slots__ = ()
    code = "TIME"
    expected = "a time of day without an offset, as 09:30 or 23:59:59.5"
    api_description = "A time of day without an offset, as 23:59:59."
    in_every_schema = False
    fields = ("TimeField",)
    sql_types = ("time",)
    scalar = "Time"
    scalar_description = (
        "A time of day without an offset: HH:MM, with seconds and their decimals where needed."
    )
    scalar_url = "https://scalars.graphql.org/andimarek/local-time.html"
    python = time
    form = "time"
    converts = True
    to_float = staticmethod(_seconds)
    probes = (None, time.min, time.max, time(12, 30), time(0, 0, 0, 1))
    is_json = False
    described = "time of day"
    cell_described = "a time of day"
    json_order_sql = _ISO_ORDER
    number_sql = "CAST(extract(epoch FROM {0}) AS float8)"
    #: From 00:00 to 23:59:59.999999; PostgreSQL knows 24:00 as well, and Python does not.
    _WRITTEN: ClassVar[str] = r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?"
    #: Microseconds of 24:00, which stands for null.
    _MIDNIGHT: ClassVar[int] = 86_400_000_000

    def decode_cell(self, cell: Any) -> object:
        # A number that is no time of day becomes one all the same: probes need a value, not the same value.
        return (datetime.min + timedelta(microseconds=round(cell * 1e6) % self._MIDNIGHT)).time()

    def describe_number(self, number: float) -> str:
        return f"{self.decode_cell(number):%H:%M}"

    def copy(self, type_: str, digits: int = 0) -> BinaryCopy | OtherCopy | None:
        if type_ not in self.sql_types:
            return None
        return BinaryCopy(sql="COALESCE({0}, '24:00'::time)", wire=">i8", read=self._read)

    def _read(self, values: Array) -> Array:
        return np.where(values == self._MIDNIGHT, np.nan, values / 1e6)

    def clean(self, value: Any, column: Declaration) -> object:
        return value.replace(tzinfo=None, fold=0)

    def to_json(self, value: Any) -> object:
        return None if value is None else value.isoformat()

    def from_json(self, value: Any) -> object:
        try:
            return None if value is None else time.fromisoformat(value)
        except (TypeError, ValueError):
            return None

    def parse(self, value: object) -> object:
        if not isinstance(value, str) or not re.fullmatch(self._WRITTEN, value, re.ASCII):
            raise ValueError("it takes a time of day without an offset, as 09:30 or 23:59:59.5")
        hour, *rest = value.split(":")
        return time.fromisoformat(":".join([hour.zfill(2), *rest]))

    def serialize(self, value: Any) -> object:
        return None if value is None else value.isoformat()

    def check_cells(self, column: FileColumn) -> Iterator[CellCheck]:
        written = Sql("{text} ~ {written}", {"written": f"^{self._WRITTEN}$"})
        yield CellCheck(written, literal("is no time of day: write it as 23:59 or 23:59:59"))

    def cell_matcher(self, decimal_comma: bool) -> Callable[[str], object] | None:
        return re.compile(self._WRITTEN, re.ASCII).fullmatch


def _count_seconds(span: timedelta) -> float:
    return span.total_seconds()


class Duration(Kind):
    """A span of time: seconds to models and to the API."""

    __slots__ = ()
    code = "DURATION"
    expected = "a number"
    unit = "seconds"
    api_description = "A span of time, as a number of seconds."
    in_every_schema = False
    fields = ("DurationField",)
    sql_types = ("interval",)
    scalar = "Seconds"
    scalar_description = "A span of time, as a number of seconds."
    python = timedelta
    converts = True
    to_float = staticmethod(_count_seconds)
    probes = (None, timedelta(0), timedelta(days=1), timedelta(microseconds=-1), timedelta.max)
    is_json = False
    described = "duration"
    number_sql = "CAST(extract(epoch FROM {0}) AS float8)"
    answer_sql = number_sql

    def decode_cell(self, cell: Any) -> object:
        return self.from_json(cell) or timedelta(0)

    def copy(self, type_: str, digits: int = 0) -> BinaryCopy | OtherCopy | None:
        if type_ not in self.sql_types:
            return None
        return BinaryCopy(
            sql="COALESCE(extract(epoch FROM {0})::float8, 'NaN')", wire=">f8", read=_read_number
        )

    def stored_sql(self, null: bool) -> str:
        # PostgreSQL's months and years have no number of seconds by which Python agrees, and its longest intervals,
        # and those without end, are none of Python's.
        interval = f"CASE WHEN abs(seconds) <= {_LONGEST:.0f} THEN make_interval(secs => seconds) END"
        return f"(SELECT {interval} FROM (SELECT extract(epoch FROM {{0}})::float8) AS span (seconds))"

    def rewrite(self, column: FileColumn) -> Rewrite:
        # PostgreSQL's intervals take no exponent, which the shortest spans have in JSON.
        value = "CASE WHEN {text} ~ {power} THEN {text}::numeric::text ELSE {text} END"
        return Rewrite(Sql(value, {"power": r"^[+-]?[0-9]+(\.[0-9]+)?[eE][+-]?[0-9]{1,3}$"}))

    def clean(self, value: Any, column: Declaration) -> object:
        if isinstance(value, timedelta):
            return value
        if not _is_finite(value):
            raise ValueNotFinite(f"{column.title} must be a finite number of seconds.")
        if abs(value) > _LONGEST:
            raise ValueOutOfRange(
                f"{column.title} must {between(-_LONGEST, _LONGEST, self.unit)}, not {in_figures(value)}.",
                minimum=-_LONGEST,
                maximum=_LONGEST,
            )
        return timedelta(seconds=value)

    def to_json(self, value: Any) -> object:
        return None if value is None else value.total_seconds()

    def from_json(self, value: Any) -> object:
        try:
            return None if value is None else timedelta(seconds=value)
        except (OverflowError, TypeError, ValueError):
            return None

    def serialize(self, value: Any) -> object:
        return None if value is None else value.total_seconds()

    def parse(self, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise ValueError("it takes a number of seconds")
        if abs(value) > _LONGEST:
            raise ValueError(f"it takes at most {_LONGEST:.0f} seconds")
        return timedelta(seconds=value)


#: Seconds of the longest span that float64 tells from a longer one.
_LONGEST = 86_399_999_913_600.0


class Unlearned(Kind):
    """A value from which nothing is learned, as a key that is a UUID. It is not registered: no feature has it."""

    __slots__ = ()
    code = "UNLEARNED"
    is_numeric = is_ordered = is_ranged = False


UNLEARNED = Unlearned()
_REGISTERED: dict[str, Kind] = {}
_BY_FIELD: dict[str, Kind] = {}
#: The modules of fields that have a kind by their names: Django's, and the one of sets.
_FIELD_MODULES = ("django.", "store.db.")


def register(*classes: type[Kind]) -> None:
    """Make the kinds known, in the order in which the API's enum names them."""
    for class_ in classes:
        kind = class_()
        _REGISTERED[kind.code] = kind
        _BY_FIELD.update(dict.fromkeys(kind.fields, kind))
        setattr(Kind, kind.code, kind)


def registered() -> tuple[Kind, ...]:
    """List the kinds, those of the contract in its order."""
    return tuple(_REGISTERED.values())


def kind_of_field(field: type) -> Kind:
    """The kind of a column of this class of Django's fields; UNLEARNED if nothing can be learned from it."""
    names = (base.__name__ for base in field.__mro__ if base.__module__.startswith(_FIELD_MODULES))
    return next((_BY_FIELD[name] for name in names if name in _BY_FIELD), UNLEARNED)


class Substitute(NamedTuple):
    """The expression to declare in place of a column from which no model learns."""

    #: Django's fields of such columns.
    fields: tuple[str, ...]
    #: PostgreSQL's types of such columns: by name, or by category as `pg_type` has it.
    types: tuple[str, ...]
    #: Python code of a feature; `{path}` is the column's path. "": there is none.
    expression: str
    #: The words for that feature, or for what to do without one.
    words: str

    def advise(self, path: str) -> str:
        """Say what to write in place of the column."""
        if not self.expression:
            return f"leave it out, or {self.words}"
        return f"declare {self.expression.format(path=path)} for {self.words}, or leave it out"


#: For a type that no other has.
_BY_VIEW = Substitute((), (), "", "name a view that makes a number, a text, a time or a yes and no of it")


def _range(fields: Sequence[str], types: Sequence[str], output: str) -> Substitute:
    expression = f'Func("{{path}}", function="lower", output_field={output}())'
    return Substitute(tuple(fields), tuple(types), expression, "its start (`upper` is its end)")


#: By the fields and types from which no kind learns.
SUBSTITUTES = (
    Substitute(
        ("ArrayField",),
        ("category A",),
        'Func("{path}", function="cardinality", output_field=IntegerField())',
        "the number of its elements",
    ),
    _range(("IntegerRangeField", "BigIntegerRangeField"), ("int4range", "int8range"), "BigIntegerField"),
    _range(("DecimalRangeField",), ("numrange",), "FloatField"),
    _range(("DateRangeField",), ("daterange",), "DateField"),
    _range(("DateTimeRangeField",), ("tstzrange", "tsrange"), "DateTimeField"),
    _range((), ("int4multirange", "int8multirange"), "BigIntegerField"),
    _range((), ("nummultirange",), "FloatField"),
    _range((), ("datemultirange",), "DateField"),
    _range((), ("tstzmultirange", "tsmultirange"), "DateTimeField"),
    Substitute(
        ("GenericIPAddressField", "IPAddressField"),
        ("inet", "cidr"),
        'Func("{path}", function="host", output_field=TextField())',
        "the address as a text",
    ),
    Substitute((), ("macaddr", "macaddr8"), 'Cast("{path}", TextField())', "the address as a text"),
    Substitute(("JSONField",), ("jsonb",), 'Json("{path}__key", FloatField())', "a number in it"),
    Substitute(
        (),
        ("json",),
        'Cast(Func("{path}", Value("key"), function="json_extract_path_text", output_field=TextField()), FloatField())',
        "a number in it",
    ),
    Substitute(
        ("HStoreField",),
        ("hstore",),
        'Func("{path}", Value("key"), arg_joiner=" -> ", template="(%(expressions)s)", output_field=TextField())',
        "the value of a key",
    ),
    Substitute((), ("money",), 'Cast("{path}", DecimalField(max_digits=19, decimal_places=2))', "the amount"),
    Substitute(
        ("BinaryField", "FileField", "ImageField"),
        ("bytea",),
        'Func("{path}", function="octet_length", output_field=IntegerField())',
        "its length",
    ),
    Substitute(
        ("SearchVectorField",),
        ("tsvector",),
        'Func("{path}", function="length", output_field=IntegerField())',
        "the number of its words; the text that it indexes is the better feature",
    ),
    Substitute((), ("tsquery",), 'Cast("{path}", TextField())', "the query as a text"),
    Substitute((), ("timetz",), 'Cast("{path}", TimeField())', "the time of day"),
    Substitute(
        (),
        ("bit", "varbit"),
        'Func("{path}", function="bit_count", output_field=BigIntegerField())',
        "the number of its ones",
    ),
    Substitute((), ("xml",), 'Cast("{path}", TextField())', "the document as a text"),
    Substitute(
        (),
        ("point",),
        'Func("{path}", template="(%(expressions)s)[0]", output_field=FloatField())',
        "its first coordinate",
    ),
    Substitute(
        (), ("box", "circle"), 'Func("{path}", function="area", output_field=FloatField())', "its area"
    ),
    Substitute(
        (), ("lseg", "path"), 'Func("{path}", function="length", output_field=FloatField())', "its length"
    ),
    Substitute(
        (),
        ("polygon",),
        'Func("{path}", function="npoints", output_field=IntegerField())',
        "the number of its points",
    ),
    Substitute(
        ("UUIDField",), ("uuid",), 'Category("{path}")', "the value as a whole, where it repeats in many rows"
    ),
)
_SUBSTITUTE_OF = {name: each for each in SUBSTITUTES for name in (*each.fields, *each.types)}
#: PostgreSQL's base types from which models learn, beside the kinds' `sql_types`: a snapshot has another one for each.
_CONVERTED_TYPES = ("float4", "bpchar", "name", "char", "citext")


def substitute_for_field(field: type) -> Substitute:
    """Get what to declare in place of a column of this class of Django's fields."""
    names = (base.__name__ for base in field.__mro__)
    return next((_SUBSTITUTE_OF[name] for name in names if name in _SUBSTITUTE_OF), _BY_VIEW)


def substitute_for_type(name: str, category: str) -> Substitute | None:
    """Get what to declare in place of a column of this type of PostgreSQL; None where models learn from it.

    Args:
        name: the name of the base type, as `pg_type` has it.
        category: its category there: `E` is an enum, `A` an array.
    """
    if category == "E" or name in _CONVERTED_TYPES or any(name in kind.sql_types for kind in registered()):
        return None
    return _SUBSTITUTE_OF.get(name) or _SUBSTITUTE_OF.get(f"category {category}", _BY_VIEW)


register(
    Number,
    Integer,
    Boolean,
    Category,
    Ordinal,
    Date,
    DateTime,
    Text,
    DecimalNumber,
    BigInteger,
    LargeInteger,
    TimeOfDay,
    Duration,
    OpenCategory,
    SetOfTexts,
)
