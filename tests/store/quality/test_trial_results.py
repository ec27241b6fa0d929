"""Results of trials by truths: paired in a shadow, beside each other in a split, and the end of what is worse."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from learning.evaluation import confidence_sequences
from store.notices.deliveries import Delivery
from store.notices.kinds import EventKind
from store.notices.receivers import Receiver
from store.products.product import DataProduct
from store.quality import trial_results
from store.registry.promotions import Promotion
from store.registry.trials import Trial
from store.registry.versions import ModelVersion

from ..conftest import HOUR, NOON, version
from .streams import answer_class, answer_value, store_prediction, store_word

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


@pytest.fixture
def versions(stay: DataProduct) -> list[ModelVersion]:
    """The champion and a challenger of `stay`."""
    return promoted(stay)


def promoted(product: DataProduct) -> list[ModelVersion]:
    champion, challenger = version(product), version(product)
    Promotion.objects.promote(champion, "The first.", "ann")
    return [champion, challenger]


def begin(challenger: ModelVersion, share: float | None = None) -> Trial:
    """A trial that began at noon."""
    if share is None:
        trial = Trial.objects.start_shadow(challenger, "To see.", "ann")
    else:
        trial = Trial.objects.start_split(challenger.product, challenger, share, "To see.", "ann")
    Trial.objects.update(started_at=NOON)
    return Trial.objects.select_related("model", "champion").get(pk=trial.pk)


def answer(is_true: bool) -> dict[str, Any]:
    return answer_class(["False", "True"], [0.2, 0.8] if is_true else [0.8, 0.2])


def fill(
    product: DataProduct, versions: list[ModelVersion], rights: np.ndarray, is_split: bool = False
) -> None:
    """Store predictions that are right or wrong `(rows, versions)`, each labelled an hour later as true."""
    for row, right in enumerate(rights.tolist()):
        at = NOON + (row + 1) * SECOND
        for place, each in enumerate(versions):
            if not is_split or row % 2 == place:
                served = place == 0 or is_split
                store_prediction(product, each, f"s{row}", at, 0, served=served, **answer(right[place]))
        store_word(product, f"s{row}", "ann", "True", at + HOUR)


def test_a_shadow_is_compared_on_the_same_subjects(stay: DataProduct, versions: list[ModelVersion]) -> None:
    trial = begin(versions[1])
    assert trial_results.compare(trial) is None
    rights = np.random.default_rng(0).random((80, 2)) < [0.9, 0.6]
    fill(stay, versions, rights)
    # Answered by the champion alone, labelled before, and from before the trial: no pairs.
    store_prediction(stay, versions[0], "alone", NOON + SECOND, 0, **answer(True))
    store_word(stay, "alone", "ann", "True", NOON + HOUR)
    store_word(stay, "known", "ann", "True", NOON)
    for each in versions:
        store_prediction(stay, each, "known", NOON + SECOND, 0, **answer(True))
        store_prediction(stay, each, "older", NOON - SECOND, 0, **answer(True))
    store_word(stay, "older", "ann", "True", NOON + HOUR)
    found = trial_results.compare(trial)
    assert found is not None
    differences = rights[:, 1].astype(float) - rights[:, 0]
    expected = confidence_sequences.of_mean(differences, -1.0, 1.0)
    assert (found.metric, found.n) == ("accuracy", 80)
    assert (found.value, found.low, found.high) == pytest.approx(tuple(expected))


def test_a_split_is_compared_on_different_subjects(stay: DataProduct, versions: list[ModelVersion]) -> None:
    trial = begin(versions[1], 0.5)
    rights = np.random.default_rng(0).random((80, 2)) < [0.9, 0.6]
    fill(stay, versions, rights, is_split=True)
    found = trial_results.compare(trial)
    assert found is not None
    one, other = rights[::2, 0].astype(float), rights[1::2, 1].astype(float)
    expected = confidence_sequences.of_difference(one, other, 0.0, 1.0)
    assert (found.value, found.low, found.high) == pytest.approx(tuple(expected))
    assert found.n == 80


def test_a_version_that_is_worse_beyond_noise_ends_its_trial_once(
    stay: DataProduct, versions: list[ModelVersion]
) -> None:
    Receiver.objects.create(
        product="stay", kinds=[EventKind.TRIAL_ENDED], url="https://x.example", created_by="ann"
    )
    trial = begin(versions[1])
    rights = np.random.default_rng(0).random((160, 2)) < [0.95, 0.45]
    fill(stay, versions, rights)
    trial_results.end_lost_trials()
    trial_results.end_lost_trials()
    trial.refresh_from_db()
    assert trial.ended_by == "the trial"
    assert trial.end_reason.startswith("It is worse beyond noise: its accuracy less the champion's is -0.")
    assert Delivery.objects.filter(kind=EventKind.TRIAL_ENDED).count() == 1


def test_a_comparison_that_fails_is_repeated_without_another_word(
    stay: DataProduct, versions: list[ModelVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = begin(versions[1])
    rights = np.random.default_rng(0).random((160, 2)) < [0.95, 0.45]
    fill(stay, versions, rights)
    with monkeypatch.context() as context, pytest.raises(ValueError, match="no answer"):
        context.setattr(trial_results, "compare", raise_no_answer)
        trial_results.end_lost_trials()
    Trial.objects.filter(pk=trial.pk).update(evaluated_at=None)  # the pause between two comparisons is over
    trial_results.end_lost_trials()
    trial.refresh_from_db()
    assert trial.ended_by == "the trial"


def raise_no_answer(trial: Trial) -> None:
    raise ValueError("no answer")


def test_a_version_that_is_as_good_or_better_goes_on(stay: DataProduct, versions: list[ModelVersion]) -> None:
    trial = begin(versions[1])
    rights = np.random.default_rng(0).random((160, 2)) < [0.6, 0.9]
    fill(stay, versions, rights)
    trial_results.end_lost_trials()
    trial.refresh_from_db()
    assert trial.ended_at is None and trial.evaluated_word is not None
    # Another process, a moment later, compares nothing.
    assert not trial_results._claim(trial)


def test_numbers_are_compared_by_errors_within_a_scale(diabetes: DataProduct) -> None:
    versions = promoted(diabetes)
    trial = begin(versions[1])
    Trial.objects.update(scale=50.0)
    trial.refresh_from_db()
    trial.scale = 50.0
    for row, (one, other) in enumerate([(100.0, 110.0), (130.0, 90.0), (500.0, 100.0)]):
        at = NOON + (row + 1) * SECOND
        for each, value in zip(versions, (one, other), strict=True):
            store_prediction(diabetes, each, f"s{row}", at, 0, **answer_value(value))
        store_word(diabetes, f"s{row}", "ann", "100.0", at + HOUR)
    found = trial_results.compare(trial)
    assert found is not None
    # Errors of 0, 30 and 50 (400), and of 10, 10 and 0.
    assert found.value == pytest.approx((-10 + 20 + 50) / 3)
    assert (found.metric, found.n) == ("neg_mean_absolute_error", 3)
    assert -50.0 <= found.low < found.value < found.high <= 50.0
