"""Columns: how one value is checked and made canonical."""

import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import orjson
import pytest
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from store.exceptions import BadInput, NotFinite, OutOfRange, SeveralFaults, StoreError
from store.products.columns import TypedColumn
from store.products.product import DataProduct

from ..conftest import STAY

INTEGERS = {1: "small", 2: "large"}


def column(field: models.Field, nullable: bool = False) -> TypedColumn:
    return TypedColumn(name="it", field=field, nullable=nullable)


def cleaned(field: models.Field, value: Any) -> Any:
    return column(field).clean(value)


def test_minus_nought_is_nought() -> None:
    assert math.copysign(1, cleaned(models.FloatField(), -0.0)) == 1
    assert str(cleaned(models.DecimalField(max_digits=5, decimal_places=2), Decimal("-0"))) == "0.00"


def test_text_is_composed() -> None:
    assert cleaned(models.TextField(), "cafe\u0301") == "caf\u00e9"


def test_times_are_in_utc() -> None:
    noon_in_riga = datetime(2024, 5, 17, 12, tzinfo=timezone(timedelta(hours=3)))
    assert cleaned(models.DateTimeField(), noon_in_riga).isoformat() == "2024-05-17T09:00:00+00:00"


def test_days_and_moments_lie_between_the_validators_limits() -> None:
    days = models.DateField(validators=[MinValueValidator(date(1900, 1, 1)), MaxValueValidator(latest_day)])
    assert cleaned(days, date(1900, 1, 1)) == date(1900, 1, 1)
    with pytest.raises(OutOfRange, match="must lie between 1900-01-01 and 2030-06-01, not 1899-12-31"):
        cleaned(days, date(1899, 12, 31))
    moments = models.DateTimeField(validators=[MaxValueValidator(date(2030, 6, 1))])
    with pytest.raises(OutOfRange, match="must be 2030-06-01 00:00 UTC at the latest"):
        cleaned(moments, datetime(2030, 6, 1, 0, 1, tzinfo=UTC))
    # Half past one in Riga is still the day before.
    assert cleaned(moments, datetime(2030, 6, 1, 1, 30, tzinfo=timezone(timedelta(hours=3)))).day == 31
    assert column(moments).moment_limits == (None, datetime(2030, 6, 1, tzinfo=UTC))


def latest_day() -> date:
    """A limit that is computed, as today would be."""
    return date(2030, 6, 1)


@pytest.mark.parametrize("field", [models.FloatField(), models.DecimalField(max_digits=5, decimal_places=2)])
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")]
)
def test_a_number_that_is_not_finite_is_refused(field: models.Field, value: Any) -> None:
    with pytest.raises(NotFinite, match="finite"):
        cleaned(field, value)


@pytest.mark.parametrize("value", [10**400, -(10**400)])
def test_a_number_longer_than_any_float_is_refused(value: int) -> None:
    with pytest.raises(NotFinite):
        cleaned(models.FloatField(), value)
    with pytest.raises(OutOfRange):
        cleaned(models.IntegerField(), value)


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x\udfff"])
def test_characters_that_cannot_be_stored_are_refused(value: str) -> None:
    with pytest.raises(BadInput, match="character"):
        cleaned(models.TextField(), value)


def test_text_that_is_too_long_is_refused() -> None:
    assert cleaned(models.CharField(max_length=3), "abc") == "abc"
    with pytest.raises(BadInput, match="It may have 3 characters, not 4"):
        cleaned(models.CharField(max_length=3), "abcd")


def test_null_is_refused_unless_the_column_is_nullable() -> None:
    with pytest.raises(BadInput, match="It is required: it must be a number"):
        cleaned(models.FloatField(), None)
    assert column(models.FloatField(), nullable=True).clean(None) is None


def test_a_category_takes_its_choices_only() -> None:
    field = models.IntegerField(choices=INTEGERS)
    assert cleaned(field, 2) == 2
    with pytest.raises(BadInput, match="It must be one of 1, 2, not '3'"):
        cleaned(field, 3)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "inside", "outside"),
    [
        (models.SmallIntegerField(), 32767, 32768),
        (models.IntegerField(), -(2**31), -(2**31) - 1),
        (models.BigIntegerField(), 2**63 - 1, 2**63),
        (models.PositiveSmallIntegerField(), 0, -1),
        (models.DecimalField(max_digits=8, decimal_places=2), Decimal("999999.99"), 1_000_000),
        (models.DecimalField(max_digits=3, decimal_places=0), -999, -1000),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, models.Field) else str(value),
)
def test_a_number_too_large_for_the_column_is_out_of_range(
    field: models.Field, inside: Any, outside: Any
) -> None:
    assert cleaned(field, inside) == inside
    with pytest.raises(OutOfRange) as refused:
        cleaned(field, outside)
    assert {type(refused.value.minimum), type(refused.value.maximum)} == {float}


def test_decimals_are_rounded_as_the_column_would() -> None:
    assert str(cleaned(models.DecimalField(max_digits=8, decimal_places=2), 1.005)) == "1.01"
    assert str(cleaned(models.DecimalField(max_digits=8, decimal_places=2), Decimal("-2.345"))) == "-2.35"
    assert (
        str(cleaned(models.DecimalField(max_digits=60, decimal_places=2), Decimal(10**40))) == f"{10**40}.00"
    )
    assert str(cleaned(models.DecimalField(max_digits=4, decimal_places=2), Decimal("99.994"))) == "99.99"
    assert str(cleaned(models.DecimalField(max_digits=8, decimal_places=2), 12.3)) == "12.30"


