"""Casts: what a cell of a file must be to fit a column, as SQL expressions over its text."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from django.db import connection, models
from psycopg2 import sql

from learning.dataset import Kind

from ..products.columns import TypedColumn, between

#: What files write where they know nothing; for text these count only where the column takes no such value.
MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "?", "-", "--", ".", "missing", "unknown")

#: The largest finite number of a column of floats.
LARGEST = 1.7976931348623157e308


class Check(NamedTuple):
    """A condition of a cell that is not null; each may rely on those before it."""

    holds: sql.Composable
    #: What is said of a cell where it does not hold.
    sentence: sql.Composable


@dataclass(frozen=True)
class Cast:
    """A column of a file on its way to a column of a table."""

    field: Any  # of Django's models; django-stubs know no relations' targets
    #: Whether the file writes 1.234,5 for 1234.5.
    decimal_comma: bool = False
    #: Whether 03/04/2024 is in April; None: nobody knows.
    day_first: bool | None = None

    @cached_property
    def typed(self) -> TypedColumn:
        target = self.field.target_field if self.field.is_relation else self.field
        return TypedColumn(name=self.field.name, field=target, nullable=self.optional)

    @property
    def optional(self) -> bool:
        """Whether a cell may be missing."""
        return self.field.null or self.blank

    @property
    def blank(self) -> bool:
        """Whether a missing cell is the empty text."""
        return not self.field.null and self.field.blank and self.field.empty_strings_allowed

    @cached_property
    def type(self) -> str:
        """The name of its type in SQL."""
        kind = (
            self.field.rel_db_type(connection)
            if self.field.is_relation
            else self.field.cast_db_type(connection)
        )  # type: ignore[attr-defined]
        assert kind is not None, f"{self.field} has no column"
        return kind

    @property
    def is_number(self) -> bool:
        return isinstance(self.typed.field, models.IntegerField | models.FloatField | models.DecimalField)

    @property
    def is_time(self) -> bool:
        return self.typed.kind in (Kind.DATE, Kind.DATETIME)

    @property
    def must_be_rewritten(self) -> bool:
        """Whether the text as it stands could be read as something else than is meant."""
        return self.decimal_comma and self.is_number

    def value(self, text: sql.Composable) -> sql.Composable:
        """The value of a cell that fits."""
        value = sql.SQL("CAST({} AS {})").format(text, sql.SQL(self.type))
        return sql.SQL("coalesce({}, '')").format(value) if self.blank else value

    def fits(self, text: sql.Composable) -> sql.Composable:
        """Whether a cell fits: true or false, never null."""
        cases = [sql.SQL("WHEN NOT {} THEN false").format(check.holds) for check in self.checks(text)]
        return sql.SQL("CASE WHEN {} IS NULL THEN {} {} ELSE true END").format(
            text, sql.Literal(self.optional), sql.SQL(" ").join(cases)
        )

    def reason(self, text: sql.Composable) -> sql.Composable:
        """Why a cell does not fit, as a sentence about it."""
        cases = [sql.SQL("WHEN NOT {} THEN {}").format(*check) for check in self.checks(text)]
        return sql.SQL("CASE WHEN {} IS NULL THEN 'is missing' {} END").format(text, sql.SQL(" ").join(cases))

    def checks(self, text: sql.Composable) -> Iterator[Check]:
        match self.typed.kind:
            case Kind.CATEGORY:
                known = list(self.typed.by_text)
                named = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
                yield Check(_is_one_of(text, known), sql.Literal(f"is none of {named}"))
            case Kind.INTEGER | Kind.NUMBER:
                yield from self._of_number(text)
            case Kind.DATE:
                yield Check(sql.SQL("({0} LIKE '____-%' AND length({0}) <= 10)").format(text), self._no_date)
                yield Check(self._is_valid(text), self._no_date)
            case Kind.DATETIME:
                yield Check(sql.SQL("{} LIKE '____-%'").format(text), self._no_date)
                yield Check(self._is_valid(text), self._no_date)
            case Kind.TEXT:
                yield from self._of_text(text)
            case _:
                name = "yes or no" if self.typed.kind is Kind.BOOLEAN else f"a value of type {self.type}"
                yield Check(self._is_valid(text), sql.Literal(f"is not {name}"))

    def _is_valid(self, text: sql.Composable) -> sql.Composable:
        return sql.SQL("pg_input_is_valid({}, {})").format(text, sql.Literal(self.type))

    def _of_number(self, text: sql.Composable) -> Iterator[Check]:
        whole = self.typed.kind is Kind.INTEGER
        low, high = self.typed.limits
        outside = f"must {between(low, high)}" if (low, high) != (None, None) else "must be finite"
        invalid = "is no whole number" if whole else "is no number"
        too_large = sql.SQL("~ '^[+-]?[0-9]+$'" if whole else "~* '^[+-]?[0-9.]+(e[+-]?[0-9]+)?$'")
        yield Check(
            self._is_valid(text),
            sql.SQL("CASE WHEN {} {} THEN {} ELSE {} END").format(
                text, too_large, sql.Literal(outside), sql.Literal(invalid)
            ),
        )
        if isinstance(self.typed.field, models.FloatField):
            yield Check(self._lies_between(text, -LARGEST, LARGEST), sql.Literal("is no finite number"))
        low, high = (low, high) if not whole else self._narrower(low, high)
        if (low, high) != (None, None):
            yield Check(self._lies_between(text, low, high), sql.Literal(outside))

    def _narrower(self, low: Any, high: Any) -> tuple[Any, Any]:
        """The limits of a whole number that the column's type does not force by itself."""
        held = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}.get(self.type)
        return (None if held and low == -held else low), (None if held and high == held - 1 else high)

    def _lies_between(self, text: sql.Composable, low: Any, high: Any) -> sql.Composable:
        number = sql.SQL("CAST({} AS {})").format(text, sql.SQL(self.type))
        limits = [("{} >= {}", low), ("{} <= {}", high)]
        held = [sql.SQL(form).format(number, sql.Literal(n)) for form, n in limits if n is not None]
        return sql.SQL("({})").format(sql.SQL(" AND ").join(held))

    def _of_text(self, text: sql.Composable) -> Iterator[Check]:
        if (longest := self.typed.longest) is not None:
            short = sql.SQL("length({}) <= {}").format(text, sql.Literal(longest))
            yield Check(short, sql.Literal(f"has more than {longest} characters"))
        if self.field.null:  # no word for missing: rewriting makes it null
            missing = sorted({t for word in MISSING for t in (word, word.upper(), word.capitalize(), "NaN")})
            yield Check(sql.SQL("NOT {}").format(_is_one_of(text, missing)), sql.Literal("is missing"))
        canonical = sql.SQL("(octet_length({0}) = length({0}) OR {0} IS NFC NORMALIZED)").format(text)
        yield Check(canonical, sql.Literal("is not in Unicode's normal form C"))

    @property
    def _no_date(self) -> sql.Composable:
        kind = "date" if self.typed.kind is Kind.DATE else "time"
        unsure = " (or say whether the day or the month comes first)" if self.day_first is None else ""
        return sql.Literal(f"is no {kind}: write it as 2024-12-31{unsure}")

    def rewritten(self, text: sql.Composable) -> sql.Composable:
        """The cell as PostgreSQL would write it, null where it says that nothing is known."""
        trimmed = sql.SQL("btrim({}, E' \\t\\r\\n\\u00a0')").format(text)
        if self.typed.kind is Kind.CATEGORY and not self.is_number:
            known = _is_one_of(trimmed, list(self.typed.by_text))
            return _null_where_missing(trimmed, known, sql.SQL("normalize({}, NFC)").format(trimmed))
        if self.is_number:
            return _null_where_missing(trimmed, sql.SQL("false"), self._number_written(trimmed))
        match self.typed.kind:
            case Kind.DATE | Kind.DATETIME:
                return _null_where_missing(trimmed, sql.SQL("false"), self._date_written(trimmed))
            case Kind.TEXT:
                whole = sql.SQL("normalize({}, NFC)").format(text)
                return _null_where_missing(trimmed, sql.Literal(not self.field.null), whole)
            case Kind.BOOLEAN:
                plain = sql.SQL("regexp_replace({}, '^([01])\\.0+$', '\\1')").format(trimmed)
                return _null_where_missing(trimmed, sql.SQL("false"), plain)
        return _null_where_missing(trimmed, sql.SQL("false"), trimmed)

    def _number_written(self, text: sql.Composable) -> sql.Composable:
        if self.decimal_comma:
            text = sql.SQL("replace(replace({}, '.', ''), ',', '.')").format(text)
        else:
            grouped = "^[+-]?[0-9]{1,3}(,[0-9]{3})+(\\.[0-9]+)?$"
            text = sql.SQL("CASE WHEN {0} ~ {1} THEN replace({0}, ',', '') ELSE {0} END").format(
                text, sql.Literal(grouped)
            )
        if isinstance(self.typed.field, models.IntegerField):
            text = sql.SQL("regexp_replace({}, '\\.0+$', '')").format(text)
        return text

    def _date_written(self, text: sql.Composable) -> sql.Composable:
        """The year first, however the file orders the parts; as it stands where nobody knows the order."""
        year_first = sql.SQL("regexp_replace({}, '^(\\d{{4}})[/.](\\d+)[/.](\\d+)', '\\1-\\2-\\3')").format(
            text
        )
        if self.typed.kind is Kind.DATE:
            year_first = sql.SQL("regexp_replace({}, '[ T]00:00(:00(\\.0*)?)?(Z|\\+00(:00)?)?$', '')").format(
                year_first
            )
        if self.day_first is None:
            return year_first
        order = r"\3-\2-\1" if self.day_first else r"\3-\1-\2"
        return sql.SQL("regexp_replace({}, '^(\\d\\d?)[-/.](\\d\\d?)[-/.](\\d{{4}})', {})").format(
            year_first, sql.Literal(order)
        )


def _is_one_of(text: sql.Composable, values: list[str]) -> sql.Composable:
    return sql.SQL("{} = ANY({}::text[])").format(text, sql.Literal(values))


def _null_where_missing(
    text: sql.Composable, known: sql.Composable, otherwise: sql.Composable
) -> sql.Composable:
    missing = _is_one_of(sql.SQL("lower({})").format(text), list(MISSING))
    return sql.SQL("CASE WHEN NOT {} AND {} THEN NULL ELSE {} END").format(known, missing, otherwise)
