"""Truth by each policy equals a naive recount: of small cases, and under many writers and retractors at once."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.truth import Latest, Majority, Policy, Priority
from store.access.actors import TABLE
from store.predictions import policies, truth
from store.predictions.feedback import About, Feedback, about_subjects
from store.predictions.truth import TruthPolicy
from store.products.product import DataProduct
from store.snapshots.snapshots import Snapshot
from tests.drawing import draws

from ..conftest import operate
from ..pools import close_connections
from .test_policies import ADMIN, column, member, rule

#: How many write at once, feedback and retractions of each, and how many rows. All begin with the same few rows and
#: go on to the next few, so that the last words about each row are written at once.
WRITERS, STEPS, ROWS = 24, 6, 12
#: Steps and rows after which they go on.
STEPS_AT, ROWS_AT = 2, 4
#: How many write by hand at once.
AT_ONCE = 24
#: Statements of each writer that holds no lock.
BY_HAND = 12

Recount = tuple[str | None, bool, int, set[int]]


def recount(policy: Policy, rows: list[Feedback]) -> Recount | None:
    """Count what a subject's feedback says, as the documentation has it: answer, disputed, words, those that count."""
    latest: dict[str, Feedback] = {}
    for row in sorted(rows, key=lambda row: row.pk):
        if row.author != TABLE and row.retracted_at is None:
            latest[row.author] = row
    if not latest:
        return None
    voices = list(latest.values())
    weighed = deciding = voices
    if policy.kind == "LATEST":
        deciding = [max(voices, key=lambda row: row.pk)]
    elif policy.kind == "PRIORITY":
        by_rank: dict[int, list[Feedback]] = {}
        for row in voices:
            ranks = [place for place, name in enumerate(policy.groups) if name in (row.groups or ())]
            by_rank.setdefault(min(ranks, default=len(policy.groups)), []).append(row)
        weighed = deciding = by_rank[min(by_rank)]
    ranked = Counter(row.answer for row in deciding).most_common(2)
    is_tie = len(ranked) == 2 and ranked[0][1] == ranked[1][1]
    answer = None if is_tie or len(weighed) < policy.quorum else ranked[0][0]
    return answer, len({row.answer for row in voices}) > 1, len(weighed), {row.pk for row in deciding}


def compare(product: DataProduct, policy: Policy) -> None:
    """Compare the views, the status and the label columns with the recount of all feedback."""
    by_subject: dict[str, list[Feedback]] = {}
    for row in Feedback.objects.filter(product=product.name):
        by_subject.setdefault(row.subject, []).append(row)
    counted = {subject: recount(policy, rows) for subject, rows in by_subject.items()}
    truths = truth.find_truths(product, by_subject)
    seen = {subject: (row.answer, row.disputed, row.words) for subject, row in truths.items()}
    assert seen == {subject: row[:3] for subject, row in counted.items() if row}
    shown = about_subjects(product, by_subject)
    for subject, row in counted.items():
        people = {word.pk for word in shown[subject] if word.status == "COUNTS" and word.author != TABLE}
        assert people == (row[3] if row else set())


POLICIES: list[Policy] = [
    Majority(),
    Majority(quorum=3),
    Latest(),
    Latest(quorum=2),
    Priority("experts"),
    Priority("staff", "experts", quorum=2),
]
#: Author, subject, answer, and whether it is taken back.
WORDS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 1), st.sampled_from("TFx"), st.booleans()), max_size=10
)
#: The groups of the authors by their numbers.
GROUPS: list[list[str]] = [["experts"], ["staff"], ["experts", "staff"], [], ["others"]]


@pytest.mark.django_db
@given(words=WORDS, policy=st.sampled_from(POLICIES), forgotten=st.booleans())
@settings(max_examples=draws(100))
def test_a_recount_of_few_words_equals_the_view(
    stay: DataProduct, words: list[Any], policy: Policy, forgotten: bool
) -> None:
    Feedback.objects.all().delete()
    rule(stay, policy)
    for author, subject, answer, is_retracted in words:
        groups = None if forgotten and author == 0 else GROUPS[author]
        row = Feedback.objects.create(
            product=stay.name,
            subject=truth.subject_of_entity(stay, str(subject)),
            entity=str(subject),
            author=f"u{author}",
            answer=answer,
            groups=groups,
        )
        if is_retracted:
            Feedback.objects.filter(pk=row.pk).update(retracted_at="2024-05-17T12:00:00Z")
    compare(stay, policy)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("policy", [Majority(quorum=2), Latest(), Priority("experts", "staff")], ids=str)
