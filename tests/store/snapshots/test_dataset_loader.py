"""Loading: what comes out of a snapshot is, to the last bit, what `frame` makes of the same rows."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.db import connection
from django.db.models import Avg, CharField, Count, F, FloatField, TextField, Value
from django.db.models.functions import Cast, Concat
from hypothesis import given, settings
from hypothesis import strategies as st

from learning import dataset as learning
from learning.columns import Column, Kind, frame
from learning.problem import Classification, Clustering, Regression
from store.predictions.feedback import About, Feedback
from store.products.features import Before, Latest
from store.products.product import DataProduct
from store.snapshots import column_codecs, copy_reader, dataset_loader
from store.snapshots.snapshots import SYSTEM_COLUMNS, Snapshot
from tests.clinic.models import Anamnesis, Operation, Ward
from tests.drawing import draws

from ..conftest import HOUR, NOON, declared, examples, operate
from .test_snapshots import predicted

pytestmark = pytest.mark.usefixtures("tables")

#: By type, values as PostgreSQL reads them; each is also missing once.
NUMBERS = {
    "double precision": ["1.5", "-0.0", "NaN", "Infinity", "-Infinity", "1e300", "-1e31", "5e-324", "0.1"],
    "real": ["0.1", "3.4e38", "NaN", "-Infinity"],
    "numeric(8,2)": ["0.10", "-123456.78", "NaN"],
    "numeric": [
        "0.1",
        "123456789012345678901234567890.123456789",
        "1e-400",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1e-310",
        "1.7976931348623157e308",
        "-1e400",
        "Infinity",
        "NaN",
    ],
    "smallint": ["-32768", "32767"],
    "integer": ["-2147483648", "2147483647"],
    "bigint": ["-9223372036854775808", "9223372036854775807", "9007199254740993"],
    "boolean": ["true", "false"],
}
TIMES = {
    "date": ["1969-12-31", "1970-01-01", "0001-01-01", "9999-12-31", "infinity", "-infinity", "2000-02-29"],
    "timestamp with time zone": [
        "1969-12-31 23:59:59.999999+00",
        "2024-03-31 02:30:00.000001+02",
        "0001-01-01 00:00:00+00",
        "9999-12-31 23:59:59.999999+00",
        "1650-05-05 05:05:05.123457-03:30",
        "infinity",
        "-infinity",
    ],
    "timestamp without time zone": ["1970-01-01 12:00", "2100-12-31 23:59:59.999999", "infinity"],
}
WORDS = [
    "",
    " ",
    "a",
    "a ",
    "A",
    r"\N",
    r"\.",
    "back\\slash \\n \\\\",
    "quote \" and ' and ,",
    "line\nfeed\r\nreturn",
    "tab\tand\x01\x02\b\f\v",
    "é",
    "e\u0301",
    "日本語 😀",
    "\u2028 \x85 \ufeff",
    "NULL",
    "x" * 5000,
]
CODES = {
    "text": (WORDS, ("a", "A", "", "日本語 😀", "nobody")),
    "varchar(10)": (["red", "green", "blue"], ("green", "red")),
    "char(5)": (["red", "green"], ("green", "red", "red  ")),
    "integer": (["1", "2", "-3"], ("2", "-3", "02")),
    "bigint": (["9007199254740993"], ("9007199254740992", "9007199254740993")),
    "boolean": (["true", "false"], ("False", "True")),
    "boolean ": (["true", "false"], ("true",)),
    "numeric(4,1)": (["1.0", "2.5"], ("1", "2.5", "1.0")),
    "double precision": (["1", "2.5", "1e22"], ("1.0", "2.5", "1e+22")),
    "date": (["2024-01-31"], ("2024-01-31",)),
}


def table(type_: str, values: Sequence[str | None]) -> list[Any]:
    """A table of this one column; returns its values as psycopg2 gives them."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS snapshots.given")
        cursor.execute(f'CREATE TABLE snapshots.given (place serial, "the ""value""" {type_})')
        for value in values:
            cursor.execute(f'INSERT INTO snapshots.given ("the ""value""") VALUES (%s::{type_})', [value])
        cursor.execute('SELECT "the ""value""" FROM snapshots.given ORDER BY place')
        return [value for (value,) in cursor.fetchall()]


