"""Casts from the text of a file's cells to columns of tables, with the checks of cells, as SQL expressions."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from django.db import connection, models
from psycopg2 import sql

from learning.kinds import BLANKS, NO_VALUE, UNLEARNED, Kind, Sql

from ..products.columns import TypedColumn


class Check(NamedTuple):
    """A condition of a cell that is not null; each may rely on those before it."""

    holds: sql.Composable
    #: The reason given where the condition does not hold.
    sentence: sql.Composable


@dataclass(frozen=True)
class Cast:
    """The conversion of a file's column to a table's column."""

    field: models.Field
    #: True where the file writes 1.234,5 for 1234.5.
    decimal_comma: bool = False
    #: True where 03/04/2024 is in April; None: unknown.
    day_first: bool | None = None

    @cached_property
    def typed(self) -> TypedColumn:
        target = self.field.target_field if isinstance(self.field, models.ForeignKey) else self.field
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
        """True if a cell may be empty."""
        return self.field.null or self.blank

    @property
    def blank(self) -> bool:
        """True if an empty cell is stored as the empty text."""
        return not self.field.null and self.field.blank and self.field.empty_strings_allowed

    @cached_property
    def type(self) -> str:
        """The name of the column's type in SQL."""
        kind = (
            self.field.rel_db_type(connection)
            if isinstance(self.field, models.ForeignKey)
            else self.field.cast_db_type(connection)
        )  # type: ignore[attr-defined]
        assert kind is not None, f"{self.field} has no column"
        return kind

    @property
    def is_time(self) -> bool:
        return self.kind.has_date

    @property
    def must_be_rewritten(self) -> bool:
        """True if PostgreSQL would misread the text: a point may separate thousands."""
        return self.decimal_comma and self.typed.field_kind.is_quantity

    def value(self, text: sql.Composable) -> sql.Composable:
        """Cast the text of a cell that fits to the column's type."""
        value = sql.SQL(self.typed.field_kind.cast_sql).format(text, sql.SQL(self.type))
        return sql.SQL("coalesce({}, '')").format(value) if self.blank else value

    def fits(self, text: sql.Composable) -> sql.Composable:
        """Compile the condition that a cell fits: true or false, never null."""
        cases = [sql.SQL("WHEN NOT {} THEN false").format(check.holds) for check in self.checks(text)]
        return sql.SQL("CASE WHEN {} IS NULL THEN {} {} ELSE true END").format(
            text, sql.Literal(self.optional), sql.SQL(" ").join(cases)
        )

    def reason(self, text: sql.Composable) -> sql.Composable:
        """Compile the reason why a cell does not fit; null where it fits."""
        cases = [sql.SQL("WHEN NOT {} THEN {}").format(*check) for check in self.checks(text)]
        return sql.SQL("CASE WHEN {} IS NULL THEN 'is missing' {} END").format(text, sql.SQL(" ").join(cases))

    def checks(self, text: sql.Composable) -> Iterator[Check]:
        for check in self.kind.check_cells(self):
            yield Check(self._composed(check.holds, text), self._composed(check.sentence, text))

    def rewritten(self, text: sql.Composable) -> sql.Composable:
        """Normalize the text of a cell for PostgreSQL; null where it stands for a missing value, as `n/a` does."""
        trimmed = sql.SQL("btrim({}, {})").format(text, sql.Literal(BLANKS))
        rewrite = self.kind.rewrite(self)
        return sql.SQL("CASE WHEN NOT {} AND lower({}) = ANY({}::text[]) THEN NULL ELSE {} END").format(
            self._composed(rewrite.is_value, trimmed),
            trimmed,
            sql.Literal(list(NO_VALUE)),
            self._composed(rewrite.value, trimmed, raw=text),
        )

    def _composed(self, part: Sql, text: sql.Composable, raw: sql.Composable | None = None) -> sql.Composable:
        places = {name: sql.Literal(value) for name, value in part.values.items()}
        return sql.SQL(part.template).format(
            text=text, raw=raw or text, type=sql.SQL(self.type), type_name=sql.Literal(self.type), **places
        )
