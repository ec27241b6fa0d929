"""Files of feedback: given as if each word were given by itself, all or none, and once."""

import csv
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.truth import Latest, Majority, Policy, Priority
from store.access.actors import TABLE
from store.exceptions import BadInput
from store.ingest import TooManyRejects, feedback_files
from store.ingest.feedback_files import FeedbackSummary
from store.ingest.tables import NoTable
from store.predictions import bulk_feedback, truth
from store.predictions.bulk_feedback import Word
from store.predictions.feedback import About, Feedback
from store.products.product import DataProduct
from tests.clinic.models import Operation
from tests.drawing import draws

from ..conftest import operate
from ..predictions.test_feedback import predicted
from ..predictions.test_policies import member, rule

pytestmark = pytest.mark.django_db


def write(path: Path, header: str, *rows: str) -> Path:
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return path


def load(product: DataProduct, path: Path, author: str = "ann", **more: Any) -> FeedbackSummary:
    return feedback_files.load(product, [path], author, rejects=path.parent / "rejects.csv", **more)


def rejects(path: Path) -> list[list[str]]:
    with (path.parent / "rejects.csv").open(encoding="utf-8", newline="") as file:
        return [row[1:] for row in list(csv.reader(file))[1:]]


def stored() -> list[tuple[Any, ...]]:
    names = (
        "subject",
        "entity",
        "reference",
        "prediction_id",
        "author",
        "answer",
        "observed_at",
        "comment",
        "groups",
    )
    return sorted(map(repr, Feedback.objects.values_list(*names)))


def labels() -> dict[int, bool | None]:
    return dict(Operation.objects.values_list("pk", "relapsed"))


def test_feedback_on_rows_and_references_is_given(stay: DataProduct, tmp_path: Path) -> None:
    member("ann", "experts")
    one, two = operate(relapsed=None), operate(relapsed=False)
    predicted(stay, reference="order 7")
    path = write(
        tmp_path / "words.csv",
        "entity,reference,label,time,comment,colour",
        f"{one.pk},,yes,2024-05-17 10:00,sure,red",
        f" {two.pk} ,,True,,,",
        ",order 7,False,17.5.2024,,",
    )
    summary = load(stay, path)
    assert (summary.stored, summary.unchanged, summary.rejected, summary.labels) == (3, 0, 0, 2)
    assert summary.new_columns == ("colour",)
    assert labels() == {one.pk: True, two.pk: True}
    word = Feedback.objects.get(entity=str(one.pk), author="ann")
    assert (word.answer, word.comment, word.groups) == ("True", "sure", ["experts"])
    assert word.observed_at == datetime(2024, 5, 17, 10, tzinfo=UTC)
    assert Feedback.objects.get(reference="order 7").answer == "False"
    assert list(Feedback.objects.filter(author=TABLE).order_by("pk").values_list("answer", flat=True)) == [
        None,
        "False",
    ]


def test_the_same_file_twice_changes_nothing(stay: DataProduct, tmp_path: Path) -> None:
    path = write(tmp_path / "words.csv", "entity,label", *(f"{operate().pk},True" for _ in range(5)))
    assert load(stay, path).stored == 5
    before = stored()
    summary = load(stay, path)
    assert (summary.stored, summary.unchanged, summary.labels) == (0, 5, 0)
    assert stored() == before


def test_json_lines_are_read(stay: DataProduct, tmp_path: Path) -> None:
    operation = operate()
    path = tmp_path / "words.jsonl"
    path.write_text(
        json.dumps({"entity": operation.pk, "label": True, "observedAt": "2024-05-17T10:00:00Z"}) + "\n"
    )
    assert load(stay, path).stored == 1
    assert Feedback.objects.get(author="ann").observed_at == datetime(2024, 5, 17, 10, tzinfo=UTC)


def test_rows_that_do_not_fit_are_listed_and_nothing_is_given(stay: DataProduct, tmp_path: Path) -> None:
    operation = operate()
    predicted(stay, reference="known")
    path = write(
        tmp_path / "words.csv",
        "entity,reference,label,time",
        f"{operation.pk},,True,",
        "999999,,True,",
        "x,,True,",
        f"{operation.pk},known,True,",
        ",,True,",
        ",never,True,",
        f"{operation.pk},,perhaps,",
        f"{operation.pk},,,",
        f"{operation.pk},,True,some day",
    )
    with pytest.raises(TooManyRejects, match="8 rows do not fit, and nothing was loaded"):
        load(stay, path)
    assert not Feedback.objects.exists()
    listed = {int(line): (column, reason) for line, column, _, reason in rejects(path)}
    assert listed[3] == listed[4] == ("entity", "is no key of a operation")
    assert listed[5] == listed[6] == ("", "needs either an entity or a reference")
    assert listed[7] == ("reference", "is no reference of a prediction")
    assert listed.keys() == set(range(3, 11))
    summary = load(stay, path, max_rejects=8)
    assert (summary.stored, summary.rejected) == (1, 8)


