"""Values that are no choices: counted wherever rows are looked at, and a build in which labels vanish is held."""

from typing import Any

import pytest
from django.core import checks as django_checks
from django.core.management import call_command

from learning.exceptions import NoRows
from learning.problem import Clustering
from store.builds.builds import Build, BuildEvent
from store.builds.runner import run
from store.models import Feedback, Snapshot
from store.predictions.feedback import About
from store.products import catalogue
from store.products.features import Join
from store.products.product import DataProduct
from store.registry.product_states import ProductState
from store.snapshots import checks
from store.snapshots.preview import preview
from store.snapshots.undeclared import UndeclaredValues
from tests.survey.models import Answer, Reading


@pytest.fixture
def survey() -> DataProduct:
    return catalogue.get("survey")


def answer(n: int, **values: Any) -> Answer:
    default = {"plan": ["<=50K", ">50K"][n % 2], "mood": ["C++", "C#", ""][n % 3], "rating": n % 3 - 1}
    return Answer(**default | {"size": float(n + 30 * (n % 2))} | values)


def fill(n: int = 60, **values: Any) -> None:
    Answer.objects.bulk_create([answer(i, **values) for i in range(n)])


def found(values: tuple[UndeclaredValues, ...]) -> list[tuple[str, bool, int, dict[str, int]]]:
    return [(each.column, each.is_label, each.rows, dict(each.values)) for each in values]


UNDECLARED = [
    ("plan", True, 5, {"50K": 5}),
    ("mood", False, 3, {"Java": 3}),
    ("rating", False, 1, {"7": 1}),
]


def fill_with_undeclared() -> None:
    fill()
    fill(5, plan="50K")
    fill(1, plan="")
    fill(3, mood="Java")
    fill(1, rating=7)


