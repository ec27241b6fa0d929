"""Open categories: columns whose values are names or keys of an open set, each as a text."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F
from django.db.models.functions import Cast

from ..exceptions import BadInput
from .columns import kind_of_column, value_field


def is_text(column: models.Field) -> bool:
    """Return True where the column holds texts."""
    return bool(kind_of_column(column).is_text)


def can_be(column: models.Field) -> bool:
    """Return True for columns whose values have one text each: texts, whole numbers, UUIDs and keys of rows."""
    kind = kind_of_column(column)
    return bool(kind.is_text or kind.is_integer) or isinstance(value_field(column), models.UUIDField)


def text_field(column: models.Field) -> models.Field:
    """Build the field of a column's values as texts; texts have their own."""
    if not column.is_relation and is_text(column):
        return column
    field: Any = models.TextField(
        verbose_name=getattr(column, "_verbose_name", None), help_text=column.help_text, null=column.null
    )
    field.set_attributes_from_name(column.name)
    return field


def select_text(column: models.Field, path: str) -> Any:
    """Build the expression of a column's values as texts."""
    return F(path) if not column.is_relation and is_text(column) else Cast(F(path), models.TextField())


def read_key(column: models.Field, title: str, value: Any, argument: Any) -> str:
    """Read the text of a key in the one form that PostgreSQL gives it. Raises BadInput."""
    field = value_field(column)
    try:
        return str(field.to_python(value))
    except (ValidationError, ValueError, OverflowError):
        wanted = "a whole number" if kind_of_column(field).is_integer else "a UUID"
        raise BadInput(f"{title} must be {wanted}, as a text, not {value!r}.", argument=argument) from None
