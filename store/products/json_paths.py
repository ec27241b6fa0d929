"""JSON paths: values inside of a JSON column, with a declared kind."""

from dataclasses import dataclass
from typing import Any

from django.db import connection, models
from django.db.models import BooleanField, Case, F, Func, TextField, Value, When
from django.db.models.constants import LOOKUP_SEP
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Cast

from learning.kinds import kind_of_field

from ..exceptions import InvalidJoin


@dataclass(frozen=True)
class Json:
    """A value inside of a JSON column; null where it is absent, or no value of the declared kind."""

    #: The path of the column from the base row with the keys behind it, as `"profile__address__city"`.
    path: str
    #: A Django field, whose kind, choices, title and unit the feature has, as `models.IntegerField()`.
    field: models.Field


def split(model: type[models.Model], path: str) -> tuple[str, list[str]]:
    """Split a path at its JSON column: the column's path, and the keys behind it. Raises InvalidJoin."""
    names = path.split(LOOKUP_SEP)
    current: Any = model
    for place, name in enumerate(names, 1):
        field = next((f for f in current._meta.get_fields() if f.name == name), None)
        if isinstance(field, models.JSONField) and names[place:]:
            return LOOKUP_SEP.join(names[:place]), names[place:]
        current = getattr(field, "related_model", None)
        if current is None:
            break
    raise InvalidJoin(
        f"{path!r} leads to no key of a JSON column: write Json('<column>__<key>', <a Django field>)."
    )


def expression(column: str, keys: list[str], field: models.Field) -> Any:
    """Compile the value at a path, cast to the type of its field where it is a value of it."""
    value: Any = F(column)
    for key in keys[:-1]:
        value = KeyTransform(key, value)
    template = kind_of_field(type(field)).json_sql.format("%(expressions)s")
    text = Func(KeyTextTransform(keys[-1], value), template=template, output_field=TextField())
    if field.get_internal_type() in connection.data_type_check_constraints:  # numbers from 0
        text = Func(text, template="substring(%(expressions)s FROM '^[^-]*$')", output_field=TextField())
    type_ = Value(field.db_type(connection), TextField())
    is_valid = Func(text, type_, function="pg_input_is_valid", output_field=BooleanField())
    return Case(When(is_valid, then=Cast(text, field)), output_field=field)
