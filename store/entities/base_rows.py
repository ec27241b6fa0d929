"""Base rows: a product's rows, reached through the Join's queryset alone, for reading and for writing.

A row that the queryset leaves out, as a deleted one or another tenant's, does not exist for Exemplar.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import MultipleObjectsReturned
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, models
from django.db.models import Case, Exists, Func, OuterRef, Prefetch, Q, QuerySet, Value, When
from django.db.models.functions import Cast
from psycopg2 import sql

from ..access import acting
from ..db import sqlstates
from ..exceptions import NotOneRow, NotWritable, NotWritten
from ..products.features import Path
from ..products.grouped_rows import GroupKey
from ..products.product import ROWS, DataProduct

log = logging.getLogger(__name__)


def select(product: DataProduct) -> QuerySet[Any]:
    """Select the product's rows that the actor of this thread may see. Every reader and every writer begins here."""
    return product.join.visible_rows(acting.current())


def is_restricted(product: DataProduct) -> bool:
    """Return False where surely every row of the table is the product's: nothing is filtered, and nothing joined."""
    query = select(product).query
    return bool(query.where) or len(query.alias_map) > 1 or bool(query.extra_tables or query.combinator)


def select_keys(product: DataProduct, keys: Iterable[str]) -> QuerySet[Any]:
    """Select the product's rows with these keys; a text that is no key has no row."""
    return select(product).filter(pk__in=_primary_keys(product, keys))


def keys_sql(product: DataProduct) -> sql.SQL:
    """Compile a SELECT of the keys of the product's rows, with its parameters filled in."""
    query = select(product).order_by().values("pk").query
    statement, parameters = query.get_compiler(DEFAULT_DB_ALIAS, elide_empty=False).as_sql()
    with connection.cursor() as cursor:
        return sql.SQL(cursor.mogrify(statement, parameters).decode())


def is_key_of_row(product: DataProduct, column: str) -> Q:
    """Build the condition that a column of texts has the key of a row of the product, looked up by its index."""
    rows, key = select(product).order_by(), product.join.model._meta.pk
    if isinstance(key, GroupKey):  # made once: no index finds one group
        return Q(**{f"{column}__in": rows.values("pk")})
    return Q(Exists(rows.filter(pk=_parsed(OuterRef(column), key))))


def _parsed(text: Any, key: models.Field) -> Any:
    """Build the value of a key from its text; null where the text is none, as of a key that had another type."""
    while isinstance(key, models.ForeignKey):
        key = key.target_field
    if isinstance(key, models.CharField | models.TextField):
        return text
    kind = Value(key.cast_db_type(connection))
    is_valid = Func(text, kind, function="pg_input_is_valid", output_field=models.BooleanField())
    return Case(When(is_valid, then=Cast(text, key)))


def existing(product: DataProduct, keys: Iterable[str]) -> set[str]:
    """Find which of these keys have a row of the product."""
    return {str(key) for key in select_keys(product, keys).values_list("pk", flat=True)}


def is_taken(product: DataProduct, primary_key: object) -> bool:
    """Return True where a row of the table has this key, be it the product's or hidden."""
    return _table(product).filter(pk=primary_key).exists()


def hidden(product: DataProduct, keys: Collection[str]) -> set[str]:
    """Find which of these keys belong to rows of the table that are none of the product's."""
    if not is_restricted(product):
        return set()
    stored = _table(product).filter(pk__in=_primary_keys(product, keys)).values_list("pk", flat=True)
    return {str(key) for key in stored} - existing(product, keys)


def concealed(product: DataProduct, keys: Collection[str]) -> set[str]:
    """Find which of these keys the actor of this thread may not hear of.

    Those of hidden rows; where an actor sees some rows only, also those without a row: nobody can tell whose it was.
    """
    sees_all = product.join.sees_all(acting.current())
    return hidden(product, keys) if sees_all else set(keys) - existing(product, keys)


def lock(product: DataProduct, key: str) -> Any:
    """Find the product's row with this key and lock it until the transaction ends; None where there is none.

    Raises: NotOneRow where several rows of the table have the key, NotWritten where a policy lets it be read alone.
    """
    if row := _lock(product, key):
        return row
    # A policy leaves out what may not be written; and another transaction may have inserted the row meanwhile.
    if find(product, key) and not (row := _lock(product, key)):
        raise NotWritten(_describe_unwritten(product.join.model, key))
    return row


def lock_each(product: DataProduct, keys: Iterable[str]) -> set[str] | None:
    """Lock the rows of the table with these keys until the transaction ends, unless all rows are the product's.

    Returns: the keys of those that are the product's, as PostgreSQL writes them; None where all are.
    """
    if not is_restricted(product):
        return None
    primary_keys = _primary_keys(product, keys)
    locked = _table(product).filter(pk__in=primary_keys).order_by("pk").select_for_update()
    list(locked.values_list("pk"))
    own = select(product).filter(pk__in=primary_keys)
    return set(own.values_list(Cast("pk", models.TextField()), flat=True))


