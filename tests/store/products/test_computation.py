"""Computed features: Python computes from an instance what PostgreSQL computes from the row, to the last bit."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from itertools import compress
from math import isfinite
from typing import Any

import pytest
from django.db import DataError, connection, models, transaction
from django.db.models import Avg, Case, Count, Exists, ExpressionWrapper, F, OuterRef, Q, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import (
    Abs,
    Cast,
    Coalesce,
    Concat,
    Extract,
    Greatest,
    Least,
    Length,
    Lower,
    NullIf,
    TruncDate,
    TruncMonth,
    TruncTime,
    TruncWeek,
)
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from learning.columns import Kind
from learning.kinds import canonical_text
from learning.model import ClassAnswer
from store.db.pagination import PageRequest
from store.entities import bulk_validation, entities
from store.entities.entities import KEEP
from store.exceptions import BadInput, InvalidJoin
from store.ingest import editing
from store.predictions import upsert
from store.predictions.feedback import About, Feedback
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products import catalogue, checks, system_checks
from store.products.features import Before, Feature
from store.products.product import DataProduct
from store.serving.predict import validate_entity
from store.snapshots import preview
from tests.clinic.models import Anamnesis, Lab, Operation, Visit, Ward
from tests.drawing import draws
from tests.samples.models import Sample

from ..conftest import NOON, declared, operate, version

pytestmark = pytest.mark.django_db

#: Columns of a lab value and of what it hangs on, by the names of the features.
COLUMNS = {
    "marker": "marker",
    "taken": "taken_at",
    "cost": "operation__cost",
    "done": "operation__done_at",
    "urgency": "operation__urgency",
    "beds": "operation__ward__beds",
    "age": "operation__anamnesis__age",
    "smokes": "operation__anamnesis__smokes",
    "born": "operation__anamnesis__born",
    "note": "operation__anamnesis__note",
    "woken": "operation__anamnesis__woken",
}
moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
#: Values by feature; numbers are as often round and small as they are anything.
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "marker": st.sampled_from([0.0, 1.0, -2.5, 1e-300, 1e300])
    | st.floats(allow_nan=False, allow_infinity=False),
    "taken": moments,
    "cost": st.sampled_from([Decimal("0.00"), Decimal("1.00"), Decimal("-0.05")])
    | st.decimals(-999_999, 999_999, places=2).map(lambda value: value + 0),
    "done": moments,
    "urgency": st.sampled_from(["planned", "1st"]),
    "beds": st.none() | st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1),
    "age": st.integers(0, 3) | st.integers(0, 2**15 - 1),
    "smokes": st.none() | st.booleans(),
    "born": st.none() | st.dates(date(1, 1, 1), date(9999, 12, 31)),
    # As it is read: what is computed from is cleaned before.
    "note": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20).map(
        partial(canonical_text, null=False)
    ),
    "woken": st.none() | st.times(),
}
#: The sources of each type: those of numbers from the narrowest to the widest.
NUMBERS: Mapping[type[models.Field], tuple[str, ...]] = {
    models.SmallIntegerField: ("operation__anamnesis__age",),
    models.BigIntegerField: ("operation__ward__beds",),
    models.DecimalField: ("operation__cost",),
    models.FloatField: ("marker",),
}
WIDTHS = [
    models.SmallIntegerField,
    models.IntegerField,
    models.BigIntegerField,
    models.DecimalField,
    models.FloatField,
]
DATES = ("operation__anamnesis__born",)
MOMENTS = ("taken_at", "operation__done_at")

#: An expression, and the class of Django's field that has PostgreSQL's type for it.
Number = tuple[Any, type[models.Field]]


def wider(*fields: type[models.Field]) -> type[models.Field]:
    return max(fields, key=WIDTHS.index)


def typed(expression: Any, field: type[models.Field]) -> Any:
    return ExpressionWrapper(expression, output_field=field())


def columns() -> st.SearchStrategy[Number]:
    return st.sampled_from([(F(name), field) for field, names in NUMBERS.items() for name in names])


def literals() -> st.SearchStrategy[Number]:
    whole = st.integers(-3, 3) | st.integers(-(2**31) + 1, 2**31 - 1)
    return st.one_of(
        whole.map(lambda value: (Value(value), models.IntegerField)),
        st.integers(2**31, 2**63 - 1).map(lambda value: (Value(value), models.BigIntegerField)),
        # The driver writes a float as a decimal literal.
        st.floats(-1e6, 1e6).map(
            lambda value: (typed(Value(value), models.DecimalField), models.DecimalField)
        ),
        st.decimals(-1000, 1000, places=3).map(lambda value: (Value(value), models.DecimalField)),
    )


@st.composite
def combined(draw: st.DrawFn, parts: st.SearchStrategy[Number]) -> Number:
    (left, one), (right, other) = draw(parts), draw(parts)
    field = wider(one, other)
    symbol = draw(st.sampled_from("+-*/" if field is models.FloatField else "+-*/%"))
    left, right = typed(left, one), typed(right, other)
    apply: Mapping[str, Callable[[], Any]] = {
        "+": lambda: left + right,
        "-": lambda: left - right,
        "*": lambda: left * right,
        "/": lambda: left / right,
        "%": lambda: left % right,
    }
    return typed(apply[symbol](), field), field


@st.composite
def chosen(draw: st.DrawFn, parts: st.SearchStrategy[Number]) -> Number:
    terms = draw(st.lists(parts, min_size=2, max_size=3))
    field = wider(*(field for _, field in terms))
    function = draw(st.sampled_from([Coalesce, Greatest, Least]))
    return function(*(typed(term, one) for term, one in terms), output_field=field()), field


@st.composite
def nulled(draw: st.DrawFn, parts: st.SearchStrategy[Number]) -> Number:
    (left, one), (right, other) = draw(parts), draw(parts)
    integers = WIDTHS[:3]
    field = one if one in integers and other in integers else wider(one, other)
    return NullIf(typed(left, one), typed(right, other), output_field=field()), field


@st.composite
def absolute(draw: st.DrawFn, parts: st.SearchStrategy[Number]) -> Number:
    expression, field = draw(parts)
    return Abs(typed(expression, field), output_field=field()), field


@st.composite
def casted(draw: st.DrawFn, parts: st.SearchStrategy[Number]) -> Number:
    expression, field = draw(parts)
    target = draw(
        st.sampled_from(
            [
                models.SmallIntegerField(),
                models.IntegerField(),
                models.BigIntegerField(),
                models.FloatField(),
                models.DecimalField(max_digits=12, decimal_places=3),
            ]
        )
    )
    return Cast(typed(expression, field), target), type(target)


@st.composite
def extracted(draw: st.DrawFn, _: st.SearchStrategy[Number]) -> Number:
    days = ["year", "iso_year", "quarter", "month", "week", "day", "week_day", "iso_week_day"]
    clock = ["hour", "minute", "second"]
    source, parts = draw(
        st.sampled_from(
            [
                (F(DATES[0]), days),
                (F(MOMENTS[0]), days + clock),
                (F("operation__anamnesis__woken"), clock),
                (F(MOMENTS[0]) - F(MOMENTS[1]), ["day", *clock]),
                (F(DATES[0]) - Value(date(2000, 1, 31)), ["day", *clock]),
                (TruncMonth(DATES[0]), days),
                (TruncWeek(DATES[0]), days),
                (TruncDate(MOMENTS[0]), days),
                (TruncTime(MOMENTS[1]), clock),
            ]
        )
    )
    return Extract(source, draw(st.sampled_from(parts))), models.DecimalField


@st.composite
def cases(draw: st.DrawFn, parts: st.SearchStrategy[Number]) -> Number:
    terms = draw(st.lists(parts, min_size=2, max_size=3))
    field = wider(*(field for _, field in terms))
    *branches, default = [typed(term, one) for term, one in terms]
    whens = [When(draw(conditions(parts)), then=branch) for branch in branches]
    ends = st.just(default) | st.just(None)
    return Case(*whens, default=draw(ends), output_field=field()), field


@st.composite
def compared(draw: st.DrawFn, parts: st.SearchStrategy[Number]) -> Q:
    lookup = draw(st.sampled_from(["exact", "gt", "gte", "lt", "lte"]))
    expression, field = draw(parts)
    name = draw(st.sampled_from(["marker", "operation__ward__beds"]))
    return Q(**{f"{name}__{lookup}": typed(expression, field)})


def conditions(parts: st.SearchStrategy[Number]) -> st.SearchStrategy[Q]:
    small = st.integers(-3, 3)
    simple = st.one_of(
        compared(parts),
        st.booleans().map(lambda null: Q(operation__ward__beds__isnull=null)),
        st.booleans().map(lambda yes: Q(operation__anamnesis__smokes=yes)),
        st.lists(small, min_size=1, max_size=3).map(lambda values: Q(operation__anamnesis__age__in=values)),
        st.tuples(small, small).map(lambda pair: Q(operation__ward__beds__range=pair)),
        st.sampled_from(["planned", "1st", "never"]).map(lambda value: Q(operation__urgency=value)),
        st.floats(-3, 3).map(lambda value: Q(operation__anamnesis__age__gte=value)),
        st.dates().map(lambda value: Q(operation__anamnesis__born__lt=value)),
        moments.map(lambda value: Q(taken_at__lte=value)),
        st.just(Q(taken_at__gt=F("operation__done_at"))),
    )
    joined = lambda inner: st.one_of(  # noqa: E731
        st.tuples(inner, inner).map(lambda pair: pair[0] & pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
        inner.map(lambda condition: ~condition),
    )
    return st.recursive(simple, joined, max_leaves=3)


def deeper(parts: st.SearchStrategy[Number]) -> st.SearchStrategy[Number]:
    makers = (combined, combined, chosen, nulled, absolute, casted, extracted, cases)
    return st.one_of(*(maker(parts) for maker in makers))


numbers = st.recursive(columns() | literals(), deeper, max_leaves=5)


def readable(number: Number) -> Any:
    """The expression as a feature: Django reads a result of numeric as a decimal, whatever a part of a date says."""
    expression, field = number
    return typed(expression, field)


texts = st.lists(
    st.sampled_from(
        [
            F("operation__anamnesis__note"),
            F("operation__urgency"),
            F("operation__cost"),
            F("operation__ward__beds"),
            F("operation__anamnesis__smokes"),
            F("operation__anamnesis__born"),
            Value("–"),
        ]
    ),
    min_size=2,
    max_size=4,
).map(lambda parts: Concat(*parts, output_field=models.TextField()))
other_kinds = st.one_of(
    texts,
    st.sampled_from([1, 3, 40]).map(
        lambda most: Cast("operation__anamnesis__note", models.CharField(max_length=most))
    ),
    st.sampled_from(
        [TruncMonth(DATES[0]), TruncWeek(DATES[0]), TruncDate(MOMENTS[0]), TruncTime(MOMENTS[1])]
    ),
    st.just(Coalesce(DATES[0], Value(date(2000, 1, 1)))),
    st.just(Greatest(*MOMENTS)),
    st.just(Coalesce("operation__anamnesis__woken", Value(time(12)))),
    conditions(numbers).map(lambda condition: typed(condition, models.BooleanField)),
    conditions(numbers).map(lambda condition: Case(When(condition, then=Value("yes")), default=Value(None))),
)
features = numbers.map(readable) | other_kinds
instances = st.fixed_dictionaries(dict(VALUES))


@pytest.fixture(scope="module")
def lab(django_db_setup: None, django_db_blocker: Any) -> Any:
    """A lab value with all that it hangs on, for all examples of a property."""
    with django_db_blocker.unblock():
        operation = operate(ward=Ward.objects.create(beds=1))
        yield Lab.objects.create(operation=operation, taken_at=NOON, marker=1.0)
        Operation.objects.all().delete()
        Ward.objects.all().delete()


def product_with(expression: Any) -> DataProduct:
    return declared({**COLUMNS, "x": expression}, rows=Lab.objects.all(), label=None)


def write(lab: Lab, values: Mapping[str, Any]) -> None:
    """Write the values past Django's validation, as another program would."""
    operation = lab.operation
    Lab.objects.filter(pk=lab.pk).update(marker=values["marker"], taken_at=values["taken"])
    Operation.objects.filter(pk=operation.pk).update(
        cost=values["cost"],
        done_at=values["done"],
        urgency=values["urgency"],
        ward=None if values["beds"] is None else operation.ward,
    )
    if values["beds"] is not None:
        Ward.objects.filter(pk=operation.ward_id).update(beds=values["beds"])
    Anamnesis.objects.filter(operation=operation).update(
        **{name: values[name] for name in ("age", "smokes", "born", "note", "woken")}
    )


