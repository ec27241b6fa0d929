"""Undeclared values: what rows hold in a column of choices although it is none of them."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

from django.db import connection

from ..products.columns import TypedColumn
from ..products.product import DataProduct
from . import column_codecs

#: The label's column in a snapshot.
LABEL = "_label"
#: Values of a column that are listed, at most.
MAX_LISTED = 10
#: Characters of a value that are shown, at most.
MAX_SHOWN = 60


class CheckedColumn(NamedTuple):
    """SQL about a column that has choices."""

    #: Its value as text.
    text: str
    #: The condition that it is none of the choices; %s stands for them.
    condition: str
    choices: list[Any]


@dataclass(frozen=True, kw_only=True)
class UndeclaredValues:
    """The values of one column that are none of its choices."""

    #: The feature, or the label as the join names it.
    column: str
    is_label: bool
    #: The number of rows with such a value.
    rows: int
    #: The most frequent of them, each with its number of rows.
    values: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        counts = ", ".join(f"{_shorten(value)} ({rows:,})" for value, rows in self.values)
        more = ", …" if sum(rows for _, rows in self.values) < self.rows else ""
        return f"{self.consequence}: {counts}{more}. {self.advice}"

    @property
    def consequence(self) -> str:
        """The beginning of the sentence about the values."""
        rows = f"{self.rows:,} {'row' if self.rows == 1 else 'rows'}"
        if self.is_label:
            return f"{rows} cannot be learned from, as the label {self.column} has a value that is no choice"
        return f"{rows} are learned as missing in {self.column}, which has a value that is no choice"

    @property
    def advice(self) -> str:
        """The steps that mend it, as sentences."""
        has_blank = any(not value for value, _ in self.values)
        has_others = any(value for value, _ in self.values)
        steps = []
        if has_others and self.is_label:
            steps.append(
                "Name former labels in the product's retired_labels, or change the rows to today's choices."
            )
        elif has_others:
            steps.append("Add the values to the field's choices, or change the rows.")
        if has_blank and self.is_label:
            steps.append("An empty text is no label: make it null, or a choice of its own.")
        elif has_blank:
            steps.append(
                "For an empty text declare the field with blank=True and without null=True, or make it null."
            )
        return " ".join(steps)

    def as_json(self) -> dict[str, Any]:
        """Convert to JSON's own types; `from_json` is the inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Convert from `as_json`'s form."""
        return cls(**{**data, "values": tuple((value, rows) for value, rows in data["values"])})


def _shorten(value: str) -> str:
    return repr(value if len(value) <= MAX_SHOWN else f"{value[:MAX_SHOWN]}…")


def find_undeclared(product: DataProduct, source: str) -> tuple[UndeclaredValues, ...]:
    """Count the undeclared values of the label and of every feature with choices: the label's first.

    One scan counts them; only a column that has some is scanned again for its values.

    Args:
        source: what stands behind FROM: a table or a subquery with the snapshot's columns, as far as they are checked.
    """
    checked = dict(list_checked(product))
    if not checked:
        return ()
    counts = ", ".join(f"count(*) FILTER (WHERE {column.condition})" for column in checked.values())
    [rows] = _fetch(f"SELECT {counts} FROM {source}", [column.choices for column in checked.values()])
    return tuple(
        UndeclaredValues(
            column=product.join.label or name if name == LABEL else name,
            is_label=name == LABEL,
            rows=count,
            values=_find_values(source, column),
        )
        for (name, column), count in zip(checked.items(), rows, strict=True)
        if count
    )


def list_checked(product: DataProduct) -> Iterator[tuple[str, CheckedColumn]]:
    """List the columns that have choices, by their names in a snapshot."""
    if product.problem.has_classes:
        yield LABEL, _check_text(LABEL, [label.text for label in product.labels])
    for column in product.columns:
        if column.choices:
            yield column.name, _check(column)


def _check(column: TypedColumn) -> CheckedColumn:
    sql, kind = connection.ops.quote_name(column.name), column.field_kind
    if kind.is_boolean:
        return _check_text(column_codecs.boolean_text(sql), list(column.by_text))
    if kind.is_text or kind.is_integer:
        return _check_text(f"{sql}::text", list(column.by_text))
    # Of other types, PostgreSQL and Python do not write all values alike.
    condition = f"{sql} IS NOT NULL AND NOT {sql} = ANY(%s)"
    return CheckedColumn(f"{sql}::text", condition, list(column.by_text.values()))


def _check_text(sql: str, choices: list[str]) -> CheckedColumn:
    return CheckedColumn(sql, f"{sql} IS NOT NULL AND NOT {sql} = ANY(%s::text[])", choices)


def _find_values(source: str, column: CheckedColumn) -> tuple[tuple[str, int], ...]:
    rows = _fetch(
        f"SELECT {column.text}, count(*) FROM {source} WHERE {column.condition} "
        f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MAX_LISTED}",
        [column.choices],
    )
    return tuple((str(value), int(count)) for value, count in rows)


def _fetch(statement: str, parameters: Sequence[list[Any]]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
