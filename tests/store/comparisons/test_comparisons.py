"""Two versions replay the same stored instances; only truths that neither can have learned from count."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection, transaction
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline

from learning.columns import frame
from learning.exceptions import NoRows
from learning.model import ClassAnswer
from store.comparisons import replays, runner
from store.comparisons.comparisons import MOST_SAMPLE, Comparison
from store.comparisons.flips import ComparisonFlip
from store.db import clock
from store.exceptions import BadInput, ForeignModel, JobEnded, ModelDoesNotFit, OutOfRange, UnknownId
from store.jobs import leases
from store.jobs.jobs import CANCELLED, FAILED, SUCCEEDED
from store.models import Snapshot
from store.predictions import erasure, upsert
from store.predictions.feedback import About, Feedback
from store.predictions.predictions import Prediction
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products.product import DataProduct
from store.quality import counted
from store.registry.versions import ModelVersion

from ..conftest import STAY, at_once, operate, version

pytestmark = pytest.mark.usefixtures("tables")

AGES = range(20, 80)
ANSWER = ClassAnswer("True", 0.75, (0.25, 0.75))


def by_age(product: DataProduct, threshold: float, cost: float = 0.0) -> Any:
    """A classifier that says True above an age, which each unit of cost lowers."""
    rows = [product.clean(STAY | {"age": age, "cost": age % 7}) for age in AGES]
    columns = ColumnTransformer([("numbers", "passthrough", ["age", "cost"])])
    pipeline = make_pipeline(columns, LogisticRegression())
    pipeline.fit(frame(product.signature.columns, rows), [age >= 50 for age in AGES])
    pipeline[-1].coef_, pipeline[-1].intercept_ = np.array([[0.2, 0.2 * cost]]), np.array([-0.2 * threshold])
    return pipeline


@pytest.fixture
def versions(stay: DataProduct) -> list[ModelVersion]:
    return [version(stay, by_age(stay, 50.5)), version(stay, by_age(stay, 60.5, cost=1))]


def ask(
    product: DataProduct, served: ModelVersion, references: Sequence[str], **features: Any
) -> list[Prediction]:
    """Store a prediction about each reference; the ages go up by one."""
    rows = [
        STAY | {"age": 20 + place % 60, "cost": place % 13} | features for place in range(len(references))
    ]
    requests = [
        ValidRequest(product.clean(row), reference=reference)
        for row, reference in zip(rows, references, strict=True)
    ]
    return upsert.store(PredictionBatch(product, served, requests, [ANSWER] * len(requests)))


def say(product: DataProduct, reference: str, answer: str, author: str = "ann") -> Feedback:
    return Feedback.objects.give(product, About(reference=reference), answer, author).feedback


def compared(product: DataProduct, versions: Sequence[ModelVersion], **options: Any) -> Comparison:
    comparison, _ = Comparison.objects.request(product, versions, "ann", **options)
    claimed = Comparison.objects.claim(comparison.pk)
    assert claimed is not None
    runner.run(claimed)
    return Comparison.objects.get(pk=comparison.pk)


def test_the_difference_is_that_of_scikit_learn_on_the_raw_rows(stay, versions, monkeypatch):
    monkeypatch.setattr(replays, "CHUNK", 17)
    references = [f"form {n}" for n in range(120)]
    ask(stay, versions[0], references)
    truths = {reference: str((20 + n % 60) > 55 or n % 7 == 0) for n, reference in enumerate(references)}
    for reference, answer in list(truths.items())[:90]:
        say(stay, reference, answer)
    comparison = compared(stay, versions)
    assert (comparison.status, comparison.percent) == (SUCCEEDED, 100.0)
    assert (comparison.instances, comparison.labelled, comparison.counted) == (120, 90, 90)
    assert comparison.exclusions == {}
    stored = list(Prediction.objects.order_by("subject"))
    instances = [stay.restore_instance(row.features) for row in stored]
    rows = [[instance[name] for name in stay.feature_names] for instance in instances]
    # In the same batches: a sum over others may differ in its last digit.
    batches = [rows[start : start + 17] for start in range(0, len(rows), 17)]
    models = [np.concatenate([one.load(stay).arrays(batch) for batch in batches]) for one in versions]
    known = np.array([row.reference in references[:90] for row in stored])
    y = np.array([truths[row.reference] == "True" for row in stored])[known]
    measures = {(measure.metric, measure.label): measure for measure in comparison.paired_measures}
    for name, score in (
        ("roc_auc", lambda p: roc_auc_score(y, p[known, 1])),
        ("accuracy", lambda p: accuracy_score(y, p[known].argmax(axis=1))),
    ):
        first, second = map(score, models)
        measure = measures[name, None]
        assert (measure.first, measure.second, measure.difference) == (first, second, second - first)
        assert measure.low < measure.difference < measure.high
        assert measure.n == 90
    assert comparison.main_measure.metric == comparison.metric == "roc_auc"
    assert measures["recall", "True"].n == y.sum()
    differ = models[0].argmax(axis=1) != models[1].argmax(axis=1)
    assert comparison.flipped == differ.sum() > 0
    flips = list(
        ComparisonFlip.objects.of_comparison(comparison).order_by("place").select_related("prediction")
    )
    assert {flip.prediction for flip in flips} == {
        row for row, differs in zip(stored, differ, strict=True) if differs
    }
    assert [flip.counted for flip in flips] == sorted([flip.counted for flip in flips], reverse=True)
    for flip in flips:
        assert {flip.first_answer, flip.second_answer} == {"True", "False"}
        assert flip.truth == (truths[flip.prediction.reference] if flip.counted else None)
        assert 0.5 <= flip.first_confidence < 1 and 0.5 <= flip.second_confidence < 1


def test_a_sample_is_the_same_each_time_and_a_moment_leaves_earlier_ones_out(stay, versions):
    ask(stay, versions[0], [f"form {n}" for n in range(60)])
    whole = compared(stay, versions)
    parts = [compared(stay, versions, sample=20) for _ in range(2)]
    assert [part.instances for part in parts] == [20, 20]
    assert parts[0].flipped == parts[1].flipped
    moment = clock.now()
    ask(stay, versions[0], ["form 0", "a new form"], age=30)
    since = compared(stay, versions, since=moment)
    assert (since.instances, whole.instances) == (2, 60)


def test_truths_count_only_where_neither_version_can_have_known_them(stay, versions):
    names = ["counts", "retracted", "disputed", "seen by one", "known before", "unlabelled"]
    ask(stay, versions[0], names)
    say(stay, "counts", "True")
    say(stay, "retracted", "True")
    Feedback.objects.filter(reference="retracted").update(retracted_at=clock.now())
    for author, answer in (("ann", "True"), ("bob", "False")):
        say(stay, "disputed", answer, author)
    word = say(stay, "seen by one", "True")
    Snapshot.objects.filter(pk=versions[0].snapshot_id).update(seen_feedback={"last": 0, "unseen": []})
    Snapshot.objects.filter(pk=versions[1].snapshot_id).update(
        seen_feedback={"last": word.pk, "unseen": list(range(1, word.pk))}
    )
    say(stay, "known before", "True")
    Prediction.objects.filter(reference="known before").update(created_at=clock.now())
    entity = operate(age=40, relapsed=True)
    upsert.store(
        PredictionBatch(
            stay,
            versions[0],
            [ValidRequest(stay.clean(STAY), entity=str(entity.pk))],
            [ANSWER],
        )
    )
    Feedback.objects.give(stay, About(entity=str(entity.pk)), "False", "ann")
    versions[1].snapshot.refresh_from_db()
    comparison = compared(stay, versions)
    assert comparison.exclusions == {
        "DISPUTED": 1,
        "LABEL_IN_TABLE": 1,
        "LEARNED_FROM": 1,
        "TRUTH_BEFORE": 1,
    }
    assert (comparison.instances, comparison.counted) == (7, 1)


def test_truths_of_what_a_version_served_count_as_in_its_quality(stay, versions):
    names = [f"form {n}" for n in range(40)]
    ask(stay, versions[0], names)
    for place, name in enumerate(names):
        if place % 3:
            say(stay, name, str(place % 2 == 0))
        if place % 5 == 0:
            say(stay, name, "True", "bob")
    ask(stay, versions[0], names[:10], age=33)
    served = counted.find(stay, versions[0])
    comparison = compared(stay, versions)
    assert 0 < comparison.counted == len(served) < len(names)
    flips = ComparisonFlip.objects.of_comparison(comparison).filter(counted=True)
    assert {flip.prediction_id for flip in flips} <= set(counted.texts(served.prediction_id))


def test_of_a_subject_the_instance_from_before_the_truth_is_replayed(stay, versions):
    ask(stay, versions[0], ["form"], age=40)
    say(stay, "form", "False")
    ask(stay, versions[0], ["form"], age=41)
    comparison = compared(stay, versions)
    assert (comparison.instances, comparison.counted) == (1, 1)


def test_predictions_that_were_not_served_are_not_replayed(stay, versions):
    ask(stay, versions[0], ["served", "shadow"])
    Prediction.objects.filter(reference="shadow").update(served=False)
    assert compared(stay, versions).instances == 1


def test_instances_that_lack_a_feature_are_left_out_and_counted(stay, versions):
    ask(stay, versions[0], ["whole", "part"])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE store_prediction SET features = features - 'age' WHERE reference = 'part'")
    comparison = compared(stay, versions)
    assert (comparison.instances, comparison.unanswered) == (1, 1)
    Prediction.objects.filter(reference="whole").delete()
    failed = compared(stay, versions)
    assert (failed.status, failed.problem_code) == (FAILED, "NO_ROWS")
    assert "None of the 1 predictions" in failed.problem_message


def test_what_cannot_be_compared_is_refused_with_its_place(stay, relapse, versions):
    def refused(error: type[Exception], models: Sequence[ModelVersion], **options: Any) -> tuple[Any, ...]:
        with pytest.raises(error) as caught:
            Comparison.objects.request(stay, models, "ann", **options)
        return tuple(caught.value.argument)

    assert refused(NoRows, versions) == ()
    ask(stay, versions[0], ["form"])
    assert refused(BadInput, versions[:1]) == refused(BadInput, []) == ("models",)
    assert refused(BadInput, [*versions, version(stay)]) == ("models",)
    assert refused(BadInput, [versions[0]] * 2) == ("models", "1")
    assert refused(ForeignModel, [versions[0], version(relapse)]) == ("models", "1")
    assert refused(OutOfRange, versions, since=clock.now() + timedelta(days=1)) == ("since",)
    assert refused(OutOfRange, versions, sample=0) == ("sample",)
    assert refused(OutOfRange, versions, sample=MOST_SAMPLE + 1) == ("sample",)
    assert refused(NoRows, versions, since=clock.now()) == ()
    ModelVersion.objects.filter(pk=versions[1].pk).update(seal="0" * 64)
    assert refused(
        ModelDoesNotFit, ModelVersion.objects.filter(pk__in=[v.pk for v in versions]).order_by("pk")
    ) == ("models", "1")
    assert not Comparison.objects.exists()


def test_a_version_that_fits_no_more_fails_the_job_with_the_reason(stay, versions):
    ask(stay, versions[0], ["form"])
    comparison, _ = Comparison.objects.request(stay, versions, "ann")
    ModelVersion.objects.filter(pk=versions[1].pk).update(seal="0" * 64)
    claimed = Comparison.objects.claim(comparison.pk)
    runner.run(claimed)
    comparison.refresh_from_db()
    assert (comparison.status, comparison.problem_code) == (FAILED, "MODEL_DOES_NOT_FIT")


def test_two_requests_at_once_are_one_comparison(stay, versions):
    ask(stay, versions[0], ["form"])
    results = at_once(*[lambda: Comparison.objects.request(stay, versions, "ann")] * 2)
    assert len({comparison.pk for comparison, _ in results}) == 1
    assert sorted(started for _, started in results) == [False, True]
    other, started = Comparison.objects.request(stay, versions[::-1], "ann")
    assert started and other.pk != results[0][0].pk


def test_what_was_killed_is_repeated_and_leaves_nothing_half_stored(stay, versions, monkeypatch):
    monkeypatch.setattr(replays, "CHUNK", 10)
    ask(stay, versions[0], [f"form {n}" for n in range(30)])
    comparison, _ = Comparison.objects.request(stay, versions, "ann")
    lost = Comparison.objects.claim(comparison.pk)
    store = ComparisonFlip.objects.store

    def killed(*arguments: Any) -> None:
        store(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(ComparisonFlip.objects, "store", killed)
    with pytest.raises(KeyboardInterrupt):
        runner.run(lost)
    assert not ComparisonFlip.objects.exists()
    assert Comparison.objects.get().measures == []
    monkeypatch.setattr(ComparisonFlip.objects, "store", store)
    Comparison.objects.abandon(comparison.pk, lost.attempt)
    again = Comparison.objects.claim(comparison.pk)
    runner.run(again)
    again.refresh_from_db()
    assert (again.status, again.instances, again.attempt) == (SUCCEEDED, 30, 2)
    flips = ComparisonFlip.objects.count()
    leases.run_with_lease(lost, lambda finished: runner._compare(lost, finished))  # the slow one is not dead
    assert ComparisonFlip.objects.count() == flips


def test_a_cancelled_comparison_stops_between_two_chunks(stay, versions, monkeypatch):
    monkeypatch.setattr(replays, "CHUNK", 10)
    ask(stay, versions[0], [f"form {n}" for n in range(30)])
    comparison, _ = Comparison.objects.request(stay, versions, "ann")
    advance = runner._advance

    def cancel_afterwards(*arguments: Any) -> None:
        with transaction.atomic():
            advance(*arguments)
            transaction.on_commit(lambda: Comparison.objects.cancel(comparison.pk, by="ann"))

    monkeypatch.setattr(runner, "_advance", cancel_afterwards)
    runner.run(Comparison.objects.claim(comparison.pk))
    comparison.refresh_from_db()
    assert (comparison.status, comparison.instances) == (CANCELLED, 10)
    assert not ComparisonFlip.objects.exists()
    with pytest.raises(JobEnded):
        Comparison.objects.cancel(comparison.pk, by="ann")
    with pytest.raises(UnknownId):
        Comparison.objects.cancel(comparison.pk + 1, by="ann")


def test_flips_go_with_their_predictions(stay, versions):
    ask(stay, versions[0], [f"form {n}" for n in range(60)])
    comparison = compared(stay, versions)
    flips = comparison.flips.count()
    assert flips > 1
    erasure.remove_predictions(Prediction.objects.filter(pk=comparison.flips.first().prediction_id))
    assert comparison.flips.count() == flips - 1


def test_the_newest_comparison_of_a_pair_is_found_in_either_order(stay, versions):
    ask(stay, versions[0], ["form"])
    compared(stay, versions)
    newest = compared(stay, versions[::-1])
    first, second = (one.pk for one in versions)
    other = version(stay).pk
    pairs = [(first, second), (second, first), (first, other)]
    assert Comparison.objects.newest_of(pairs) == {(first, second): newest, (second, first): newest}