REFUSED = object()


def by_postgresql(product: DataProduct, lab: Lab) -> Any:
    """The value in the statement that a snapshot is made by; REFUSED where PostgreSQL raises an error."""
    rows = product.join.instances(Lab.objects.filter(pk=lab.pk)).values("feature_x").query
    statement, parameters = rows.sql_with_params()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            [(value,)] = cursor.fetchall()
    except DataError:
        return REFUSED
    return value


def by_python(column: Feature, product: DataProduct, values: Mapping[str, Any]) -> Any:
    assert column.computation is not None, column.not_computable
    instance = [values.get(name) for name in product.feature_names]
    try:
        return column.computation.evaluate(instance)
    except ArithmeticError:
        return REFUSED


def as_read(value: Any, kind: Kind | None) -> Any:
    """A raw value of PostgreSQL as the column's kind has it."""
    if kind is Kind.NUMBER and value is not None:
        return float(value)
    if kind is Kind.DECIMAL and isinstance(value, int):
        return Decimal(value)
    if kind is Kind.DATE and isinstance(value, datetime):
        return value.date()
    if kind is Kind.BOOLEAN and value is not None:
        return bool(value)  # Django writes 0 for a condition that is never met
    return value


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(max_examples=draws(60), suppress_health_check=list(HealthCheck))
@given(expression=features, values=instances)
def test_python_computes_what_postgresql_computes(lab: Lab, expression: Any, values: dict[str, Any]) -> None:
    product = product_with(expression)
    column = product.join.column("x")
    assume(not column.not_computable.startswith(("it refers to no feature", "a constant in it has no value")))
    with transaction.atomic():
        write(lab, values)
        expected = by_postgresql(product, lab)
    computed = by_python(column, product, values)
    event("refused" if expected is REFUSED else f"{column.kind}")
    if expected is REFUSED or computed is REFUSED:
        assert computed is expected
        return
    expected = as_read(expected, column.kind)
    assert (type(computed), computed) == (type(expected), expected)
    if isinstance(expected, Decimal):
        assert str(computed) == str(expected)


