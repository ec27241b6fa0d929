"""Annotations of a Join's queryset: the columns that they read, and each aggregate as a subquery of its own.

Django computes all aggregates of a queryset in one SELECT, where those over two to-many relations inflate each other.
So the base rows are read without them, and each is computed from the queryset with all other joins left out.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models import ExpressionWrapper, Max, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import Col, CombinedExpression
from django.db.models.functions import Cast
from django.db.models.functions.datetime import TruncBase
from django.db.models.lookups import LessThan
from django.db.models.sql import Query
from django.db.models.sql.where import AND, WhereNode

from . import times

#: Relations from the base row, and the column at their end.
Reached = tuple[tuple[Any, ...], Any]


def find_columns(query: Query, expression: Any) -> Iterator[Reached]:
    """List the columns that a resolved expression of `query` reads; those that a subquery compares with are none."""
    for column in _columns(expression, in_subqueries=False):
        if column.alias in query.alias_map:
            joins: list[Any] = [query.alias_map[alias] for alias in _chain(query, column.alias)]
            yield tuple(join.join_field for join in joins if join.parent_alias), column.target


def _columns(expression: Any, in_subqueries: bool = True) -> Iterator[Any]:
    for part in walk(expression):
        if isinstance(part, Col):
            yield part
        elif isinstance(part, Query) and in_subqueries:
            yield from part.get_external_cols()


def _chain(query: Query, alias: Any) -> list[str]:
    """List the aliases of the joins from the base table to `alias`."""
    chain: list[str] = []
    while alias is not None:
        chain.insert(0, alias)
        alias = query.alias_map[alias].parent_alias
    return chain


def _aliases(query: Query, expression: Any) -> set[str]:
    columns = {column.alias for column in _columns(expression) if column.alias in query.alias_map}
    return {alias for column in columns for alias in _chain(query, column)}


def _multiplies(query: Query, alias: str) -> bool:
    join: Any = query.alias_map[alias]
    return bool(join.parent_alias and (join.join_field.one_to_many or join.join_field.many_to_many))


def inflates(query: Query, expression: Any) -> bool:
    """Check if aggregates over rows of two to-many relations in one expression would inflate each other.

    Rows and those that they belong to are one relation: an aggregate over both is over the former.
    """
    chains = _multiplying(query, expression)
    joined = frozenset().union(*chains)
    aggregates = [aggregate for aggregate in find_aggregates(expression) if not _is_safe(aggregate)]
    over_all = (frozenset().union(*_multiplying(query, each)) == joined for each in aggregates)
    return bool(aggregates and joined) and not (joined in chains and all(over_all))


def find_inflated(query: Query) -> Iterator[str]:
    """List the aggregates of grouped rows that are inflated by rows of a relation which another aggregate reads."""
    shared = {alias for alias in _aliases(query, query.where) if _multiplies(query, alias)}
    for column in query.group_by if isinstance(query.group_by, tuple) else ():
        shared.update(*_multiplying(query, column))
    joined = {
        name: shared.union(*_multiplying(query, expression))
        for name, expression in query.annotations.items()
        if expression.contains_aggregate
    }
    rows = shared.union(*joined.values())
    for name, read in joined.items():
        if read != rows and not all(map(_is_safe, find_aggregates(query.annotations[name]))):
            yield name


def _multiplying(query: Query, expression: Any) -> list[frozenset[str]]:
    """List the to-many joins on the way to each column of an expression."""
    chains = [_chain(query, column.alias) for column in _columns(expression)]
    return [frozenset(alias for alias in chain if _multiplies(query, alias)) for chain in chains]


def _is_safe(aggregate: Any) -> bool:
    """Check if an aggregate has the same value when rows come several times."""
    return isinstance(aggregate, Max | Min) or bool(getattr(aggregate, "distinct", False))


def find_aggregates(expression: Any) -> Iterator[Any]:
    """List the aggregates in a resolved expression."""
    return (part for part in walk(expression) if isinstance(part, models.Aggregate))


def walk(expression: Any) -> Iterator[Any]:
    """List a resolved expression and its parts; of subqueries the queries themselves and not their parts."""
    yield expression
    if hasattr(expression, "get_source_expressions") and not isinstance(expression, Query):
        for source in expression.get_source_expressions():
            yield from walk(source)


def reads(query: Query, column: models.Field) -> bool:
    """Check if a query selects a column, or compares with it."""
    parts = [*query.select, *query.annotation_select.values(), query.where]
    return any(isinstance(part, Col) and part.target == column for each in parts for part in walk(each))


def find_subqueries(expression: Any) -> Iterator[Query]:
    """List the queries of its own in a resolved expression."""
    return (part for part in walk(expression) if isinstance(part, Query))


def ends_before(query: Query, at: models.Field) -> bool:
    """Check if a subquery reads only rows whose time is smaller than the outer row's column `at`.

    Each to-many relation that it joins has rows of its own; rows without any time always count.
    """
    conditions = query.where.children if query.where.connector == AND and not query.where.negated else ()
    bounded = {
        column.alias
        for condition in conditions
        if isinstance(condition, LessThan) and _is_bound(query, condition, at)
        for column in _columns(condition.lhs)
    }
    return all(bounded & tables for tables in _timed_rows(query))


def _timed_rows(query: Query) -> Iterator[set[str]]:
    """List the rows with a time that a query reads: the aliases of their table and of those behind to-one relations."""
    rows: dict[str, set[str]] = {}
    for alias in query.alias_map:
        if query.alias_refcount.get(alias):
            relations = [step for step in _chain(query, alias) if _multiplies(query, step)]
            rows.setdefault((relations or [""])[-1], set()).add(alias)
    for aliases in rows.values():
        if any(times.is_time(field) for alias in aliases for field in _fields_of(query, alias)):
            yield aliases


def _fields_of(query: Query, alias: str) -> Iterable[Any]:
    join: Any = query.alias_map[alias]
    model = query.get_meta().model if join.parent_alias is None else join.join_field.related_model
    return model._meta.concrete_fields


def _is_bound(query: Query, condition: Any, at: models.Field) -> bool:
    row, limit = condition.lhs, condition.rhs
    # A day is smaller than each moment on it.
    is_same_kind = times.is_day(row.output_field) == times.is_day(limit.output_field)
    return is_same_kind and _is_at(query, limit, at)


def _is_at(query: Query, limit: Any, at: models.Field) -> bool:
    """Check if a limit is the outer row's column `at`, its day, or a fixed time before it."""
    if isinstance(limit, CombinedExpression) and limit.connector == "-":
        span = getattr(limit.rhs, "value", None)
        return isinstance(span, timedelta) and span >= timedelta(0) and _is_at(query, limit.lhs, at)
    if isinstance(limit, Cast | TruncBase | ExpressionWrapper):
        return _is_at(query, limit.get_source_expressions()[0], at)
    return isinstance(limit, Col) and limit.target == at and limit.alias in query.external_aliases


