"""Room: what of old builds goes, so that the database does not grow with them. What explains a prediction stays."""

import logging

from django.conf import settings
from django.db import OperationalError, connection, transaction
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

#: What somebody reads just now is left for the next time.
LOCK_TIMEOUT = "2s"

#: Tables of the snapshots' schema that no row knows: whoever made them was lost.
ORPHANS = """
SELECT quote_ident(tablename) FROM pg_tables
WHERE schemaname = 'snapshots'
  AND tablename NOT IN (SELECT product || '_' || number FROM store_snapshot WHERE dropped_at IS NULL)
"""


def delete_old_builds(product: str) -> None:
    """Let go of what builds before the last `EXEMPLAR_KEEP_BUILDS` of this product have left: snapshots' tables,
    predictions out of fold, artifacts that never served. The champion's build keeps all of it.
    """
    old = _old(product)
    _drop_artifacts(old)
    FoldScore.objects.filter(candidate__build__in=old, predictions__isnull=False).update(predictions=None)
    for snapshot in _snapshots(product, old):
        _drop(snapshot)
    _drop_orphans()


def _old(product: str) -> QuerySet[Build]:
    """Ended builds of which nothing is kept but what is known of them."""
    builds = Build.objects.filter(product=product)
    kept = list(builds.order_by("-number").values_list("pk", flat=True)[: settings.EXEMPLAR_KEEP_BUILDS])
    serving = ProductState.objects.filter(product=product, champion__isnull=False).values("champion__build")
    return builds.exclude(pk__in=kept).exclude(pk__in=serving).exclude(status__in=UNFINISHED)


def _drop_artifacts(old: QuerySet[Build]) -> None:
    served = Promotion.objects.filter(model=OuterRef("pk"))
    asked = Prediction.objects.filter(model=OuterRef("pk"))
    unserved = ModelVersion.objects.filter(build__in=old, dropped_at=None)
    unserved.filter(~Exists(served), ~Exists(asked)).update(artifact=b"", dropped_at=Now())


def _snapshots(product: str, old: QuerySet[Build]) -> QuerySet[Snapshot]:
    """Those that only old builds have learned from; one that no build knows was taken by an attempt that was lost."""
    kept = Build.objects.filter(product=product).exclude(pk__in=old.values("pk"))
    needed = kept.filter(snapshot__isnull=False).values("snapshot")
    unfinished = kept.filter(status__in=UNFINISHED)
    taken = Snapshot.objects.filter(product=product, dropped_at=None).exclude(pk__in=needed)
    # While a build runs, its snapshot may be a moment ahead of the row that names it.
    return taken.filter(builds__isnull=False).distinct() if unfinished.exists() else taken


def _drop(snapshot: Snapshot) -> None:
    try:
        with transaction.atomic():
            _patiently()
            snapshot.drop()
            Snapshot.objects.filter(pk=snapshot.pk).update(dropped_at=Now())
    except OperationalError as error:
        log.warning("The table of snapshot %s stays for now: %s", snapshot, error)


def _drop_orphans() -> None:
    with connection.cursor() as cursor:
        cursor.execute(ORPHANS)
        tables = [table for (table,) in cursor.fetchall()]
    for table in tables:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                _patiently()
                cursor.execute(f"DROP TABLE IF EXISTS snapshots.{table}")
        except OperationalError as error:
            log.warning("The table snapshots.%s stays for now: %s", table, error)


def _patiently() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
