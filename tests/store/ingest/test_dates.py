"""Dates in files: what is recognised as one is loaded, as the day that it is."""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import connection, models
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg2 import sql

from learning.kinds import Kind, is_nearly_date
from learning.problem import Classification
from store.ingest.casts import Cast
from store.ingest.loading import load
from store.products import DataProduct, Join
from tests.drawing import draws
from tests.samples.models import Sample

pytestmark = pytest.mark.django_db

MONTHS = [f"{date(2024, month, 1):%B}" for month in range(1, 13)]
DAYS = [f"{date(2024, 1, day):%A}" for day in range(1, 8)]  # 2024 begins on a Monday
#: Forms of a day, and whether they show the order of day and month, which the caller says otherwise.
FORMS = [
    "{Y}-{mm}-{dd}",
    "{Y}-{m}-{d}",
    "{Y}/{m}/{d}",
    "{Y}.{mm}.{dd}",
    "{Y}{mm}{dd}",
    "{one}/{other}/{Y}",
    "{one}-{other}-{Y}",
    "{one}/{other}/{y}",
    "{one}-{other}-{y}",
    "{d} {Month} {Y}",
    "{d}. {Mon} {Y}",
    "{d}-{Mon}-{Y}",
    "{d}-{Mon}-{y}",
    "{dd}{MON}{Y}",
    "{dd}{MON}{y}",
    "{Month} {d}, {Y}",
    "{Mon}. {d} {Y}",
    "{Mon} {d}, {y}",
    "{Day}, {d} {Mon} {Y}",
    "{Dow} {d} {mon} {y}",
    "{Day}, {Month} {d}, {Y}",
]
#: Forms of a moment's time of day, with that time.
CLOCKS = [
    (" 00:00", time(0)),
    ("T23:59:59", time(23, 59, 59)),
    (" 5:07 PM", time(17, 7)),
    (" 12:00:00 AM", time(0)),
    (" 01:02:03.5", time(1, 2, 3, 500_000)),
    (" 01:02:03,25", time(1, 2, 3, 250_000)),
    (" 08:00 UTC", time(8)),
    ("T08:00:00Z", time(8)),
]


def write(form: str, day: date, day_first: bool) -> str:
    month, weekday = MONTHS[day.month - 1], DAYS[day.weekday()]
    one, other = (day.day, day.month) if day_first else (day.month, day.day)
    return form.format(
        Y=day.year,
        y=f"{day.year % 100:02}",
        m=day.month,
        mm=f"{day.month:02}",
        d=day.day,
        dd=f"{day.day:02}",
        one=one,
        other=other,
        Month=month,
        Mon=month[:3],
        MON=month[:3].upper(),
        mon=month[:3].lower(),
        Day=weekday,
        Dow=weekday[:3],
    )


def read(field: Any, cell: str, day_first: bool | None) -> Any:
    """What a cell is loaded as; the reason where it does not fit."""
    field.set_attributes_from_name("at")
    cast = Cast(field, day_first=day_first)
    text = cast.rewritten(sql.Literal(cell))
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT {}").format(cast.reason(text)))
        [reason] = cursor.fetchone()
        if reason is not None:
            return reason
        cursor.execute(sql.SQL("SELECT {}, {}").format(cast.value(text), cast.fits(text)))
        value, fits = cursor.fetchone()
    assert fits
    return value


#: Days whose years of two digits are understood.
days = st.dates(date(1970, 1, 1), date(2069, 12, 31))
given_days = given(form=st.sampled_from(FORMS), day=days, day_first=st.booleans())
many = settings(max_examples=draws(40))


@many
@given_days
def test_a_day_in_any_form_is_recognised_and_loaded(form: str, day: date, day_first: bool) -> None:
    cell = write(form, day, day_first)
    matches = Kind.DATE.cell_matcher(False)
    assert matches and matches(cell), cell
    assert read(models.DateField(), cell, day_first) == day, cell


