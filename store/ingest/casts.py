"""Casts: what a cell of a file must be to fit a column, as SQL expressions over its text."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from django.db import connection
from psycopg2 import sql

from learning.kinds import NO_VALUE, UNLEARNED, Kind, Sql

from ..products.columns import TypedColumn


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
    def kind(self) -> Kind:
        return self.typed.kind or UNLEARNED

    @property
    def null(self) -> bool:
        """True if the table's column may be null."""
        return bool(self.field.null)

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
    def is_time(self) -> bool:
        return self.kind.has_date

    @property
    def must_be_rewritten(self) -> bool:
        """Whether the text as it stands could be read as something else than is meant."""
        return self.decimal_comma and self.typed.field_kind.is_quantity

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
        for check in self.kind.check_cells(self):
            yield Check(self._composed(check.holds, text), self._composed(check.sentence, text))

    def rewritten(self, text: sql.Composable) -> sql.Composable:
        """The cell as PostgreSQL would write it, null where it says that nothing is known."""
        trimmed = sql.SQL("btrim({}, E' \\t\\r\\n\\u00a0')").format(text)
        rewrite = self.kind.rewrite(self)
        return sql.SQL("CASE WHEN NOT {} AND lower({}) = ANY({}::text[]) THEN NULL ELSE {} END").format(
            self._composed(rewrite.kept, trimmed),
            trimmed,
            sql.Literal(list(NO_VALUE)),
            self._composed(rewrite.value, trimmed, raw=text),
        )

    def _composed(self, part: Sql, text: sql.Composable, raw: sql.Composable | None = None) -> sql.Composable:
        places = {name: sql.Literal(value) for name, value in part.values.items()}
        return sql.SQL(part.template).format(
            text=text, raw=raw or text, type=sql.SQL(self.type), type_name=sql.Literal(self.type), **places
        )