def find(product: DataProduct, key: str) -> Any:
    """Find the product's row with this key as `lock` does, without a lock, which wants the right to write."""
    return _find(product, key, lock=False)


def _lock(product: DataProduct, key: str) -> Any:
    return _find(product, key, lock=True)


def _find(product: DataProduct, key: str, lock: bool) -> Any:
    if not product.is_key(key):
        return None
    rows = list(_rows(product, lock).filter(pk=product.key_of(key))[:2])
    if len(rows) > 1:
        raise NotOneRow(_describe(product.join.model, key))
    # A column may call texts equal that are two entities, as `citext` does.
    if not rows or str(rows[0].pk) != key:
        return None
    # Asked once the row is locked: whoever changed it meanwhile may have taken it out.
    return None if is_restricted(product) and not existing(product, [key]) else rows[0]


def lock_many(product: DataProduct, keys: Iterable[str], lock: bool = True) -> dict[str, Any]:
    """Find the product's rows with these keys, and lock them in the order of their keys, as `lock` does each.

    A row that a policy lets be read alone is absent, as is one that is not there.

    Args:
        lock: False: without locks, as `find` does.

    Raises: NotOneRow where several rows of the table have a key.
    """
    wanted, path = set(keys), product.join.label_path
    rows = _rows(product, lock).filter(pk__in=_primary_keys(product, wanted)).order_by("pk")
    if path and path.hops and product.writes == ROWS:
        rows = rows.prefetch_related((product.join.label or "").rpartition("__")[0])
    by_key: dict[str, Any] = {}
    for row in rows:
        if by_key.setdefault(str(row.pk), row) is not row:
            raise NotOneRow(_describe(product.join.model, str(row.pk)))
    # A column may call texts equal that are two entities; and whoever changed a row meanwhile may have taken it out.
    own = wanted & by_key.keys()
    own = existing(product, own) if is_restricted(product) else own
    return {key: row for key, row in by_key.items() if key in own}


def reload(product: DataProduct, row: Any) -> Any:
    """Read a row that this transaction has inserted, as the table holds it now."""
    return _table(product).get(pk=row.pk)


def check_written(product: DataProduct, row: Any) -> None:
    """Raise NotWritable where the queryset leaves out a row that was just written: the caller rolls it back."""
    if is_restricted(product) and not select(product).filter(pk=row.pk).exists():
        raise left_out(product, row.pk)


def left_out(product: DataProduct, key: object, argument: Sequence[str | int] = ()) -> NotWritable:
    """Build the error for a row that the queryset would leave out once it is written."""
    return NotWritable(
        f"The {product.join.model._meta.verbose_name} {key} would be none of {product}'s rows: with these values its "
        "queryset leaves it out.",
        argument=argument,
    )


def save(row: models.Model, columns: Collection[str] | None = None) -> None:
    """Insert a row, or write these columns of a stored one.

    Raises: NotOneRow unless exactly one row was touched; the caller's transaction must then be rolled back.
    """
    with several_rows_refused(type(row), row.pk):
        row.save(force_insert=True) if columns is None else row.save(update_fields=columns)
    rows = QuerySet(model=type(row)).filter(pk=row.pk).count()
    if rows > 1:
        raise NotOneRow(_describe(type(row), row.pk))
    if not rows:
        raise NotWritten(_describe_unwritten(type(row), row.pk))


def is_column_of(column: models.Field, rows: Iterable[models.Model]) -> bool:
    """Return True where the column is one of the table of each of the rows, and of no parent's."""
    return all(column.model._meta.concrete_model is row._meta.concrete_model for row in rows)


def save_column(column: models.Field, rows: Sequence[models.Model]) -> None:
    """Write a column of stored rows, each of which has its value, by one statement.

    Raises: NotOneRow or NotWritten unless exactly one row was touched for each; the caller's transaction must then be
    rolled back.
    """
    model, key = column.model, column.model._meta.pk
    statement = sql.SQL(
        "UPDATE {table} t SET {column} = n.value FROM unnest(CAST(%s AS {keys}[]), CAST(%s AS {values}[])) "
        "AS n (key, value) WHERE t.{key} = n.key"
    ).format(
        table=sql.SQL(connection.ops.quote_name(model._meta.db_table)),
        column=sql.Identifier(column.column),
        key=sql.Identifier(key.column),
        keys=sql.SQL(_type_of(key)),
        values=sql.SQL(_type_of(column)),
    )
    values = [
        [field.get_db_prep_save(getattr(row, field.attname), connection) for row in rows]
        for field in (key, column)
    ]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        written = cursor.rowcount
    if written > len(rows):
        raise NotOneRow(_describe(model, f"of one of {len(rows)} rows"))
    if written < len(rows):
        raise NotWritten(
            f"{len(rows) - written} of {len(rows)} rows of {model._meta.db_table} were not written."
        )


