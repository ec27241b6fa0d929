"""Copying: PostgreSQL renders the rows of an export, which are sent as they come, on a connection of its own."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg2 import errorcodes

from learning.exceptions import TimedOut

from ..access import audit
from ..access.audit import Act
from ..db import sqlstates
from ..products.features import refusals_explained
from ..products.product import DataProduct
from .formats import FORMATS, Send, Writer
from .relations import ExportRelation

#: The threads of exports, whose connections are closed after each: a slow client costs no other request its turn.
pool = ThreadPoolExecutor(settings.EXEMPLAR_EXPORTS, thread_name_prefix="exports")


def export(
    product: DataProduct,
    relation: ExportRelation,
    format: str,
    send: Send,
    details: Mapping[str, Any],
    escapes_formulas: bool = False,
) -> None:
    """Record the export in the audit log, then send the file's parts; memory does not grow with the rows.

    Args:
        details: the parameters of the request, for the entry.

    Raises: Unavailable; whatever `send` raises.
    """
    form = FORMATS[format]
    writer = form.writer(relation, send)
    statement = form.statement(relation, escapes_formulas)
    with transaction.atomic(durable=True):
        audit.record(Act.EXPORT, product=product.name, details=details)
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        milliseconds = settings.EXEMPLAR_EXPORT_TIME_LIMIT * 1000
        cursor.execute(f"SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = {milliseconds}")
        with refusals_explained(product.join):
            _copy(cursor, statement, writer)
    writer.close()


def _copy(cursor: CursorWrapper, statement: str, writer: Writer) -> None:
    """Copy all rows. Raises TimedOut; whatever the writer raises."""
    try:
        cursor.copy_expert(statement, writer)
    except BaseException as error:
        # libpq would read the other rows before it ends the transaction.
        connection.connection.close()
        if sqlstates.get_sqlstate(error) == errorcodes.QUERY_CANCELED:
            raise TimedOut("The export took longer than it may: export less at once, by a filter.") from error
        raise
