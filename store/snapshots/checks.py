"""Checks of stored rows for `manage.py check --database default`: values that are no choices."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.core import checks
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, transaction

from ..db import sqlstates
from ..exceptions import StoreError
from ..products import catalogue
from ..products.features import Feature
from ..products.product import DataProduct
from . import snapshots, undeclared

#: Milliseconds for the rows of one product, at most.
LIMIT = 20_000


@checks.register(checks.Tags.database, "exemplar")
def check_rows(
    app_configs: Any = None, databases: Sequence[str] | None = None, **options: Any
) -> list[checks.CheckMessage]:
    """Check the rows of every declared product, if the database may be read: Django names those that may."""
    if DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    return [message for product in catalogue.products() for message in _check_product(product)]


def _check_product(product: DataProduct) -> Iterator[checks.CheckMessage]:
    try:
        for values in find_stored(product):
            yield checks.Warning(
                f"The product {product.name!r}: {values}", obj=product.join.model, id="exemplar.W001"
            )
    except StoreError:
        return  # the declaration is wrong: another check says so
    except DatabaseError as error:
        yield checks.Info(
            f"The product {product.name!r}: its rows were not checked. {sqlstates.explain(error)}",
            obj=product.join.model,
            id="exemplar.I001",
        )


def find_stored(product: DataProduct) -> tuple[undeclared.UndeclaredValues, ...]:
    """Find the undeclared values of the rows as they are now."""
    columns = [column for column in product.columns if column.choices]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(LIMIT)])
        return undeclared.find_undeclared(product, _source(product, columns))


def _source(product: DataProduct, columns: Sequence[Feature]) -> str:
    names = [*snapshots.SYSTEM_COLUMNS, *(column.name for column in columns)]
    quoted = ", ".join(map(connection.ops.quote_name, names))
    joined = snapshots.join_sql(product, columns).replace("%", "%%")
    return f"({joined}) AS joined ({quoted})"
