"""Counted predictions equal a recount of all rows, one after the other."""

import json
from datetime import timedelta

import numpy as np
import pytest
from sklearn import metrics

from learning.evaluation.score_error import proportion_interval
from store.exceptions import BadInput
from store.products import catalogue
from store.products.product import DataProduct
from store.quality import counted, measures
from store.quality.counted import LeftOut

from ..conftest import NOON, version
from .streams import MINUTE, answer_class, answer_value, recount, store_prediction, store_word, stream

pytestmark = pytest.mark.django_db


def equal_to_recount(product: DataProduct, *window: object) -> counted.CountedPredictions:
    rows, naive = counted.find(product, *window), recount(*window)  # type: ignore[arg-type]
    counts = naive[naive.outcome == "COUNTS"]
    outcomes = naive.outcome.value_counts().to_dict()
    assert counted.texts(rows.prediction_id) == counts.id.tolist()
    assert counted.texts(rows.subject) == counts.subject.tolist()
    assert [counted.to_moment(at) for at in rows.at] == counts.created_at.tolist()
    np.testing.assert_allclose(rows.delay_seconds, counts.delay.astype(float), rtol=0, atol=1e-5)
    assert rows.predictions == len(naive)
    assert rows.disputed == outcomes.pop("DISPUTED", 0)
    assert rows.labelled == len(naive) - outcomes.pop("UNLABELLED", 0) - rows.disputed
    outcomes.pop("COUNTS", 0)
    assert rows.left_out == outcomes
    if rows.classes:
        assert [rows.classes[code] for code in rows.truth] == counts.truth.tolist()
        assert [rows.classes[code] for code in rows.answer] == counts.answer.tolist()
    else:
        assert rows.truth.tolist() == counts.truth.astype(float).tolist()
        assert rows.value.tolist() == counts.value.tolist()
    return rows


@pytest.mark.parametrize("name", ["stay", "manual", "diabetes"])
def test_what_counts_equals_a_recount_of_all_rows(name: str) -> None:
    product = catalogue.get(name)
    versions = [version(product), version(product)]
    stream(product, versions, seed=3)
    for each in (None, *versions):
        rows = equal_to_recount(product, each)
        assert len(rows) and set(rows.left_out) >= {LeftOut.TRUTH_BEFORE, LeftOut.OLDER}
        equal_to_recount(product, each, NOON + timedelta(hours=9), NOON + timedelta(hours=30))
        equal_to_recount(product, each, NOON + timedelta(hours=20))
        equal_to_recount(product, each, None, NOON + timedelta(hours=20))
        equal_to_recount(product, each, NOON + timedelta(days=90))


@pytest.mark.parametrize("name", ["stay", "manual"])
def test_measures_of_classes_are_those_of_scikit_learn(name: str) -> None:
    product = catalogue.get(name)
    by = version(product)
    stream(product, [by], seed=5, size=900)
    rows, naive = counted.find(product, by), recount(by)
    counts = naive[naive.outcome == "COUNTS"]
    classes = by.signature["classes"]
    p = np.array([[output[label] for label in classes] for output in map(json.loads, counts.output)])
    y, answer = counts.truth.to_numpy(), counts.answer.to_numpy()
    measured = {(each.metric, each.label): each for each in measures.measure(product, rows)}
    assert measured["accuracy", None].value == metrics.accuracy_score(y, answer)
    assert measured["f1_macro", None].value == metrics.f1_score(y, answer, average="macro")
    assert measured["neg_log_loss", None].value == -metrics.log_loss(y, p, labels=classes)
    if len(classes) == 2:
        assert measured["roc_auc", None].value == metrics.roc_auc_score(y == classes[1], p[:, 1])
    else:
        assert measured["roc_auc_ovr", None].value == metrics.roc_auc_score(y, p, multi_class="ovr")
    for code, label in enumerate(classes):
        true, predicted = y == label, answer == label
        recall, precision = measured["recall", label], measured["precision", label]
        assert recall.value == metrics.recall_score(true, predicted) and recall.n == true.sum()
        assert precision.value == metrics.precision_score(true, predicted) and precision.n == predicted.sum()
        assert (recall.low, recall.high) == proportion_interval((true & predicted).sum(), true.sum())
        assert measured["average_precision", label].value == metrics.average_precision_score(true, p[:, code])
    with_bounds = [each for each in measured.values() if each.low is not None]
    assert {each.method for each in with_bounds} == {"WILSON", "DELONG", "DELTA"}
    assert all(each.low <= each.value <= each.high for each in with_bounds)