def loaded(column: Column, rows: int) -> pd.DataFrame:
    way = column_codecs.feature_codec(
        column, '"the ""value"""', copy_reader.get_column_types("snapshots.given")['the "value"']
    )
    codecs = {column.name: way}
    arrays = copy_reader.read_table("snapshots.given", codecs, rows)
    return dataset_loader._frame([column], codecs, arrays, len(arrays[column.name]))


def check(kind: Kind, type_: str, values: Sequence[str | None], choices: tuple[str, ...] = ()) -> None:
    column = Column(name="x", kind=kind, nullable=True, choices=choices)
    expected = frame([column], [(value,) for value in table(type_, values)])
    found = loaded(column, len(values))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    if kind is Kind.TEXT:
        assert [type(cell) for cell in found["x"]] == [type(cell) for cell in expected["x"]]


@pytest.mark.parametrize("kind", [Kind.NUMBER, Kind.INTEGER, Kind.BOOLEAN])
@pytest.mark.parametrize("type_", NUMBERS)
def test_numbers_are_those_of_a_frame(kind: Kind, type_: str) -> None:
    check(kind, type_, [*NUMBERS[type_], None])


@pytest.mark.parametrize("kind", [Kind.DATE, Kind.DATETIME])
@pytest.mark.parametrize("type_", TIMES)
def test_times_are_those_of_a_frame(kind: Kind, type_: str) -> None:
    check(kind, type_, [None, *TIMES[type_]])


@pytest.mark.parametrize("type_", CODES)
def test_categories_are_those_of_a_frame(type_: str) -> None:
    values, choices = CODES[type_]
    check(Kind.CATEGORY, type_, [*values, None, *values], choices)
    check(Kind.CATEGORY, type_, [*values, None], ())


@pytest.mark.parametrize("type_", ["text", "varchar(5000)", "char(5000)"])
def test_texts_are_those_of_a_frame(type_: str) -> None:
    check(Kind.TEXT, type_, [*WORDS, None, ""])
    check(Kind.OPEN_CATEGORY, type_, [*WORDS, None, "", *WORDS])


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        (Kind.NUMBER, "text"),
        (Kind.TEXT, "integer"),
        (Kind.CATEGORY, "uuid"),
        (Kind.OPEN_CATEGORY, "integer"),
        (Kind.OPEN_CATEGORY, "uuid"),
    ],
)
def test_types_that_are_rarely_met_are_those_of_a_frame(kind: Kind, type_: str) -> None:
    values = {"text": ["1.5", "7"], "integer": ["1", "-7"], "uuid": ["00000000-0000-0000-0000-000000000001"]}[
        type_
    ]
    check(kind, type_, [*values, None], tuple(values) if kind is Kind.CATEGORY else ())


@settings(max_examples=draws(15))
@given(
    st.lists(
        st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1
    )
)
def test_any_text_arrives_as_it_was(values: list[str | None]) -> None:
    check(Kind.TEXT, "text", values)
    check(Kind.OPEN_CATEGORY, "text", values)
    check(Kind.CATEGORY, "text", values, tuple(dict.fromkeys(v for v in values[::2] if v is not None)))


@settings(max_examples=draws(15))
@given(st.lists(st.none() | st.datetimes(timezones=st.timezones()), min_size=1))
def test_any_time_arrives_as_it_was(values: list[datetime | None]) -> None:
    utc = [value and value.replace(tzinfo=UTC).isoformat() for value in values]
    check(Kind.DATETIME, "timestamp with time zone", utc)


def test_a_time_that_python_has_no_year_for_is_counted_in_days() -> None:
    with connection.cursor() as cursor:
        cursor.execute('CREATE TABLE snapshots.given AS SELECT \'12000-01-01\'::date AS "the ""value"""')
    found = loaded(Column(name="x", kind=Kind.DATE), 1)["x"]
    assert found.tolist() == [(date(2000, 1, 1) - date(1970, 1, 1)).days + 146_097 * 25]