def _type_of(field: models.Field) -> str:
    """The type in SQL of values of a column."""
    kind = field.rel_db_type(connection) if field.is_relation else field.cast_db_type(connection)
    assert kind is not None, f"{field} has no column"
    return kind


def delete(model: type[models.Model], key: object) -> None:
    """Delete one row, and none that Django would delete with it: what the database itself does is its owner's will.

    Raises: NotWritten, NotOneRow; the caller's transaction must then be rolled back.
    """
    rows: QuerySet[Any] = QuerySet(model=model).filter(pk=key)
    if len(rows.values_list("pk")[:2]) > 1:
        raise NotOneRow(_describe(model, key))
    rows._raw_delete(DEFAULT_DB_ALIAS)  # type: ignore[attr-defined]
    if rows.exists():
        raise NotWritten(_describe_undeleted(model, key))


@contextmanager
def several_rows_refused(model: type[models.Model], key: object) -> Iterator[None]:
    """Turn Django's errors about more than one row, or none, into NotOneRow."""
    try:
        yield
    except MultipleObjectsReturned as error:
        raise NotOneRow(_describe(model, key)) from error
    except DatabaseError as error:
        # Django's own, without one of PostgreSQL behind it: an update that has reached no row.
        if type(error) is DatabaseError and error.__cause__ is None:
            raise NotWritten(_describe_unwritten(model, key)) from error
        raise


@contextmanager
def refusals_explained(product: DataProduct) -> Iterator[None]:
    """Turn PostgreSQL's refusal to write a row, whatever its values are, into NotWritable."""
    try:
        yield
    except DatabaseError as error:
        if not sqlstates.is_unwritable(error):
            raise
        log.warning("The rows of %s cannot be written. %s", product, sqlstates.explain(error))
        raise NotWritable(
            f"The rows of {product} cannot be written: {sqlstates.get_reason(error)}."
        ) from error


def _describe_unwritten(model: type[models.Model], key: object) -> str:
    noun = model._meta.verbose_name
    return f"The {noun} {key} was not written: the row is gone, or a trigger or a policy of its table refuses it."


def _describe_undeleted(model: type[models.Model], key: object) -> str:
    return f"The {model._meta.verbose_name} {key} was not deleted: a trigger or a policy of its table refuses it."


def _describe(model: type[models.Model], key: object) -> str:
    return (
        f"Several rows of {model._meta.db_table} have the key {key}, and a write would reach all of them: nothing was "
        f"written. Declare a key that is unique."
    )


def _table(product: DataProduct) -> QuerySet[Any]:
    """Select all rows of the base table, without what a manager of the team may leave out."""
    return _all(product.join.model)


def _all(model: type[models.Model]) -> QuerySet[Any]:
    """Select all rows of a model; groups have no table, and their manager leaves out none."""
    return model._base_manager.all() if isinstance(model._meta.pk, GroupKey) else QuerySet(model=model)


def _rows(product: DataProduct, lock: bool) -> QuerySet[Any]:
    """Select the rows to write; where whole rows are not written, those along the label's path and no other columns.

    The role may lack the right to read other columns, and to lock a row without the label.
    """
    path = product.join.label_path
    if product.writes == ROWS or path is None:
        rows = [_table(product)]
    else:
        rows = [_all(model).only(*names) for model, names in _columns_along(product, path)]
    if lock:
        rows[-1] = rows[-1].select_for_update()  # without `of=`, which takes no name with a schema
    relations = (product.join.label or "").split("__")
    further = (
        Prefetch("__".join(relations[:depth]), related) for depth, related in enumerate(rows[1:], start=1)
    )
    return rows[0].prefetch_related(*further)


def _columns_along(product: DataProduct, path: Path) -> Iterator[tuple[type[models.Model], set[str]]]:
    """List the models along a path, each with the columns that lead to the one at its end."""
    names, model = {"pk"}, product.join.model
    for hop in path.hops:
        yield model, names if hop.auto_created else names | {hop.name}
        names, model = {"pk"} | ({hop.field.name} if hop.auto_created else set()), hop.related_model
    yield model, names | {path.column.name}


def _primary_keys(product: DataProduct, keys: Iterable[str]) -> list[object]:
    return [product.key_of(key) for key in keys if product.is_key(key)]
