"""Values as people read them."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from learning.kinds import Kind


@pytest.mark.parametrize(
    ("kind", "value", "unit", "text"),
    [
        ("NUMBER", 12.0, "mm", "12 mm"),
        ("NUMBER", 0.1 + 0.2, None, "0.3"),
        ("NUMBER", 123_456_789.25, "€", "123456789.25 €"),
        ("INTEGER", 61, "years", "61 years"),
        ("BIGINT", 2**62, None, str(2**62)),
        ("DECIMAL", Decimal("10.50"), "€", "10.50 €"),
        ("BOOLEAN", True, None, "yes"),
        ("TEXT", "a note", None, "a note"),
        ("DATE", date(2024, 2, 29), None, "2024-02-29"),
        ("DATETIME", datetime(2024, 2, 29, 12, 30, tzinfo=UTC), None, "2024-02-29 12:30 UTC"),
        ("TIME", time(6, 30), None, "06:30:00"),
        ("DURATION", timedelta(minutes=2), "seconds", "120 seconds"),
        ("TEXT_SET", '["b","a"]', None, "b, a"),
    ],
)
def test_a_value_is_written_as_people_read_it(kind: str, value: Any, unit: str | None, text: str) -> None:
    assert Kind(kind).text_for_people(value, unit) == text


@pytest.mark.parametrize(
    ("kind", "ends"),
    [
        ("DATE", (date.min, date.max)),
        ("DATETIME", (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))),
    ],
)
def test_the_first_and_the_last_time_are_described_as_such(kind: str, ends: tuple[date, date]) -> None:
    described = [Kind(kind).describe_number(Kind(kind).to_float(end)) for end in ends]
    assert described == ["0001-01-01", "9999-12-31"]
    assert [Kind(kind).describe_number(number) for number in (-1e300, 1e300)] == described
