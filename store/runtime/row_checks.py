"""Checks of rows at the start of a process: products whose rows are repeated or cannot be read are named."""

import logging

from django.db import DatabaseError, ProgrammingError, connection

from ..db import sqlstates
from ..exceptions import StoreError
from ..predictions import policy_checks
from ..products import catalogue
from ..products.product import DataProduct
from ..snapshots import checks, snapshots

log = logging.getLogger(__name__)

#: Why rows of a product are repeated, by the product's name, as the start has found it.
_repeated: dict[str, str] = {}
#: Why rows of a product cannot be read, by the product's name: a column or a table of its declaration is missing.
_unreadable: dict[str, str] = {}


def check() -> None:
    """Plan the query of each product's rows, and count those whose keys nothing keeps unique; log what is wrong."""
    for product in catalogue.products():
        _check_columns(product)
        _check_policy(product)
        if reason := _reason(product):
            _repeated[product.name] = reason
            log.error("Rows of %s are repeated, and neither read nor written: %s", product, reason)
        else:
            _repeated.pop(product.name, None)


def repeated() -> dict[str, str]:
    """Get the reasons why rows are repeated, by the names of the products whose rows are."""
    return dict(_repeated)


def unreadable() -> dict[str, str]:
    """Get the reasons why rows cannot be read, by the names of the products whose rows cannot."""
    return dict(_unreadable)


def _check_columns(product: DataProduct) -> None:
    try:
        with checks.limited(), connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {snapshots.join_sql(product)}")
    except ProgrammingError as error:
        _unreadable[product.name] = f"Its rows cannot be read: {sqlstates.explain(error)}"
        log.error("Rows of %s cannot be read: %s", product, sqlstates.explain(error))
    except (StoreError, DatabaseError):
        return  # the declaration is wrong, as `check` says, or the server is gone
    else:
        _unreadable.pop(product.name, None)


def _check_policy(product: DataProduct) -> None:
    try:
        with checks.limited():
            for problem in policy_checks.find_problems(product):
                log.warning("%s: %s", product, problem)
    except (StoreError, DatabaseError):
        return  # its tables cannot be read, as another check says


def _reason(product: DataProduct) -> str:
    try:
        with checks.limited():
            return " ".join(checks.find_repeated(product))
    except (StoreError, DatabaseError):
        return ""  # its tables are not those that it declares, or too large to be counted in time
