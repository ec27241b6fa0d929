"""Live quality, as clients ask for it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from schema.core import ids
from store.access.actors import Actor
from store.access.permissions import Grants, Permission
from store.predictions import truth
from store.predictions.feedback import Feedback
from store.predictions.predictions import Prediction
from store.products import catalogue
from store.registry.product_states import ProductState

from ...store.conftest import NOON, operate, version
from ...store.quality.streams import (
    MINUTE,
    answer_class,
    answer_value,
    recount,
    store_prediction,
    store_word,
    stream,
)
from ..products.test_forms import Ask, ask, product_of

__all__ = ["ask"]

pytestmark = pytest.mark.django_db

NUMBERS = "since until predictions labelled counted disputed leftOut { reason n } coverage medianDelaySeconds"


def quality_of(result: Any, product: str = "stay") -> Any:
    assert result.errors is None, result.errors
    return result.data[product]["quality"]


def test_quality_has_what_was_measured_promised_and_estimated(ask: Ask) -> None:
    stay = catalogue.get("stay")
    by = version(stay)
    ProductState.objects.update_or_create(product="stay", defaults={"champion": by})
    stream(stay, [by], seed=3)
    naive = recount(by)
    counts = naive[naive.outcome == "COUNTS"]
    query = f"""{{ stay {{ quality {{ product {{ name }} model {{ number }} {NUMBERS}
        measured {{ metric label value low high n method }} accuracy: measured(metrics: ["accuracy"]) {{ value }}
        promised {{ metric value n method }} estimated {{ metric value low high n method }}
        expected: estimated(metric: "accuracy") {{ value n method }} clusters {{ cluster }} }} }} }}"""
    quality = quality_of(ask(stay, query))
    assert (quality["product"], quality["model"], quality["since"]) == ({"name": "stay"}, None, None)
    assert quality["predictions"] == len(naive) and quality["counted"] == len(counts)
    assert quality["labelled"] == len(naive) - (naive.outcome.isin(["UNLABELLED", "DISPUTED"])).sum()
    assert {each["reason"]: each["n"] for each in quality["leftOut"]} == {
        reason: n
        for reason, n in naive.outcome.value_counts().items()
        if reason not in ("COUNTS", "UNLABELLED", "DISPUTED")
    }
    accuracy = (counts.answer == counts.truth).mean()
    assert quality["accuracy"][0]["value"] == accuracy
    recalls = {each["label"]: each for each in quality["measured"] if each["metric"] == "recall"}
    assert {label: each["n"] for label, each in recalls.items()} == counts.truth.value_counts().to_dict()
    assert {each["method"] for each in recalls.values()} == {"WILSON"}
    promised = {"metric": "roc_auc", "value": 0.5, "n": 0, "method": None}
    assert quality["promised"] == promised | {"value": None}  # its snapshot has no rows
    assert (quality["estimated"]["metric"], quality["estimated"]["method"]) == ("roc_auc", "CBPE")
    assert quality["expected"]["value"] == pytest.approx(naive.confidence.mean())
    assert quality["clusters"] == []


@pytest.mark.parametrize(("by", "minutes"), [("HOUR", 600), ("DAY", 2_000), ("WEEK", 2_000)])
def test_a_part_of_a_history_is_what_its_window_says(ask: Ask, by: str, minutes: int) -> None:
    stay = catalogue.get("stay")
    model = version(stay)
    stream(stay, [model], seed=4)
    node = ids.node_id(model)
    fields = f'{NUMBERS} measured(metrics: ["accuracy"]) {{ label metric value low high n }}'
    window = f'since: "{(NOON + 100 * MINUTE).isoformat()}", until: "{(NOON + minutes * MINUTE).isoformat()}"'
    query = f"""{{ stay {{ quality({window}, model: "{node}") {{
        history(by: {by}, timeZone: "Asia/Kathmandu") {{ start {fields} }} }} }} }}"""
    history = quality_of(ask(stay, query))["history"]
    assert sum(each["predictions"] for each in history) == len(
        recount(model, NOON + 100 * MINUTE, NOON + minutes * MINUTE)
    )
    for part in history:
        bounds = f'since: "{part["since"]}", until: "{part["until"]}"'
        alone = ask(stay, f'{{ stay {{ quality({bounds}, model: "{node}") {{ {fields} }} }} }}')
        assert quality_of(alone) == {name: value for name, value in part.items() if name != "start"}
        start = datetime.fromisoformat(part["start"])
        assert start <= datetime.fromisoformat(part["since"])
        assert (start.minute, by) in ((15, "DAY"), (15, "WEEK"), (15, "HOUR"))  # of Nepal's time


def test_a_version_has_its_own_quality_with_what_was_not_served(ask: Ask) -> None:
    stay = catalogue.get("stay")
    champion, shadow = version(stay), version(stay)
    columns = answer_class(["False", "True"], [0.2, 0.8])
    store_prediction(stay, champion, "a", NOON, 1, **columns)
    store_prediction(stay, shadow, "a", NOON, 2, served=False, times_asked=0, **columns)
    store_word(stay, "a", "ann", "True", NOON + MINUTE)
    query = """{ stay { quality { predictions counted } models { nodes { quality { predictions counted
        measured(metrics: ["accuracy"]) { value n } } } } } }"""
    result = ask(stay, query)
    one = {"predictions": 1, "counted": 1}
    assert quality_of(result) == one
    for node in result.data["stay"]["models"]["nodes"]:
        assert {name: node["quality"][name] for name in one} == one
        assert node["quality"]["measured"][0] == {"value": 1.0, "n": 1}


def test_numbers_are_measured_and_estimated_from_intervals(ask: Ask) -> None:
    diabetes = catalogue.get("diabetes")
    errors = [each / 10 for each in range(-10, 11)]
    intervals = {"errors": errors, "count": 21, "coverage": {}, "width": {}}
    by = version(diabetes, intervals=intervals)
    for serial in range(500):
        store_prediction(diabetes, by, f"{serial}", NOON, serial, **answer_value(float(serial % 7)))
    query = """{ diabetes { quality { measured { value n }
        estimated(metric: "neg_mean_absolute_error") { value low high n method } } } }"""
    quality = quality_of(ask(diabetes, query), "diabetes")
    assert {each["value"] for each in quality["measured"]} == {None}  # nothing is labelled
    assert quality["estimated"]["value"] == pytest.approx(-sum(map(abs, errors)) / 21)
    assert (quality["estimated"]["n"], quality["estimated"]["method"]) == (500, "CONFORMAL")


def test_clusters_have_shares_and_distances(ask: Ask) -> None:
    wine = catalogue.get("wine")
    stay = catalogue.get("stay")
    by = version(stay)  # a version that no prediction is made by
    type(by).objects.filter(pk=by.pk).update(product="wine")
    for serial, cluster in enumerate([0, 0, 0, 1]):
        columns = {"answer": str(cluster), "output": [1.0 + serial, 5.0]}
        store_prediction(wine, by, f"{serial}", NOON + serial * timedelta(days=1), serial, **columns)
    query = """{ wine { quality { predictions counted measured { n } estimated { n }
        clusters { cluster n share low high meanDistance }
        history(by: DAY) { predictions clusters { cluster share } } } } }"""
    with CaptureQueriesContext(connection) as captured:
        ask(wine, query)
    assert len(captured) <= 5
    quality = quality_of(ask(wine, query), "wine")
    assert (quality["predictions"], quality["counted"], quality["measured"]) == (4, 0, [])
    first, second = quality["clusters"]
    assert (first["n"], first["share"], first["meanDistance"]) == (3, 0.75, 2.0)
    assert (second["cluster"], second["meanDistance"]) == (1, 5.0) and second["low"] < 0.25 < second["high"]
    assert quality["history"][3] == {"predictions": 1, "clusters": [{"cluster": 1, "share": 1.0}]}


def test_where_nothing_was_predicted_there_is_no_number(ask: Ask) -> None:
    stay = catalogue.get("stay")
    query = f"""{{ stay {{ quality {{ {NUMBERS} measured {{ value n low }} promised {{ value }}
        estimated {{ value }} history(by: DAY) {{ start }} }} }} }}"""
    quality = quality_of(ask(stay, query))
    assert (quality["predictions"], quality["coverage"], quality["medianDelaySeconds"]) == (0, None, None)
    assert {each["value"] for each in quality["measured"]} == {None}
    assert (quality["promised"], quality["estimated"], quality["history"]) == (None, None, [])


@pytest.mark.parametrize(
    ("field", "code", "argument"),
    [
        (
            'quality(since: "2024-02-01T00:00:00Z", until: "2024-01-01T00:00:00Z") { n: counted }',
            "BAD_INPUT",
            "since",
        ),
        (
            'quality(since: "2024-01-01T00:00:00Z", until: "2024-01-01T00:00:00Z") { n: counted }',
            "BAD_INPUT",
            "since",
        ),
        ('quality(since: "9998-01-01T00:00:00Z") { n: counted }', "BAD_INPUT", "since"),
        ('quality(model: "$other") { n: counted }', "FOREIGN_MODEL", "model"),
        ('quality(model: "$product") { n: counted }', "WRONG_KIND_OF_ID", "model"),
        ('quality(model: "nonsense") { n: counted }', "UNKNOWN_ID", "model"),
        ('quality { measured(metrics: ["r2"]) { n } }', "BAD_INPUT", "metrics"),
        ('quality { estimated(metric: "r2") { n } }', "BAD_INPUT", "metrics"),
        ('quality { history(by: DAY, timeZone: "Mars") { n: counted } }', "BAD_INPUT", "timeZone"),
        ("quality { history(by: HOUR) { n: counted } }", "OUT_OF_RANGE", "by"),
    ],
)
def test_what_cannot_be_answered_is_an_error_of_its_argument(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, field: str, code: str, argument: str
) -> None:
    monkeypatch.setattr("store.quality.live.MOST_BUCKETS", 1)
    stay = catalogue.get("stay")
    for serial in range(2):
        columns = answer_class(["False", "True"], [0.2, 0.8])
        store_prediction(stay, version(stay), "a", NOON + serial * timedelta(hours=2), serial, **columns)
    other = version(catalogue.get("relapse"))
    field = field.replace("$other", ids.node_id(other)).replace("$product", ids.node_id(stay))
    [error] = ask(stay, f"{{ stay {{ {field} }} }}").errors
    assert (error.extensions["code"], error.extensions["argument"]) == (code, [argument])


def test_who_sees_some_rows_gets_the_quality_of_these(ask: Ask) -> None:
    product = product_of(visible_to=lambda actor: Q(urgency="planned") if actor.name == "half" else Q())
    by = version(product)
    for pk, urgency in ((1, "planned"), (2, "urgent")):
        operate(pk=pk, urgency=urgency)
        subject = truth.subject_of_entity(product, str(pk))
        columns = answer_class(["False", "True"], [0.2, 0.8])
        prediction = store_prediction(product, by, f"{pk}", NOON, pk, **columns)
        Prediction.objects.filter(pk=prediction.pk).update(entity=str(pk), reference=None, subject=subject)
        word = store_word(product, f"{pk}", "ann", "True" if pk == 1 else "False", NOON + MINUTE)
        Feedback.objects.filter(pk=word.pk).update(entity=str(pk), reference=None, subject=subject)
    query = """{ formed { quality { predictions counted measured(metrics: ["accuracy"]) { value }
        estimated { n } } } }"""
    everything = quality_of(ask(product, query), "formed")
    assert (everything["predictions"], everything["measured"][0]["value"]) == (2, 0.5)
    actor = Actor(author="half", name="half", grants=Grants(frozenset({Permission.VIEW})))
    half = quality_of(ask(product, query, actor), "formed")
    assert (half["predictions"], half["counted"], half["measured"][0]["value"]) == (1, 1, 1.0)
    assert half["estimated"] == {"n": 1}


def test_the_number_of_queries_does_not_grow_with_the_history(ask: Ask) -> None:
    stay = catalogue.get("stay")
    by = version(stay)
    query = """{ stay { quality { predictions measured { value } estimated { value } promised { value }
        history(by: HOUR) { predictions measured { value } estimated { value } } } } }"""
    numbers = []
    for seed, size in ((1, 30), (2, 300)):
        stream(stay, [by], seed, size)
        with CaptureQueriesContext(connection) as captured:
            quality_of(ask(stay, query))
        numbers.append(len(captured))
        Prediction.objects.all().delete()
    assert numbers[0] == numbers[1] <= 16  # those of savepoints included


@override_settings(EXEMPLAR_OPEN=False)
def test_quality_needs_the_permission_to_view(ask: Ask) -> None:
    predicts = Actor(author="x", name="x", grants=Grants(frozenset({Permission.PREDICT})))
    result = ask(catalogue.get("stay"), "{ stay { quality { predictions } } }", predicts)
    assert [error.extensions["code"] for error in result.errors] == ["FORBIDDEN"]
