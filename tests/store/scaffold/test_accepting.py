"""New choices in models.py: what is edited, and what is left to a person."""

from pathlib import Path

import pytest
from django.db import models
from django.test.utils import isolate_apps

from store.ingest.new_choices import NewChoices
from store.scaffold.accepting import CannotAccept, add_choices, get_models_path
from tests.clinic.models import Operation

SOURCE = '''"""Größe."""

from django.db import models


class Customer(models.Model):
    """A row of customers.csv."""

    class Plan(models.TextChoices):
        BASIC = "basic"
        GOLD = "gold", "Gold, for ever"

    class Level(models.IntegerChoices):
        VALUE_1 = 1, "1"
        VALUE_2 = 2, "2"

    plan = models.CharField(max_length=5, choices=Plan.choices, verbose_name="Größe")
    level = models.IntegerField(choices=Level.choices)
    other = models.CharField(max_length=5, choices=[("a", "A")])
'''
PATH = Path("shop/models.py")


@pytest.fixture
def customer() -> type[models.Model]:
    """The model of SOURCE."""
    with isolate_apps("tests.clinic"):

        class Customer(models.Model):
            plan = models.CharField(max_length=5)
            level = models.IntegerField()
            other = models.CharField(max_length=5)

            class Meta:
                app_label = "clinic"

    return Customer


def accept(customer: type[models.Model], name: str, *values: str, source: str = SOURCE) -> str:
    field = customer._meta.get_field(name)
    assert isinstance(field, models.Field)
    return add_choices(source, NewChoices(field, values), PATH)


def test_choices_are_added_behind_the_others_and_the_field_grows(customer: type[models.Model]) -> None:
    edited = accept(customer, "plan", 'platinum "x"', "10th", "gold")
    assert edited == SOURCE.replace(
        '        GOLD = "gold", "Gold, for ever"\n',
        '        GOLD = "gold", "Gold, for ever"\n'
        "        PLATINUM_X = 'platinum \"x\"', 'platinum \"x\"'\n"
        '        VALUE_10TH = "10th", "10th"\n',
    ).replace("max_length=5, choices=Plan", "max_length=12, choices=Plan")
    compile(edited, "models.py", "exec")
    assert accept(customer, "plan", 'platinum "x"', "10th", source=edited) == edited


def test_numbers_are_added_as_numbers(customer: type[models.Model]) -> None:
    assert '        VALUE_3 = 3, "3"\n' in accept(customer, "level", "3", "1")


def test_code_of_another_form_is_left_alone(customer: type[models.Model]) -> None:
    with pytest.raises(CannotAccept, match="the choices of other are not in a class of their own"):
        accept(customer, "other", "b")
    with pytest.raises(CannotAccept, match="add the choices by hand"):
        accept(customer, "plan", "b", source="class Customer(:\n")
    with pytest.raises(CannotAccept, match=r"Operation is not in an app beside manage\.py"):
        get_models_path(Operation._meta.get_field("urgency"))  # type: ignore[arg-type]


def test_titles_may_be_translated(customer: type[models.Model]) -> None:
    source = SOURCE.replace('"Gold, for ever"', '_("Gold, for ever")')
    assert '        TIN = "tin", "tin"\n' in accept(customer, "plan", "tin", source=source)


@pytest.mark.parametrize(
    ("members", "written"),
    [
        ('GOLD = "gold", "Gold, for ever"', "GOLD = read_the_price()"),
        ("class Plan(models.TextChoices):\n        BASIC", "class Plan:\n        BASIC"),
        (
            'class Plan(models.TextChoices):\n        BASIC = "basic"\n        ',
            "class Plan(models.TextChoices): ",
        ),
    ],
)
def test_a_class_of_another_form_is_left_alone(
    customer: type[models.Model], members: str, written: str
) -> None:
    source = SOURCE.replace(members, written)
    assert source != SOURCE
    with pytest.raises(CannotAccept, match="add the choices by hand"):
        accept(customer, "plan", "tin", source=source)
