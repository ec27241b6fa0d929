"""Drift and skew, as clients ask for them."""

import numpy as np
import pytest

from store.models import DriftReference
from store.products import catalogue
from store.registry.product_states import ProductState
from store.snapshots.snapshots import Snapshot

from ...store.conftest import NOON, examples, operate, version
from ...store.quality.test_drift import DAY, store
from ...store.quality.test_skew import predict_entity
from ..products.test_forms import Ask, ask

__all__ = ["ask"]

pytestmark = pytest.mark.usefixtures("tables")


@pytest.fixture
def tables(transactional_db: None):
    from ...store.conftest import drop_snapshots

    drop_snapshots()
    yield
    drop_snapshots()


DRIFT = """drift { feature { name } statistic value n learned pValue adjustedPValue missing learnedMissing unseen }
    answerDrift { basis statistic value n pValue } driftProblem"""


def test_drift_is_asked_with_quality(ask: Ask) -> None:
    stay = catalogue.get("stay")
    examples(60)
    served = version(stay, snapshot=Snapshot.objects.take(stay))
    DriftReference.objects.record(stay, served, np.random.default_rng(0).dirichlet([1, 1], 60))
    ProductState.objects.update_or_create(product="stay", defaults={"champion": served})
    store(stay, served, 200, seed=1, age=99)
    window = f'since: "{NOON.isoformat()}", until: "{(NOON + 9 * DAY).isoformat()}"'
    result = ask(stay, f"{{ stay {{ quality({window}) {{ {DRIFT} }} }} }}")
    assert result.errors is None, result.errors
    quality = result.data["stay"]["quality"]
    by_name = {each["feature"]["name"]: each for each in quality["drift"]}
    assert by_name["age"]["value"] > 0.7
    assert by_name["age"]["adjustedPValue"] < 0.001
    assert by_name["age"]["unseen"] == 1
    assert by_name["note"]["statistic"] == "jensen_shannon_of_lengths"
    assert (quality["answerDrift"]["basis"], quality["driftProblem"]) == ("OUT_OF_FOLD", None)
    window = 'since: "2001-01-01T00:00:00Z", until: "2001-02-01T00:00:00Z"'
    empty = ask(stay, f"{{ stay {{ quality({window}) {{ {DRIFT} }} }} }}").data["stay"]["quality"]["drift"]
    assert {(each["n"], each["value"], each["pValue"]) for each in empty} == {(0, None, None)}


def test_without_a_champion_the_problem_is_named(ask: Ask) -> None:
    result = ask(catalogue.get("stay"), f"{{ stay {{ quality {{ {DRIFT} }} }} }}")
    quality = result.data["stay"]["quality"]
    assert (quality["drift"], quality["answerDrift"]) == ([], None)
    assert quality["driftProblem"] == "No version serves."


def test_skew_has_examples_as_inputs_take_them(ask: Ask) -> None:
    stay = catalogue.get("stay")
    served, row = version(stay), operate(age=61)
    predict_entity(stay, served, str(row.pk), urgency="1st", cost="7")
    query = """{ stay { quality { skew { n withoutRow features { feature { name } n differing share
        examples { prediction { entity { key } } served row } } } } } }"""
    result = ask(stay, query)
    assert result.errors is None, result.errors
    skew = result.data["stay"]["quality"]["skew"]
    by_name = {each["feature"]["name"]: each for each in skew["features"]}
    [example] = by_name["urgency"]["examples"]
    assert (example["served"], example["row"]) == ("URGENT", "PLANNED")
    assert example["prediction"]["entity"] == {"key": str(row.pk)}
    assert (by_name["cost"]["share"], by_name["age"]["share"]) == (1.0, 0.0)