@pytest.mark.parametrize(
    "number",
    [
        F("operation__cost") * F("operation__ward__beds"),
        F("operation__cost") % F("operation__ward__beds"),
        -F("operation__cost"),
        F("operation__cost") * Value(Decimal("-0.0")),
        Cast(F("marker"), models.DecimalField(max_digits=8, decimal_places=2)),
    ],
    ids=str,
)
@pytest.mark.parametrize("cost, marker", [("0.00", -0.001), ("-3.00", -0.0)])
def test_a_negative_zero_is_written_as_postgresql_writes_it(
    lab: Lab, number: Any, cost: str, marker: float
) -> None:
    product = product_with(Concat(number, Value(" EUR"), output_field=models.TextField()))
    values = dict.fromkeys(COLUMNS) | {
        "marker": marker, "taken": NOON, "done": NOON, "cost": Decimal(cost), "beds": -3, "age": 3, "note": "",
        "urgency": "planned",
    }  # fmt: skip
    with transaction.atomic():
        write(lab, values)
        expected = by_postgresql(product, lab)
    assert by_python(product.join.column("x"), product, values) == expected


REAL = {"cost": "cost", "age": "anamnesis__age", "urgency": "urgency"}


class Twice(Abs):
    """A function of a user's own."""

    template = "2 * %(expressions)s"


