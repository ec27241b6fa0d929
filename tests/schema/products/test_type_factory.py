"""Descriptions of columns and choices in the types of a product."""

import pytest
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from schema.products.type_factory import describe_choice, describe_column
from schema.schema import schema
from store.products import catalogue
from store.products.columns import TypedColumn
from store.registry.served_choices import NamedChoice


@pytest.mark.parametrize(
    ("field", "description"),
    [
        (models.TextField(), "Blood pressure."),
        (models.TextField(help_text="as measured at rest"), "As measured at rest."),
        (
            models.FloatField("resting pressure", help_text="Average [mmHg]"),
            "Resting pressure. Average [mmHg].",
        ),
        (
            models.FloatField(
                help_text="Average [mmHg]", validators=[MinValueValidator(20), MaxValueValidator(300)]
            ),
            "Average [mmHg]. At least 20 and at most 300.",
        ),
        (
            models.FloatField(help_text="Is it high?", validators=[MaxValueValidator(1)]),
            "Is it high? At most 1.",
        ),
    ],
)
def test_a_column_is_described_by_its_name_its_help_text_and_its_range(
    field: models.Field, description: str
) -> None:
    assert describe_column(TypedColumn(name="blood_pressure", field=field, nullable=True)) == description


@pytest.mark.parametrize(
    ("text", "title", "retired", "description"),
    [
        ("benign", "benign", False, "benign."),
        ("1", "Female", False, "Female (stored as 1)."),
        ("", "Blank", False, "Blank (stored as an empty text)."),
        ("old", "old", True, "old: retired, only older rows have it."),
    ],
)
def test_a_choice_is_described_by_its_title_and_its_stored_text(
    text: str, title: str, retired: bool, description: str
) -> None:
    choice = NamedChoice(name="X", text=text, title=title, declared=True)
    assert describe_choice(choice, retired) == description


def test_every_declared_product_is_described_throughout() -> None:
    assert schema.products == tuple(catalogue.products())
    for type_ in schema._schema.type_map.values():
        for name, field in getattr(type_, "fields", {}).items():
            assert type_.name.startswith("__") or field.description, f"{type_.name}.{name}"
