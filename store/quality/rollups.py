"""Rollups: windows of predictions from packed days, and the upkeep of these; equal to what the rows say.

Past days are packed by the maintenance, one row for each version. Triggers note whatever changes what counts of a day;
a window reads such days, and the current one, from the rows. Any number of processes may keep days up at once: a day is
packed under the lock of its row, so that what changes meanwhile makes it dirty again afterwards.
"""

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import orjson
from django.db import connection, transaction
from django.db.models import Min

from ..access import acting
from ..db import clock
from ..db.sized_cache import SizedCache
from ..predictions.changed_subjects import ChangedSubject
from ..predictions.predictions import Prediction
from ..predictions.time_steps import STEP_MINUTES
from ..products import catalogue
from ..products.product import DataProduct
from ..registry.versions import ModelVersion
from . import windows
from .days import MOST_BYTES, DayCache, QualityDay, QualityState, end_of, pack, start_of
from .windows import PackedDays, PredictionWindow

#: Seconds that one call of `maintain` works, about; the next one goes on.
SECONDS = 1.0
#: Changes that one transaction takes; a join of many costs less for each than of few.
BATCH = 200_000
#: Changes that a query looks up: where more wait, all days are read from the rows.
MOST_PENDING = 2_000
#: Time after the end of a day before it is packed: a statement that stores predictions ends within it.
SETTLED = timedelta(minutes=10)

DAYS = """
WITH pending AS MATERIALIZED (
    SELECT subject, at FROM store_changedsubject WHERE product = %(product)s LIMIT %(most)s + 1
), hit AS MATERIALIZED (
    SELECT DISTINCT p.model_id, (p.created_at AT TIME ZONE 'UTC')::date AS day
    FROM pending c JOIN store_prediction p ON p.product = %(product)s AND p.subject = c.subject
    WHERE (SELECT count(*) FROM pending) <= %(most)s
    UNION
    SELECT NULL, (at AT TIME ZONE 'UTC')::date FROM pending WHERE at IS NOT NULL
), everything AS MATERIALIZED (
    SELECT count(*) > %(most)s OR coalesce(bool_or(subject IS NULL AND at IS NULL), false) AS changed FROM pending
)
SELECT s.packed_until, d.id, d.model_id, d.day, d.packed_at, d.classes,
       d.dirty OR (SELECT changed FROM everything) OR EXISTS (
           SELECT FROM hit WHERE hit.day = d.day AND coalesce(hit.model_id = d.model_id, true))
FROM store_qualitystate s
LEFT JOIN store_qualityday d ON d.product = s.product AND d.day >= %(first)s AND d.day < s.packed_until
    AND d.day <= %(last)s AND (%(model)s::bigint IS NULL OR d.model_id = %(model)s)
WHERE s.product = %(product)s
"""

#: Predictions of the last seconds that are counted, at most.
MOST_RECENT = 5_000
#: Numbers that change with every change of what counts, and with every prediction, also one that is committed after a
#: newer one. In an order, as PostgreSQL otherwise takes a third of all predictions to be recent, and reads by the index
#: of their age all that are newer than its last vacuum.
READ_MARK = """
WITH newest AS (
    SELECT created_at, id FROM store_prediction WHERE product = %(product)s
    ORDER BY created_at DESC, id DESC LIMIT 1
)
SELECT (SELECT changes FROM store_qualitystate WHERE product = %(product)s),
       (SELECT count(*) FROM store_changedsubject WHERE product = %(product)s),
       (SELECT (created_at, id)::text FROM newest),
       (SELECT count(*) FROM (
            SELECT FROM store_prediction WHERE product = %(product)s
                AND created_at > (SELECT created_at FROM newest) - interval '5 seconds'
            ORDER BY created_at DESC, id DESC LIMIT %(most)s) recent)
"""

