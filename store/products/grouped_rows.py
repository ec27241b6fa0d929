"""Grouped rows: instances that a queryset makes of other rows by `values` and `annotate`, as each month of a customer.

They have no table. A model of its own stands for them, whose table is the queryset as a subquery, so that a Join over
it has paths, keys and aggregates as over any other model. The key of a row is the JSON list of its group's values.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.apps.registry import Apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.db.models import Count, ExpressionWrapper, F, Func, Q, QuerySet, Value
from django.db.models.constants import LOOKUP_SEP
from django.db.models.expressions import Col, CombinedExpression
from django.db.models.functions import Cast, Extract
from django.db.models.functions.datetime import TruncBase
from django.db.models.lookups import Exact, In
from django.db.models.sql import Query
from django.db.models.sql.datastructures import BaseTable

from learning.kinds import is_storable

from ..exceptions import InvalidJoin
from . import annotations, times

#: The column of the key.
KEY = "exemplar_group_key"


class SubqueryTable(BaseTable):
    """A subquery in the place of a table."""

    source: Query
    #: The name that stands for the subquery.
    groups: str

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        if self.table_name != self.groups:  # Django begins some subqueries at a table behind a relation
            return super().as_sql(compiler, connection)
        sql, parameters = self.source.get_compiler(connection=connection).as_sql()
        return f"({sql}) {compiler.quote_name_unless_alias(self.table_alias)}", parameters


class GroupKey(models.TextField):
    """The key of a group: the JSON list of the values of its columns."""

    #: The names of the group's columns.
    columns: tuple[str, ...] = ()

    def to_python(self, value: Any) -> Any:
        if value is not None:
            self.values_of(value)
        return value

    def values_of(self, key: Any) -> list[Any]:
        """Decode a key to the values of the group's columns, as a query takes them. Raises ValidationError."""
        try:
            values = json.loads(key, parse_float=str, parse_constant=_refuse)
        except (TypeError, ValueError, RecursionError):
            values = None
        if not isinstance(values, list) or len(values) != len(self.columns):
            raise ValidationError(f"A key is a JSON list of {', '.join(self.columns)}.")
        return [_value_of(*pair) for pair in zip(self.fields, values, strict=True)]

    @property
    def fields(self) -> list[Any]:
        """The fields of the group's columns."""
        return [self.model._meta.get_field(name) for name in self.columns]


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _value_of(field: Any, value: Any) -> Any:
    """Convert a value of a key. Raises ValidationError."""
    if value is None:
        return None
    if isinstance(value, list | dict) or (isinstance(value, str) and not is_storable(value)):
        raise ValidationError(f"{value!r} is no value of {field.name}.")
    stored = field
    while stored.is_relation:
        stored = stored.target_field
    try:
        value = stored.to_python(value)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ValidationError(str(error)) from error
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValidationError(f"{field.name} needs an offset.")
    _check_range(stored, value)
    return stored.get_db_prep_value(value, connection)


def _check_range(field: Any, value: Any) -> None:
    """Check that PostgreSQL can hold a number. Stored rows may contradict the validators of their fields."""
    # The public method raises for fields that are no integers.
    low, high = connection.ops.integer_field_ranges.get(field.get_internal_type(), (None, None))
    if low is not None and not low <= value <= high:
        raise ValidationError(f"{field.name} lies between {low} and {high}.")


class GroupManager(models.Manager[Any]):
    """Selects groups."""

    def __init__(self, query: type[Query]):
        super().__init__()
        self.query = query

    def get_queryset(self) -> QuerySet[Any]:
        return QuerySet(self.model, self.query(self.model))


@GroupKey.register_lookup
class KeyIn(In):  # type: ignore[type-arg]
    """`in`, which also restricts each column of the group, so that PostgreSQL need not build the other groups."""

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        keys = [] if hasattr(self.rhs, "resolve_expression") else list(self.rhs)
        return _with_columns(self, keys, super().as_sql(compiler, connection), compiler)


@GroupKey.register_lookup
class KeyExact(Exact):  # type: ignore[type-arg]
    """`exact`, which also restricts each column of the group."""

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        compiled = super().as_sql(compiler, connection)
        is_joined = isinstance(self.rhs, Col) and isinstance(self.rhs.target, GroupKey)
        if is_joined and isinstance(self.lhs, Col):
            return _with_outer_columns(self.lhs, self.rhs, compiled, compiler)
        return _with_columns(self, [self.rhs] if isinstance(self.rhs, str) else [], compiled, compiler)


