"""Drift hours: the served predictions of each version, counted by the bins of its reference for each hour.

The maintenance counts hours that have ended. A trigger marks an hour as stale when one of its predictions is deleted,
or begins to count because it was served after all. A stale hour is counted from the rows until the maintenance has
counted it again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection, models, transaction
from django.db.models import F, Q

from ..db import clock
from ..db.base import BaseModel
from ..db.writes import EVERYTHING
from ..products import catalogue
from ..products.features import Feature
from ..products.product import DataProduct
from ..snapshots.snapshots import cast_sql
from .drift_references import ANSWER, CountLayout, DriftReference, answer_key_sql
from .feature_bins import BinsBasis, Counts, basis_of, key_sql

HOUR = timedelta(hours=1)
#: An hour is counted so long after its end: a transaction that began in it may be committed later.
SLACK = timedelta(minutes=10)
#: Predictions that one transaction of the maintenance counts, about.
BATCH = 50_000
#: Transactions of one turn of the maintenance, and stale hours that it counts again.
BATCHES, RECOUNTED = 4, 20

Range = tuple[datetime, datetime]

#: Marks the hours of the predictions in `changed` as stale, in one order for all statements.
MARK = """
INSERT INTO exemplar.store_drifthour (reference_id, hour, counts, stale)
SELECT DISTINCT c.model_id, date_trunc('hour', c.created_at, 'UTC'), ''::bytea, true
FROM {changed} c JOIN exemplar.store_driftreference r ON r.model_id = c.model_id
WHERE c.served
ORDER BY 1, 2
ON CONFLICT (reference_id, hour) DO UPDATE SET stale = true WHERE NOT store_drifthour.stale;
"""
#: The triggers on the table of predictions: of a statement that deletes, and of a row that is served from now on.
TRIGGERS = f"""
CREATE FUNCTION exemplar.note_deleted_predictions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {MARK.format(changed="deleted")}
    RETURN NULL;
END
$$;
CREATE FUNCTION exemplar.note_served_prediction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {MARK.format(changed="(SELECT NEW.model_id, NEW.created_at, NEW.served)")}
    RETURN NULL;
END
$$;
CREATE TRIGGER note_deleted_predictions AFTER DELETE ON exemplar.store_prediction
REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION exemplar.note_deleted_predictions();
CREATE TRIGGER note_served_prediction AFTER UPDATE OF served ON exemplar.store_prediction
FOR EACH ROW WHEN (NEW.served AND NOT OLD.served) EXECUTE FUNCTION exemplar.note_served_prediction();
"""
DROP_TRIGGERS = """
DROP FUNCTION exemplar.note_deleted_predictions() CASCADE;
DROP FUNCTION exemplar.note_served_prediction() CASCADE;
"""

#: The hour of the row that follows the next BATCH rows.
NEXT = """
SELECT date_trunc('hour', created_at, 'UTC') FROM store_prediction
WHERE product = %(product)s AND model_id = %(model)s AND created_at >= %(since)s AND created_at < %(until)s
ORDER BY created_at OFFSET %(skipped)s LIMIT 1
"""


class DriftHourManager(models.Manager["DriftHour"]):
    """Counts predictions by hours."""

    def count_ended(self) -> None:
        """Count hours that have ended and were not counted, and stale ones again; some at a time."""
        closed = floor_hour(clock.now() - SLACK)
        behind = DriftReference.objects.filter(
            Q(counted_until=None) | Q(counted_until__lt=closed), problem=""
        )
        for key in behind.order_by(F("counted_until").asc(nulls_first=True), "pk").values_list(
            "pk", flat=True
        ):
            if not self._catch_up(key, closed):
                return
        for hour in self.filter(stale=True).order_by("pk").select_related("reference__model")[:RECOUNTED]:
            self._recount(hour)

    def _catch_up(self, key: int, closed: datetime) -> bool:
        """Count the hours of one version before `closed`; returns whether there is nothing left."""
        return any(self._count_next(key, closed) for _ in range(BATCHES))

    @transaction.atomic
    def _count_next(self, key: int, closed: datetime) -> bool:
        locked = DriftReference.objects.select_for_update(skip_locked=True, of=("self",))
        reference = locked.select_related("model").filter(pk=key).first()
        if reference is None or (reference.counted_until and reference.counted_until >= closed):
            return True  # another process counts, or has counted
        product = catalogue.find(reference.model.product)
        if product is None:
            return True  # a process counts that has its declaration: of another release, or once it is valid again
        since = _first_uncounted(reference, closed)
        until = closed if since is None else _end_of_batch(reference, since, closed)
        if since:
            hours = count_hours(product, reference, [(since, until)])
            self._store(reference, hours)
        DriftReference.objects.filter(pk=key).update(counted_until=until)
        return until >= closed

    def _store(self, reference: DriftReference, hours: dict[datetime, Counts]) -> None:
        # A row that exists was marked as stale meanwhile, and stays so.
        rows = [
            DriftHour(reference=reference, hour=hour, counts=pack(counts)) for hour, counts in hours.items()
        ]
        self.bulk_create(
            rows, update_conflicts=True, unique_fields=["reference", "hour"], update_fields=["counts"]
        )

    @transaction.atomic
    def _recount(self, hour: "DriftHour") -> None:
        """Count a stale hour again. The row is locked before its predictions are read: a later deletion waits."""
        row = self.select_for_update(skip_locked=True).filter(pk=hour.pk, stale=True).first()
        product = catalogue.find(hour.reference.model.product)
        if row is None or product is None:
            return
        hours = count_hours(product, hour.reference, [(row.hour, row.hour + HOUR)])
        counts = hours.get(row.hour, np.zeros(hour.reference.layout.size, dtype=np.int64))
        self.filter(pk=row.pk).update(counts=pack(counts), stale=False)

    def forget(self, product: str) -> None:
        """Forget all hours of a product, which the maintenance then counts anew: rows with earlier times were added."""
        with transaction.atomic():
            DriftReference.objects.filter(model__product=product).update(counted_until=None)
            self.filter(reference__model__product=product).delete()


class DriftHour(BaseModel):
    """The counts of a version's predictions in one hour."""

    web_writes = worker_writes = EVERYTHING

    reference = models.ForeignKey(DriftReference, models.CASCADE, related_name="hours")
    hour = models.DateTimeField()
    #: 32-bit little-endian integers, in the order of the reference's layout.
    counts = models.BinaryField()
    #: True if predictions have gone or come since they were counted.
    stale = models.BooleanField(default=False, db_default=False)

    objects = DriftHourManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["reference", "hour"], name="one_count_per_hour")]
        indexes = [models.Index(fields=["id"], condition=Q(stale=True), name="drift_hours_stale")]

    def __str__(self) -> str:
        return f"{self.reference}, {self.hour:%Y-%m-%d %H}"


