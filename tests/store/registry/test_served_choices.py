"""The record of served choices: names that never move, whatever is declared later."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.db import connection, models
from django.db.models import F

from learning.problem import Classification, Clustering, Regression
from store.exceptions import BadInput
from store.models import ModelVersion, ServedChoice
from store.products.choices import Choice
from store.products.features import Join
from store.products.product import DataProduct
from store.registry import served_choices
from tests.survey.models import Answer

from ..conftest import at_once, version

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_record() -> Iterator[None]:
    """Nothing is recorded before and after a test."""
    served_choices.use({})
    yield
    served_choices.use({})


def survey(labels: Sequence[str], problem: Any = None, **more: Any) -> DataProduct:
    """A product whose label has these values."""
    join = Join(Answer.objects.all(), features={"size": "size", "mood": "mood"}, label="plan")
    product = DataProduct(name="survey", join=join, problem=problem or Classification(), **more)
    vars(product)["labels"] = tuple(Choice(value=label, title=label) for label in labels)
    return product


def names(product: DataProduct, column: str = "") -> dict[str, str]:
    return {choice.text: choice.name for choice in served_choices.list_named(product, column)}


def test_a_choice_is_recorded_when_first_served() -> None:
    product = survey(["<=50K", ">50K"])
    assert not served_choices.record([product])
    assert not served_choices.record([product])
    rows = ServedChoice.objects.order_by("column", "name").values_list("column", "value", "name")
    assert list(rows) == [
        ("", ">50K", "GT_50K"),
        ("", "<=50K", "LE_50K"),
        ("mood", "", "BLANK"),
        ("mood", "C++", "FINE"),
        ("mood", "C#", "POOR"),
    ]


def test_names_are_read_in_one_query(django_assert_num_queries: Any) -> None:
    product = survey(["<=50K", ">50K"])
    served_choices.record([product])
    with django_assert_num_queries(1):
        served_choices.record([product])


def test_names_stay_whatever_is_declared_later() -> None:
    served_choices.record([survey(["yes", "no"])])
    later = survey(["maybe", "Yes", "no", "yes"])
    served_choices.record([later])
    recorded = names(later)
    assert (recorded["yes"], recorded["no"], recorded["maybe"]) == ("YES", "NO", "MAYBE")
    assert recorded["Yes"].startswith("YES_")
    # Without the value that had the shorter name, the longer one stays.
    last = survey(["Yes", "no"])
    served_choices.use({})  # as a process that starts
    assert served_choices.record([last])
    assert names(last) == recorded


def test_a_value_that_is_declared_no_longer_keeps_its_name_behind_the_others() -> None:
    served_choices.record([survey(["old", "new"])])
    now = survey(["new", "newer"])
    served_choices.use({})  # as a process that starts
    assert served_choices.record([now])
    choices = [(choice.name, choice.declared) for choice in served_choices.list_named(now)]
    assert choices == [("NEW", True), ("NEWER", True), ("OLD", False)]


def test_labels_of_versions_that_learned_before_are_recorded(stay: DataProduct) -> None:
    registered = version(stay)
    signature = registered.signature | {"classes": ["True", "never", ""]}
    columns = [{"name": "urgency", "choices": ["planned", "late"]}]
    ModelVersion.objects.filter(pk=registered.pk).update(signature=signature | {"columns": columns})
    assert served_choices.record([stay])
    assert names(stay) == {"False": "NO", "True": "YES", "never": "NEVER", "": "BLANK"}
    assert names(stay, "urgency") == {"planned": "PLANNED", "1st": "URGENT", "late": "LATE"}
    assert ServedChoice.objects.filter(value="never", name="NEVER").exists()


def test_a_value_that_cannot_be_stored_has_a_name_all_the_same() -> None:
    product = survey(["a\0", "\ud800", "x" * 10_000])
    served_choices.record([product])
    assert ServedChoice.objects.filter(column="").count() == 1
    assert names(product)["a\0"] == "A"


@pytest.mark.django_db(transaction=True)
def test_processes_that_start_at_once_record_the_same() -> None:
    product = survey(["yes", "Yes", "no"])
    at_once(*[lambda: served_choices.record([product])] * 4)
    assert names(product) == dict(ServedChoice.objects.filter(column="").values_list("value", "name"))


@pytest.mark.django_db(transaction=True)
def test_before_the_table_is_migrated_names_are_those_of_the_declaration(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE store_servedchoice RENAME TO elsewhere")
    try:
        assert not served_choices.record([survey(["yes"])])
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO store_servedchoice")
    assert "./dev prepare" in caplog.text
    assert names(survey(["yes"])) == {"yes": "YES"}


@pytest.mark.parametrize(("answer", "text"), [("LE_50K", "<=50K"), ("<=50K", "<=50K"), (None, None)])
def test_an_answer_is_found_by_its_name_or_its_value(answer: str | None, text: str | None) -> None:
    assert served_choices.find_answer(survey(["<=50K", ">50K"]), answer, ("answer",)) == text


def test_an_answer_is_found_in_another_unicode_form() -> None:
    assert served_choices.find_answer(survey(["caf\u00e9", "tea"]), "cafe\u0301", ("answer",)) == "caf\u00e9"


def test_numbers_and_clusters_are_answers_as_they_are_stored() -> None:
    join = Join(Answer.objects.all(), features={"mood": "mood"}, label="size")
    regression = DataProduct(name="size", join=join, problem=Regression())
    clusters = DataProduct(
        name="clusters", join=Join(Answer.objects.all(), features={"size": F("size")}), problem=Clustering()
    )
    assert served_choices.find_answer(regression, "5", ()) == "5.0"
    assert served_choices.find_answer(clusters, " -1", ()) == "-1"
    for product in (regression, clusters):
        with pytest.raises(BadInput, match="is no number"):
            served_choices.find_answer(product, "x", ("answer",))


def test_an_answer_that_is_no_label_is_refused_with_the_labels() -> None:
    with pytest.raises(BadInput, match="'maybe' is no label of survey: it takes LE_50K, GT_50K") as refused:
        served_choices.find_answer(survey(["<=50K", ">50K"]), "maybe", ("filter", "answer"))
    assert refused.value.argument == ("filter", "answer")
    with pytest.raises(BadInput, match=", …"):
        served_choices.find_answer(survey([str(n) for n in range(50)]), "maybe", ())


def test_a_field_that_has_no_choices_has_no_names() -> None:
    assert list(served_choices._columns(survey(["a"]))) == ["", "mood"]
    assert isinstance(Answer._meta.get_field("size"), models.FloatField)
