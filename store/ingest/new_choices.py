"""Values of a file that are none of a column's choices, after its rows were checked."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection, models
from psycopg2 import sql

from .checking import REJECTS, VALUE_LENGTH
from .tables import LoadPlan

#: New values of a column that can be taken for choices; more are no categories.
MAX_NEW = 50
#: A whole number as files write it.
WHOLE = re.compile(r"([+-]?\d+)(?:\.0+)?", re.ASCII)
#: The start of the reason why a cell with another value does not fit.
NO_CHOICE = "is none of %"


@dataclass(frozen=True)
class NewChoices:
    """Values of one column that are no choices of its field."""

    field: models.Field
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{', '.join(map(repr, self.values))} as {self.field.name}"


def find_new_choices(plan: LoadPlan) -> Iterator[NewChoices]:
    """Find the rejected values that would fit if they were choices of their fields."""
    for column in plan.columns:
        if column.cast.typed.choices:
            values = (_normalize(value, column.cast.field) for value in _list_values(column.header))
            fitting = tuple(dict.fromkeys(value for value in values if value is not None))
            if 0 < len(fitting) <= MAX_NEW:
                yield NewChoices(column.cast.field, fitting)


def _normalize(value: str, field: models.Field) -> str | None:
    """Normalize a value as the choice would be written; None where the field has no room for it."""
    if not isinstance(field, models.IntegerField):
        return value if len(value) < VALUE_LENGTH else None
    low, high = connection.ops.integer_field_range(field.get_internal_type())
    number = int(whole[1]) if (whole := WHOLE.fullmatch(value)) else None
    return str(number) if number is not None and low <= number <= high else None


def _list_values(header: str) -> list[str]:
    """List the distinct values of a column's rejected cells, as they would be stored, and one more than MAX_NEW."""
    statement = sql.SQL(
        'SELECT DISTINCT value FROM {} WHERE "column" = {} AND reason LIKE {} ORDER BY value LIMIT {}'
    ).format(REJECTS, sql.Literal(header), sql.Literal(NO_CHOICE), sql.Literal(MAX_NEW + 1))
    with connection.cursor() as cursor:
        cursor.execute(statement)
        values = [unicodedata.normalize("NFC", str(value).strip()) for (value,) in cursor.fetchall()]
    return list(dict.fromkeys(values))
