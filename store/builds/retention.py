"""Build retention: deletes what old builds no longer need. Rows that explain a prediction stay."""

import logging

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from ..jobs.jobs import UNFINISHED
from ..predictions.predictions import Prediction
from ..registry.product_states import ProductState
from ..registry.promotions import Promotion
from ..registry.versions import ModelVersion
from ..snapshots.snapshots import Snapshot
from .builds import Build
from .candidates import FoldScore

log = logging.getLogger(__name__)

#: A table that is being read is left for the next build.
LOCK_TIMEOUT = "2s"

#: Tables in the schema of snapshots without a row: their attempts were lost.
ORPHANS = """
SELECT quote_ident(tablename) FROM pg_tables
WHERE schemaname = 'snapshots'
  AND tablename NOT IN (SELECT product || '_' || number FROM store_snapshot WHERE dropped_at IS NULL)
"""


def delete_old_builds(product: str) -> None:
    """Delete snapshot tables, out-of-fold predictions and artifacts that never served of all but the last
    `EXEMPLAR_KEEP_BUILDS` builds of this product. The champion's build keeps them.
    """
    old = _old_builds(product)
    _drop_artifacts(old)
    FoldScore.objects.filter(candidate__build__in=old, predictions__isnull=False).update(predictions=None)
    for snapshot in _unused_snapshots(product, old):
        _drop_table(snapshot)
    _drop_orphans()


def drop_unwanted_snapshots() -> None:
    """Drop the tables of snapshots of which something was erased, and their out-of-fold predictions.

    Those that an unfinished build reads wait for its end.
    """
    read = Build.objects.filter(status__in=UNFINISHED, snapshot=OuterRef("pk"))
    for snapshot in Snapshot.objects.filter(~Exists(read), unwanted_at__isnull=False, dropped_at=None):
        FoldScore.objects.filter(candidate__build__snapshot=snapshot, predictions__isnull=False).update(
            predictions=None
        )
        _drop_table(snapshot)


def _old_builds(product: str) -> QuerySet[Build]:
    """List the ended builds of which only the rows are kept."""
    builds = Build.objects.filter(product=product)
    newest = list(builds.order_by("-number").values_list("pk", flat=True)[: settings.EXEMPLAR_KEEP_BUILDS])
    serving = ProductState.objects.filter(product=product, champion__isnull=False).values("champion__build")
    return builds.exclude(pk__in=newest).exclude(pk__in=serving).exclude(status__in=UNFINISHED)


def _drop_artifacts(old: QuerySet[Build]) -> None:
    promotions = Promotion.objects.filter(model=OuterRef("pk"))
    predictions = Prediction.objects.filter(model=OuterRef("pk"))
    unserved = ModelVersion.objects.filter(build__in=old, dropped_at=None)
    unserved.filter(~Exists(promotions), ~Exists(predictions)).update(artifact=b"", dropped_at=Now())


def _unused_snapshots(product: str, old: QuerySet[Build]) -> QuerySet[Snapshot]:
    """List the snapshots that only old builds use, and those of lost attempts, which no build uses."""
    current = Build.objects.filter(product=product).exclude(pk__in=old.values("pk"))
    needed = current.filter(snapshot__isnull=False).values("snapshot")
    unfinished = current.filter(status__in=UNFINISHED)
    unused = Snapshot.objects.filter(product=product, dropped_at=None).exclude(pk__in=needed)
    # A running build inserts its snapshot a moment before its own row refers to it.
    return unused.filter(builds__isnull=False).distinct() if unfinished.exists() else unused


def _drop_table(snapshot: Snapshot) -> None:
    try:
        with transaction.atomic():
            _set_lock_timeout()
            snapshot.drop()
            Snapshot.objects.filter(pk=snapshot.pk).update(dropped_at=Now())
    except DatabaseError as error:  # a lock, or a table of another role's
        log.warning("The table of snapshot %s was not deleted; it is tried again later: %s", snapshot, error)


def _drop_orphans() -> None:
    with connection.cursor() as cursor:
        cursor.execute(ORPHANS)
        tables = [table for (table,) in cursor.fetchall()]
    for table in tables:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                _set_lock_timeout()
                cursor.execute(f"DROP TABLE IF EXISTS snapshots.{table}")
        except DatabaseError as error:  # a lock, or a table of another role's
            log.warning(
                "The table snapshots.%s was not deleted; the next build tries again: %s", table, error
            )


def _set_lock_timeout() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