def _with_columns(lookup: Any, keys: list[Any], compiled: Any, compiler: Any) -> Any:
    """Add the values that each column has in some key; none for a column that is null in one."""
    if not isinstance(lookup.lhs, Col):
        return compiled
    sql, parameters = compiled[0], list(compiled[1])
    target: Any = lookup.lhs.target
    rows = [target.values_of(key) for key in keys]
    for field, values in zip(target.fields, zip(*rows, strict=True), strict=False):
        if None not in values:
            column, _ = compiler.compile(Col(lookup.lhs.alias, field))
            sql += f" AND {column} = ANY(%s::{_type(field, compiler.connection)}[])"
            parameters.append(list(values))
    return f"({sql})", parameters


def _type(field: Any, connection: Any) -> str:
    # An expression over decimals says nothing of its digits.
    return "numeric" if isinstance(field, models.DecimalField) else str(field.db_type(connection))


def _with_outer_columns(inner: Any, outer: Any, compiled: Any, compiler: Any) -> Any:
    sql, parameters = compiled[0], list(compiled[1])
    for field in inner.target.fields:
        if not field.null:
            one, other = (compiler.compile(Col(side.alias, field))[0] for side in (inner, outer))
            sql += f" AND {one} = {other}"
    return f"({sql})", parameters


def is_grouped(rows: QuerySet[Any]) -> bool:
    """Check if a queryset groups rows by `values` or `values_list` before it annotates them."""
    return isinstance(rows.query.group_by, tuple)


def find_aggregates(rows: QuerySet[Any]) -> set[str]:
    """List the names of the aggregates of a queryset that groups rows; empty for all others."""
    annotated = rows.query.annotations.items() if is_grouped(rows) else ()
    return {name for name, expression in annotated if expression.contains_aggregate}


def find_subqueries(rows: QuerySet[Any]) -> set[str]:
    """List the names of the annotations that have a query of their own."""
    annotated = rows.query.annotations.items()
    return {name for name, expression in annotated if any(annotations.find_subqueries(expression))}


def output_field(rows: QuerySet[Any], name: str) -> Any:
    """Get the field of a column of the groups. Raises InvalidJoin."""
    query: Any = rows.query
    if name in query.annotations:
        return query.annotations[name].output_field
    if name in query.values_select:
        return query.select[query.values_select.index(name)].target
    raise InvalidJoin(f"{name!r} is no column of values(…), which has {', '.join(_group_columns(rows))}.")


def model_of(rows: QuerySet[Any], conditions: Mapping[str, Q]) -> type[models.Model]:
    """Make the model whose rows are the groups of a queryset. Raises InvalidJoin.

    Args:
        conditions: of the rows that an aggregate takes, by its name.
    """
    names = _group_columns(rows)
    _check(rows, names)
    rows = rows.order_by()
    _tell_zones(rows.query)
    key = Func(*map(F, names), function="jsonb_build_array", template="%(function)s(%(expressions)s)::text")
    source = rows.annotate(**{KEY: _typed(key)}).query
    for name, condition in conditions.items():
        source.annotations[name] = annotations.restricted(source, source.annotations[name], condition)
    fields = dict(_fields(rows, names))
    return _model(rows.model, source, {KEY: _key(names), **fields})


def _check(rows: QuerySet[Any], names: list[str]) -> None:
    """Check that the groups can be read one by one, and each aggregate by itself. Raises InvalidJoin."""
    if rows.query.is_sliced or rows.query.combinator:
        raise InvalidJoin(
            "its queryset is a slice or a union, which cannot be joined: restrict it with filter()."
        )
    for name in names:
        field = output_field(rows, name)
        if isinstance(field, models.JSONField) or hasattr(field, "base_field"):
            raise InvalidJoin(
                f"values() groups by {name!r}, a {type(field).__name__}, and a key holds plain values: group by "
                f"Cast(…, models.TextField()), of a JSON value by KT('{name}')."
            )
    for name in annotations.find_inflated(rows.query):
        raise InvalidJoin(
            f"the aggregates of the groups are over two to-many relations, which inflate {name!r}: leave one out of "
            "annotate(), and make it a feature over a relation of the group."
        )


def _tell_zones(query: Query) -> None:
    """Make moments, and days, of the times without a zone that PostgreSQL truncates to."""
    for name, expression in query.annotation_select.items():
        field: Any = expression.output_field
        if times.is_time(field):
            is_day = times.is_day(field)
            query.annotations[name] = Cast(expression, models.DateField()) if is_day else _moment(expression)