NOT_COMPUTED: Mapping[str, tuple[Any, str]] = {
    "another function": (Lower("urgency"), "Lower is computed by PostgreSQL alone"),
    "a function of one's own": (Twice("cost"), "Twice is computed by PostgreSQL alone"),
    "SQL in a known function": (Abs("cost", function="-"), "Abs has SQL of its own"),
    "raw SQL": (
        RawSQL("cost", (), output_field=models.DecimalField()),
        "RawSQL is computed by PostgreSQL alone",
    ),
    "a query": (Exists(Visit.objects.filter(operation=OuterRef("pk"))), "Exists is a query of its own"),
    "a column that is no feature": (
        F("cost") * F("ward__beds"),
        "it refers to Ward.beds, and no feature is that column",
    ),
    "no column": (Value(3), "it refers to no feature"),
    "an aggregate": (
        F("cost") / Count("visits"),
        "an aggregate in it reads rows of another table",
    ),
    "the order of texts": (Greatest("urgency", Value("x")), "Greatest over text is not computed"),
    "a power": (F("anamnesis__age") ** 2, "the operator ^ is not computed"),
    "a remainder of floats": (
        ExpressionWrapper(Cast("cost", models.FloatField()) % 2.0, output_field=models.FloatField()),
        "PostgreSQL has no % for double precision",
    ),
    "another type than Django takes it for": (
        ExpressionWrapper(F("cost") * 2, output_field=models.IntegerField()),
        "it is numeric in PostgreSQL, and Django reads a IntegerField: name output_field",
    ),
    "a constant without a value": (
        F("anamnesis__age") + Value(1) / Value(0),
        "a constant in it has no value: division by zero",
    ),
}


