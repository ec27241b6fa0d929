"""Decision 36: a value that is written by one way is the same value by every other, for columns of each kind."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.db import connection, models, transaction
from django.db.models import Value
from django.db.models.functions import Cast as SqlCast
from graphql import get_nullable_type
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from psycopg2 import sql

from learning.columns import frame
from learning.inference.row_reader import RowReader
from learning.kinds import BLANKS, NO_VALUE, SUBSTITUTES, Kind, canonical_text, registered
from schema.compiled.input_coercion import InputReader
from schema.compiled.serializers import leaf_field
from schema.composition import compose
from schema.core import names
from store.db import fields
from store.exceptions import StoreError
from store.ingest.casts import Cast
from store.snapshots import column_codecs, copy_reader, dataset_loader
from store.snapshots.snapshots import _sql_type
from tests.drawing import draws

from ..store.conftest import declared

#: The kinds whose columns a product can declare.
DECLARED = [kind for kind in registered() if kind.fields or kind in (Kind.CATEGORY, Kind.OPEN_CATEGORY)]
#: Arguments of the kinds' fields, where a field needs some.
ARGUMENTS: dict[str, dict[str, Any]] = {
    Kind.CATEGORY: {"max_length": 9, "choices": [("red", "Red"), ("2nd", "second"), ("ä b", "ä b")]},
    Kind.DECIMAL: {"max_digits": 12, "decimal_places": 3},
    Kind.OPEN_CATEGORY: {"max_length": 9},
}
#: Values of kinds whose Python type has others, too: those of other kinds are drawn by that type alone.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    Kind.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
    Kind.INTEGER: st.integers(-(2**31), 2**31 - 1),
    Kind.BIGINT: st.integers(-(2**63), 2**63 - 1),
    Kind.DECIMAL: st.decimals(-999_999_999, 999_999_999, places=3),
    Kind.CATEGORY: st.sampled_from(["red", "2nd", "ä b"]),
    Kind.DATETIME: st.datetimes(timezones=st.timezones()),
    # A float has each microsecond of 272 years.
    Kind.DURATION: st.timedeltas(timedelta(-99_000), timedelta(99_000)),
    Kind.TEXT: st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    Kind.OPEN_CATEGORY: st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9
    ),
}
VALUES[Kind.TEXT_SET] = st.lists(VALUES[Kind.TEXT] | st.sampled_from(["a", "b", " "]), max_size=5)
#: Values of a kind that may be refused before most of them must be accepted.
MOST_REFUSED = 20
NAME = "value"


def field_of(kind: Kind) -> Any:
    name = kind.fields[0] if kind.fields else "CharField"
    field = {**vars(models), **vars(fields)}[name](null=True, **ARGUMENTS.get(kind, {}))
    field.set_attributes_from_name(NAME)
    return field


class Ways:
    """The ways by which values of one kind travel."""

    def __init__(self, kind: Kind):
        self.kind = kind
        self.cleaned = self.refused = 0
        field = field_of(kind)
        self.product = declared({NAME: SqlCast(Value(None, field), field)})
        column = self.product.join.column(NAME)
        # As `Category` declares it, whose path must be a column of the join's model.
        vars(self.product.join)["columns"] = (replace(column, is_open=kind.is_open),)
        [self.column] = self.product.columns
        schema = compose([self.product])._schema
        features: Any = schema.type_map[f"{names.prefix(self.product.name)}Features"]
        self.scalar: Any = get_nullable_type(features.fields[names.field(NAME)].type)
        self.reader = InputReader(schema, self.product)
        self.cast = Cast(field)
        self.type = _sql_type(self.column)

    def clean(self, value: Any) -> Any:
        self.cleaned += 1
        try:
            return self.column.clean(value)
        except (StoreError, OverflowError):
            self.refused += 1
            assert self.refused < MOST_REFUSED or self.refused < self.cleaned / 2, (
                f"{self.kind} refuses most of the values that are drawn for it, as {value!r}: its Python type does not "
                f"tell its values. Give {self.kind} a strategy in VALUES of tests/schema/test_kinds.py."
            )
            assume(False)  # a date beyond those that UTC knows

    def through_the_api(self, value: Any) -> Any:
        """Answered, parsed as JSON, sent back and coerced: by the fields' types, and by the compiled documents."""
        member = next((m for m in self.members() if m.value == value), value)
        answered = json.loads(json.dumps(self.scalar.coerce_output_value(member)))
        assert leaf_field(lambda _: member, self.scalar)(None) == answered
        [read] = self.product.clean_instance(self.reader.instance({names.field(NAME): answered}))
        coerced = self.scalar.coerce_input_value(answered)
        coerced = self.column.clean(getattr(coerced, "value", coerced))
        assert (type(read), read) == (type(coerced), coerced)
        return coerced

    def members(self) -> list[Any]:
        return list(getattr(self.scalar, "wrapped_cls", ()))

    def reads_answer(self, answer: Any, value: Any) -> bool:
        """True if an answer that SQL has written, as exports have it, is this value to a client."""
        if self.column.choices:
            return str(answer) == str(value)
        return same(self.column.clean(self.scalar.coerce_input_value(answer)), value)

    def stored_text(self, value: Any) -> str:
        return json.dumps(self.product.stored_features([value]))

    def through_a_stored_instance(self, value: Any) -> Any:
        stored = json.loads(self.stored_text(value))
        return self.product.restore_instance(stored)[NAME]

    def through_sql_of_a_stored_instance(self, value: Any) -> Any:
        """As examples from predictions join a snapshot."""
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT (CAST(%s AS jsonb) ->> '{NAME}')::{self.type}", [self.stored_text(value)])
            return self.read(cursor.fetchone()[0])

    def through_a_table(self, values: Sequence[Any]) -> list[Any]:
        field: Any = self.column.field
        with connection.cursor() as cursor:
            cursor.execute(
                f"DROP TABLE IF EXISTS snapshots.given; CREATE TABLE snapshots.given ({NAME} {self.type})"
            )
            for value in values:
                cursor.execute(
                    f"INSERT INTO snapshots.given VALUES (CAST(%s AS {self.type}))",
                    [field.get_db_prep_save(value, connection)],
                )
            cursor.execute(f"SELECT {NAME} FROM snapshots.given ORDER BY ctid")
            return [self.read(value) for (value,) in cursor.fetchall()]

    def through_copy(self, rows: int) -> pd.DataFrame:
        """The frame that a snapshot of the table is loaded as."""
        learned = self.column.learning_column()
        way = column_codecs.feature_codec(
            learned, NAME, copy_reader.get_column_types("snapshots.given")[NAME]
        )
        codecs = {NAME: way}
        return dataset_loader._frame(
            [learned], codecs, copy_reader.read_table("snapshots.given", codecs, rows), rows
        )

    def through_a_file(self, value: Any) -> Any:
        """Written as the API writes it, and cast."""
        text = sql.Literal(str(value) if self.column.choices else str(self.column.kind.serialize(value)))
        rewritten = self.cast.rewritten(text)
        with connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("SELECT {}, {}, {}").format(
                    self.cast.value(rewritten), self.cast.fits(rewritten), self.cast.reason(rewritten)
                )
            )
            cast, fits, reason = cursor.fetchone()
        assert fits, (value, reason)
        return self.read(cast)

    def through_sql_of_the_kind(self, values: Sequence[Any]) -> list[dict[str, Any]]:
        """What each SQL of the kind makes of the values: one statement for all."""
        kind, member, own = self.kind, f"(features -> '{NAME}')", f"features ->> '{NAME}'"
        present = (kind.present_sql or "{0}").format("value")
        parts = {
            "number": kind.number_sql.format(present) if kind.is_ranged else "NULL",
            "stored": (kind.stored_sql(False) or "{0}").format("value"),
            "stored or null": (kind.stored_sql(True) or "{0}").format("value"),
            "from JSON": f"CAST({kind.json_sql.format(f'({own})')} AS {self.type})",
            "answer": f"to_json({kind.answer_sql.format('value')})",
            "stored answer": f"to_json({kind.stored_answer_sql.format('features', f'{NAME!r}')})",
            "place": f"rank() OVER (ORDER BY {(kind.json_order_sql or '{0}').format(member)})",
        }
        with connection.cursor() as cursor:
            cursor.execute(
                f"""SELECT {", ".join(parts.values())} FROM (
                    SELECT number, features, ({own})::{self.type} AS value
                    FROM unnest(CAST(%s AS jsonb[])) WITH ORDINALITY AS stored (features, number)
                ) AS rows ORDER BY number""".replace("%", "%%").replace("%%s", "%s"),
                [[self.stored_text(value) for value in values]],
            )
            return [dict(zip(parts, map(self.read, row), strict=True)) for row in cursor.fetchall()]

    def read(self, value: Any) -> Any:
        """A value of the database as Django gives it."""
        return value.astimezone(UTC) if hasattr(value, "astimezone") else value


