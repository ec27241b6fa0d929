"""Versions in a trial: a split answers for its share and for nobody else, a shadow serves nobody."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.db.models import F

from learning.model import ClassAnswer
from store.exceptions import ModelDoesNotFit
from store.predictions import erasure, upsert
from store.predictions.predictions import Prediction
from store.predictions.upsert import ValidRequest
from store.products.product import DataProduct
from store.registry.promotions import Promotion
from store.registry.trials import MOST_FAILURES, Trial
from store.registry.versions import SPLIT, ModelVersion
from store.serving import predict, shadowing, splits
from store.serving.champions import Champion
from store.serving.predict import PredictionRequest
from store.serving.shadowing import Shadow

from ..conftest import HOUR, STAY, version

pytestmark = pytest.mark.django_db

YES, NO = ClassAnswer("True", 0.75, (0.25, 0.75)), ClassAnswer("False", 0.6, (0.6, 0.4))


class FixedModel:
    """Answers all the same; fails for ages that it was told of."""

    serves_alone = True

    def __init__(self, answer: ClassAnswer, fails: Sequence[int] = ()):
        self.answer, self.fails = answer, fails
        self.asked = 0

    def predict(self, instances: Sequence[Sequence[Any]]) -> list[ClassAnswer]:
        self.asked += len(instances)
        if any(instance[0] in self.fails for instance in instances):
            raise ValueError("too old")
        return [self.answer] * len(instances)


@pytest.fixture
def champion(stay: DataProduct) -> Champion:
    promoted = version(stay)
    Promotion.objects.promote(promoted, "The first.", "ann")
    return Champion(stay, promoted, FixedModel(YES))  # type: ignore[arg-type]


@pytest.fixture
def challenger(stay: DataProduct, champion: Champion) -> ModelVersion:
    return version(stay)


@pytest.fixture(autouse=True)
def forget_splits() -> Iterator[None]:
    yield
    splits._running.clear()
    splits._failed.clear()


def split(
    challenger: ModelVersion, monkeypatch: pytest.MonkeyPatch, share: float, model: Any = None
) -> FixedModel:
    """Start a split whose version answers NO."""
    model = model or FixedModel(NO)

    def load(product: DataProduct, row: ModelVersion) -> Champion:
        return Champion(product, row, model)

    monkeypatch.setattr(splits, "load_version", load)
    Trial.objects.start_split(challenger.product, challenger, share, "To see.", "ann")
    splits.refresh()
    return model


def ask(champion: Champion, numbers: Sequence[int], **features: Any) -> list[Prediction]:
    requests = [
        PredictionRequest(list((STAY | features).values()), reference=f"order {number}") for number in numbers
    ]
    product = champion.product
    valid = [ValidRequest(product.clean(STAY | features), reference=r.reference) for r in requests]
    return upsert.store(predict.compute(champion, valid))


def test_a_split_answers_for_its_share_and_always_for_the_same(
    champion: Champion, challenger: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    split(challenger, monkeypatch, 0.3)
    stored = ask(champion, range(1_000))
    within = {row.reference for row in stored if row.model_id == challenger.pk}
    assert 250 < len(within) < 350
    assert {row.answer for row in stored if row.model_id == challenger.pk} == {"False"}
    assert {row.answer for row in stored if row.model_id != challenger.pk} == {"True"}
    # In batches of any size, with other features, as another process would.
    alone = [ask(champion, [number], age=62)[0] for number in range(100)]
    assert all((row.model_id == challenger.pk) == (row.reference in within) for row in alone)
    assert {row.model.role_here for row in stored} == {SPLIT, "CHAMPION"}
    assert Prediction.objects.served().count() == 1_100


def test_a_greater_share_keeps_those_of_the_smaller_one(
    champion: Champion, challenger: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    within: list[set[str | None]] = []
    for share in (0.05, 0.4, 1.0):
        split(challenger, monkeypatch, share)
        within.append({row.reference for row in ask(champion, range(400)) if row.model_id == challenger.pk})
    assert within[0] < within[1] < within[2]
    assert len(within[2]) == 400


def test_another_version_is_tried_on_other_subjects(
    stay: DataProduct, champion: Champion, challenger: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    within: list[set[str | None]] = []
    for tried in (challenger, version(stay)):
        split(tried, monkeypatch, 0.3)
        within.append({row.reference for row in ask(champion, range(400)) if row.model_id == tried.pk})
        Trial.objects.end("stay", "Seen.", "ann")
    assert len(within[0] & within[1]) < 0.6 * len(within[0])


def test_asking_again_is_the_same_row_of_the_same_version(
    champion: Champion, challenger: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    split(challenger, monkeypatch, 0.5)
    first, second = ask(champion, range(50)), ask(champion, range(50))
    assert [row.pk for row in first] == [row.pk for row in second]
    assert {row.times_asked for row in second} == {2}


def test_the_champion_answers_where_the_version_fails_and_too_many_failures_end_the_split(
    champion: Champion, challenger: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    split(challenger, monkeypatch, 1.0, FixedModel(NO, fails=[99]))
    valid = [
        ValidRequest(champion.product.clean(STAY | {"age": age}), reference=f"{age} {number}")
        for number in range(MOST_FAILURES + 1)
        for age in (61, 99)
    ]
    stored = upsert.store(predict.compute(champion, valid))
    assert [row.answer for row in stored] == ["False", "True"] * (MOST_FAILURES + 1)
    splits.refresh()
    trial = Trial.objects.get()
    assert trial.failures == MOST_FAILURES + 1 and "too old" in trial.end_reason
    assert splits.find(champion) is None
    assert {row.answer for row in ask(champion, range(20))} == {"True"}


def test_the_champion_answers_where_the_version_cannot_be_loaded_and_the_trial_says_why(
    champion: Champion, challenger: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(product: DataProduct, row: ModelVersion) -> Champion:
        raise ModelDoesNotFit("It was fitted with another library; build again.")

    monkeypatch.setattr(splits, "load_version", load)
    trial = Trial.objects.start_split("stay", challenger, 1.0, "To see.", "ann")
    splits.refresh()
    assert {row.answer for row in ask(champion, range(20))} == {"True"}
    trial.refresh_from_db()
    assert trial.ended_at is None
    assert trial.problem == "The champion answers all: It was fitted with another library; build again."


def test_a_split_beside_another_champion_answers_nobody(
    stay: DataProduct, champion: Champion, challenger: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = split(challenger, monkeypatch, 1.0)
    other = Champion(stay, version(stay), FixedModel(YES))  # type: ignore[arg-type]
    ask(other, range(10))
    assert model.asked == 0


@pytest.fixture
def shadow(challenger: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> Shadow:
    """A shadow that answers NO and fails for the age of 99."""
    monkeypatch.setattr(ModelVersion, "load", lambda *_: FixedModel(NO, fails=[99]))
    monkeypatch.setattr(shadowing, "SETTLED_SECONDS", -60.0)
    trial = Trial.objects.start_shadow(challenger, "To see.", "ann")
    # Before the time of the test's transaction.
    Trial.objects.update(started_at=trial.started_at - HOUR)
    monkeypatch.setattr(shadowing, "MOST_BEHIND", 10_000)
    assert trial.claim("this")
    return Shadow(Trial.objects.get(), "this")


def test_a_shadow_predicts_what_was_asked_and_serves_nobody(champion: Champion, shadow: Shadow) -> None:
    asked = ask(champion, range(5))
    assert shadow.step() == 5
    others = Prediction.objects.filter(model=shadow.trial.model)
    assert {(row.subject, row.answer, row.served, row.times_asked) for row in others} == {
        (row.subject, "False", False, 0) for row in asked
    }
    assert [row.features for row in others.order_by("reference")] == [row.features for row in asked]
    assert Prediction.objects.served().count() == 5
    assert Trial.objects.get().predicted == 5
    # What is asked again is not predicted again.
    before = shadow.model.asked  # type: ignore[attr-defined]
    ask(champion, range(5))
    shadow.step()
    assert shadow.model.asked == before  # type: ignore[attr-defined]


def test_a_shadow_that_fails_fails_alone_and_ends(champion: Champion, shadow: Shadow) -> None:
    ask(champion, [1])
    ask(champion, range(MOST_FAILURES + 1), age=99)
    shadow.step()
    trial = Trial.objects.get()
    assert trial.failures == MOST_FAILURES + 1 and trial.ended_at is not None
    assert Prediction.objects.served().count() == MOST_FAILURES + 2
    assert shadow.trial.claim("this") is False


def test_a_shadow_leaves_out_and_counts_what_it_cannot_keep_up_with(
    champion: Champion, shadow: Shadow
) -> None:
    ask(champion, range(7))
    Prediction.objects.update(updated_at=F("updated_at") - 3 * HOUR)
    ask(champion, [8])
    shadow.trial.read_at = shadow.trial.started_at - 4 * HOUR
    shadow.step()
    trial = Trial.objects.get()
    assert (trial.dropped, Prediction.objects.filter(served=False).count()) == (7, 1)


def test_what_was_deleted_meanwhile_is_not_predicted(
    champion: Champion, shadow: Shadow, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ask(champion, range(3))
    read = shadow._read

    def read_and_delete() -> Any:
        rows = read()
        erasure.remove_predictions(Prediction.objects.filter(pk=asked[0].pk))
        return rows

    monkeypatch.setattr(shadow, "_read", read_and_delete)
    shadow.step()
    assert {row.reference for row in Prediction.objects.filter(served=False)} == {"order 1", "order 2"}


def test_a_shadow_stops_once_it_has_ended(champion: Champion, shadow: Shadow) -> None:
    ask(champion, range(3))
    Trial.objects.end("stay", "Seen.", "ann")
    assert shadow.step() is None  # as it cannot store
    shadow.claimed_at = -shadowing.CLAIM_SECONDS
    assert shadow.step() is None
    assert not Prediction.objects.filter(served=False).exists()
