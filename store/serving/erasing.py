"""Erasing: all that is stored about an entity or a reference, for who may ERASE it.

Rows of predictions, feedback and queues go at once. The tables of snapshots that have it are dropped by a worker, since
rows of a snapshot never change: folds and fingerprints depend on them. A team's own rows are not touched.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from ..access import audit
from ..access.audit import Act
from ..builds.builds import Build
from ..db import sqlstates
from ..jobs.jobs import UNFINISHED
from ..predictions import erasure
from ..predictions.erasure import Removed, SubjectName
from ..products.product import DataProduct
from ..snapshots import erased_examples
from ..snapshots.fingerprint import SUBJECT
from ..snapshots.snapshots import Snapshot
from .label_queue import LabelCandidate


@dataclass(frozen=True)
class Erased:
    """The rows that were erased, or would be."""

    removed: Removed
    #: Snapshots whose tables have it; a worker drops them.
    snapshots: list[Snapshot]
    #: True while a build runs that may have read it before: erase it again once that has ended.
    is_being_read: bool


@transaction.atomic
def erase(product: DataProduct, name: SubjectName, reason: str = "", dry_run: bool = False) -> Erased:
    """Erase all that is stored about an entity or a reference; a second time finds nothing, and is no error.

    The audit log names the subject by its UUID alone. Raises BadInput, Forbidden.
    """
    erased_examples.hold_snapshots(product)
    removed = erasure.remove_subject(product, name, dry_run)
    subject = name.subject(product)
    snapshots = find_snapshots(product, name, subject, removed.ids)
    if not dry_run:
        places = LabelCandidate.objects.filter(name.condition | Q(subject=subject), product=product.name)
        erasure.select_visible(product, places).delete()
        Snapshot.objects.filter(pk__in=[each.pk for each in snapshots], unwanted_at=None).update(
            unwanted_at=Now()
        )
        details = {
            "predictions": len(removed.predictions),
            "feedback": removed.feedback,
            "snapshots": [each.number for each in snapshots],
        }
        audit.record(
            Act.ERASE, product=product.name, ids=[f"Subject:{subject}"], reason=reason, details=details
        )
    is_being_read = Build.objects.filter(product=product.name, status__in=UNFINISHED).exists()
    return Erased(removed, snapshots, is_being_read)


def find_snapshots(
    product: DataProduct, name: SubjectName, subject: str, predictions: Sequence[str]
) -> list[Snapshot]:
    """Find the snapshots whose tables have the entity, or examples about the subject or that these predictions were."""
    stored = Snapshot.objects.filter(product=product.name, dropped_at=None).order_by("number")
    return [snapshot for snapshot in stored if _has(snapshot, name.entity, subject, predictions)]


def _has(snapshot: Snapshot, entity: str | None, subject: str, predictions: Sequence[str]) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # Older tables name examples by their predictions alone, which may be gone when somebody is erased.
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s "
                "AND NOT attisdropped)",
                [snapshot.table, SUBJECT],
            )
            (has_subjects,) = cursor.fetchone()
            about = f" OR {SUBJECT} = CAST(%s AS uuid)" if has_subjects else ""
            cursor.execute(
                f"SELECT EXISTS (SELECT FROM {snapshot.table} "
                f"WHERE _entity = %s OR _prediction = ANY (CAST(%s AS uuid[])){about})",
                [entity, list(predictions), *([subject] * has_subjects)],
            )
            return bool(cursor.fetchone()[0])
    except DatabaseError as error:
        if sqlstates.is_missing(error):  # dropped by hand, or by a worker at this moment
            return False
        raise