@pytest.mark.parametrize("header", ["entity,comment", "label,comment", "label"])
def test_a_file_needs_a_subject_and_a_label(stay: DataProduct, tmp_path: Path, header: str) -> None:
    with pytest.raises(NoTable, match="needs a column label and a column entity or reference"):
        load(stay, write(tmp_path / "words.csv", header, "True,x"))


def test_a_clustering_takes_no_feedback(tmp_path: Path) -> None:
    from store.products import catalogue

    clustering = next(product for product in catalogue.products() if not product.learns_from_labels)
    with pytest.raises(BadInput, match="takes no feedback"):
        load(clustering, write(tmp_path / "words.csv", "entity,label", "1,True"))


def test_the_command_names_an_author(
    stay: DataProduct, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "words.csv", "entity,label", f"{operate().pk},True")
    with pytest.raises(CommandError, match="is not TABLE"):
        call_command("feedback", "stay", path, author=TABLE)


#: Several words of several authors on few rows, among them ones that were there, taken back, or written by others.
WORDS = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from(["ann", "bob"]), st.booleans(), st.sampled_from(["", "sure"])
    ),
    max_size=12,
)
POLICIES = st.sampled_from([Majority(), Latest(quorum=2), Priority("experts"), Majority(quorum=2)])


@given(
    before=WORDS,
    words=WORDS,
    policy=POLICIES,
    edited=st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=3),
)
@settings(max_examples=draws(40))
def test_words_in_bulk_do_what_words_one_by_one_do(
    stay: DataProduct, before: list[Any], words: list[Any], policy: Policy, edited: list[tuple[int, bool]]
) -> None:
    rule(stay, policy)
    member("bob", "experts")
    results = []
    for in_bulk in (False, True):
        Feedback.objects.all().delete()
        Operation.objects.all().delete()
        operations = [operate(relapsed=relapsed) for relapsed in (None, True, False, None)]
        for place, author, answer, comment in before:
            say(stay, operations[place], author, answer, comment)
        for place, label in edited:
            Operation.objects.filter(pk=operations[place].pk).update(relapsed=label)
        if in_bulk:
            give_in_bulk(stay, [(operations[place], *word) for place, *word in words])
        else:
            for place, author, answer, comment in words:
                say(stay, operations[place], author, answer, comment)
        names = ("author", "answer", "comment", "groups")
        said = [
            sorted(map(repr, Feedback.objects.filter(entity=str(operation.pk)).values_list(*names)))
            for operation in operations
        ]
        touched = {place for place, *_ in words}
        results.append((said, [labels()[operations[place].pk] for place in sorted(touched)]))
    assert results[0] == results[1]


def say(product: DataProduct, operation: Operation, author: str, answer: bool, comment: str) -> None:
    Feedback.objects.give(product, About(entity=str(operation.pk)), str(answer), author, comment=comment)


def give_in_bulk(product: DataProduct, words: list[tuple[Any, ...]]) -> None:
    groups = {"ann": [], "bob": ["experts"]}
    given_words = [
        Word(
            subject=truth.subject_of_entity(product, str(operation.pk)),
            entity=str(operation.pk),
            author=author,
            answer=str(answer),
            comment=comment,
            groups=groups[author],
        )
        for operation, author, answer, comment in words
    ]
    bulk_feedback.lock(product, {word.subject for word in given_words})
    bulk_feedback.give(product, given_words)


def test_the_label_column_holds_what_counts_after_many_files(stay: DataProduct, tmp_path: Path) -> None:
    draw, operations = random.Random(7), [operate() for _ in range(40)]
    for author in ("ann", "bob", "cem"):
        rows = (f"{operation.pk},{draw.choice(['True', 'False'])}" for operation in operations)
        load(stay, write(tmp_path / f"{author}.csv", "entity,label", *rows), author)
    truths = {row.entity: row.answer for row in truth.Truth.objects.filter(product="stay")}
    assert {str(pk): str(label) for pk, label in labels().items()} == truths
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM store_feedback WHERE author = 'TABLE'")
        assert cursor.fetchone() == (40,)