@cache
def ways_of(kind: Kind) -> Ways:
    return Ways(kind)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", DECLARED)
@settings(max_examples=draws(10))
@given(data=st.data())
def test_a_value_is_the_same_on_every_path(kind: Kind, data: st.DataObject) -> None:
    with transaction.atomic():
        check(ways_of(kind), data)


def check(ways: Ways, data: st.DataObject) -> None:
    kind = ways.kind
    drawn = data.draw(st.lists(VALUES.get(kind, st.from_type(kind.python)), min_size=1, max_size=5))
    values = [value for value in map(ways.clean, drawn) if value is not None]  # a blank text is null
    for value in values:
        assert same(ways.through_the_api(value), value)
        assert same(ways.through_a_stored_instance(value), value)
        assert same(ways.through_sql_of_a_stored_instance(value), value)
        if kind.is_set:
            continue  # no file has a column of sets
        if not ways.column.field_kind.is_text or value.strip(" \t\r\n\u00a0").lower() not in NO_VALUE:
            assert same(ways.through_a_file(value), value)
    if values:
        check_sql(ways, values)
    cells = [*values, None]
    stored = ways.through_a_table(cells)
    assert all(same(one, other) for one, other in zip(stored, cells, strict=True))
    learned = [ways.column.learning_column()]
    expected = frame(learned, [(value,) for value in cells])
    pd.testing.assert_frame_equal(ways.through_copy(len(cells)), expected, check_exact=True)
    levels = tuple(expected[NAME].cat.categories) if kind.is_category else ()
    served = RowReader([replace(learned[0], choices=levels)]).read([(value,) for value in cells])
    assert_served(served, expected[NAME], learned[0].kind, len(levels))
    decoded = learned[0].kind.decode_cells(expected[NAME].tolist())
    # Beyond the microsecond a time is not decoded.
    pd.testing.assert_frame_equal(frame(learned, [(value,) for value in decoded]), expected, rtol=1e-12)


