"""Drift equals a naive recount, whatever was counted before, deleted since, or served later."""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import false_discovery_control

from store.exceptions import BadInput, UnknownId
from store.models import DriftHour, DriftReference, Prediction
from store.predictions import truth
from store.products.product import DataProduct
from store.quality import drift, drift_hours
from store.quality.feature_bins import BinsBasis, FeatureBins
from store.registry.promotions import Promotion
from store.registry.versions import ModelVersion
from store.snapshots.snapshots import Snapshot

from ..conftest import NOON, at_once, operate, version

pytestmark = pytest.mark.usefixtures("tables")

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def learned(product: DataProduct, rows: int = 200) -> ModelVersion:
    """A version that serves, with the snapshot of random rows."""
    random = np.random.default_rng(1)
    for serial in range(rows):
        operate(
            age=None if serial % 50 == 7 else int(random.integers(20, 90)),
            relapsed=None if serial % 10 == 3 else serial % 2 == 0,
            urgency=str(random.choice(["planned", "1st"])),
            cost=int(random.integers(100, 1_000)),
        )
    served = version(product, snapshot=Snapshot.objects.take(product))
    DriftReference.objects.record(product, served, random.dirichlet([2, 3], rows).astype(np.float32))
    Promotion.objects.promote(served, "It serves.", "ann")
    return served


def store(product: DataProduct, served: ModelVersion, size: int, seed: int, **changes: Any) -> None:
    """Predictions of three days."""
    random = np.random.default_rng(seed)
    rows = []
    for serial in range(size):
        features = {
            "age": int(random.integers(30, 100)),
            "smokes": None if random.random() < 0.3 else bool(random.random() < 0.5),
            "born": None if random.random() < 0.5 else f"19{random.integers(10, 99)}-03-01",
            "note": "x" * int(random.integers(0, 30)),
            "urgency": str(random.choice(["planned", "1st"])),
            "cost": str(random.integers(50, 1_200)),
        }
        at = NOON + float(random.random()) * 3 * DAY
        subject = truth.subject_of_reference(product, f"{seed} {serial}")
        columns = {
            "answer": str(random.choice(["True", "False"])),
            "served": bool(random.random() < 0.9),
            "features": {**features, **changes},
        }
        rows.append(
            Prediction(
                id=truth.digest(f"{served.pk} {seed} {serial}"),
                product=product.name,
                model=served,
                subject=subject,
                created_at=at,
                updated_at=at,
                **columns,
            )
        )
    Prediction.objects.bulk_create(rows)


def place(bins: FeatureBins, value: Any) -> int:
    if value is None:
        return bins.size - 1
    if bins.basis is BinsBasis.LENGTHS:
        value = len(value)
    elif bins.basis is BinsBasis.RANGES and isinstance(value, str) and "-" in value[1:]:
        value = (datetime.fromisoformat(value) - datetime(1970, 1, 1)).days
    elif bins.basis is BinsBasis.VALUES:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return bins.values.index(text) if text in bins.values else len(bins.values)
    return bisect_right(bins.edges, float(value)) if bins.edges else 0


def naive(served: ModelVersion, since: datetime | None, until: datetime) -> list[list[int]]:
    """Counts by feature and place, row by row."""
    layout = DriftReference.objects.get(pk=served.pk).layout
    counts = [[0] * bins.size for bins in layout.bins]
    for row in Prediction.objects.filter(model=served, served=True, created_at__lt=until):
        if since is None or row.created_at >= since:
            for bins, own in zip(layout.bins, counts, strict=True):
                own[place(bins, row.features.get(bins.name) if bins.name else row.answer)] += 1
    return counts


def counted(product: DataProduct, since: datetime | None, until: datetime) -> list[list[int]]:
    reference = DriftReference.objects.select_related("model").get()
    window = drift._Window(product, reference, since, until)
    return [own.tolist() for _, own in window.parts.values()]


WINDOWS = [
    (None, NOON + 9 * DAY),
    (NOON + 7 * MINUTE, NOON + DAY),
    (NOON + HOUR, NOON + 50 * HOUR + 3 * MINUTE),
    (NOON + 5 * MINUTE, NOON + 9 * MINUTE),
    (NOON - DAY, NOON),
    (NOON + 3 * HOUR, NOON + 3 * HOUR),
    (NOON + 80 * HOUR, None),
]


def check_windows(product: DataProduct, served: ModelVersion) -> None:
    for since, until in WINDOWS:
        until = until or NOON + 99 * DAY
        assert counted(product, since, until) == naive(served, since, until)


def test_counts_of_any_window_equal_a_naive_recount(stay, monkeypatch):
    served = learned(stay)
    store(stay, served, 400, seed=2)
    check_windows(stay, served)
    monkeypatch.setattr(drift_hours, "BATCH", 90)
    at_once(*[DriftHour.objects.count_ended] * 4)
    for _ in range(9):
        DriftHour.objects.count_ended()
    assert DriftHour.objects.count() > 50
    check_windows(stay, served)
    monkeypatch.setattr(drift, "MOST_ROWS", 0)  # nothing is read of the rows
    assert counted(stay, NOON, NOON + 3 * DAY) == naive(served, NOON, NOON + 3 * DAY)


