"""The versions of PostgreSQL, and what stands in for a function that the older ones lack."""

import io
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connection, transaction
from hypothesis import example, given, settings
from hypothesis import strategies as st

from store.db.postgresql import versions
from tests.drawing import draws

#: Types of columns that files are loaded into, with and without length and precision.
TYPES = [
    "integer", "bigint", "smallint", "double precision", "real", "numeric", "numeric(5, 2)", "boolean", "text",
    "varchar(3)", "char(2)", "date", "timestamp with time zone", "time", "interval", "uuid", "jsonb", "json", "inet",
    "integer[]", "text[]",
]  # fmt: skip
#: Texts that are values of some type, nearly so, or far from it.
CELLS = st.one_of(
    st.integers().map(str),
    st.floats().map(repr),
    st.decimals(allow_nan=True).map(str),
    st.dates().map(str),
    st.datetimes().map(str),
    st.times().map(str),
    st.uuids().map(str),
    st.booleans().map(str),
    st.sampled_from(
        ["", " ", "yes", "nein", "1e400", "0x1F", "1_000", "24:00", "infinity", "null", "{}", "[1]", "{1,2}"]
    ),
    st.sampled_from(
        ["abcd   ", "abc", "'", '"', "\\", "1 day", "127.0.0.1", "2024-02-30", "12:61", "$1", "%s", "{a"]
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
)

#: What versions before 16 read differently is left to them.
OWN = "SELECT type, cell, exemplar.pg_input_is_valid(cell, type) FROM unnest(%s::text[]) type, unnest(%s::text[]) cell"


@pytest.mark.parametrize(
    ("number", "name"), [(180000, "18.0"), (150012, "15.12"), (130022, "13.22"), (90624, "9.6.24")]
)
def test_versions_before_14_are_refused_by_name(number: int, name: str) -> None:
    assert versions.name(number) == name
    if number >= 140000:
        versions.check(number)
    else:
        with pytest.raises(ImproperlyConfigured, match=f"names a PostgreSQL {name}, and the oldest .* is 14"):
            versions.check(number)


def fetch(statement: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


@pytest.mark.django_db
@settings(max_examples=draws(10))
@given(cells=st.lists(CELLS, min_size=1, max_size=20))
@example(cells=["abcd", "123.456", "1234.5", "12345678901234567890", "[1, 2]", '{"a": 1}', "{1,2}", "t"])
def test_the_stand_in_says_what_the_input_of_a_table_says(cells: list[str]) -> None:
    answers = set(fetch(OWN, TYPES, cells))
    if connection.pg_version >= 160000:
        own = OWN.replace("exemplar.", "pg_catalog.")
        assert answers == set(fetch(own, TYPES, cells))
    else:
        taken = {(type, cell) for type in TYPES for cell in accepted_cells(type, cells)}
        assert answers == {(type, cell, (type, cell) in taken) for type in TYPES for cell in cells}


def accepted_cells(type: str, cells: list[str]) -> Iterator[str]:
    """Yield the texts that a table's column takes, as COPY does."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS taken; CREATE TEMPORARY TABLE taken (v {type})")
        for cell in cells:
            escaped = cell.replace('"', '""')
            try:
                with transaction.atomic():
                    cursor.copy_expert("COPY taken FROM STDIN (FORMAT csv)", io.StringIO(f'"{escaped}"\n'))
            except psycopg2.Error:
                continue
            yield cell


@pytest.mark.django_db
def test_the_stand_in_is_strict_and_refuses_unknown_types() -> None:
    assert fetch("SELECT exemplar.pg_input_is_valid(NULL, 'integer')") == [(None,)]
    with pytest.raises(Error), transaction.atomic():
        fetch("SELECT exemplar.pg_input_is_valid('1', 'no_such_type')")
