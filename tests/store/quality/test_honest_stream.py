"""An honest stream: predict, label later, build between. What counts equals a recount by pandas and scikit-learn.

The same stream counted naively, with what the versions had learned from, says something else.
"""

import json
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from store.access.actors import Actor
from store.predictions import upsert
from store.predictions.feedback import About, Feedback
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products.product import DataProduct
from store.quality import counted, live, rollups
from store.registry.versions import ModelVersion

from ..conftest import version
from .streams import by_subject, dump, majority, recount

pytestmark = pytest.mark.django_db(transaction=True)  # times are those of transactions

INSTANCE = {"age": 61, "smokes": None, "born": None, "note": "", "urgency": "planned", "cost": 10}
AUTHORS = ("ann", "bob", "eve")


def predict(product: DataProduct, by: ModelVersion, reference: str, positive: float, age: int = 61) -> Any:
    """A version's answer about a reference, stored as serving stores it."""
    from learning.model import ClassAnswer

    probabilities = (1 - positive, positive)
    label = by.signature["classes"][int(positive > 0.5)]
    instance = product.clean(INSTANCE | {"age": age})
    request = ValidRequest(instance=instance, reference=reference)
    answer = ClassAnswer(label, max(probabilities), probabilities)
    return upsert.store(PredictionBatch(product, by, [request], [answer]))[0]


def build(product: DataProduct) -> ModelVersion:
    """A version whose snapshot has seen all feedback until now."""
    by = version(product)
    by.snapshot.seen_feedback = Feedback.objects.seen()
    by.snapshot.save()
    return by


def live_through(product: DataProduct, random: np.random.Generator) -> list[ModelVersion]:
    """Three versions predict the same people, before and after their labels, which are disputed and taken back."""
    truth = {f"person {n}": bool(random.random() < 0.5) for n in range(60)}
    learned: dict[str, bool] = {}
    versions = []
    for _ in range(3):
        by = build(product)
        versions.append(by)
        for name in random.permutation(list(truth))[:40]:
            # What was learned is known by heart; everything else is guessed, and right in two of three.
            is_right = name in learned or random.random() < 2 / 3
            sure = random.uniform(0.6, 0.95)
            positive = sure if truth[name] == is_right else 1 - sure
            for age in (61, 61, 62)[: random.integers(1, 4)]:  # asked again, and with another age
                predict(product, by, name, positive, age)
        for name in random.permutation(list(truth))[:25]:
            if counted_of(product, name):
                speak(product, name, truth[name], random)
                learned[name] = truth[name]
    return versions


def counted_of(product: DataProduct, name: str) -> bool:
    from store.predictions.predictions import Prediction

    return Prediction.objects.filter(product=product.name, reference=name).exists()


def speak(product: DataProduct, name: str, truth: bool, random: np.random.Generator) -> None:
    for author in AUTHORS[: random.integers(1, 4)]:
        answer = str(truth if random.random() < 0.85 else not truth)
        feedback = Feedback.objects.give(product, About(reference=name), answer, author).feedback
        if random.random() < 0.15:
            Feedback.objects.retract(product, feedback.pk, Actor(author=author, name=author))


def test_what_counts_equals_a_recount_and_a_naive_one_differs(stay: DataProduct) -> None:
    versions = live_through(stay, np.random.default_rng(11))
    flattered = []
    for packed in (False, True):
        if packed:
            rollups.maintain()
        for by in versions:
            quality = live.find(stay, by)
            rows = recount(by)
            counts = rows[rows.outcome == "COUNTS"]
            assert counted.texts(quality.counted.prediction_id) == counts.id.tolist()
            classes = by.signature["classes"]
            p = np.array([[json.loads(each)[label] for label in classes] for each in counts.output])
            measured = {(each.metric, each.label): each.value for each in quality.measure()}
            assert measured["accuracy", None] == metrics.accuracy_score(counts.truth, counts.answer)
            assert measured["roc_auc", None] == metrics.roc_auc_score(counts.truth == "True", p[:, 1])
            assert measured["neg_log_loss", None] == -metrics.log_loss(counts.truth, p, labels=classes)
            assert measured["neg_brier_score", None] == -metrics.brier_score_loss(
                counts.truth == "True", p[:, 1]
            )
            assert measured["matthews_corrcoef", None] == metrics.matthews_corrcoef(
                counts.truth, counts.answer
            )
            assert measured["recall", "True"] == metrics.recall_score(
                counts.truth == "True", counts.answer == "True"
            )
            naive = naive_accuracy(by)
            flattered.append(naive - measured["accuracy", None])
    # The first version had learned from nobody; later ones knew many by heart, and that counts for nothing.
    assert flattered[1] > 0.05 and flattered[2] > 0.05


def naive_accuracy(by: ModelVersion) -> float:
    """The share of right answers among all that have a truth, as dashboards count."""
    predictions, words = dump("store_prediction"), dump("store_feedback")
    predictions = predictions[predictions.model_id == by.pk]
    truths = {subject: majority(about) for subject, about in by_subject(words).items()}
    truth = predictions.subject.map(truths)
    labelled = truth.notna()
    return float((predictions.answer[labelled] == truth[labelled]).mean())
