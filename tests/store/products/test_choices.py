"""Choices of a field: its values, blank among them, and their members in the choices class."""

from typing import Any

import pytest
from django.db import models

from store.products import choices
from store.products.choices import list_choices
from store.products.columns import TypedColumn
from tests.clinic.models import Operation
from tests.survey.models import Answer

PAIRS = [("a", "first"), ("b", "second")]


def texts(field: models.Field) -> list[str]:
    return [choice.text for choice in list_choices(field)]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (models.CharField(choices=PAIRS), ["a", "b"]),
        (models.CharField(choices=PAIRS, blank=True, default=""), ["a", "b", ""]),
        (models.TextField(choices=PAIRS, blank=True), ["a", "b", ""]),
        # Null is the missing value, as Django's forms have it.
        (models.CharField(choices=PAIRS, blank=True, null=True), ["a", "b"]),
        (models.CharField(choices=[("", "none"), *PAIRS], blank=True, null=True), ["", "a", "b"]),
        (models.CharField(choices=[("", "none"), *PAIRS], blank=True), ["", "a", "b"]),
        # The empty option of a form, which the field does not store.
        (models.CharField(choices=[("", "---"), *PAIRS]), ["a", "b"]),
        (models.CharField(choices=[(None, "---"), *PAIRS], blank=True), ["a", "b", ""]),
        (models.IntegerField(choices=[(1, "one")], blank=True), ["1"]),
        (models.CharField(choices=[("Group", PAIRS)]), ["a", "b"]),
        (models.CharField(blank=True), []),
    ],
)
def test_blank_is_a_choice_where_the_field_stores_it(field: models.Field, expected: list[str]) -> None:
    assert texts(field) == expected


def test_a_blank_value_is_accepted_and_has_a_title() -> None:
    column = TypedColumn(name="mood", field=Answer._meta.get_field("mood"), nullable=False)
    assert column.clean("") == ""
    assert column.choices[-1].title == "Blank"
    assert column.learning_column().choices == ("C++", "C#", "")


def members(field: Any) -> list[str | None]:
    return [choice.member for choice in list_choices(field)]


def test_members_are_those_of_the_models_own_class() -> None:
    assert members(Operation._meta.get_field("urgency")) == ["PLANNED", "URGENT"]
    assert members(Answer._meta.get_field("mood")) == ["FINE", "POOR", None]
    assert members(Answer._meta.get_field("plan")) == [None, None]


def test_members_are_those_of_another_class_nearby() -> None:
    class Other(models.TextChoices):
        ONE = "a", "first"
        TWO = "b", "second"
        THREE = "c", "third"

    field = models.CharField(choices=PAIRS)
    field.model = type("Row", (), {"__module__": __name__})  # type: ignore[assignment]
    assert members(field) == ["ONE", "TWO"]

    class Equal(models.TextChoices):
        UNO = "a", "first"
        DUE = "b", "second"

    assert members(field) == [None, None]  # which of both is not known
    field.model = type("Row", (), {"__module__": __name__, "Equal": Equal})  # type: ignore[assignment]
    assert members(field) == ["UNO", "DUE"]
    assert Other.THREE and choices._distance(None, Equal) is None


def test_a_class_with_other_titles_is_another_class() -> None:
    class Titled(models.TextChoices):
        ONE = "x", "premier"
        TWO = "y", "deuxième"

    field = models.CharField(choices=[("x", "first"), ("y", "second")])
    field.model = type("Row", (), {"__module__": __name__, "Titled": Titled})  # type: ignore[assignment]
    assert members(field) == [None, None]
