"""Bulk changes of feature rows: all or none, with the path of the input in every error."""

from datetime import UTC, datetime
from typing import Any

import pytest

from examples.tumor.models import Biopsy, CellMeans, Nuclei, WorstValues
from schema.core import names
from schema.core.context import Context
from schema.schema import schema
from store.access.actors import Actor
from store.entities.entities import KEEP
from store.exceptions import BadInput, NotWritable
from store.ingest import editing
from store.ingest.editing import EditedRow, UpsertCounts
from store.predictions.feedback import About, Feedback
from store.products import catalogue
from tests.clinic.models import Anamnesis, Operation

pytestmark = pytest.mark.django_db

UPSERT = """mutation($input: TumorUpsertManyInput!) {
  tumorUpsertMany(input: $input) { inserted updated unchanged } }"""
FEATURES = [f"{prefix}_{f.name}" for prefix in ("mean", "error", "worst") for f in Nuclei._meta.get_fields()]
NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)


def row(key: str, label: str | None = "BENIGN", **features: Any) -> dict[str, Any]:
    values = {names.field(name): 1.5 for name in FEATURES} | features
    entity = {"key": key, "features": values, "at": "2024-05-17T12:00:00Z"}
    return entity | ({"label": label} if label else {})


def upsert(rows: list[dict[str, Any]]) -> Any:
    context = Context(Actor(author="tests", superuser=True), None)
    return schema.execute_sync(UPSERT, {"input": {"rows": rows}}, context_value=context)


def counts(result: Any) -> tuple[int, int, int]:
    assert result.errors is None, result.errors
    payload = result.data["tumorUpsertMany"]
    return payload["inserted"], payload["updated"], payload["unchanged"]


def refusal(result: Any) -> dict[str, Any]:
    [error] = result.errors
    return dict(error.extensions)


def test_rows_are_inserted_updated_or_unchanged_in_every_table() -> None:
    assert counts(upsert([row("A"), row("B")])) == (2, 0, 0)
    assert counts(upsert([row("A"), row("B", meanRadius=2.5), row("C", worstArea=7)])) == (1, 1, 1)
    assert CellMeans.objects.get(biopsy="B").radius == 2.5
    assert WorstValues.objects.get(biopsy="C").area == 7
    assert Biopsy.objects.filter(diagnosis="benign", taken_at=NOON).count() == 3


def test_a_label_that_is_left_out_stays_and_a_null_clears_it() -> None:
    upsert([row("A", "MALIGNANT"), row("B", "MALIGNANT")])
    assert counts(upsert([row("A", None), row("B", None) | {"label": None}])) == (0, 1, 1)
    assert dict(Biopsy.objects.values_list("number", "diagnosis")) == {"A": "malignant", "B": None}


def test_one_bad_row_refuses_all_and_is_named() -> None:
    result = upsert([row("A"), row("B"), row("C"), row("D", meanRadius=-1)])
    assert refusal(result)["code"] == "OUT_OF_RANGE"
    assert refusal(result)["argument"] == ["input", "rows", "3", "features", "meanRadius"]
    assert not Biopsy.objects.exists()


def test_a_key_that_repeats_or_cannot_be_one_is_named() -> None:
    assert refusal(upsert([row("A"), row("A")]))["argument"] == ["input", "rows", "1", "key"]
    assert refusal(upsert([row("A"), row("x" * 21)]))["argument"] == ["input", "rows", "1", "key"]
    keyless = row("A")
    del keyless["key"]
    assert refusal(upsert([keyless]))["argument"] == ["input", "rows", "0", "key"]


def test_more_rows_than_allowed_are_refused() -> None:
    rows = [EditedRow(str(n), {}, KEEP, NOON) for n in range(10_001)]
    with pytest.raises(Exception, match="At most 10000 at once, not 10001"):
        editing.upsert_many(catalogue.get("tumor"), rows)


def test_ten_thousand_rows_take_few_statements(django_assert_max_num_queries: Any) -> None:
    tumor = catalogue.get("tumor")
    values = dict.fromkeys(FEATURES, 1.5)
    rows = [EditedRow(f"N{n}", values | {"mean_radius": n / 7}, "benign", NOON) for n in range(10_000)]
    with django_assert_max_num_queries(60):
        assert editing.upsert_many(tumor, rows) == UpsertCounts(10_000, 0, 0)
    assert editing.upsert_many(tumor, rows) == UpsertCounts(0, 0, 10_000)


def test_an_upserted_label_is_feedback_of_the_table_if_people_gave_feedback() -> None:
    tumor = catalogue.get("tumor")
    upsert([row("A"), row("B")])
    Feedback.objects.give(tumor, About(entity="A"), "malignant", "ann")
    assert counts(upsert([row("A"), row("B")])) == (0, 0, 2)
    assert Biopsy.objects.get(pk="A").diagnosis == "malignant"
    assert Feedback.objects.filter(author="TABLE").count() == 1
    feedback = Feedback.objects.get(author="ann")
    upsert([row("A", None) | {"label": None}])
    Feedback.objects.retract(tumor, feedback.pk, Actor(author="ann", superuser=True))
    assert Biopsy.objects.get(pk="A").diagnosis is None


STAY = {"age": 61, "smokes": None, "born": None, "note": "", "urgency": "planned", "cost": 10}


def test_a_table_that_numbers_its_rows_goes_on_numbering_them() -> None:
    stay = catalogue.get("stay")
    rows = [EditedRow("7000000", STAY, True, NOON), EditedRow(None, STAY | {"age": 5}, KEEP, NOON)]
    assert editing.upsert_many(stay, rows) == UpsertCounts(2, 0, 0)
    assert Operation.objects.create(done_at=NOON, urgency="planned").pk > 7_000_000
    assert Anamnesis.objects.get(operation=7_000_000).age == 61
    assert editing.upsert_many(stay, rows[:1]) == UpsertCounts(0, 0, 1)


def test_a_feature_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(NotWritable):
        editing.upsert_many(catalogue.get("relapse"), [EditedRow("1", {}, KEEP, NOON)])


def test_a_text_that_is_too_long_is_named() -> None:
    rows = [EditedRow("1", STAY | {"note": "x" * 51}, KEEP, NOON)]
    with pytest.raises(BadInput) as refused:
        editing.upsert_many(catalogue.get("stay"), rows)
    assert refused.value.argument == ("rows", "0", "features", "note")
