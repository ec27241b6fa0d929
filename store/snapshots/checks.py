"""Checks of stored rows for `manage.py check --database default`: repeated rows, and values that are no choices."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core import checks
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, transaction

from ..db import sqlstates
from ..entities.unique_keys import KeyCounts
from ..exceptions import StoreError
from ..predictions import policy_checks
from ..products import catalogue
from ..products.features import Feature
from ..products.product import DataProduct
from ..products.rights import list_missing
from . import repeated_rows, snapshots, undeclared

#: Milliseconds for the rows of one product, at most.
LIMIT = 20_000


@checks.register(checks.Tags.database, "exemplar")
def check_rows(
    app_configs: Any = None, databases: Sequence[str] | None = None, **options: Any
) -> list[checks.CheckMessage]:
    """Check the rows of every declared product, if the database may be read: Django names those that may."""
    if DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    return [message for product in catalogue.products() for message in check_product(product)]


def check_product(product: DataProduct) -> Iterator[checks.CheckMessage]:
    """Check the rows of one product as they are now."""
    try:
        with limited():
            for problem in find_missing_rights(product):
                yield checks.Warning(
                    _sentence(product, problem), obj=product.join.queryset.model, id="exemplar.W010"
                )
            for problem in find_repeated(product):
                yield checks.Error(
                    _sentence(product, problem), obj=product.join.queryset.model, id="exemplar.E005"
                )
            for problem in repeated_rows.find_unwritable(product):
                yield checks.Warning(
                    _sentence(product, problem), obj=product.join.queryset.model, id="exemplar.W009"
                )
        with limited():
            for problem in policy_checks.find_problems(product):
                yield checks.Warning(
                    _sentence(product, problem), obj=product.join.queryset.model, id="exemplar.W011"
                )
            for problem in policy_checks.find_unknown_groups(product):
                yield checks.Error(
                    _sentence(product, problem), obj=product.join.queryset.model, id="exemplar.E006"
                )
        for values in find_stored(product):
            yield checks.Warning(
                _sentence(product, values), obj=product.join.queryset.model, id="exemplar.W001"
            )
    except StoreError:
        return  # the declaration is wrong: another check says so
    except DatabaseError as error:
        yield checks.Info(
            _sentence(product, f"its rows were not checked. {sqlstates.explain(error)}"),
            obj=product.join.queryset.model,
            id="exemplar.I001",
        )


def _sentence(product: DataProduct, problem: object) -> str:
    return f"The product {product.name!r}: {problem}"


@contextmanager
def limited() -> Iterator[None]:
    """Run queries in a transaction of its own; one that takes too long is cancelled."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(LIMIT)])
        yield


def find_repeated(product: DataProduct) -> Iterator[str]:
    """Say why several of the rows, as they are now, are one entity; nothing where none are."""
    if not repeated_rows.is_possible(product):
        return
    with connection.cursor() as cursor:
        counts = "SELECT count(*), count(DISTINCT _entity)"
        # With parameters, although there are none: percent signs of the source are doubled.
        cursor.execute(f"{counts} FROM {_source(product, product.columns)} WHERE _prediction IS NULL", [])
        joined = KeyCounts(*cursor.fetchone())
    if not joined.are_distinct:
        yield repeated_rows.explain(product, joined)


def find_missing_rights(product: DataProduct) -> Iterator[str]:
    """Say what the product reads, or declares to write, and is refused for want of a right."""
    for right in list_missing(product):
        if right.writes:
            yield (
                f"the role may not {right}, which writes={product.writes!r} declares: feedback counts all the same, "
                'and other writes are refused. Grant what ./dev sql grants prints, or declare writes="none" or "label".'
            )
        else:
            yield f"the role may not {right}, which it reads: grant what ./dev sql grants prints."


def find_stored(product: DataProduct) -> tuple[undeclared.UndeclaredValues, ...]:
    """Find the undeclared values of the rows as they are now."""
    columns = [column for column in product.columns if column.choices]
    with limited():
        return undeclared.find_undeclared(product, _source(product, columns))


def _source(product: DataProduct, columns: Sequence[Feature]) -> str:
    names = [*snapshots.SYSTEM_COLUMNS, *(column.name for column in columns)]
    quoted = ", ".join(map(connection.ops.quote_name, names))
    joined = snapshots.join_sql(product, columns).replace("%", "%%")
    return f"({joined}) AS joined ({quoted})"