@many
@given(form=st.sampled_from(FORMS), day=days, day_first=st.booleans(), clock=st.sampled_from(CLOCKS))
def test_a_moment_in_any_form_is_recognised_and_loaded(
    form: str, day: date, day_first: bool, clock: tuple[str, time]
) -> None:
    cell = write(form, day, day_first) + clock[0]
    matches = Kind.DATETIME.cell_matcher(False)
    assert matches and matches(cell), cell
    moment = read(models.DateTimeField(), cell, day_first)
    assert moment == datetime.combine(day, clock[1], UTC), cell


@many
@given(
    cell=st.text("0123456789-/. :,JanuryFebMchTZ", max_size=14),
    day_first=st.sampled_from([True, False, None]),
)
def test_what_is_loaded_as_a_day_is_recognised_as_one(cell: str, day_first: bool | None) -> None:
    loaded = read(models.DateField(null=True), cell, day_first)
    if isinstance(loaded, date):
        assert is_nearly_date(cell.strip(" ")), (cell, loaded)


@pytest.mark.parametrize("cell", ["03/04/2024", "3-4-24"])
def test_a_date_of_unknown_order_is_asked_about(cell: str) -> None:
    assert "or say whether the day or the month comes first" in read(models.DateField(), cell, None)


@pytest.mark.parametrize(
    "cell",
    ["31/02/2024", "2024-02-30", "202401", "Jan 2024", "31 Foo 2024", "2024-W05", "99-12-31", "0/1/24"],
)
def test_what_is_no_day_is_refused(cell: str) -> None:
    assert read(models.DateField(), cell, True).startswith("is no date")


@pytest.mark.parametrize(
    "cell",
    ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "9999-12-31 24:00", "0044-03-15 BC"],
)
def test_a_moment_that_python_cannot_read_is_refused(cell: str) -> None:
    assert read(models.DateTimeField(), cell, None) == "must lie in the years 1 to 9999"


def test_the_first_and_the_last_day_and_moment_are_loaded() -> None:
    assert read(models.DateField(), "0044-3-1BC", None) == "must lie in the years 1 to 9999"
    assert read(models.DateField(), "0001-01-01", None) == date.min
    assert read(models.DateField(), "9999-12-31", None) == date.max
    first, last = "0001-01-01T14:00:00+14:00", "9999-12-31T23:59:59.999999Z"
    assert read(models.DateTimeField(), first, None) == datetime.min.replace(tzinfo=UTC)
    assert read(models.DateTimeField(), last, None) == datetime.max.replace(tzinfo=UTC)


def test_a_day_or_moment_beyond_its_limits_is_refused() -> None:
    first = models.DateField(validators=[MinValueValidator(date(1900, 1, 1))])
    assert read(first, "1900-01-01", None) == date(1900, 1, 1)
    assert read(first, "31.12.1899", True) == "must be 1900-01-01 at the earliest"
    last = models.DateTimeField(validators=[MaxValueValidator(datetime(2030, 6, 1, 12, tzinfo=UTC))])
    assert read(last, "2030-06-01 12:00", None) == datetime(2030, 6, 1, 12, tzinfo=UTC)
    assert read(last, "2030-06-01T11:30-02:00", None) == "must be 2030-06-01 12:00 UTC at the latest"


def test_a_file_may_mix_the_forms(tmp_path: Path) -> None:
    """The fourth cell shows that the day is first."""
    cells = ["2024-02-01", "01/02/2024", "1 Feb 2024", "29.02.24", "20240201", '"Thu, February 1, 2024"']
    path = tmp_path / "sample.csv"
    path.write_text("key,day\n" + "".join(f"{place},{cell}\n" for place, cell in enumerate(cells)))
    join = Join(Sample.objects.all(), features={"day": "day"}, label="good")
    summary = load(DataProduct(name="sample", join=join, problem=Classification()), [path])
    assert (summary.inserted, summary.rejected) == (6, 0)
    loaded = dict(Sample.objects.values_list("key", "day"))
    assert loaded.pop("3") == date(2024, 2, 29)
    assert set(loaded.values()) == {date(2024, 2, 1)}
