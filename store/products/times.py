"""Times of rows and instances, told by the moment or by the day: which rows lie before an instance.

A day says nothing of when on it something happened. A row that is told by the day therefore counts only once that day
is over, and an instance that is told by the day is placed at its start, so that nothing of the same day is used:

* moment before moment: the row's is earlier;
* day before moment: the moment is on a later day;
* moment before day: the moment is before that day begins;
* day before day: the row's day is earlier.

Days begin and end in one time zone, which the Join declares.
"""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models import Func, Value

from .columns import kind_of_column


def is_time(field: models.Field) -> bool:
    """Return True for a column of moments or days."""
    return kind_of_column(field).has_date


def is_day(field: models.Field) -> bool:
    """Return True for a column of days."""
    return kind_of_column(field).is_day


def upper_bound(row: models.Field, instance: models.Field, time: Any, zone: ZoneInfo) -> Any:
    """Compile what a row's time must be smaller than to lie before an instance.

    Args:
        row: the column with the rows' times, whose type the result has.
        instance: the column with the instance's time.
        time: the expression of the instance's time.
    """
    if is_day(row) == is_day(instance):
        return time
    return _day_of(time, zone) if is_day(row) else start_of_day(time, zone)


def days_before(time: Any, days: float) -> Any:
    """Compile the moment that lies some days before a moment or a day."""
    moment, seconds = models.DateTimeField(), Value(days * 86_400.0, models.FloatField())
    template = "(%(expressions)s))"
    return Func(time, seconds, template=template, arg_joiner=" - make_interval(secs => ", output_field=moment)


def start_of_day(day: Any, zone: ZoneInfo) -> Any:
    """Compile the moment at which a day begins: a minute after the last of the day before.

    Midnight itself is skipped or comes twice where clocks change at that time.
    """
    moment = models.DateTimeField()
    last = Func(day, template="(%(expressions)s::timestamp - interval '1 minute')", output_field=moment)
    template = "(%(function)s(%(expressions)s) + interval '1 minute')"
    return Func(Value(zone.key), last, function="timezone", template=template, output_field=moment)


def _day_of(moment: Any, zone: ZoneInfo) -> Any:
    local = Func(Value(zone.key), moment, function="timezone", output_field=models.DateTimeField())
    return Func(local, template="%(expressions)s::date", output_field=models.DateField())


def as_stored(field: models.Field, moment: datetime | None, zone: ZoneInfo) -> date | datetime | None:
    """Convert a moment to what the column holds: itself, or its day."""
    return moment.astimezone(zone).date() if moment and is_day(field) else moment