def test_a_large_table_comes_in_chunks_in_its_own_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_reader, "CHUNK_BYTES", 30_000)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE snapshots.given AS SELECT i, (i * 7919 % 10007)::text AS t, "
            "repeat(md5(i::text), 400) AS long FROM generate_series(1, 5000) i"
        )
    assert len(list(copy_reader._chunks("snapshots.given"))) > 5
    wanted: dict[str, copy_reader.ColumnCodec] = {
        "i": column_codecs.feature_codec(
            Column(name="i", kind=Kind.INTEGER), "i", copy_reader.ColumnType("int4")
        ),
        "t": copy_reader.TextCodec(sql="t"),
        "long": copy_reader.TextCodec(sql="long"),
    }
    found = copy_reader.read_table("snapshots.given", wanted, 5000, "i % 2 = 0")
    assert found["i"].tolist() == list(range(2, 5001, 2))
    assert found["t"].tolist() == [str(i * 7919 % 10007) for i in range(2, 5001, 2)]
    assert {len(text) for text in found["long"]} == {12_800}


def as_before(product: DataProduct, snapshot: Snapshot) -> learning.Dataset:
    """The dataset of the rows as Python has them, in the order that PostgreSQL sorts them in."""
    names = ", ".join(connection.ops.quote_name(name) for name in (*SYSTEM_COLUMNS, *product.feature_names))
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT {names} FROM {snapshot.table} ORDER BY _prediction NULLS FIRST, _entity COLLATE "C"'
        )
        rows = cursor.fetchall()
    return learning.dataset(
        product.problem,
        tuple(column.learning_column() for column in product.columns),
        [row[len(SYSTEM_COLUMNS) :] for row in rows],
        [product.label_of(row[2]) for row in rows] if product.learns_from_labels else None,
        tuple(label.text for label in product.labels),
        snapshot.fingerprint,
        [row[3] for row in rows] if product.join.at else None,
        [row[4] for row in rows] if product.join.group else None,
    )


def compare(product: DataProduct) -> learning.Dataset:
    snapshot = Snapshot.objects.take(product)
    found, expected = snapshot.dataset(product), as_before(product, snapshot)
    pd.testing.assert_frame_equal(found.X, expected.X, check_exact=True)
    assert (found.columns, found.classes, found.fingerprint) == (
        expected.columns,
        expected.classes,
        expected.fingerprint,
    )
    for one, other in ((found.y, expected.y), (found.times, expected.times), (found.groups, expected.groups)):
        assert (one is None) is (other is None)
        if one is not None and other is not None:
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
    return found


def nasty(n: int) -> None:
    """Operations with all that their columns allow; keys of one to four digits."""
    wards = [Ward.objects.create(beds=2**60 + i) for i in range(3)]
    for i in range(n):
        operate(
            pk=1 + i * 97,
            at=NOON - i * timedelta(days=997, microseconds=1),
            age=1 + i,
            smokes=(True, False, None)[i % 3],
            born=None if i % 4 == 0 else date(1960, 1, 1) + timedelta(days=i * 13),
            note=WORDS[i % len(WORDS)][:50],
            woken=(None, time.min, time.max, time(6, 30, 0, 1))[i % 4],
            cost=i * 100 - 0.01,
            urgency=("planned", "1st", "never declared")[i % 3][:10],
            ward=wards[i % 3] if i % 5 else None,
            relapsed=(True, False, None)[i % 3] if i % 7 else True,
            visits=[(-HOUR, i / 7)] * (i % 4),
            labs=[(-HOUR * k, i / 3 + k) for k in range(1, i % 3 + 1)],
        )


def test_a_dataset_is_that_of_its_rows(stay: DataProduct, relapse: DataProduct) -> None:
    nasty(60)
    for product in (stay, relapse):
        assert len(compare(product)) > 30


def test_labels_are_those_that_people_agree_on(stay: DataProduct) -> None:
    nasty(30)
    before = compare(stay)
    for operation in Operation.objects.filter(relapsed=True)[:4]:
        Feedback.objects.give(stay, About(entity=str(operation.pk)), "False", "ann")
    after = compare(stay)
    assert before.y is not None and after.y is not None
    assert int((before.y != after.y).sum()) == 4