def test_a_recount_equals_the_view_under_many_writers_and_retractors(
    stay: DataProduct, policy: Policy, tables: None
) -> None:
    rule(stay, policy)
    for number in range(WRITERS):
        if number % 3:
            member(f"u{number}", ["experts", "staff"][number % 2])
    operations = [operate(relapsed=None) for _ in range(ROWS)]

    def write(number: int) -> None:
        draw = random.Random(number)
        for step in range(STEPS):
            about = About(entity=str(draw.choice(rows_at(step, operations)).pk))
            word = Feedback.objects.give(stay, about, draw.choice(["True", "False"]), f"u{number}").feedback
            if draw.random() < 0.4:
                Feedback.objects.retract(stay, word.pk, ADMIN)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
        close_connections(pool)
    assert Feedback.objects.from_people().count() == WRITERS * STEPS - repeats(operations)
    compare(stay, policy)
    truths = {row.entity: row.answer for row in truth.Truth.objects.filter(product=stay.name)}
    for operation in operations:
        assert column(operation) is stay.label_of(truths.get(str(operation.pk)))
    snapshot = Snapshot.objects.take(stay)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT _entity, _label FROM {snapshot.table}")
        assert dict(cursor.fetchall()) == {str(o.pk): truths.get(str(o.pk)) for o in operations}


@pytest.mark.django_db(transaction=True)
def test_words_that_are_written_by_hand_are_counted_beside_a_policy_that_changes(
    stay: DataProduct, tables: None
) -> None:
    """No lock of the application is held: the triggers alone keep the truths."""
    rule(stay, POLICIES[0])
    subjects = [truth.subject_of_entity(stay, str(number)) for number in range(4)]

    def write(number: int) -> None:
        draw = random.Random(number)
        words: list[Feedback] = []
        try:
            for _ in range(BY_HAND):
                if words and draw.random() < 0.4:
                    change(draw, words)
                else:
                    words += add(draw, stay, draw.sample(subjects, 2), f"u{number % 9}")
        finally:
            connection.close()

    def change_policies(_: int) -> None:
        try:
            for policy in POLICIES[1:]:
                TruthPolicy.objects.filter(product=stay.name).update(**policies.describe(policy))
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = [pool.submit(change_policies if number == 9 else write, number) for number in range(18)]
        [each.result() for each in done]
    compare(stay, POLICIES[-1])
    Feedback.objects.filter(subject__in=subjects[:2]).delete()
    compare(stay, POLICIES[-1])
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE store_feedback")
    assert not truth.Truth.objects.exists()


def add(draw: random.Random, product: DataProduct, subjects: list[str], author: str) -> list[Feedback]:
    """Insert a word about each of the subjects by one statement."""
    return Feedback.objects.bulk_create(
        Feedback(
            product=product.name,
            subject=subject,
            author=author,
            answer=draw.choice("TF"),
            groups=draw.choice(GROUPS),
        )
        for subject in subjects
    )


def change(draw: random.Random, words: list[Feedback]) -> None:
    """Take a word back, change it or its author's groups, or delete it."""
    word = words.pop(draw.randrange(len(words)))
    rows = Feedback.objects.filter(pk=word.pk)
    match draw.randrange(4):
        case 0:
            rows.update(retracted_at="2024-05-17T12:00:00Z")
        case 1:
            rows.update(answer=draw.choice("TF"))
        case 2:
            rows.update(groups=draw.choice(GROUPS))
        case _:
            rows.delete()


def rows_at(step: int, operations: list[Any]) -> list[Any]:
    """Return the rows that all write about at a step."""
    first = step // STEPS_AT * ROWS_AT
    return operations[first : first + ROWS_AT]


def repeats(operations: list[Any]) -> int:
    """Count the words that were no new ones, as their author had just said the same of the row."""
    count = 0
    for number in range(WRITERS):
        draw = random.Random(number)
        said: dict[int, list[str]] = {}
        for step in range(STEPS):
            before = said.setdefault(draw.choice(rows_at(step, operations)).pk, [])
            answer = draw.choice(["True", "False"])
            if before and before[-1] == answer:
                count += 1
            else:
                before.append(answer)
            if draw.random() < 0.4:
                before.pop()
    return count
