"""Days of quality: the windows of past days, packed as they were read, for every version that predicted on them."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
from django.db import models

from ..db.base import BaseModel
from ..db.fields import JSONField
from ..db.sized_cache import SizedCache
from ..db.writes import Writes
from ..registry.versions import ModelVersion
from .windows import OTHERS, STEPS, PredictionWindow, stored_type

#: Bytes of windows of days that a process keeps in memory, at most.
MOST_BYTES = 96 << 20


class QualityState(BaseModel):
    """The progress of packing a product's days."""

    web_writes = worker_writes = Writes(insert=True, update=("packed_until", "changes"))

    product = models.CharField(max_length=40, primary_key=True)
    #: Days before this one, in UTC, have rows if there were predictions; null before the first was packed.
    packed_until = models.DateField(null=True)
    #: Rows of ChangedSubject that have been read and deleted.
    changes = models.BigIntegerField(default=0, db_default=0)

    def __str__(self) -> str:
        return f"{self.product} until {self.packed_until}"


class QualityDay(BaseModel):
    """The window of one day, in UTC, of one version."""

    web_writes = worker_writes = Writes(
        insert=True, delete=True, update=("dirty", "packed_at", "classes", "rows", "others", "steps")
    )

    product = models.CharField(max_length=40)
    model = models.ForeignKey(ModelVersion, models.CASCADE, related_name="+")
    day = models.DateField()
    #: True while something has changed since it was packed.
    dirty = models.BooleanField(default=True)
    #: When it was packed; null before.
    packed_at = models.DateTimeField(null=True)
    classes = JSONField(default=list)
    #: The arrays of the window, as bytes.
    rows = models.BinaryField(default=bytes)
    others = models.BinaryField(default=bytes)
    steps = models.BinaryField(default=bytes)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["product", "day", "model"], name="one_quality_per_day_and_version"
            )
        ]
        indexes = [
            models.Index(
                fields=["product", "-day"], condition=models.Q(dirty=True), name="dirty_days_of_quality"
            )
        ]

    def __str__(self) -> str:
        return f"{self.product} on {self.day}"


def start_of(day: date) -> datetime:
    """The moment at which a day begins, in UTC."""
    return datetime.combine(day, time(), UTC)


def end_of(day: date) -> datetime:
    """The moment at which the next day begins, in UTC."""
    return start_of(day + timedelta(days=1))


def pack(window: PredictionWindow) -> dict[str, Any]:
    """Encode a window as the columns of a day."""
    return {
        "classes": list(window.classes),
        "rows": window.rows.tobytes(),
        "others": window.others.tobytes(),
        "steps": window.steps.tobytes(),
    }


def unpack(row: dict[str, Any]) -> PredictionWindow:
    """Decode the columns of a day."""
    classes = tuple(row["classes"])
    return PredictionWindow(
        classes,
        np.frombuffer(row["rows"], stored_type(len(classes))),
        np.frombuffer(row["others"], OTHERS),
        np.frombuffer(row["steps"], STEPS),
    )


class DayCache:
    """The windows of days in memory; those that were used longest ago go."""

    def __init__(self, most: int):
        self._windows = SizedCache[tuple[int, datetime], PredictionWindow](most, _bytes)

    def find(self, keys: list[tuple[int, datetime]]) -> dict[tuple[int, datetime], PredictionWindow]:
        """Find windows by the key of their row and when it was packed; reads those that are not in memory."""
        stored = {key: self._windows.get(key) for key in keys}
        windows = {key: window for key, window in stored.items() if window is not None}
        missing = {pk: packed_at for pk, packed_at in keys if (pk, packed_at) not in windows}
        rows = QualityDay.objects.filter(pk__in=missing) if missing else []
        for row in rows:
            if row.packed_at == missing[row.pk]:
                window = unpack({name: getattr(row, name) for name in ("classes", "rows", "others", "steps")})
                windows[row.pk, row.packed_at] = window
                self._windows.put((row.pk, row.packed_at), window)
        return windows


def _bytes(window: PredictionWindow) -> int:
    return int(window.rows.nbytes + window.others.nbytes + window.steps.nbytes)
