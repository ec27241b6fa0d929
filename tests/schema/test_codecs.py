"""Whatever is written by one way is learned, served, read and sent again by every other as the same value."""

import csv
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pandas as pd
import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.columns import frame
from learning.kinds import BLANKS, NO_VALUE
from learning.problem import Classification
from schema.compiled.input_coercion import InputReader
from schema.composition import compose
from schema.core import names
from schema.core.context import Context
from store.access.actors import Actor
from store.ingest.loading import load
from store.predictions import upsert
from store.predictions.feedback import About, Feedback
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products import DataProduct, Join, catalogue
from store.serving import predict
from store.serving.predict import PredictionRequest
from store.snapshots.snapshots import Snapshot
from tests.drawing import draws
from tests.samples.models import Sample

from ..store.conftest import drop_snapshots, version

pytestmark = pytest.mark.django_db(transaction=True)

FEATURES = [
    field.name for field in Sample._meta.concrete_fields if not field.primary_key and field.name != "good"
]

READ = f"""query($key: ID!) {{ sample {{ entity(key: $key) {{
    features {{ {" ".join(map(names.field, FEATURES))} }} }} }} }}"""
CREATE = "mutation($row: SampleCreateInput!) { sampleCreate(input: $row) { created } }"
PATCH = """mutation($key: ID!, $features: SampleFeaturesPatch!) {
    samplePatch(input: {entity: $key, features: $features}) { changed } }"""
UPSERT = """mutation($rows: [SampleEntityInput!]!) {
    sampleUpsertMany(input: {rows: $rows}) { inserted updated unchanged } }"""

#: A value as somebody writes it: it need not be in the form in which all ways have it.
Raw = dict[str, Any]


def either_form(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from([normalize("NFC", text), normalize("NFD", text)])


LETTERS = st.text(st.sampled_from("aé ñ\tÅ\u00a0e\u0301x\"',;\\"), max_size=12)
WORDS = st.one_of(LETTERS.flatmap(either_form), st.text(st.sampled_from(BLANKS), max_size=3))
COLOURS = st.sampled_from(["rosé", "green", "none"]).flatmap(either_form)
#: A file's words for missing are null in columns that may be null, and some are values elsewhere.
SAYS_NOTHING = {word for word in NO_VALUE if word}


def is_said(text: str) -> bool:
    return text.strip(BLANKS).lower() not in SAYS_NOTHING


RAW: dict[str, st.SearchStrategy[Any]] = {
    "number": st.floats(allow_nan=False, allow_infinity=False) | st.just(-0.0),
    "whole": st.integers(-(2**31), 2**31 - 1),
    "large": st.integers(-(2**63), 2**63 - 1),
    "amount": st.decimals(-999_999_999, 999_999_999, places=4) | st.just(Decimal("2.345")),
    "wide": st.decimals(-(10**39), 10**39, places=21),
    "pure": st.booleans(),
    "colour": COLOURS,
    "shade": COLOURS | st.just(""),
    "day": st.dates(date(1, 1, 1), date(9999, 12, 31)),
    "moment": st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.timezones()),
    "clock": st.times(),
    "words": WORDS.filter(is_said),
    "note": WORDS,
}
MAY_BE_NULL = [field.name for field in Sample._meta.concrete_fields if field.null and field.name in RAW]


@st.composite
def raw_rows(draw: st.DrawFn) -> Raw:
    missing = draw(st.sets(st.sampled_from(MAY_BE_NULL), max_size=3))
    return {name: None if name in missing else draw(values) for name, values in RAW.items()}