def floor_hour(moment: datetime) -> datetime:
    """Return the beginning of a moment's hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def pack(counts: Counts) -> bytes:
    """Write counts as they are stored."""
    return counts.astype("<i4").tobytes()


def unpack(stored: Any) -> Counts:
    """Read counts as they are stored."""
    return np.frombuffer(stored, dtype="<i4").astype(np.int64)


def count_hours(
    product: DataProduct, reference: DriftReference, ranges: Sequence[Range], most: int | None = None
) -> dict[datetime, Counts]:
    """Count the served predictions of a version in ranges of time, by hours.

    Args:
        most: Only the newest so many rows; None: all.
    """
    newest = "" if most is None else f" ORDER BY p.created_at DESC LIMIT {most}"
    # Each range by the index: of conditions that are joined by OR, every row of the product would be read.
    rows = f"""SELECT p.* FROM unnest(%s::timestamptz[], %s::timestamptz[]) AS w (since, until)
        CROSS JOIN LATERAL (
            SELECT p.* FROM store_prediction p
            WHERE p.product = %s AND p.model_id = %s AND p.served
                AND p.created_at >= w.since AND p.created_at < w.until{newest}
        ) p{newest}"""
    starts, ends = [since for since, _ in ranges], [until for _, until in ranges]
    return count_places(product, reference.layout, rows, [starts, ends, product.name, reference.pk])


def count_places(
    product: DataProduct, layout: CountLayout, rows: str, parameters: Sequence[Any]
) -> dict[datetime, Counts]:
    """Count predictions by hours and places.

    Args:
        rows: SQL of the rows of predictions.
    """
    if not layout.bins:
        return {}
    columns = {column.name: column for column in product.columns if column.kind is not None}
    keys = []
    for bins in layout.bins:
        if bins.name == ANSWER:
            keys.append(answer_key_sql(product, "p"))
        elif bins.name in columns:
            keys.append(_stored_key_sql(columns[bins.name]))
        else:
            keys.append("NULL::float8" if bins.is_ranged else "NULL::text")
    selected = ", ".join(f"{key} AS key_{place}" for place, key in enumerate(keys))
    places = layout.places_sql([f"key_{place}" for place in range(len(keys))])
    statement = f"""
        SELECT hour, place, count(*) FROM (
            SELECT date_trunc('hour', p.created_at, 'UTC') AS hour, {selected} FROM ({rows}) p OFFSET 0
        ) r, unnest({places}) place GROUP BY 1, 2"""
    hours: dict[datetime, Counts] = {}
    with connection.cursor() as cursor:
        cursor.execute(statement, list(parameters))
        for hour, place, count in cursor.fetchall():
            if hour not in hours:
                hours[hour] = np.zeros(layout.size, dtype=np.int64)
            hours[hour][place] = count
    return hours


def _stored_key_sql(column: Feature) -> str:
    """Compile what a stored prediction's feature is binned by; null where it does not fit the declaration of today."""
    kind = column.field_kind
    if basis_of(column) is BinsBasis.RANGES and kind.is_quantity and kind.is_json:
        # Half of the time of a cast that may fail: a JSON number is a number.
        value = f"(p.features -> '{column.name}')"
        return f"CASE WHEN jsonb_typeof({value}) = 'number' THEN {value}::float8 END"
    return key_sql(column, cast_sql(column, "p.features", f"'{column.name}'"))


def _first_uncounted(reference: DriftReference, closed: datetime) -> datetime | None:
    """Find the hour of the first prediction that was not counted; None without one before `closed`."""
    since = reference.counted_until or datetime.min.replace(year=1970, tzinfo=closed.tzinfo)
    return _next_hour(reference, since, closed, 0)


def _end_of_batch(reference: DriftReference, since: datetime, closed: datetime) -> datetime:
    end = _next_hour(reference, since, closed, BATCH)
    return closed if end is None else max(end, since + HOUR)


def _next_hour(reference: DriftReference, since: datetime, until: datetime, skipped: int) -> datetime | None:
    parameters = {
        "product": reference.model.product,
        "model": reference.pk,
        "since": since,
        "until": until,
        "skipped": skipped,
    }
    with connection.cursor() as cursor:
        cursor.execute(NEXT, parameters)
        row = cursor.fetchone()
    return row[0] if row else None