@pytest.mark.parametrize("case", NOT_COMPUTED)
def test_what_is_not_computed_stays_an_input_that_check_remarks_upon(case: str) -> None:
    expression, reason = NOT_COMPUTED[case]
    product = declared({**REAL, "x": expression})
    column = product.join.column("x")
    assert (column.computation, column.not_computable) == (None, reason)
    assert "x" in product.input_names and column.required
    [remark] = checks.find_remarks(product)
    assert (
        remark == f"the feature x is not computed when serving, so that every caller must give it: {reason}."
    )


def test_check_warns_of_what_every_caller_must_give() -> None:
    warnings = [message for message in system_checks.check_products() if message.id == "exemplar.W008"]
    assert [str(message.msg) for message in warnings] == [
        "The product 'relapse': the feature cost_per_year is not computed when serving, so that every caller must "
        "give it: it refers to Operation.cost, and no feature is that column."
    ]


def test_aggregates_and_columns_are_no_remark() -> None:
    product = declared(
        {**REAL, "visits": Before(Count("visits"), at="visits__on"), "mean": Avg("visits__minutes")}, at=None
    )
    assert list(checks.find_remarks(product)) == []
    assert not product.join.column("mean").required


def test_a_required_expression_may_be_null_and_not_be_left_out() -> None:
    product = declared({"urgency": "urgency", "word": Lower("urgency")})
    assert product.clean({"urgency": "planned", "word": None}) == ["planned", None]
    with pytest.raises(BadInput) as refusal:
        product.clean({"urgency": "planned"}, ("features",))
    assert refusal.value.argument == ("features", "word")
    assert (
        str(refusal.value)
        == "Word is required: it must be one of planned, 1st, or null where it has no value."
    )


def test_a_condition_counts_as_a_reference() -> None:
    leak = declared({**REAL, "x": Case(When(relapsed=True, then=1), default=0)})
    assert "the feature x is the label itself" in "".join(checks.find_problems(leak))
    hidden = declared({**REAL, "x": Count("visits", filter=Q(relapsed=True))})
    assert "the feature x is the label itself" in "".join(checks.find_problems(hidden))
    behind = declared({"cost": "cost", "x": Case(When(anamnesis__age__gt=60, then=1), default=0)})
    assert behind.join.required_rows == ("anamnesis",)
    with pytest.raises(InvalidJoin, match="Use Before or Latest"):
        declared({**REAL, "x": Case(When(visits__minutes__gt=3, then=1), default=0)}).join.column("x")


def test_limits_of_the_columns_do_not_hold_for_what_is_computed_from_them() -> None:
    product = declared(
        {**REAL, "x": F("anamnesis__age") - 200, "y": Coalesce("cost", Value(Decimal(0))) * 10**6}
    )
    instance = product.clean({"age": 1, "urgency": "planned", "cost": Decimal("999999.99")})
    assert dict(zip(product.feature_names, instance, strict=True)) == {
        "age": 1,
        "cost": Decimal("999999.99"),
        "urgency": "planned",
        "x": -199,
        "y": Decimal("999999990000.00"),
    }


