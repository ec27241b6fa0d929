"""Counts and histograms: by periods of time zones, labels, truths, versions and bins, as a program would count."""

import random
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from learning.analysis import Analysis
from learning.columns import Kind
from learning.problem import Classification, Clustering, Regression
from store.access.acting import acting_as
from store.access.actors import Actor
from store.charts import groups
from store.charts.bins import BinKind, find_bins, find_edges
from store.charts.counts import (
    BuildCountBy,
    Count,
    FeedbackCountBy,
    PredictionCountBy,
    TimeFrame,
    count_builds,
    count_feedback,
    count_predictions,
)
from store.charts.histograms import Bar, HistogramSource, count_values
from store.exceptions import BadInput, NoChampion, OutOfRange
from store.models import Build, Feedback, ModelVersion, Prediction, Snapshot
from store.predictions import truth
from store.products import Category, DataProduct, Join, catalogue
from store.registry.product_states import ProductState
from tests.clinic.models import Operation

from ...schema.products.test_forms import statistics
from ..conftest import declared, operate, tables, version

__all__ = ["tables"]

BY = PredictionCountBy
FEATURES = {
    "age": "anamnesis__age",
    "smokes": "anamnesis__smokes",
    "born": "anamnesis__born",
    "note": "anamnesis__note",
    "urgency": "urgency",
    "cost": "cost",
    "woken": "anamnesis__woken",
}


@pytest.fixture
def product(monkeypatch: pytest.MonkeyPatch) -> DataProduct:
    product = declared(FEATURES, at="done_at", name="counted")
    monkeypatch.setitem(catalogue._products, product.name, product)
    return product


def predicted(
    model: ModelVersion, at: datetime, answer: str = "True", entity: str | None = None, **features: Any
) -> Prediction:
    name = entity or str(uuid.uuid4())
    return Prediction(
        id=str(uuid.uuid4()),
        product=model.product,
        model=model,
        subject=truth.digest(f"{model.product}\0{'entity' if entity else 'features'}\0{name}"),
        entity=entity,
        features=features,
        answer=answer,
        created_at=at,
        updated_at=at,
    )


def counted(
    product: DataProduct, *by: PredictionCountBy, times: TimeFrame | None = None, **more: Any
) -> list[Count]:
    rows = Prediction.objects.filter(product=product.name)
    return count_predictions(product, rows, by, times or TimeFrame(), **more)


def start_of(moment: datetime, period: str, zone: ZoneInfo) -> datetime:
    """The start of the period of a moment, as Python computes it."""
    local = moment.astimezone(zone)
    if period == "HOUR":
        offset = local.utcoffset() or timedelta()
        return (moment + offset).replace(minute=0, second=0, microsecond=0) - offset
    day = local.date() - timedelta(days=local.weekday() if period == "WEEK" else 0)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


#: With an hour that comes twice, a midnight that does not come, half and quarter hours.
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Africa/Cairo", "Asia/Kolkata"]
ZONES += ["Asia/Kathmandu", "Australia/Lord_Howe"]


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ZONES)
def test_periods_are_those_of_the_time_zone(product: DataProduct, zone: str) -> None:
    model, random_ = version(product), random.Random(zone)
    begin = datetime(2025, 1, 1, tzinfo=UTC)
    moments = [begin + timedelta(seconds=random_.uniform(0, 366 * 86400)) for _ in range(400)]
    # Around the changes of clocks.
    for change in (
        "2025-03-30T01:00",
        "2025-10-26T01:00",
        "2025-04-24T22:00",
        "2025-10-30T21:00",
        "2025-04-05T15:00",
    ):
        around = datetime.fromisoformat(f"{change}+00:00")
        moments += [around + timedelta(minutes=minutes) for minutes in range(-180, 181, 10)]
    Prediction.objects.bulk_create(
        [predicted(model, at, random_.choice(["True", "False"])) for at in moments]
    )
    rows = list(Prediction.objects.values_list("created_at", "answer"))
    for by in (BY.HOUR, BY.DAY, BY.WEEK):
        naive = Counter((start_of(at, by.name, ZoneInfo(zone)), answer) for at, answer in rows)
        groups_ = counted(product, by, BY.LABEL, times=TimeFrame(zone=zone))
        assert {(group.start, group.answer): group.count for group in groups_} == naive
        assert [group.start for group in groups_] == sorted(start for start, _ in naive)


