"""Checks of rows at the start of a process: products of which several rows are one entity are named."""

import logging

from django.db import DatabaseError

from ..exceptions import StoreError
from ..products import catalogue
from ..products.product import DataProduct
from ..snapshots import checks

log = logging.getLogger(__name__)

#: Why rows of a product are repeated, by the product's name, as the start has found it.
_repeated: dict[str, str] = {}


def check() -> None:
    """Count the rows of each product whose keys nothing keeps unique; name those that are repeated in the log."""
    for product in catalogue.products():
        if reason := _reason(product):
            _repeated[product.name] = reason
            log.error("Rows of %s are repeated, and neither read nor written: %s", product, reason)
        else:
            _repeated.pop(product.name, None)


def repeated() -> dict[str, str]:
    """Get the reasons why rows are repeated, by the names of the products whose rows are."""
    return dict(_repeated)


def _reason(product: DataProduct) -> str:
    try:
        with checks.limited():
            return " ".join(checks.find_repeated(product))
    except (StoreError, DatabaseError):
        return ""  # its tables are not those that it declares, or too large to be counted in time