class Ways:
    """The ways of writing and reading a row of samples."""

    def __init__(self, folder: Path, product: DataProduct):
        self.folder, self.product = folder, product
        self.schema = compose([product])
        self.reader = InputReader(self.schema._schema, product)
        self.version = version(product)

    def ask(self, query: str, **variables: Any) -> Any:
        context = Context(Actor(author="tests", superuser=True), None)  # type: ignore[arg-type]
        result = self.schema.execute_sync(query, variables, context_value=context)
        assert result.errors is None, (result.errors, variables)
        return result.data

    # -- Writing --

    def by_sql(self, key: str, raw: Raw) -> None:
        columns = ", ".join(["key", *raw])
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO samples_sample ({columns}) VALUES ({', '.join(['%s'] * (len(raw) + 1))})",
                [key, *raw.values()],
            )

    def by_the_orm(self, key: str, raw: Raw) -> None:
        Sample.objects.create(key=key, **raw)

    def by_create(self, key: str, raw: Raw) -> None:
        self.ask(CREATE, row={"key": key, "features": self.as_sent(raw)})

    def by_patch(self, key: str, raw: Raw) -> None:
        Sample.objects.create(key=key)
        self.ask(PATCH, key=key, features=self.as_sent(raw))

    def by_upsert(self, key: str, raw: Raw) -> None:
        self.ask(UPSERT, rows=[{"key": key, "features": self.as_sent(raw)}])

    def by_file(self, key: str, raw: Raw) -> None:
        summary = self.load([{"key": key, **{name: self.as_cell(value) for name, value in raw.items()}}])
        assert (summary.inserted, summary.rejected) == (1, 0)

    def by_feedback(self, key: str, raw: Raw) -> None:
        """As the row of a prediction about somebody who has none."""
        instance = self.product.clean(raw)
        answers = self.version.load(self.product).predict([instance])
        request = ValidRequest(instance=instance, entity=key)
        [prediction] = upsert.store(PredictionBatch(self.product, self.version, [request], answers))
        Feedback.objects.give(self.product, About(prediction=prediction.pk), "True", "ann")

    def as_sent(self, raw: Raw) -> dict[str, Any]:
        return {names.field(name): self.as_json(name, value) for name, value in raw.items()}

    def as_json(self, name: str, value: Any) -> Any:
        column = self.product.join.column(name)
        if value is not None and column.choices:
            declared = column.clean(value)
            enum: Any = self.schema.get_type_by_name(f"Sample{names.prefix(name)}")
            return next(m.name for m in enum.wrapped_cls if m.value == declared)
        if isinstance(value, date | time):
            return value.isoformat()
        return str(value) if isinstance(value, Decimal) or (name == "large" and value is not None) else value

    def as_cell(self, value: Any) -> str:
        if value is None:
            return ""
        return value.isoformat(*" " * isinstance(value, datetime)) if isinstance(value, date) else str(value)

    def load(self, rows: list[dict[str, str]]) -> Any:
        path = self.folder / "sample.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(rows)
        return load(self.product, [path], rejects=self.folder / "rejects.csv")

    # -- Reading --

    def answered(self, key: str) -> dict[str, Any]:
        features: dict[str, Any] = self.ask(READ, key=key)["sample"]["entity"]["features"]
        return json.loads(json.dumps(features))  # type: ignore[no-any-return]

    def served(self, key: str) -> ValidRequest:
        [request] = predict.validate(self.product, [PredictionRequest(entity=key)])
        assert isinstance(request, ValidRequest), request
        return request

    def learned(self) -> pd.DataFrame:
        """The frame of all rows in the order of their keys."""
        snapshot = Snapshot.objects.take(self.product)
        return snapshot.dataset(self.product).X.reset_index(drop=True)

    def in_the_table(self) -> list[Any]:
        """All rows with the transactions that wrote them."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT xmin::text, ctid::text, s::text FROM samples_sample s ORDER BY key")
            return cursor.fetchall()


WRITERS: list[Callable[[Ways, str, Raw], None]] = [
    Ways.by_sql,
    Ways.by_the_orm,
    Ways.by_create,
    Ways.by_patch,
    Ways.by_upsert,
    Ways.by_file,
    Ways.by_feedback,
]
KEYS = sorted(writer.__name__ for writer in WRITERS)


@pytest.fixture
def ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ways]:
    drop_snapshots()
    product = DataProduct(
        name="sample",
        join=Join(Sample.objects.all(), features={name: name for name in FEATURES}, label="good"),
        problem=Classification(folds=2),
    )
    monkeypatch.setitem(catalogue._products, product.name, product)
    yield Ways(tmp_path, product)
    drop_snapshots()


@settings(max_examples=draws(8))
@given(raw=raw_rows())
def test_a_value_is_the_same_by_whatever_way_it_was_written(ways: Ways, raw: Raw) -> None:
    Sample.objects.all().delete()
    Snapshot.objects.filter(models=None).delete()
    drop_snapshots()
    for writer in WRITERS:
        writer(ways, writer.__name__, raw)
    for place, key in enumerate(KEYS):
        Sample.objects.filter(pk=key).update(good=place % 2 == 0)
    check_readings(ways, raw)
    check_sending_again(ways)


def check_readings(ways: Ways, raw: Raw) -> None:
    """All ways of reading agree, whichever way wrote the row."""
    product = ways.product
    expected = product.stored_features(product.clean(raw))
    answers, columns = [ways.answered(key) for key in KEYS], [c.learning_column() for c in product.columns]
    learned = ways.learned()
    for place, key in enumerate(KEYS):
        assert answers[place] == answers[0], key
        instance = ways.served(key).instance
        assert product.stored_features(instance) == expected, key
        row = learned.iloc[[place]].reset_index(drop=True)
        pd.testing.assert_frame_equal(row, frame(columns, [instance]), check_exact=True)


def check_sending_again(ways: Ways) -> None:
    """What was read is sent again by every way that writes: no row is written, and no other prediction asked for."""
    before = ways.in_the_table()
    answers = {key: ways.answered(key) for key in KEYS}
    for key, features in answers.items():
        assert ways.ask(PATCH, key=key, features=features)["samplePatch"]["changed"] == [], key
        coerced = ways.product.clean_instance(ways.reader.instance(features))
        assert ways.product.stored_features(coerced) == ways.product.stored_features(
            ways.served(key).instance
        )
    rows = [{"key": key, "features": features} for key, features in answers.items()]
    assert ways.ask(UPSERT, rows=rows)["sampleUpsertMany"]["unchanged"] == len(KEYS)
    cells = [{"key": key, **instance_cells(ways, key)} for key in KEYS]
    assert ways.load(cells).unchanged == len(KEYS)
    assert ways.in_the_table() == before


def instance_cells(ways: Ways, key: str) -> dict[str, str]:
    served = zip(ways.product.feature_names, ways.served(key).instance, strict=True)
    return {name: ways.as_cell(value) for name, value in served}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_learned_and_served_as_missing(ways: Ways, number: float) -> None:
    for key in ("a", "b", "c", "d"):
        Sample.objects.create(key=key, number=number, good=key < "c")
    assert ways.answered("a")["number"] is None
    assert product_value(ways, "a", "number") is None
    assert ways.learned()["number"].isna().all()
    before = ways.in_the_table()
    assert ways.ask(PATCH, key="a", features=ways.answered("a"))["samplePatch"]["changed"] == []
    assert ways.in_the_table() == before


def product_value(ways: Ways, key: str, name: str) -> Any:
    return dict(zip(ways.product.feature_names, ways.served(key).instance, strict=True))[name]


def test_a_label_in_another_form_is_the_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    product = DataProduct(
        name="sample",
        join=Join(Sample.objects.all(), features={"whole": "whole"}, label="colour"),
        problem=Classification(folds=2),
    )
    monkeypatch.setitem(catalogue._products, product.name, product)
    for place, colour in enumerate(["rosé", "rose\u0301", "green", "green", "rose\u0301", " \u00a0"]):
        Sample.objects.create(key=str(place), whole=place, colour=colour)
    snapshot = Snapshot.objects.take(product)
    assert (snapshot.rows, snapshot.unlabelled) == (6, 1)
    data = snapshot.dataset(product)
    assert [data.classes[code] for code in data.y] == ["rosé", "rosé", "green", "green", "rosé"]
    assert product.answer_of("rose\u0301") == "rosé"
    given = Feedback.objects.give(product, About(entity="1"), "rosé", "ann")
    assert given.feature_rows_changed == 0
    drop_snapshots()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-31T12:00:00.1234565Z", datetime(2024, 1, 31, 12, 0, 0, 123_456, UTC)),
        ("2024-01-31T12:00:00.1234575Z", datetime(2024, 1, 31, 12, 0, 0, 123_458, UTC)),
        ("2024-12-31T23:59:59.9999999Z", datetime(2025, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_moment_is_rounded_as_the_table_rounds_it(ways: Ways, text: str, moment: datetime) -> None:
    ways.ask(CREATE, row={"key": "api", "features": {"moment": text, "note": "", "shade": "BLANK"}})
    ways.load([{"key": "file", "moment": text}])
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz", [text])
        assert cursor.fetchone()[0] == moment
    assert set(Sample.objects.values_list("moment", flat=True)) == {moment}
