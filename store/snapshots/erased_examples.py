"""Erased examples: predictions that were erased while a snapshot with them was taken.

Whoever erases sees no table of a transaction that goes on, and finds a reference by its predictions, which are gone the
second time. So the snapshot looks for them once it is stored.
"""

from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.db.models.functions import Now

from ..products.product import DataProduct

if TYPE_CHECKING:
    from .snapshots import Snapshot

#: The number of the advisory lock of who erases something of a product.
LOCK = "hashtextextended('erasing of ' || %s, 0)"
#: Whether an example of a snapshot is no prediction any more.
LACKS = """
SELECT EXISTS (
    SELECT FROM {table} s WHERE s._prediction IS NOT NULL
        AND NOT EXISTS (SELECT FROM store_prediction p WHERE p.id = s._prediction)
)
"""


def hold_snapshots(product: DataProduct) -> None:
    """Have snapshots look for what is erased only when this transaction has ended."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock_shared({LOCK})", [product.name])


def mark(product: DataProduct, snapshot: "Snapshot") -> None:
    """Mark a snapshot that was just stored as unwanted, if one of its examples was deleted meanwhile."""
    if not snapshot.from_predictions:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock({LOCK})", [product.name])
        cursor.execute(LACKS.format(table=snapshot.table))
        if cursor.fetchone() == (True,):
            type(snapshot).objects.filter(pk=snapshot.pk, unwanted_at=None).update(unwanted_at=Now())
