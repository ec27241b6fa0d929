"""Predictions that were not served: they count in nothing that was answered, and are removed with all others."""

import re
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings

from learning.model import ClassAnswer
from store.charts import counts
from store.charts.counts import PredictionCountBy, TimeFrame
from store.predictions import erasure, retention, upsert
from store.predictions.predictions import Prediction
from store.predictions.upsert import PredictionBatch
from store.products.product import DataProduct
from store.registry.versions import ModelVersion

from ..conftest import version
from .test_predictions import ANSWER, question, record

#: Each module that begins a query at all predictions, with the number of its queries: of those that only have served
#: ones, and of those that have the others, too, with the reason.
USERS: dict[str, tuple[int, int, str]] = {
    "schema/node_lookup.py": (0, 2, "A prediction is found by its id."),
    "schema/products/feedback_mutations.py": (0, 1, "Clients keep whatever they show of a subject."),
    "schema/products/filters.py": (1, 0, ""),
    "schema/products/outputs.py": (1, 1, "`others` compares what each version answered."),
    "schema/subscriptions.py": (1, 0, ""),
    "schema/types/comparisons.py": (0, 1, "A prediction is found by its id."),
    "schema/types/mutations.py": (0, 1, "What is deleted by its id, or by a filter, is deleted."),
    "schema/types/prediction_filters.py": (1, 0, ""),
    "schema/types/prediction_interfaces.py": (0, 1, "`genericOthers` compares what each version answered."),
    "store/builds/drift_references.py": (0, 1, "A version that predicted anything has a reference."),
    "store/builds/live_intervals.py": (0, 1, "A version's intervals hold for all that it predicted."),
    "store/builds/report.py": (1, 0, ""),
    "store/builds/retention.py": (0, 1, "A version whose prediction is stored is kept."),
    "store/builds/rule_facts.py": (1, 0, ""),
    "store/comparisons/flips.py": (0, 1, "A prediction is found by its id."),
    "store/ingest/feedback_files.py": (0, 1, "People may speak of what a shadow predicted."),
    "store/ingest/deleting.py": (0, 1, "What is about a deleted row is counted in full."),
    "store/predictions/case_claims.py": (0, 1, "A case is found by its id."),
    "store/predictions/erasure.py": (0, 3, "Erasure leaves nothing."),
    "store/predictions/feedback.py": (0, 3, "People may speak of what a shadow predicted."),
    "store/predictions/many_feedbacks.py": (0, 2, "People may speak of what a shadow predicted."),
    "store/quality/rollups.py": (0, 1, "A shadow's quality is measured, too."),
    "store/quality/windows.py": (0, 1, "A shadow's quality is measured, too."),
    "store/snapshots/noticed_labels.py": (0, 1, "A shadow's quality is measured, too."),
    "store/serving/label_pool.py": (3, 1, "What was chosen is found by its id."),
    "store/serving/label_queue.py": (1, 3, "What was chosen is found by its id."),
    "store/serving/shadowing.py": (1, 0, ""),
}
QUERY = re.compile(r"\bPrediction\.objects\b\.?(\w*)")
#: The beginnings of queries that have served predictions only.
SERVED = {"served", "matching"}


@pytest.fixture
def version_of_stay(stay: DataProduct) -> ModelVersion:
    return version(stay)


def shadow(product: DataProduct, version: ModelVersion, *questions: upsert.ValidRequest) -> None:
    upsert.insert_unserved(PredictionBatch(product, version, questions, [ANSWER] * len(questions)))


def test_every_query_of_predictions_says_whether_it_has_those_that_were_not_served() -> None:
    root = Path(settings.BASE_DIR)
    begun: dict[str, Counter[bool]] = {}
    for path in sorted([*root.glob("store/**/*.py"), *root.glob("schema/**/*.py")]):
        for match in QUERY.finditer(path.read_text()):
            begun.setdefault(str(path.relative_to(root)), Counter())[match[1] in SERVED] += 1
    counted = {name: (number[True], number[False]) for name, number in begun.items()}
    assert counted == {name: (served, others) for name, (served, others, _) in USERS.items()}
    assert all(reason for _, others, reason in USERS.values() if others)


@pytest.mark.django_db
def test_what_is_not_served_counts_nowhere_until_it_is_asked_for(
    stay: DataProduct, version_of_stay: ModelVersion
) -> None:
    shadow(stay, version_of_stay, question(stay), question(stay, age=62), question(stay))
    assert set(Prediction.objects.values_list("served", "times_asked")) == {(False, 0)}
    assert Prediction.objects.count() == 2
    assert not Prediction.objects.served().exists()
    assert Prediction.objects.matching(stay, served=False).count() == 2
    assert Prediction.objects.matching(stay, served=None).count() == 2
    assert (
        counts.count_predictions(
            stay, Prediction.objects.matching(stay), [PredictionCountBy.DAY], TimeFrame()
        )
        == []
    )
    [asked] = record(stay, version_of_stay, question(stay))
    assert (asked.served, asked.times_asked) == (True, 1)
    assert Prediction.objects.served().get() == asked
    [each] = counts.count_predictions(
        stay, Prediction.objects.matching(stay), [PredictionCountBy.LABEL], TimeFrame()
    )
    assert each.count == 1


@pytest.mark.django_db
def test_a_shadow_changes_nothing_of_what_was_served(
    stay: DataProduct, version_of_stay: ModelVersion
) -> None:
    [asked] = record(stay, version_of_stay, question(stay))
    other = ClassAnswer("False", 0.9, (0.9, 0.1))
    upsert.insert_unserved(PredictionBatch(stay, version_of_stay, [question(stay)], [other]))
    stored = Prediction.objects.get()
    assert (stored.answer, stored.served, stored.times_asked) == (asked.answer, True, 1)
    assert stored.updated_at == asked.updated_at


@pytest.mark.django_db
def test_what_is_not_served_is_removed_as_all_others(
    stay: DataProduct, version_of_stay: ModelVersion
) -> None:
    shadow(stay, version_of_stay, question(stay))
    Prediction.objects.update(created_at="2000-01-01T00:00Z", updated_at="2000-01-01T00:00Z")
    assert retention.delete_old_predictions(days=30) == 1
    shadow(stay, version_of_stay, question(stay))
    assert len(erasure.remove_predictions(Prediction.objects.all()).ids) == 1
    assert not Prediction.objects.exists()
