"""Retention: predictions that are old and that nobody spoke of go, a few at a time, beside those who write."""

import logging

from django.conf import settings
from django.db import connection, transaction

from ..access import audit
from ..access.audit import Act

log = logging.getLogger(__name__)

#: Rows of one transaction: it holds no lock for longer than a writer would wait gladly.
BATCH = 1_000
#: Batches of one sweep; the next one goes on.
BATCHES = 50
#: Of the advisory lock: one process sweeps at a time.
SWEEPING = 0x6578656D

#: Feedback makes an example of a prediction, and an example is learned from: it stays. Rows that somebody holds are
#: left for the next time.
DELETE = """
DELETE FROM store_prediction WHERE id IN (
    SELECT id FROM store_prediction old
    WHERE old.created_at < statement_timestamp() - make_interval(days => %(days)s)
      AND old.updated_at < statement_timestamp() - make_interval(days => %(days)s)
      AND NOT EXISTS (SELECT FROM store_feedback f WHERE f.product = old.product AND f.subject = old.subject)
    LIMIT %(batch)s FOR UPDATE SKIP LOCKED)
"""


def delete_old_predictions(days: int | None = None) -> int:
    """Delete what nobody has asked for these many days (default: the setting; 0 keeps all); returns how many.

    One process sweeps at a time: another one finds nothing to do.
    """
    days = settings.EXEMPLAR_KEEP_PREDICTIONS if days is None else days
    removed = 0
    for _ in range(BATCHES if days else 0):
        gone = _batch(days)
        removed += gone
        if gone < BATCH:
            break
    if removed:
        log.info("%s predictions were older than %s days.", removed, days)
    return removed


@transaction.atomic
def _batch(days: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [SWEEPING])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(DELETE, {"days": days, "batch": BATCH})
        removed = int(cursor.rowcount)
    if removed:
        reason = f"Nobody has asked for these predictions in {days} days."
        audit.record(Act.DELETE, reason=reason, details={"count": removed})
    return removed