def check_sql(ways: Ways, values: list[Any]) -> None:
    """Check what the SQL of the kind says of values, and its words for numbers."""
    kind, rows = ways.kind, ways.through_sql_of_the_kind(values)
    for value, row in zip(values, rows, strict=True):
        for part in ("stored", "stored or null", "from JSON"):
            assert same(row[part], value), (part, row[part], value)
        assert same(kind.canonical(value, False), value) and same(kind.canonical(value, True), value)
        for part in ("answer", "stored answer"):
            assert ways.reads_answer(row[part], value), (part, row[part], value)
    if not kind.is_ranged:
        return
    numbers = [kind.to_float(value) for value in values]
    np.testing.assert_allclose([row["number"] for row in rows], numbers, rtol=1e-12, atol=1e-12)
    for one, row in zip(numbers, rows, strict=True):
        smaller = [other["place"] for number, other in zip(numbers, rows, strict=True) if number < one]
        assert all(place < row["place"] for place in smaller), (kind.json_order_sql, values)
        words = kind.describe_number(one)
        assert words, one
        if not kind.converts:
            exact = Decimal(one)
            assert abs(Decimal(words) - exact) <= abs(exact) / 1000, (words, one)


def same(one: Any, other: Any) -> bool:
    """True if both are of one type and equal, with the sign of zero and as many decimal places."""
    return type(one) is type(other) and repr(one) == repr(other)


def assert_served(cells: Any, column: Any, kind: Kind, choices: int) -> None:
    if kind.is_numeric:
        np.testing.assert_array_equal(cells.numbers[:, 0], column.to_numpy())
    elif kind.is_category:
        codes = column.cat.codes.to_numpy()
        np.testing.assert_array_equal(cells.codes[:, 0], np.where(codes < 0, choices, codes))
    else:
        assert cells.texts[0] == ["" if text is None else text for text in column]


@pytest.mark.parametrize("kind", registered())
def test_nothing_is_advised_in_place_of_a_column_of_a_kind(kind: Kind) -> None:
    replaced = {name for each in SUBSTITUTES for name in (*each.fields, *each.types)}
    advised = replaced & {*kind.fields, *kind.sql_types}
    assert not advised, (
        f"Take {', '.join(sorted(advised))} out of SUBSTITUTES in learning/kinds.py: {kind} has it now."
    )


@pytest.mark.django_db
@settings(max_examples=draws(30))
@given(
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
    | st.text(st.sampled_from(f"{BLANKS}a\u0301")),
    null=st.booleans(),
)
def test_sql_reads_a_text_as_python_does(text: str, null: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {Kind.TEXT.stored_sql(null).format('%s::text')}", [text])
        [read] = cursor.fetchone()
    assert read == canonical_text(text, null)