def test_the_validators_limits_are_reported(stay: DataProduct) -> None:
    with pytest.raises(OutOfRange, match="Age must lie between 1 and 120, not 121") as refused:
        stay.clean(STAY | {"age": 121}, ("features",))
    assert (refused.value.minimum, refused.value.maximum) == (1, 120)
    assert refused.value.argument == ("features", "age")


def test_a_limit_that_is_only_the_columns_width_is_not_declared(relapse: DataProduct) -> None:
    limits = {column.name: column.declared_limits for column in relapse.columns}
    assert limits["age"] == (1, 120)
    assert limits["beds"] == (None, None)
    assert limits["minutes"] == (None, None)


def test_limits_of_a_decimal_that_follow_from_its_digits_are_not_meant() -> None:
    money = column(models.DecimalField(max_digits=4, decimal_places=2))
    assert money.declared_limits == (Decimal("-99.99"), Decimal("99.99"))
    assert money.meant_limits == (None, None)
    low = models.DecimalField(max_digits=4, decimal_places=2, validators=[MinValueValidator(Decimal(5))])
    assert column(low).meant_limits == (5.0, None)
    assert column(models.PositiveIntegerField()).meant_limits == (0.0, None)


def test_an_instance_is_one_canonical_json_object(stay: DataProduct) -> None:
    given = STAY | {"cost": 12.5, "born": date(1960, 1, 2), "smokes": True, "woken": time(6, 30)}
    instance = stay.clean(given)
    assert orjson.dumps(stay.stored_features(instance)).decode() == (
        '{"age":61,"born":"1960-01-02","cost":"12.50","note":"","smokes":true,"urgency":"planned",'
        '"woken":"06:30:00"}'
    )
    assert stay.stored_features(stay.clean(dict(reversed(given.items())))) == stay.stored_features(instance)


def test_stored_values_are_read_back_unchanged(stay: DataProduct) -> None:
    instance = stay.clean(STAY | {"cost": 12.5, "born": date(1960, 1, 2)})
    read = [c.from_json(c.as_json(value)) for c, value in zip(stay.columns, instance, strict=True)]
    assert read == instance
    moment = column(models.DateTimeField())
    assert moment.from_json(moment.as_json(datetime(2024, 1, 1, tzinfo=UTC))) == datetime(
        2024, 1, 1, tzinfo=UTC
    )


def test_an_absent_feature_is_null(stay: DataProduct) -> None:
    assert stay.clean({k: v for k, v in STAY.items() if k != "smokes"}) == stay.clean(STAY)
    with pytest.raises(BadInput, match="Age is required"):
        stay.clean({})


def test_all_faults_of_an_instance_are_raised_at_once_each_with_its_path(stay: DataProduct) -> None:
    given = STAY | {"age": 121, "cost": float("nan"), "note": "x" * 51, "urgency": None}
    with pytest.raises(SeveralFaults) as refused:
        stay.clean(given, ("rows", 3, "features"))
    assert [(fault.code, fault.argument[2:]) for fault in refused.value.faults] == [
        ("OUT_OF_RANGE", ("features", "age")),
        ("NOT_FINITE", ("features", "cost")),
        ("BAD_INPUT", ("features", "note")),
        ("BAD_INPUT", ("features", "urgency")),
    ]
    assert refused.value.message.startswith(
        "Age must lie between 1 and 120, not 121. Cost must be a finite number."
    )


def test_a_number_is_told_with_its_unit(diabetes: DataProduct) -> None:
    bmi = next(column for column in diabetes.columns if column.name == "bmi")
    with pytest.raises(BadInput, match="must be a number in kg/m²"):
        bmi.clean(None)


def test_a_unit_stands_in_brackets_at_the_end_of_the_help_text(diabetes: DataProduct) -> None:
    units = {column.name: column.unit for column in diabetes.columns}
    assert (units["age"], units["bmi"], units["sex"]) == ("years", "kg/m²", None)


@pytest.mark.parametrize("answer", ["maybe", None, 1, "true"])
def test_a_label_is_one_of_the_declared(stay: DataProduct, answer: Any) -> None:
    with pytest.raises(BadInput, match="the labels are False, True"):
        stay.answer_of(answer)


@pytest.mark.parametrize("answer", [math.nan, math.inf, None, -1.0])
def test_a_numeric_label_is_a_number_in_its_range(diabetes: DataProduct, answer: Any) -> None:
    with pytest.raises(StoreError) as refused:
        diabetes.answer_of(answer)
    assert refused.value.code in {"NOT_FINITE", "OUT_OF_RANGE"}


@pytest.mark.parametrize("key", ["007", " 7", "7.0", "x", "", "a\0", "٧", "\ud800", "9" * 30])
def test_a_key_is_written_just_as_the_rows_are(stay: DataProduct, key: str) -> None:
    assert stay.is_key("7")
    assert not stay.is_key(key)


@pytest.mark.parametrize("key", ["", "a\0", "\ud800", "x" * 21])
def test_a_text_key_can_be_stored(diabetes: DataProduct, key: str) -> None:
    assert diabetes.is_key("P-0001")
    assert not diabetes.is_key(key)


@pytest.mark.parametrize(
    ("declared", "name", "title", "unit"),
    [
        ("Größe (cm)", "grosse", "Größe", "cm"),
        ("DSL", "dsl", "DSL", None),
        ("(cm)", "cm", "(cm)", "cm"),
        (None, "first_name", "First name", None),
        ("Minutes", "minutes_latest", "Minutes latest", None),
    ],
)
def test_the_title_stays_as_it_was_declared(
    declared: str | None, name: str, title: str, unit: str | None
) -> None:
    field = models.FloatField(verbose_name=declared)
    field.set_attributes_from_name(name.removesuffix("_latest"))
    column = TypedColumn(name=name, field=field, nullable=False)
    assert (column.title, column.unit) == (title, unit)
