"""Forms: what a client needs to draw one, in one query, and examples to fill it with."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count, F, Q
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from learning.analysis import Analysis, FeatureAnalysis
from learning.columns import Kind
from learning.problem import Classification
from schema.composition import compose
from schema.core.context import Context
from store.access.acting import acting_as
from store.access.actors import Actor
from store.access.permissions import Grants, Permission
from store.products import Before, Category, DataProduct, FormField, Join, Latest, catalogue
from store.products.checks import find_problems
from store.registry.product_states import ProductState
from store.registry.versions import ModelVersion
from store.snapshots.snapshots import Snapshot
from tests.clinic.models import Anamnesis, Operation

from ...store.conftest import NOON, declared, operate, tables, version

__all__ = ["tables"]

ROOT = Actor(author="tests", superuser=True)
Ask = Callable[..., Any]

FEATURES = {
    "age": "anamnesis__age",
    "smokes": "anamnesis__smokes",
    "born": "anamnesis__born",
    "urgency": "urgency",
    "cost": "cost",
    "cost_per_year": F("cost") / F("anamnesis__age"),
}
FORM = {
    "age": FormField(group="the person", step=5, default=40, example=33),
    "born": FormField(example=date(1970, 1, 2)),
    "urgency": FormField(default="1st"),
}


def product_of(visible_to: Any = None, form: Any = None, **features: Any) -> DataProduct:
    join = Join(
        Operation.objects.all(),
        features=features or FEATURES,
        label="relapsed",
        at="done_at",
        visible_to=visible_to,
    )
    return DataProduct(name="formed", join=join, problem=Classification(folds=3), form=form)


def serve(product: DataProduct, snapshot: Snapshot | None = None, analysis: Analysis | None = None) -> None:
    """Have a version serve that has learned from a snapshot."""
    champion = version(product)
    if snapshot:
        ModelVersion.objects.filter(pk=champion.pk).update(snapshot=snapshot)
    if analysis:
        serving = ModelVersion.objects.get(pk=champion.pk).snapshot_id
        Snapshot.objects.filter(pk=serving).update(analysis=analysis.as_json())
    ProductState.objects.update_or_create(product=product.name, defaults={"champion": champion})


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    def execute(product: DataProduct, query: str, actor: Actor = ROOT, variables: Any = None) -> Any:
        monkeypatch.setitem(catalogue._products, product.name, product)
        context = Context(actor, None)  # type: ignore[arg-type]
        return compose([product]).execute_sync(query, variables, context_value=context)

    return execute


def features_of(result: Any) -> Any:
    assert result.errors is None, result.errors
    return result.data["formed"]["features"]


@pytest.mark.django_db
def test_features_come_in_declared_order_with_what_a_form_needs(ask: Ask) -> None:
    query = "{ formed { features { name position group step default example title unit } } }"
    features = features_of(ask(product_of(form=FORM), query))
    assert [feature["name"] for feature in features] == [
        "age", "smokes", "born", "urgency", "cost", "costPerYear"
    ]  # fmt: skip
    assert [feature["position"] for feature in features] == [0, 1, 2, 3, 4, 5]
    groups = ["The person", "Anamnesis", "Anamnesis", "Operation", "Operation", "Operation"]
    assert [feature["group"] for feature in features] == groups
    assert [feature["step"] for feature in features] == [5, None, None, None, 0.01, None]
    assert [feature["default"] for feature in features] == [40, None, None, "URGENT", "0.00", None]
    assert [feature["example"] for feature in features] == [33, None, "1970-01-02", None, None, None]


@pytest.mark.django_db
def test_a_group_is_the_relation_that_a_feature_comes_from(ask: Ask) -> None:
    features = {
        "ward": Category("ward"),
        "beds": "ward__beds",
        "visits": Before(Count("visits"), at="visits__on"),
        "marker": Latest("labs__marker", at="labs__taken_at"),
    }
    groups = features_of(ask(product_of(**features), "{ formed { features { group } } }"))
    assert [feature["group"] for feature in groups] == ["Operation", "Ward", "Visits", "Labs"]


def test_the_title_and_the_unit_are_those_of_messages() -> None:
    column = next(column for column in catalogue.get("tumor").columns if column.name == "mean_radius")
    with pytest.raises(
        Exception, match=rf"^{column.title} is required: it must be a number in {column.unit}"
    ):
        column.clean_input(None)


def statistics(name: str, kind: Kind, quantiles: Any) -> FeatureAnalysis:
    return FeatureAnalysis(
        name=name,
        kind=kind,
        missing=0.0,
        distinct=9,
        minimum=quantiles and quantiles[0],
        maximum=quantiles and quantiles[-1],
        quantiles=quantiles,
        information=0.0,
        correlated=(),
    )


ANALYSIS = Analysis(
    rows=9,
    features=(
        statistics("age", Kind.INTEGER, (21.0, 40.0, 50.0, 60.0, 79.0)),
        statistics("urgency", Kind.CATEGORY, None),
        statistics("smokes", Kind.BOOLEAN, None),
    ),
    findings=(),
    balance=(),
    label_quantiles=None,
)


@override_settings(EXEMPLAR_OPEN=False)
@pytest.mark.django_db
def test_the_typical_range_is_of_the_snapshot_that_the_champion_learned_from(ask: Ask) -> None:
    product, query = product_of(), "{ formed { features { typicalRange { low median high } } } }"
    assert all(feature["typicalRange"] is None for feature in features_of(ask(product, query)))
    serve(product, analysis=ANALYSIS)
    age, *others = features_of(ask(product, query))
    assert age["typicalRange"] == {"low": 21, "median": 50, "high": 79}
    assert all(feature["typicalRange"] is None for feature in others)
    predict = Grants(frozenset({Permission.PREDICT}))
    age, *_ = features_of(ask(product, query, Actor(author="x", name="x", grants=predict)))
    assert age["typicalRange"] is None


def take(product: DataProduct) -> Snapshot:
    snapshot = Snapshot.objects.take(product)
    serve(product, snapshot, ANALYSIS)
    return snapshot


def operations() -> list[Operation]:
    """Ten of people of about fifty, of whom the older relapsed, and one of somebody very old."""
    ages = [48, 49, 50, 51, 52, 58, 59, 60, 61, 62]
    rows = [
        operate(age=age, relapsed=age > 55, cost=age * 10, at=NOON + timedelta(days=place), smokes=True)
        for place, age in enumerate(ages)
    ]
    return [*rows, operate(age=119, relapsed=False, cost=9, smokes=False)]


EXAMPLES = "{ formed { examples(first: %d) { inputs label features { age costPerYear } } } }"


@pytest.mark.engine
def test_examples_are_typical_rows_of_each_label_in_turn(tables: None, ask: Ask) -> None:
    operations()
    product = product_of()
    take(product)
    result = ask(product, EXAMPLES % 3)
    assert result.errors is None, result.errors
    benign, relapsed, another = result.data["formed"]["examples"]
    assert benign["inputs"] == {"age": 50, "cost": "500.00", "smokes": True, "urgency": "PLANNED"}
    assert (benign["label"], relapsed["label"], another["label"]) == ("NO", "YES", "NO")
    assert benign["features"] == {"age": 50, "costPerYear": "10"}
    assert relapsed["inputs"]["age"] == 60
    assert another["inputs"]["age"] in (49, 51)


@pytest.mark.engine
def test_an_example_is_the_most_typical_row_where_none_is_declared(tables: None, ask: Ask) -> None:
    operations()
    product = product_of(form=FORM)
    take(product)
    features = features_of(ask(product, "{ formed { features { example } } }"))
    assert [feature["example"] for feature in features] == [33, True, "1970-01-02", "PLANNED", "500.00", "10"]


@pytest.mark.engine
def test_an_example_is_accepted_as_the_features_of_a_prediction(tables: None, ask: Ask) -> None:
    operations()
    product = product_of()
    take(product)
    [example] = ask(product, EXAMPLES % 1).data["formed"]["examples"]
    query = "query ($features: FormedFeatures!) { formed { predict(features: $features) { id } } }"
    result = ask(product, query, variables={"features": example["inputs"]})
    # What was sent is validated before anything serves.
    assert [error.extensions["code"] for error in result.errors] == ["NO_CHAMPION"]
    assert "build" in result.errors[0].message  # the next step


@override_settings(EXEMPLAR_OPEN=False)
@pytest.mark.engine
def test_examples_are_of_rows_that_there_still_are_and_the_caller_may_see(tables: None, ask: Ask) -> None:
    rows = operations()
    product = product_of(visible_to=lambda actor: Q() if actor.superuser else Q(cost__gt=600))
    take(product)
    few = Actor(author="x", name="x", grants=Grants(frozenset({Permission.VIEW})))
    seen = ask(product, EXAMPLES % 20, few).data["formed"]["examples"]
    assert sorted(example["inputs"]["age"] for example in seen) == [61, 62]
    assert len(ask(product, EXAMPLES % 20).data["formed"]["examples"]) == 11
    Anamnesis.objects.filter(age=50).delete()
    Operation.objects.filter(pk=rows[2].pk).delete()
    left = ask(product, EXAMPLES % 20).data["formed"]["examples"]
    assert 50 not in [example["inputs"]["age"] for example in left]
    with acting_as(few):
        query = "{ formed { features { name example } } }"
        assert features_of(ask(product, query, few))[0]["example"] in (61, 62)


@override_settings(EXEMPLAR_OPEN=False)
@pytest.mark.django_db
def test_examples_need_the_permission_to_view_and_are_of_a_bounded_number(ask: Ask) -> None:
    product = product_of()
    predicts = Actor(author="x", name="x", grants=Grants(frozenset({Permission.PREDICT})))
    result = ask(product, EXAMPLES % 1, predicts)
    assert result.data["formed"]["examples"] is None
    assert [error.extensions["code"] for error in result.errors] == ["FORBIDDEN"]
    for number in (0, 21):
        [error] = ask(product, EXAMPLES % number).errors
        assert (error.extensions["code"], error.extensions["argument"]) == ("OUT_OF_RANGE", ["first"])
    assert ask(product, EXAMPLES % 1).data["formed"]["examples"] == []


@pytest.mark.engine
def test_a_form_takes_the_same_queries_however_many_features_there_are(tables: None, ask: Ask) -> None:
    operations()
    counts = []
    for names in (("age",), tuple(FEATURES)):
        product = product_of(**{name: FEATURES[name] for name in names})
        take(product)
        query = (
            "{ formed { features { group step default example typicalRange { low } } examples { inputs } } }"
        )
        assert ask(product, query).errors is None
        with CaptureQueriesContext(connection) as captured:
            assert ask(product, query).errors is None
        counts.append(len(captured))
    # The snapshot, and whether its typical rows are still there: for the features and for the examples.
    assert counts[0] == counts[1] <= 4


REFUSED = {
    "no mapping": ([FormField()], "form is no mapping"),
    "unknown feature": ({"price": FormField()}, "form has 'price', which is no feature: the features are age, cost"),
    "no form field": ({"age": 5}, "form has a int for age: write FormField(group=…, step=…)."),
    "no group": ({"age": FormField(group=" ")}, "the group of age is ' '"),
    "no step": ({"age": FormField(step=0)}, "the step of age is 0: it is a number above 0."),
    "a step that is no number": ({"age": FormField(step=float("nan"))}, "the step of age is nan"),
    "a step of no number": ({"urgency": FormField(step=1)}, "urgency has a step and is no number"),
    "an example out of range": ({"age": FormField(example=121)}, "the example of age is refused: "),
    "a default that is no choice": ({"urgency": FormField(default="soon")}, "the default of urgency is refused: "),
    "a default of what is computed": ({"per_year": FormField(default=2)}, "per_year is computed from other features"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_form_that_cannot_be_drawn_is_refused(name: str) -> None:
    form, sentence = REFUSED[name]
    features = {
        "age": "anamnesis__age",
        "cost": "cost",
        "urgency": "urgency",
        "per_year": F("cost") / F("anamnesis__age"),
    }
    assert sentence in " ".join(find_problems(declared(features, form=form)))