@pytest.mark.django_db
def test_predictions_are_counted_by_answer_truth_and_version_in_one_statement(product: DataProduct) -> None:
    first, second = version(product), version(product)
    at = datetime(2025, 5, 5, tzinfo=UTC)
    rows = [
        predicted(first, at, "True", "a"),
        predicted(first, at, "True", "b"),
        predicted(second, at, "False", "a"),
    ]
    Prediction.objects.bulk_create(rows)
    Feedback.objects.create(
        product=product.name, subject=rows[0].subject, entity="a", author="ann", answer="False"
    )
    with CaptureQueriesContext(connection) as captured:
        groups_ = counted(product, BY.LABEL, BY.TRUTH, BY.MODEL, BY.DAY)
    assert len(captured) == 1
    assert {(g.answer, g.truth, g.model, g.start, g.count) for g in groups_} == {
        ("True", "False", first.pk, at, 1),
        ("True", None, first.pk, at, 1),
        ("False", "False", second.pk, at, 1),
    }
    assert counted(product, BY.MODEL, times=TimeFrame(since=at + timedelta(days=1))) == []
    assert counted(product, BY.MODEL, times=TimeFrame(until=at)) == []


def serve(product: DataProduct, snapshot: Snapshot | None = None) -> ModelVersion:
    """Have a version serve that has learned from a snapshot, with the analysis that bins need."""
    features = (
        statistics("age", Kind.INTEGER, (20.0, 40.0, 50.0, 60.0, 80.0)),
        statistics("born", Kind.DATE, (0.0, 100.0, 200.0, 300.0, 400.0)),
        statistics("cost", Kind.NUMBER, (0.0, 1.0, 2.0, 3.0, 10.0)),
        statistics("smokes", Kind.BOOLEAN, None),
        statistics("urgency", Kind.CATEGORY, None),
        statistics("note", Kind.OPEN_CATEGORY, None),
    )
    analysis = Analysis(rows=9, features=features, findings=(), balance=(), label_quantiles=None)
    model = version(product)
    if snapshot:
        ModelVersion.objects.filter(pk=model.pk).update(snapshot=snapshot)
    serving = ModelVersion.objects.get(pk=model.pk)
    Snapshot.objects.filter(pk=serving.snapshot_id).update(analysis=analysis.as_json())
    ProductState.objects.update_or_create(product=product.name, defaults={"champion": serving})
    return serving


def column_of(product: DataProduct, name: str) -> Any:
    return next(column for column in product.columns if column.name == name)


@pytest.mark.django_db
def test_a_feature_is_counted_by_bins_of_the_champions_snapshot(product: DataProduct) -> None:
    model, at = serve(product), datetime(2025, 5, 5, tzinfo=UTC)
    values = [19, 20, 39, 40, 80, 81, None, "many"]
    Prediction.objects.bulk_create([predicted(model, at, age=value) for value in values])
    groups_ = counted(product, BY.FEATURE, feature=column_of(product, "age"), number_of_bins=3)
    # 61 whole numbers, 21 in each bin.
    assert [(g.bin and (g.bin.kind.value, g.bin.low, g.bin.high), g.count) for g in groups_] == [
        (("BELOW", None, 20), 1),
        (("WITHIN", 20, 41), 3),
        (("WITHIN", 62, 83), 2),
        (("MISSING", None, None), 2),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "values", "places"),
    [
        ("cost", ["-0.01", "0.00", "9.99", "10.00", "10.01", None], [0, 1, 2, 2, 3, None]),
        ("born", ["1969-12-31", "1970-01-01", "1971-02-05", "1971-02-06"], [0, 1, 2, 3]),
        ("smokes", [False, True, None], [0, 1, None]),
        ("urgency", ["planned", "1st", "100 %", None], [0, 1, 2, None]),
    ],
)
def test_each_kind_of_value_has_its_bin(product: DataProduct, name: str, values: Any, places: Any) -> None:
    model, at = serve(product), datetime(2025, 5, 5, tzinfo=UTC)
    column = column_of(product, name)
    bins = find_bins(product, column, 2)
    for value, place in zip(values, places, strict=True):
        Prediction.objects.all().delete()
        Prediction.objects.bulk_create([predicted(model, at, **{name: value})])
        [group] = counted(product, BY.FEATURE, feature=column, number_of_bins=2)
        assert group.bin == bins.find(place)