def ungrouped(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Build the same base rows without GROUP BY; an aggregate becomes an alias for a subquery of its own."""
    query = rows.query
    if query.group_by is None:
        return rows
    aggregates = [name for name, expression in query.annotations.items() if expression.contains_aggregate]
    plain = rows.all()
    _leave_out(plain.query, aggregates)
    if _is_grouped_to_filter(query):
        plain.query.where = WhereNode()
        plain = plain.filter(pk__in=rows.order_by().values("pk"))
    _drop_unused_joins(plain.query)
    return plain.alias(**{name: isolated(rows, name) for name in aggregates})


def _leave_out(query: Query, names: Iterable[str]) -> None:
    query.annotations = {
        name: expression for name, expression in query.annotations.items() if name not in set(names)
    }
    if query.annotation_select_mask is not None:
        query.set_annotation_mask(set(query.annotation_select_mask) & set(query.annotations))
    query.group_by = None
    query.clear_ordering(force=True)


def _is_grouped_to_filter(query: Query) -> bool:
    """Check if the condition of the rows needs GROUP BY: it reads an aggregate, or rows of a to-many relation."""
    many = any(_multiplies(query, alias) for alias in _aliases(query, query.where))
    return bool(query.where.contains_aggregate or many)


def isolated(rows: QuerySet[Any], name: str, condition: Q | None = None) -> Subquery:
    """Compile the aggregate `name` of a queryset to a grouped subquery for one row.

    Args:
        condition: of the aggregated rows, as a path from the base row has them; None: all count.
    """
    only = rows.order_by().filter(pk=OuterRef("pk"))
    query = only.query
    expression = query.annotations[name]
    _keep_conditions(query, {alias for alias in _aliases(query, expression) if _multiplies(query, alias)})
    if condition is not None:
        expression = restricted(query, expression, condition)
    query.annotations = {name: expression}
    query.set_annotation_mask([name])
    query.group_by = (query.resolve_ref("pk"),)
    _drop_unused_joins(query)
    return Subquery(only.values(name), output_field=expression.output_field)


def _keep_conditions(query: Query, relations: set[str]) -> None:
    """Keep the condition of the key, and those of the aggregated rows; the outer query has the others."""
    *conditions, key = query.where.children
    needed = [condition for condition in conditions if _restricts(query, condition, relations)]
    query.where = WhereNode([*needed, key])


def _restricts(query: Query, condition: Any, relations: set[str]) -> bool:
    return not condition.contains_aggregate and bool(_aliases(query, condition) & relations)


def restricted(query: Query, expression: Any, condition: Q) -> Any:
    """Add a condition to the filter of each aggregate in a resolved expression."""
    if isinstance(expression, models.Aggregate):
        copy = expression.copy()
        resolved = condition.resolve_expression(query, allow_joins=True, reuse=_aliases(query, expression))
        copy.filter = resolved if copy.filter is None else WhereNode([copy.filter, resolved])
        return copy
    sources = expression.get_source_expressions()
    if not sources:
        return expression
    copy = expression.copy()
    copy.set_source_expressions(
        [source if source is None else restricted(query, source, condition) for source in sources]
    )
    return copy


def _drop_unused_joins(query: Query) -> None:
    used = _aliases(query, query.where)
    for expression in query.annotations.values():
        used |= _aliases(query, expression)
    for alias in query.alias_map:
        if alias != query.base_table and alias not in used:
            query.alias_refcount[alias] = 0