def test_measures_of_numbers_are_those_of_scikit_learn(diabetes: DataProduct) -> None:
    by = version(diabetes)
    stream(diabetes, [by], seed=5, size=900)
    rows, naive = counted.find(diabetes, by), recount(by)
    counts = naive[naive.outcome == "COUNTS"]
    y, value = counts.truth.astype(float), counts.value
    names = ["r2", "neg_root_mean_squared_error", "neg_median_absolute_error", "neg_max_error"]
    r2, root, median, most = measures.measure(diabetes, rows, names)
    assert r2.value == metrics.r2_score(y, value)
    assert root.value == -metrics.root_mean_squared_error(y, value)
    assert median.value == -metrics.median_absolute_error(y, value)
    assert (median.method, most.low) == ("ORDER", None)
    with pytest.raises(BadInput, match="accuracy"):
        measures.measure(diabetes, rows, ["accuracy"])


def test_there_is_no_number_where_nothing_counts(stay: DataProduct, diabetes: DataProduct) -> None:
    for product in (stay, diabetes):
        by = version(product)
        rows = counted.find(product, by)
        assert (rows.predictions, rows.coverage, rows.median_delay_seconds) == (0, None, None)
        assert {each.value for each in measures.measure(product, rows)} == {None}
    store_prediction(stay, version(stay), "a", NOON, 1, **answer_class(["False", "True"], [0.2, 0.8]))
    assert counted.find(stay, None).coverage == 0.0


def test_one_class_alone_has_no_ranking(stay: DataProduct) -> None:
    by = version(stay)
    for serial in range(3):
        store_prediction(stay, by, f"{serial}", NOON, serial, **answer_class(["False", "True"], [0.2, 0.8]))
        store_word(stay, f"{serial}", "ann", "True", NOON + MINUTE)
    measured = {(each.metric, each.label): each for each in measures.measure(stay, counted.find(stay, by))}
    assert (measured["accuracy", None].value, measured["roc_auc", None].value) == (1.0, None)
    assert measured["recall", "False"] == measures.measure_one(
        stay, counted.find(stay, by), "recall", "False"
    )
    assert (measured["recall", "False"].value, measured["recall", "False"].n) == (None, 0)
    low = measured["recall", "True"].low
    assert low is not None and low < 0.5


def test_a_truth_that_is_no_label_is_left_out(stay: DataProduct, diabetes: DataProduct) -> None:
    for product, columns in (
        (stay, answer_class(["False", "True"], [0.2, 0.8])),
        (diabetes, answer_value(3.0)),
    ):
        by = version(product)
        for serial, word in enumerate(["unknown", "NaN", "Infinity", "1e999", ""]):
            store_prediction(product, by, f"{serial}", NOON, serial, **columns)
            store_word(product, f"{serial}", "ann", word, NOON + MINUTE)
        rows = counted.find(product, by)
        assert (len(rows), rows.left_out) == (0, {LeftOut.NOT_A_LABEL: 5})


def test_what_a_snapshot_has_seen_is_left_out(stay: DataProduct) -> None:
    by = version(stay)
    columns = answer_class(["False", "True"], [0.2, 0.8])
    words = []
    for serial in range(3):
        store_prediction(stay, by, f"{serial}", NOON, serial, **columns)
        words.append(store_word(stay, f"{serial}", "ann", "True", NOON + MINUTE))
    by.snapshot.seen_feedback = {"last": words[1].pk, "unseen": [words[0].pk]}
    by.snapshot.save()
    rows = counted.find(stay, by)
    assert (len(rows), rows.left_out) == (2, {LeftOut.LEARNED_FROM: 1})
    assert sorted(rows.first_word) == [words[0].pk, words[2].pk]