@pytest.mark.engine
def test_a_histogram_has_the_same_bins_for_snapshot_predictions_and_tables(
    tables: None, product: DataProduct
) -> None:
    for place in range(6):
        operate(
            age=20 + 10 * place, relapsed=place % 2 == 0, note="often" if place else "once", smokes=place > 3
        )
    model = serve(product, Snapshot.objects.take(product))
    operate(age=90)
    Prediction.objects.bulk_create([predicted(model, datetime(2025, 5, 5, tzinfo=UTC), age=21, note="new")])
    every = list(HistogramSource)

    def bars(name: str, number: int | None = None) -> list[Bar]:
        with CaptureQueriesContext(connection) as captured:
            result = count_values(
                product,
                column_of(product, name),
                every,
                Prediction.objects.filter(product=product.name),
                number,
            )
        assert sum("UNION ALL" in query["sql"] for query in captured.captured_queries) == 1
        assert len(captured) <= 4  # the snapshot, and the values of an open category
        return result

    kinds = [BinKind.BELOW, BinKind.WITHIN, BinKind.WITHIN, BinKind.ABOVE, BinKind.MISSING]
    ages = bars("age", 2)
    assert [bar.bin.kind for bar in ages] == kinds
    counts = [[bar.counts[source] for bar in ages] for source in every]
    assert counts == [[0, 4, 2, 0, 0], [0, 1, 0, 0, 0], [0, 4, 2, 1, 0]]
    smokes = [[bar.counts[source] for bar in bars("smokes")] for source in every]
    assert smokes == [[4, 2, 0, 0], [0, 0, 0, 1], [4, 2, 0, 1]]
    assert [bar.bin.value for bar in bars("urgency")] == ["planned", "1st", None, None]


@pytest.mark.engine
def test_an_open_category_has_bins_for_its_most_frequent_values(
    tables: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = declared({"note": Category("anamnesis__note"), "age": "anamnesis__age"}, name="opened")
    monkeypatch.setitem(catalogue._products, product.name, product)
    for note in ("a", "a", "a", "b%", "b%", "c", ""):
        operate(relapsed=True, note=note)
    operate(relapsed=False)
    serve(product, Snapshot.objects.take(product))
    bars = count_values(
        product, column_of(product, "note"), [HistogramSource.SNAPSHOT], Prediction.objects.none(), 2
    )
    values = [(bar.bin.kind.value, bar.bin.value, bar.counts[HistogramSource.SNAPSHOT]) for bar in bars]
    assert values[0] == ("VALUE", "a", 3)
    assert sum(count for *_, count in values) == 8 and [kind for kind, *_ in values] == [
        "VALUE", "VALUE", "OTHER", "MISSING"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "number", "is_whole", "edges"),
    [
        (0.0, 10.0, 2, False, [0.0, 5.0]),
        (3.0, 3.0, 20, False, [3.0]),
        (1.0, 4.0, 20, True, [1, 2, 3, 4, 5]),
        (0.0, 99.0, 7, True, [0, 15, 30, 45, 60, 75, 90, 105]),
    ],
)
def test_ranges_are_of_equal_width_and_have_both_ends(
    low: float, high: float, number: int, is_whole: bool, edges: list[float]
) -> None:
    result = find_edges(low, high, number, is_whole)
    assert result[: len(edges)] == edges
    assert result[0] <= low and result[-1] > high


@pytest.mark.django_db
def test_feedback_of_people_is_counted_unless_it_was_taken_back(product: DataProduct) -> None:
    at = datetime(2025, 5, 5, tzinfo=UTC)
    statements = [("ann", "True", None), ("ann", "False", None), ("bob", "True", None), ("bob", "True", at)]
    for author, answer, retracted in [*statements, ("TABLE", "True", None)]:
        Feedback.objects.create(
            product=product.name,
            subject=str(uuid.uuid4()),
            author=author,
            answer=answer,
            retracted_at=retracted,
        )
    groups_ = count_feedback(product, [FeedbackCountBy.AUTHOR, FeedbackCountBy.LABEL], TimeFrame())
    assert {(g.author, g.answer, g.count) for g in groups_} == {
        ("ann", "False", 1), ("ann", "True", 1), ("bob", "True", 1)
    }  # fmt: skip


@pytest.mark.django_db
def test_builds_are_counted_by_state_and_period(product: DataProduct) -> None:
    version(product)
    version(product)
    Build.objects.request(product, by="tests", enqueue=False)
    assert {(g.status, g.count) for g in count_builds(product, [BuildCountBy.STATUS], TimeFrame())} == {
        ("SUCCEEDED", 2), ("READY", 1)
    }  # fmt: skip
    [day] = count_builds(product, [BuildCountBy.DAY], TimeFrame(zone="Asia/Tokyo"))
    assert day.count == 3 and day.start is not None and day.start.astimezone(ZoneInfo("Asia/Tokyo")).hour == 0