def _moment(expression: Any) -> Any:
    zone = isinstance(expression, TruncBase) and (expression.get_tzname() if settings.USE_TZ else None)
    if zone:
        return Func(Value(zone), expression, function="timezone", output_field=models.DateTimeField())
    return Cast(expression, models.DateTimeField())


def _typed(expression: Func) -> Func:
    expression.output_field = models.TextField()
    return expression


def _group_columns(rows: QuerySet[Any]) -> list[str]:
    query = rows.query
    names = [
        *query.values_select,
        *(n for n, e in query.annotation_select.items() if not e.contains_aggregate),
    ]
    for name in names:
        if LOOKUP_SEP in name:
            short = name.rpartition(LOOKUP_SEP)[2]
            raise InvalidJoin(f'name the column {name!r} of values(): write values({short}=F("{name}")).')
    keys = [name for name in names if name not in find_subqueries(rows)]
    if not keys:
        raise InvalidJoin(
            "values() names no column, so that there is one group: name what tells instances apart."
        )
    return keys


def _fields(rows: QuerySet[Any], keys: list[str]) -> Iterator[tuple[str, models.Field]]:
    query: Any = rows.query
    for name, column in zip(query.values_select, query.select, strict=True):
        yield _field(name, column.target, _is_nullable(query, column))
    for name, expression in query.annotation_select.items():
        counted = isinstance(expression, Count)
        is_known = name in keys and _is_arithmetic(expression)
        nullable = not counted and (not is_known or _is_nullable(query, expression))
        yield _field(name, expression.output_field, nullable)


def _is_arithmetic(expression: Any) -> bool:
    """Check if an expression is null only where one of its columns is."""
    if isinstance(expression, Value):
        return expression.value is not None
    if isinstance(expression, CombinedExpression | TruncBase | Extract | Cast | ExpressionWrapper):
        return all(map(_is_arithmetic, expression.get_source_expressions()))
    return isinstance(expression, Col)


def _is_nullable(query: Query, expression: Any) -> bool:
    return any(
        column.null or any(hop.null or hop.auto_created for hop in hops)
        for hops, column in annotations.find_columns(query, expression)
    )


def _field(name: str, field: Any, nullable: bool) -> tuple[str, models.Field]:
    """Build the field of a group's column; a foreign key is found by its own name."""
    if field.is_relation:
        to = field.remote_field.model
        key = models.ForeignKey(
            to,
            models.DO_NOTHING,
            related_name="+",
            null=nullable,
            db_column=name,
            to_field=field.target_field.name,
        )
        return name.removesuffix("_id") if name == field.attname else name, key
    options = {
        "null": nullable,
        "db_column": name,
        "verbose_name": field.verbose_name,
        "help_text": field.help_text,
    }
    if isinstance(field, models.AutoField):
        return name, models.BigIntegerField(**options)
    copy = field.clone()
    copy.null, copy.db_column, copy.primary_key, copy._unique = nullable, name, False, False
    copy.name = None
    copy.default = models.NOT_PROVIDED
    return name, copy


def _key(names: list[str]) -> GroupKey:
    key = GroupKey(primary_key=True)
    key.columns = tuple(names)
    return key


def _model(model: type[models.Model], source: Query, fields: dict[str, models.Field]) -> type[models.Model]:
    """Make a model in a registry of its own, so that no app, migration or reverse relation knows it."""
    registry = Apps()
    for field in fields.values():
        if field.remote_field:
            related: Any = field.remote_field.model
            if related._meta.model_name not in registry.all_models[related._meta.app_label]:
                registry.register_model(related._meta.app_label, related)
    name = (
        model._meta.db_table.replace('"', "") + "_groups"
    )  # one identifier, also of a table with its schema
    table = type("GroupTable", (SubqueryTable,), {"source": source, "groups": name})
    query = type("GroupQuery", (Query,), {"base_table_class": table})
    meta = {
        "app_label": model._meta.app_label,
        "apps": registry,
        "managed": False,
        "db_table": name,
        "base_manager_name": "objects",
        "verbose_name": f"group of {model._meta.verbose_name_plural}",
    }
    return type(
        f"{model.__name__}Group",
        (models.Model,),
        {
            "__module__": model.__module__,
            "Meta": type("Meta", (), meta),
            "objects": GroupManager(query),
            **fields,
        },
    )