#: Deletes changes, and selects their number, whether they are of everything, and the days that they touch.
TAKE = """
WITH taken AS MATERIALIZED (
    DELETE FROM store_changedsubject WHERE id IN (
        SELECT id FROM store_changedsubject WHERE product = %(product)s ORDER BY id LIMIT %(batch)s
        FOR UPDATE SKIP LOCKED)
    RETURNING subject, at
)
SELECT count(*), coalesce(bool_or(subject IS NULL AND at IS NULL), false), NULL::bigint, NULL::date FROM taken
UNION ALL
SELECT DISTINCT 0, false, p.model_id, (p.created_at AT TIME ZONE 'UTC')::date
FROM taken JOIN store_prediction p ON p.product = %(product)s AND p.subject = taken.subject
WHERE EXISTS (SELECT FROM store_qualityday WHERE product = %(product)s)
UNION ALL
SELECT DISTINCT 0, false, NULL::bigint, (at AT TIME ZONE 'UTC')::date FROM taken WHERE at IS NOT NULL
"""

#: Also days that are dirty: one may be being packed from rows that were read before the change, and it is waited for.
MARK = """
UPDATE store_qualityday d SET dirty = true
WHERE d.product = %(product)s AND (%(everything)s OR EXISTS (
    SELECT FROM unnest(%(models)s::bigint[], %(days)s::date[]) AS hit (model, day)
    WHERE hit.day = d.day AND coalesce(hit.model = d.model_id, true)))
"""

COUNT_TAKEN = """
INSERT INTO store_qualitystate (product, changes) VALUES (%(product)s, %(n)s)
ON CONFLICT (product) DO UPDATE SET changes = store_qualitystate.changes + excluded.changes
"""

ADD = """
INSERT INTO store_qualityday (product, model_id, day, dirty, classes, rows, others, steps)
SELECT DISTINCT product, model_id, (created_at AT TIME ZONE 'UTC')::date, true,
    '[]'::jsonb, ''::bytea, ''::bytea, ''::bytea
FROM store_prediction WHERE product = %(product)s AND created_at >= %(since)s AND created_at < %(until)s
ON CONFLICT DO NOTHING
"""

#: Products of which a day that is over is not added yet, or is dirty.
FIND_BEHIND = """
SELECT name FROM unnest(%(products)s::text[]) AS name LEFT JOIN store_qualitystate s ON s.product = name
WHERE coalesce(s.packed_until < %(over)s, EXISTS (
        SELECT FROM store_prediction p WHERE p.product = name AND p.created_at < %(start)s))
    OR EXISTS (SELECT FROM store_qualityday d WHERE d.product = name AND d.dirty)
"""

#: Products and versions whose current day a process has in memory, at most.
MOST_OPEN = 8

_cache = DayCache(MOST_BYTES)
#: The time since the last packed day, as it was read last.
_open = SizedCache[Any, tuple[DataProduct, Any, PredictionWindow]](MOST_OPEN, lambda stored: 1)


class _Day(NamedTuple):
    """A packed day of a version."""

    pk: int
    packed_at: datetime | None
    is_current: bool