FEATURES = {
    "age": 61,
    "smokes": True,
    "born": date(1960, 2, 29),
    "note": "café",
    "urgency": "1st",
    "cost": Decimal(10),
}
COMPUTED = {
    "cost_per_year": Decimal("0.16393442622950819672"),
    "per_year_over_40": Decimal("0.47619047619047619048"),
    "risk": 2.5,
    "story": "1st: café",
    "year_born": 1960,
}


@pytest.fixture
def bill() -> DataProduct:
    return catalogue.get("bill")


def test_a_caller_gives_the_inputs_alone(bill: DataProduct) -> None:
    assert set(bill.input_names) == set(FEATURES)
    instance = dict(zip(bill.feature_names, bill.clean(FEATURES), strict=True))
    assert {name: instance[name] for name in COMPUTED} == COMPUTED
    assert bill.clean({**FEATURES, "risk": 99.0}) == bill.clean(FEATURES)
    assert bill.join.column("risk").computation.inputs == ("age", "smokes")  # type: ignore[union-attr]


def test_a_division_by_zero_is_an_error_of_the_caller() -> None:
    product = declared({**REAL, "ratio": F("cost") / (F("anamnesis__age") - 40)})
    with pytest.raises(BadInput) as refusal:
        product.clean({"age": 40, "urgency": "planned", "cost": 1}, ("rows", 3, "features"))
    assert str(refusal.value) == "Ratio cannot be computed from Age and Cost: division by zero."
    assert refusal.value.argument == ("rows", "3", "features")


def test_one_row_without_a_value_fails_no_other_row() -> None:
    product = declared({**REAL, "ratio": F("cost") / (F("anamnesis__age") - 40)})
    bad, good = operate(age=40, cost=10), operate(age=42, cost=10)
    rows = entities.find(product, [str(bad.pk), str(good.pk)])
    assert rows[str(bad.pk)].features["ratio"] is None
    assert rows[str(good.pk)].features["ratio"] == 5
    refused = validate_entity(product, str(bad.pk), rows[str(bad.pk)], ("entity",))
    assert isinstance(refused, BadInput) and refused.argument == ("entity",)


CENTS = models.DecimalField(max_digits=8, decimal_places=2)
OVER_FLOATS: Mapping[str, Any] = {
    "a sum": F("marker") + 0,
    "a whole number": Cast("marker", models.IntegerField()),
    "a decimal": Cast("marker", CENTS),
    "the larger one": Greatest("marker", Value(1.0)),
    "a case": Case(When(marker__gt=1, then=1), default=0),
    "a text": Concat(Cast("marker", CENTS), Value(" EUR"), output_field=models.TextField()),
}


@pytest.mark.parametrize("expression", OVER_FLOATS.values(), ids=OVER_FLOATS)
@pytest.mark.parametrize("marker", [float("nan"), float("inf")])
def test_a_row_with_a_value_that_is_no_number_is_listed(expression: Any, marker: float) -> None:
    lab = Lab.objects.create(operation=operate(), taken_at=NOON, marker=marker)
    product = product_with(expression)
    [entity] = entities.find(product, [str(lab.pk)]).values()
    assert not isfinite(entity.features["marker"]) and set(entity.features) == {*COLUMNS, "x"}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -3.5, None])
def test_what_is_learned_as_missing_is_missing_in_what_is_computed_from_it(number: float | None) -> None:
    """In the statement of a snapshot, in a list of rows and in a prediction alike."""
    sample = Sample.objects.create(pk="a", number=number)
    product = declared(
        {
            "number": "number",
            "amount": "amount",
            "net": Coalesce("amount", Value(Decimal(7))),
            "larger": Greatest("number", Value(1.0)),
            "filled": Coalesce("number", Value(0.0)),
            "is_missing": Case(When(number__isnull=True, then=1), default=0),
        },
        rows=Sample.objects.all(),
        label=None,
    )
    [learned] = product.join.instances().values_list(*(f"feature_{name}" for name in product.feature_names))
    expected = product.clean({"number": number if number == -3.5 else None})
    [entity] = entities.find(product, [sample.pk]).values()
    assert product.clean_stored(entity.inputs) == list(entity.instance) == expected
    computed = [name not in product.input_names for name in product.feature_names]
    assert list(compress(learned, computed)) == list(compress(expected, computed))