def test_what_is_deleted_or_served_later_is_counted_again(stay, monkeypatch):
    served = learned(stay)
    store(stay, served, 300, seed=3)
    DriftHour.objects.count_ended()
    rows = list(Prediction.objects.order_by("created_at").values_list("pk", flat=True))
    Prediction.objects.filter(pk__in=rows[10:60]).delete()
    Prediction.objects.filter(pk__in=rows[150:200]).update(served=True)
    assert DriftHour.objects.filter(stale=True).exists()
    check_windows(stay, served)
    for _ in range(40):
        DriftHour.objects.count_ended()
    assert not DriftHour.objects.filter(stale=True).exists()
    monkeypatch.setattr(drift, "MOST_ROWS", 0)
    assert counted(stay, NOON, NOON + 3 * DAY) == naive(served, NOON, NOON + 3 * DAY)


def test_the_distance_is_that_of_the_recount(stay):
    served = learned(stay)
    store(stay, served, 400, seed=4)
    result = drift.find(stay, since=NOON, until=NOON + DAY)
    layout, rows = DriftReference.objects.get().layout, naive(served, NOON, NOON + DAY)
    found = {each.column.name: each.compared for each in result.features}
    assert list(found) == [column.name for column in stay.declared_columns]
    for bins, own in zip(layout.bins, rows, strict=True):
        if bins.name:
            reference, counts = np.array(bins.counts), np.array(own)
            if bins.is_ranged and len(bins.edges) > 1:
                reference, counts = (
                    np.array([a[0] + a[1], *a[2:-3], a[-3] + a[-2], a[-1]]) if len(a) > 4 else a
                    for a in (reference, counts)
                )
            compared = found[bins.name]
            assert compared.n == result.n == sum(own)
            assert compared.missing == own[-1] / sum(own)
            if len(bins.edges) != 2:
                assert compared.value == pytest.approx(jensenshannon(reference, counts, base=2), abs=1e-12)
    p_values = [each.p_value for each in found.values()]
    adjusted = [each.adjusted_p_value for each in found.values()]
    present = [p for p in p_values if p is not None]
    assert [p for p in adjusted if p is not None] == pytest.approx(false_discovery_control(present).tolist())
    assert found["smokes"].missing > 0.2
    assert found["age"].unseen > 0.05


def test_a_feature_that_drifts_stands_out(stay):
    served = learned(stay)
    store(stay, served, 300, seed=5, age=88)
    result = drift.find(stay, served)
    age = next(each.compared for each in result.features if each.column.name == "age")
    assert age.value > 0.7
    assert age.adjusted_p_value < 1e-10


def test_a_window_without_predictions_has_no_numbers(stay):
    served = learned(stay)
    result = drift.find(stay, served, NOON, NOON + DAY)
    assert result.n == 0
    assert {(each.compared.value, each.compared.p_value) for each in result.features} == {(None, None)}
    assert result.answers is not None and result.answers.value is None


def test_the_reference_outlives_the_table_of_the_snapshot(stay):
    served = learned(stay)
    served.snapshot.drop()
    Snapshot.objects.filter(pk=served.snapshot.pk).update(dropped_at=NOON)
    store(stay, served, 100, seed=6)
    assert drift.find(stay, served).n > 50
    other = version(stay, snapshot=Snapshot.objects.get(pk=served.snapshot.pk))
    DriftReference.objects.filter(pk=served.pk).delete()
    DriftReference.objects.record(stay, ModelVersion.objects.get(pk=other.pk), None)
    assert "deleted" in drift.find(stay, other).problem
    assert drift.find(stay, other).features == []


def test_what_cannot_be_compared_says_why(stay, relapse):
    assert drift.find(stay).problem == "No version serves."
    served = version(stay)
    assert "has not been counted yet" in drift.find(stay, served).problem
    with pytest.raises(UnknownId):
        drift.find(relapse, served)
    with pytest.raises(BadInput):
        drift.find(stay, served, NOON + DAY, NOON)


def test_a_process_without_the_declaration_leaves_hours_to_be_counted(stay, monkeypatch):
    served = learned(stay)
    store(stay, served, 3_000, seed=4)
    expected = Prediction.objects.served().filter(model=served).count()
    with monkeypatch.context() as patch:
        patch.setattr(drift_hours.catalogue, "find", lambda name: None)
        DriftHour.objects.count_ended()
    DriftHour.objects.count_ended()
    assert drift.find(stay, served).n == expected


def test_the_last_hour_of_time_is_a_window_like_any_other(stay):
    served, last = learned(stay), datetime.max.replace(tzinfo=UTC)
    store(stay, served, 10, seed=1)
    assert drift.find(stay, served, last - MINUTE, last).n == 0