def read(
    product: DataProduct,
    version: ModelVersion | None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> PredictionWindow:
    """Read a window as `windows.read` does, from packed days as far as these are current."""
    if not product.join.sees_all(acting.current()):
        return windows.read(product, version, since, until)
    packed_until, days = _find_days(product, version, since, until)
    if packed_until is None or (until is not None and since is not None and until <= since):
        return windows.read(product, version, since, until)
    classes = windows.list_classes(product, version)
    current = {day for day, rows in days.items() if all(row.is_current for row in rows)}
    loaded = _cache.find([(row.pk, row.packed_at) for day in current for row in days[day] if row.packed_at])
    complete = {day for day in current if all((row.pk, row.packed_at) in loaded for row in days[day])}
    parts = [loaded[row.pk, row.packed_at] for day in sorted(complete) for row in days[day] if row.packed_at]
    packed = windows.join(classes, [part.only_served() if version is None else part for part in parts])
    packed = _cut(product, version, packed, since, until)
    missing = days.keys() - complete
    from_rows = [
        _read_gap(product, version, low, high, packed_until)
        for low, high in _list_gaps(missing, packed_until, since, until)
    ]
    marks = {day: tuple((row.pk, row.packed_at) for row in days[day]) for day in complete}
    joined = windows.join(classes, [packed, *from_rows])
    return replace(joined, packed=PackedDays(packed_until, missing, marks))


def maintain() -> None:
    """Pack days that are over and days of which something has changed, for about a second."""
    deadline = time.monotonic() + SECONDS
    for name in list(ChangedSubject.objects.order_by("product").values_list("product", flat=True).distinct()):
        while _take_changes(name) == BATCH and time.monotonic() < deadline - SECONDS / 2:
            pass
    # Half of the time at least, so that days are packed however many words come; a day of each product in turns.
    deadline = max(deadline, time.monotonic() + SECONDS / 2)
    products = _find_behind()
    while products and time.monotonic() < deadline:
        products = [product for product in products if _add_days(product) or _pack_one(product)]


def read_mark(product: DataProduct) -> tuple[int, str | None, int]:
    """Read a mark that changes whenever the quality of a product may have."""
    with connection.cursor() as cursor:
        cursor.execute(READ_MARK, {"product": product.name, "most": MOST_RECENT})
        taken, pending, newest, recent = cursor.fetchone()
    return (taken or 0) + pending, newest, recent


def forget(product: DataProduct) -> None:
    """Delete the packed days of a product: for predictions that were stored under an earlier time."""
    QualityState.objects.filter(product=product.name).update(packed_until=None)
    QualityDay.objects.filter(product=product.name).delete()


def _find_days(
    product: DataProduct, version: ModelVersion | None, since: datetime | None, until: datetime | None
) -> tuple[date | None, dict[date, list[_Day]]]:
    """Find the packed days that overlap a window."""
    classes = windows.list_classes(product, version)
    parameters: dict[str, Any] = {
        "product": product.name,
        "model": version and version.pk,
        "first": date.min if since is None else since.astimezone(UTC).date(),
        "last": date.max if until is None else until.astimezone(UTC).date(),
        "most": MOST_PENDING,
    }
    by_version: dict[int, tuple[str, ...]] = {}
    days: dict[date, list[_Day]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(DAYS, parameters)
        rows = cursor.fetchall()
    if version is None and classes:
        for other in ModelVersion.objects.filter(pk__in={row[2] for row in rows if row[2]}):
            by_version[other.pk] = windows.list_classes(product, other)
    for _, pk, model, day, packed_at, packed_classes, is_dirty in rows:
        if pk is not None:
            # Another declaration has other labels, and so another answer to what is one.
            expected = by_version.get(model, classes)
            fits = tuple(_parse(packed_classes)) == expected
            days[day].append(_Day(pk, packed_at, not is_dirty and packed_at is not None and fits))
    return (rows[0][0] if rows else None), days


def _read_gap(
    product: DataProduct,
    version: ModelVersion | None,
    low: datetime | None,
    high: datetime | None,
    packed_until: date,
) -> PredictionWindow:
    """Read what is not packed from the rows; the time after the last packed day once for every window that has it."""
    if low != start_of(packed_until) or high is not None:
        return windows.read(product, version, low, high)
    key = product.name, version and version.pk
    mark = read_mark(product), low, windows.list_classes(product, version)  # before anything is read
    declared, mark_before, window = _open.get(key) or (None, None, None)
    if window is None or declared is not product or mark_before != mark:
        window = windows.read(product, version, low, high)
        _open.put(key, (product, mark, window))
    return window


def _parse(value: Any) -> list[str]:
    return list(orjson.loads(value) if isinstance(value, str | bytes) else value)


def _list_gaps(
    missing: Iterable[date], packed_until: date, since: datetime | None, until: datetime | None
) -> list[tuple[datetime | None, datetime | None]]:
    """List the parts of a window that no packed day has: days that are not current, and what comes after the last."""
    gaps: list[tuple[datetime | None, datetime | None]] = []
    for day in sorted(missing):
        low, high = start_of(day), end_of(day)
        if gaps and gaps[-1][1] == low:
            gaps[-1] = (gaps[-1][0], high)
        else:
            gaps.append((low, high))
    if gaps and gaps[-1][1] == start_of(packed_until):
        gaps[-1] = (gaps[-1][0], None)
    else:
        gaps.append((start_of(packed_until), None))
    cut = [
        (
            low if since is None else max(low or since, since),
            until if high is None else high if until is None else min(high, until),
        )
        for low, high in gaps
    ]
    return [(low, high) for low, high in cut if low is None or high is None or low < high]


def _cut(
    product: DataProduct,
    version: ModelVersion | None,
    packed: PredictionWindow,
    since: datetime | None,
    until: datetime | None,
) -> PredictionWindow:
    """Cut packed days to a window; the steps of which a part is in the window are counted from the rows."""
    window = packed.cut(since, until)
    for end in {end for end in (since, until) if end is not None and _floor(end) != end}:
        low, high = _floor(end), _floor(end) + timedelta(minutes=STEP_MINUTES)
        if not len(windows.cut(packed.steps, low, high)):
            continue
        part = windows.read_steps(
            product,
            version,
            low if since is None else max(low, since),
            high if until is None else min(high, until),
        )
        at, (first, last) = window.steps["at"], map(windows.to_microseconds, (low, high))
        steps = [window.steps[at < first], part.steps, window.steps[at >= last]]
        window = replace(window, steps=np.concatenate(steps))
    return window


def _floor(moment: datetime) -> datetime:
    """The start of the step of time that a moment is in."""
    step = timedelta(minutes=STEP_MINUTES)
    return moment - (moment - windows.EPOCH) % step


def _take_changes(product: str) -> int:
    """Mark the days that changes touch, and delete these; returns how many. One process does so at a time."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 1))", [f"quality {product}"])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(TAKE, {"product": product, "batch": BATCH})
        (taken, everything, *_), *touched = cursor.fetchall()
        if taken:
            models, days = ([row[place] for row in touched] for place in (2, 3))
            cursor.execute(
                MARK, {"product": product, "everything": everything, "models": models, "days": days}
            )
            cursor.execute(COUNT_TAKEN, {"product": product, "n": taken})
    return int(taken)


def _find_behind() -> list[DataProduct]:
    """Find the products that have days to add or to pack, before their locks: another process may be about it."""
    products = catalogue.labelled()
    over = _end_of_days()
    parameters: dict[str, Any] = {"products": list(products), "over": over, "start": start_of(over)}
    with connection.cursor() as cursor:
        cursor.execute(FIND_BEHIND, parameters)
        return [products[name] for (name,) in cursor.fetchall()]


def _end_of_days() -> date:
    """The first day that may still get predictions."""
    return (clock.now() - SETTLED).astimezone(UTC).date()


def _add_days(product: DataProduct) -> bool:
    """Add dirty rows for the next day that is over and had predictions; returns False where there is none."""
    over = _end_of_days()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 2))", [f"quality {product.name}"]
            )
            if not cursor.fetchone()[0]:
                return False
        state = QualityState.objects.filter(product=product.name).first()
        rows = Prediction.objects.filter(product=product.name)
        if state is not None and state.packed_until is not None:
            if state.packed_until >= over:
                return False
            rows = rows.filter(created_at__gte=start_of(state.packed_until))
        first = rows.aggregate(first=Min("created_at"))["first"]
        if (state is None or state.packed_until is None) and (first is None or first >= start_of(over)):
            return False
        day = over if first is None else min(first.astimezone(UTC).date(), over)
        if day < over:
            with connection.cursor() as cursor:
                cursor.execute(ADD, {"product": product.name, "since": start_of(day), "until": end_of(day)})
            day += timedelta(days=1)
        QualityState.objects.update_or_create(product=product.name, defaults={"packed_until": day})
    return True


def _pack_one(product: DataProduct) -> bool:
    """Pack the newest dirty day that no other process packs; returns False where there is none."""
    with transaction.atomic():
        dirty = QualityDay.objects.filter(product=product.name, dirty=True).order_by("-day", "model")
        row = dirty.only("pk", "day", "model").select_for_update(skip_locked=True, of=("self",)).first()
        if row is None:
            return False
        # A statement after that of the lock, so that it sees what made the day dirty.
        window = windows.read(product, row.model, start_of(row.day), end_of(row.day))
        QualityDay.objects.filter(pk=row.pk).update(dirty=False, packed_at=clock.now(), **pack(window))
    return True