def test_examples_from_predictions_come_last_each_in_a_group_by_itself() -> None:
    nasty(30)
    product = declared(
        {"age": "anamnesis__age", "note": "anamnesis__note"}, at="done_at", group="ward__beds", name="stay"
    )
    for i in range(6):
        predicted(product, "True", {"reference": f"form {i}"}, age=100 + i)
    data = compare(product)
    assert set(data.X["age"][-6:]) == set(range(100, 106))
    assert data.groups is not None and len(set(data.groups[-6:]) - set(data.groups[:-6])) == 6
    assert len(set(data.groups)) == len(set(data.groups[:-6])) + 6


def test_instances_of_a_group_have_its_number() -> None:
    nasty(45)
    product = declared({"cost": "cost", "beds": "ward__beds"}, group="ward__pk")
    data = compare(product)
    assert data.groups is not None
    known = data.X["beds"].notna()
    assert len(set(data.groups[known])) == 3
    assert len(set(data.groups[~known])) == (~known).sum() > 3


def test_numbers_are_learned_from_and_clusters_found_in_the_same_rows() -> None:
    nasty(60)
    features = {"age": "anamnesis__age", "ratio": F("cost") / F("anamnesis__age")}
    number = declared(features, label="cost", problem=Regression(folds=2))
    assert compare(number).y is not None and compare(number).limits == (None, None)
    assert compare(declared(features, label=None, problem=Clustering(folds=2))).y is None


def test_computed_features_are_those_of_their_rows() -> None:
    nasty(40)
    product = declared(
        {
            "text": Cast("pk", TextField()),
            "joined": Concat("urgency", Value("\n\\N\t"), "anamnesis__note", output_field=CharField()),
            "as_float": Cast("cost", FloatField()),
            "key": Cast("pk", FloatField()),
            "mean": Before(Avg("visits__minutes"), at="visits__on"),
            "visits": Before(Count("visits"), at="visits__on"),
            "marker": Latest("labs__marker", at="labs__taken_at"),
            "urgency": "urgency",
            "beds": "ward__beds",
        },
        at="done_at",
    )
    compare(product)


@pytest.mark.parametrize("longest", [1, 7, 8, 9, 63, 64, 65, 300])
def test_keys_are_ordered_as_their_bytes_are(longest: int) -> None:
    random = np.random.default_rng(longest)
    letters = ["a", "b", "B", "é", "日", "\x01", " ", "9", "10"]
    keys = {"".join(random.choice(letters, random.integers(1, longest + 1)))[:longest] for _ in range(300)}
    for some in (keys, {key for key in keys if key.isascii()}):
        given = np.array(random.permutation(sorted(some)), dtype=object)
        order = dataset_loader._order(given, None)
        assert given[order].tolist() == sorted(given, key=str.encode)


def test_a_dataset_has_the_order_of_long_keys_too() -> None:
    keys = np.array(["b" * 100, "b" * 99, None, "a"], dtype=object)
    predictions = np.array([None, None, "p", None], dtype=object)
    assert dataset_loader._order(keys, predictions).tolist() == [3, 1, 0, 2]


def test_an_undeclared_label_is_as_good_as_none() -> None:
    nasty(30)
    product = declared({"cost": "cost"}, label="urgency", problem=Classification(folds=2))
    assert compare(product).classes == ("planned", "1st")


def test_examples_are_loaded_without_any_text(stay: DataProduct) -> None:
    examples(12)
    Anamnesis.objects.update(note="")
    assert set(compare(stay).X["note"]) == {""}


def test_rows_of_different_sizes_are_refused_rather_than_misread() -> None:
    table("double precision", ["1.5", None, "2.5"])
    may_be_null = copy_reader.FixedWidthCodec(sql='"the ""value"""', wire=">f8", read=np.asarray)
    with pytest.raises(AssertionError, match="differ in size"):
        copy_reader.read_table("snapshots.given", {"x": may_be_null}, 3)