@pytest.mark.django_db
def test_only_rows_that_the_caller_may_see_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    join = Join(
        Operation.objects.all(),
        features={"cost": "cost"},
        label="relapsed",
        visible_to=lambda actor: Q() if actor.superuser else Q(cost=7),
    )
    product = DataProduct(name="counted", join=join, problem=Classification())
    monkeypatch.setitem(catalogue._products, product.name, product)
    own, other, at = operate(cost=7), operate(cost=8), datetime(2025, 5, 5, tzinfo=UTC)
    rows = [predicted(version(product), at, entity=str(row.pk), cost="7") for row in (own, other)]
    Prediction.objects.bulk_create(rows)
    for row in rows:
        Feedback.objects.create(
            product=product.name, subject=row.subject, entity=row.entity, author="ann", answer="True"
        )
    for actor, number in ((Actor(author="x", name="x"), 1), (Actor(author="y", name="y", superuser=True), 2)):
        with acting_as(actor):
            assert [g.count for g in counted(product, BY.DAY)] == [number]
            assert [g.count for g in count_feedback(product, [FeedbackCountBy.DAY], TimeFrame())] == [number]


Raising = Callable[[DataProduct], Any]
REFUSED: dict[str, tuple[Raising, type[Exception], str, tuple[str, ...]]] = {
    "nothing": (lambda p: counted(p), BadInput, "Name at least one thing", ("by",)),
    "twice": (lambda p: counted(p, BY.LABEL, BY.LABEL), BadInput, "LABEL stands twice", ("by",)),
    "two periods": (lambda p: counted(p, BY.DAY, BY.WEEK), BadInput, "DAY and WEEK are periods", ("by",)),
    "no feature": (lambda p: counted(p, BY.FEATURE), BadInput, "Name the feature", ("feature",)),
    "a feature for nothing": (
        lambda p: counted(p, BY.DAY, feature=column_of(p, "age")), BadInput, "count by FEATURE", ("feature",)
    ),
    "unknown zone": (
        lambda p: counted(p, BY.DAY, times=TimeFrame(zone="Europe/Bonn")),
        BadInput, "'Europe/Bonn' is no time zone", ("time_zone",),
    ),
    "a path for a zone": (
        lambda p: counted(p, BY.DAY, times=TimeFrame(zone="../etc/passwd")), BadInput, "is no time zone", ("time_zone",)
    ),
    "a folder for a zone": (
        lambda p: counted(p, BY.DAY, times=TimeFrame(zone="Europe")), BadInput, "is no time zone", ("time_zone",)
    ),
    "no champion": (
        lambda p: counted(p, BY.FEATURE, feature=column_of(p, "age")), NoChampion, "has no champion yet", ()
    ),
    "bins of a text": (
        lambda p: counted(p, BY.FEATURE, feature=column_of(p, "note")), BadInput, "Note has texts", ("feature",)
    ),
    "too many bins": (
        lambda p: counted(p, BY.FEATURE, feature=column_of(p, "age"), number_of_bins=101),
        OutOfRange, "1 to 100 bins", ("bins",),
    ),
    "a histogram of nothing": (
        lambda p: count_values(p, column_of(p, "smokes"), [], Prediction.objects.none()),
        BadInput, "Name what to count", ("of",),
    ),
}  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_counted_is_refused(product: DataProduct, name: str) -> None:
    count, error, sentence, argument = REFUSED[name]
    with pytest.raises(error, match=sentence) as refusal:
        count(product)
    assert refusal.value.argument == argument  # type: ignore[attr-defined]


def test_numbers_are_not_counted_by_label_and_clusters_have_no_truth() -> None:
    regression = declared({"age": "anamnesis__age"}, label="cost", problem=Regression())
    clusters = declared({"age": "anamnesis__age"}, label=None, problem=Clustering())
    rows = Prediction.objects.none()
    for product, by, sentence in (
        (regression, BY.LABEL, "predicts numbers"),
        (regression, BY.TRUTH, "predicts numbers"),
        (clusters, BY.TRUTH, "no truth to count by"),
    ):
        with pytest.raises(BadInput, match=sentence):
            count_predictions(product, rows, [by], TimeFrame())


@pytest.mark.django_db
def test_the_number_of_groups_is_bounded(product: DataProduct, monkeypatch: pytest.MonkeyPatch) -> None:
    model, at = version(product), datetime(2025, 5, 5, tzinfo=UTC)
    Prediction.objects.bulk_create([predicted(model, at + timedelta(hours=hour)) for hour in range(4)])
    monkeypatch.setattr(groups, "MOST_GROUPS", 4)
    assert len(counted(product, BY.HOUR)) == 4
    monkeypatch.setattr(groups, "MOST_GROUPS", 3)
    with pytest.raises(OutOfRange, match="more than 3 groups"):
        counted(product, BY.HOUR)
    assert sum(group.count for group in counted(product, BY.DAY)) == 4