@pytest.mark.django_db
def test_undeclared_values_are_counted_in_the_preview(
    survey: DataProduct, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_with_undeclared()
    assert found(preview(survey).undeclared) == UNDECLARED
    call_command("preview", "survey")
    printed = " ".join(capsys.readouterr().out.split())
    assert (
        "5 rows cannot be learned from, as the label plan has a value that is no choice: '50K' (5)."
        in printed
    )
    assert "Name former labels in the product's retired_labels" in printed
    assert "3 rows are learned as missing in mood" in printed


@pytest.mark.django_db
def test_undeclared_values_are_counted_by_the_check_of_rows(survey: DataProduct) -> None:
    fill_with_undeclared()
    assert found(checks.find_stored(survey)) == UNDECLARED
    messages = django_checks.run_checks(databases=["default"])
    told = [message for message in messages if message.id == "exemplar.W001"]
    assert ["label plan" in message.msg for message in told] == [True, False, False]
    assert not [message for message in django_checks.run_checks() if message.id == "exemplar.W001"]


@pytest.mark.django_db
def test_declared_values_are_not_reported(survey: DataProduct) -> None:
    fill()
    Answer.objects.bulk_create([answer(1, plan=None)])
    assert preview(survey).undeclared == checks.find_stored(survey) == ()


@pytest.mark.django_db
def test_many_undeclared_values_are_counted_and_the_first_listed(survey: DataProduct) -> None:
    fill()
    for n in range(20):
        fill(1, plan=f"{n}")
    [values] = preview(survey).undeclared
    assert (values.rows, len(values.values)) == (20, 10)
    assert ", …. Name former labels" in str(values)


@pytest.mark.django_db
def test_types_other_than_text_are_compared_as_the_column_compares_them() -> None:
    join = Join(
        Reading.objects.all(), features={name: name for name in ("level", "price", "day", "on")}, label=None
    )
    product = DataProduct(name="readings", join=join, problem=Clustering())
    Reading.objects.create(level=1.0, price="1.50", day="2024-01-01", on=True)
    assert preview(product).undeclared == ()
    Reading.objects.create(level=2.0, price="2.50", day="2024-01-02", on=False)
    assert [each.column for each in preview(product).undeclared] == ["day", "level", "price"]


@pytest.mark.usefixtures("tables")
def test_the_snapshot_records_undeclared_values(survey: DataProduct) -> None:
    fill_with_undeclared()
    snapshot = Snapshot.objects.take(survey)
    assert found(Snapshot.objects.get(pk=snapshot.pk).undeclared_values) == UNDECLARED
    assert snapshot.unlabelled == 1  # a blank label is null where the column may be null
    dataset = snapshot.dataset(survey)
    assert len(dataset) == 64
    assert set(dataset.X["mood"].dropna()) == {"C++", "C#", ""}  # blank is a value
    assert dataset.X["mood"].isna().sum() == 3


@pytest.mark.usefixtures("tables")
def test_an_error_names_undeclared_labels_if_there_are_no_others(survey: DataProduct) -> None:
    fill(plan="other")
    with pytest.raises(
        NoRows, match=r"No row has a label yet.* 60 rows cannot be learned from.*'other' \(60\)"
    ):
        Snapshot.objects.take(survey).dataset(survey)


def built(product: DataProduct) -> Build:
    build = Build.objects.claim(Build.objects.request(product, by="ann", enqueue=False)[0].pk)
    assert build is not None
    run(build)
    return Build.objects.get(pk=build.pk)


@pytest.mark.usefixtures("tables")
def test_a_build_in_which_labels_vanish_is_held(survey: DataProduct) -> None:
    fill()
    first = built(survey)
    assert first.promoted, first.problem_message
    Answer.objects.filter(plan=">50K", pk__lt=Answer.objects.earliest("pk").pk + 30).update(plan="over 50K")
    second = built(survey)
    assert (second.status, second.promoted) == ("SUCCEEDED", False)
    assert "'over 50K' (15)" in second.decision and "retired_labels" in second.decision
    assert ProductState.objects.get(product="survey").champion == first.model
    events = BuildEvent.objects.after(second.pk)
    assert any(event.kind == "SnapshotTaken" and "'over 50K' (15)" in event.message for event in events)


@pytest.mark.usefixtures("tables")
def test_a_build_after_a_choice_was_renamed_is_held_although_the_champion_does_not_fit(
    survey: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(90)
    Answer.objects.filter(rating=0).update(plan="high")
    with_high = DataProduct(name="survey", join=survey.join, problem=survey.problem, retired_labels=["high"])
    monkeypatch.setitem(catalogue._products, "survey", with_high)
    first = built(with_high)
    monkeypatch.setitem(catalogue._products, "survey", survey)
    second = built(survey)
    assert first.promoted and not second.promoted
    assert "30 rows cannot be learned from" in second.decision and "'high' (30)" in second.decision
    assert ProductState.objects.get(product="survey").champion == first.model


@pytest.mark.usefixtures("tables")
def test_undeclared_values_of_features_hold_no_build(survey: DataProduct) -> None:
    fill()
    built(survey)
    fill(20, mood="Java")
    assert built(survey).promoted


@pytest.mark.usefixtures("tables")
def test_former_labels_that_are_named_are_learned(survey: DataProduct) -> None:
    fill()
    fill(10, plan="never")
    retired = DataProduct(name="survey", join=survey.join, problem=survey.problem, retired_labels=["never"])
    snapshot = Snapshot.objects.take(retired)
    assert snapshot.undeclared_values == ()
    assert snapshot.dataset(retired).classes == ("<=50K", ">50K", "never")


def test_feedback_of_a_label_that_is_declared_no_longer_is_counted(tables: None, survey: DataProduct) -> None:
    fill()
    was = DataProduct(name="survey", join=survey.join, problem=survey.problem, retired_labels=["gone"])
    key = str(Answer.objects.earliest("pk").pk)
    Feedback.objects.give(was, About(entity=key), "gone", "ann")
    assert found(Snapshot.objects.take(survey).undeclared_values) == [("plan", True, 1, {"gone": 1})]