def test_a_row_that_postgresql_cannot_compute_is_named_with_what_to_do() -> None:
    product = declared({**REAL, "ratio": F("cost") / (F("anamnesis__age") - 40)})
    operate(age=40, cost=10, relapsed=True)
    with pytest.raises(BadInput, match=r"division by zero.* one of ratio: .*NullIf"):
        preview.preview(product)
    unknown = declared({**REAL, "ratio": F("cost") / (F("anamnesis__age") - 40) * Length("urgency")})
    with pytest.raises(BadInput, match=r"division by zero.* one of ratio: .*NullIf"):
        entities.page(unknown, PageRequest(first=10))


def test_an_entity_is_predicted_from_as_its_features_are(bill: DataProduct) -> None:
    operation = operate(
        age=61, smokes=True, born=date(1960, 2, 29), note="cafe\u0301", urgency="1st", cost=10
    )
    entity = entities.get(bill, str(operation.pk))
    by_row = validate_entity(bill, entity.key, entity)
    assert isinstance(by_row, ValidRequest)
    assert by_row.instance == bill.clean(FEATURES)
    assert [list(row) for row in bulk_validation.instances(bill, [entity.inputs] * 3)] == [
        by_row.instance
    ] * 3
    assert bill.stored_features(by_row.instance)["cost_per_year"] == "0.16393442622950819672"


@pytest.mark.parametrize("note", ["cafe\u0301", "caf\u00e9", " \t", "", "tea"])
def test_texts_are_read_in_one_form_before_anything_is_computed_from_them(note: str) -> None:
    path = "anamnesis__note"
    is_cafe = Case(When(Q(anamnesis__note="caf\u00e9") | Q(anamnesis__note=""), then=1), default=0)
    product = declared(
        {"note": path, "urgency": "urgency", "story": Concat("urgency", path), "is_cafe": is_cafe}
    )
    operation = operate(note=note)
    names = [f"feature_{name}" for name in product.feature_names]
    [learned] = product.join.instances().filter(pk=operation.pk).values_list(*names)
    entity = entities.get(product, str(operation.pk))
    assert list(learned) == product.clean_stored(entity.inputs)
    assert product.clean({"note": note, "urgency": "planned"}) == list(learned)


def test_rows_of_a_product_with_computed_features_can_be_written(bill: DataProduct) -> None:
    assert bill.writable
    created = editing.create(bill, None, FEATURES, True, NOON)
    assert {name: created.entity.features[name] for name in COMPUTED} == COMPUTED
    assert "risk" not in created.changed
    patched = editing.patch(bill, created.entity.key, {"smokes": False}, KEEP, KEEP, None)
    assert (patched.changed, patched.entity.features["risk"]) == (["smokes"], 1.0)
    edits = [
        editing.EditedRow(created.entity.key, FEATURES, KEEP, NOON),
        editing.EditedRow("77", FEATURES, True, NOON),
    ]
    counts = editing.upsert_many(bill, edits)
    assert (counts.inserted, counts.updated) == (1, 1)
    assert entities.get(bill, "77").features["risk"] == 2.5


def test_feedback_inserts_the_row_of_an_entity_that_a_prediction_was_about(bill: DataProduct) -> None:
    [prediction] = upsert.store(
        PredictionBatch(
            bill,
            version(bill),
            [ValidRequest(bill.clean(FEATURES), entity="88")],
            [ClassAnswer("True", 0.75, (0.25, 0.75))],
        )
    )
    Feedback.objects.give(bill, About(prediction=prediction.pk), "True", "ann")
    assert entities.get(bill, "88").features == dict(
        zip(bill.feature_names, bill.clean(FEATURES), strict=True)
    )


def test_the_signature_is_what_it_was_when_every_feature_was_an_input(bill: DataProduct) -> None:
    columns = {column.name: (column.kind, column.nullable) for column in bill.signature.columns}
    assert columns["cost_per_year"] == (Kind.NUMBER, False)
    assert columns["per_year_over_40"] == (Kind.NUMBER, True)
    assert columns["year_born"] == (Kind.INTEGER, True)
    assert columns["story"] == (Kind.TEXT, True)
