"""Settling: a changed policy is applied once to what is stored, also when it is broken off, and beside feedback."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from learning.truth import DEFAULT, Latest, Majority, Policy, Priority
from store.access.actors import TABLE
from store.predictions import policies, policy_checks, settling, truth
from store.predictions.feedback import Feedback
from store.predictions.truth import TruthPolicy
from store.products import catalogue
from store.products.product import DataProduct
from tests.clinic.models import Operation

from ..conftest import declared, operate, wait_for_locks
from .test_policies import column, member, say, take_back
from .test_truth import words

pytestmark = pytest.mark.django_db

#: Two subjects, in their order.
SUBJECTS = [f"{number:08}-0000-0000-0000-000000000000" for number in range(2)]


def with_policy(product: DataProduct, policy: Policy) -> DataProduct:
    return replace(product, truth=policy)


def settle(product: DataProduct) -> int:
    return sum(batch.changed for batch in settling.settle(product))


def test_labels_change_with_the_policy(stay: DataProduct) -> None:
    member("eva", "experts")
    new = with_policy(stay, Priority("experts"))
    other, same, untouched = operate(relapsed=None), operate(relapsed=None), operate(relapsed=True)
    for operation in (other, same):
        for author in ("ann", "bob"):
            say(stay, operation, author, "True")
    say(stay, other, "eva", "False")
    assert settling.find_change(stay) is None
    change = settling.find_change(new)
    assert change and (change.before, change.after, change.labels) == (DEFAULT, Priority("experts"), 1)
    assert column(other) is True, "the stored policy applies until it is settled"
    assert settle(new) == 1
    assert (column(other), column(same), column(untouched)) == (False, True, True)
    assert settling.find_change(new) is None
    assert settle(new) == 0
    assert words(other, TABLE) == [None]
    assert settle(stay) == 1
    assert column(other) is True


def test_groups_that_were_not_recorded_are_those_of_today(stay: DataProduct) -> None:
    operation, new = operate(), with_policy(stay, Priority("experts"))
    (
        say(stay, operation, "ann", "True"),
        say(stay, operation, "bob", "True"),
        say(stay, operation, "eva", "False"),
    )
    Feedback.objects.update(groups=None)
    member("eva", "staff", "experts")
    assert str(settling.find_change(new)).endswith("1 label changes; run ./dev settle stay.")
    assert not Feedback.objects.filter(groups__isnull=False).exists()
    assert settle(new) == 1
    assert column(operation) is False
    assert Feedback.objects.get(author="eva").groups == ["experts", "staff"]
    assert Feedback.objects.get(author="bob").groups == []
    assert Feedback.objects.get(author=TABLE).groups is None


def test_what_was_broken_off_is_ended_by_the_next(stay: DataProduct, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "BATCH", 2)
    new, operations = with_policy(stay, Latest()), [operate() for _ in range(5)]
    for operation in operations:
        for author, answer in [("ann", "True"), ("bob", "True"), ("cem", "False")]:
            say(stay, operation, author, answer)
    list(islice(settling.settle(new), 1))
    assert [column(operation) for operation in operations].count(False) == 2
    assert policies.find_stored(stay).policy == Latest()
    change = settling.find_change(new)
    assert change and change.is_begun
    # Feedback on rows that are not settled yet does not take the old truth for a label of the table's owner.
    for operation in operations:
        take_back(stay, say(stay, operation, "dan", "True"))
    assert settle(new) == 0
    assert [column(operation) for operation in operations] == [False] * 5
    assert all(words(operation, TABLE) == [None] for operation in operations)
    assert settling.find_change(new) is None


def test_what_was_broken_off_is_ended_before_another_policy_is_applied(stay: DataProduct) -> None:
    operation = operate()
    for author, answer in [("ann", "True"), ("bob", "True"), ("cem", "False")]:
        say(stay, operation, author, answer)
    next(settling.settle(with_policy(stay, Latest())))
    assert settle(with_policy(stay, Majority(quorum=4))) == 1
    assert column(operation) is None
    assert policies.find_stored(stay).policy == Majority(quorum=4)


def test_a_label_that_others_wrote_is_the_tables_newer_word(stay: DataProduct) -> None:
    operation = operate(relapsed=None)
    for author, answer in [("ann", "True"), ("bob", "True"), ("cem", "True"), ("dan", "False")]:
        say(stay, operation, author, answer)
    Operation.objects.update(relapsed=False)
    assert settle(with_policy(stay, Majority(quorum=9))) == 0
    assert column(operation) is False
    assert words(operation, TABLE) == [None, "False"]


def test_the_command_says_what_changes_and_asks(
    stay: DataProduct, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    operation = operate()
    for author, answer in [("ann", "True"), ("bob", "True"), ("cem", "False")]:
        say(stay, operation, author, answer)
    call_command("settle", "stay")
    assert capsys.readouterr().out == "Nothing to do: the labels of Stay count by Majority().\n"
    monkeypatch.setattr(catalogue, "get", lambda name: with_policy(stay, Latest()))
    call_command("settle", "stay", "--dry-run")
    assert capsys.readouterr().out == "From Majority() to Latest(): 1 label changes of Stay.\n"
    with pytest.raises(CommandError, match="without a terminal for the confirmation, add --yes"):
        call_command("settle", "stay")
    assert column(operation) is True
    call_command("settle", "stay", "--yes")
    assert column(operation) is False
    assert capsys.readouterr().out.endswith(
        "1 rows settled, 1 of them changed.\nThe labels of Stay count by Latest().\n"
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("policy", [Latest(), Priority("experts", "staff"), Majority(quorum=3)])
def test_feedback_beside_a_settling_is_neither_lost_nor_taken_for_the_tables(
    stay: DataProduct, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "BATCH", 3)
    TruthPolicy.objects.all().delete()
    member("u0", "experts"), member("u1", "staff"), member("u2", "staff")
    operations = [operate(relapsed=None) for _ in range(12)]
    for operation in operations:
        for author in ("u0", "u1", "u2", "u3"):
            say(stay, operation, author, random.Random(operation.pk).choice(["True", "False"]))

    def speak(seed: int) -> None:
        draw = random.Random(seed)
        try:
            for _ in range(25):
                word = say(
                    stay, draw.choice(operations), f"u{draw.randrange(6)}", draw.choice(["True", "False"])
                )
                if draw.random() < 0.3:
                    take_back(stay, word)
        finally:
            connection.close()

    def settle_now(_: Any) -> None:
        try:
            settle(with_policy(stay, policy))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        speaking = [pool.submit(speak, seed) for seed in range(6)]
        settlings = [pool.submit(settle_now, None) for _ in range(2)]
        for future in [*speaking, *settlings]:
            future.result()
    assert settling.find_change(with_policy(stay, policy)) is None
    subjects = {operation.pk: truth.subject_of_entity(stay, str(operation.pk)) for operation in operations}
    truths = truth.find_truths(stay, subjects.values())
    for operation in operations:
        agreed = truths.get(subjects[operation.pk])
        assert column(operation) is stay.label_of(agreed.answer if agreed else None)
        assert words(operation, TABLE) == [None]


@pytest.mark.django_db(transaction=True)
def test_groups_are_filled_in_behind_an_import_whose_rows_have_another_order(stay: DataProduct) -> None:
    TruthPolicy.objects.all().delete()
    policies.insert_missing([stay])
    words_of = {subject: {"product": stay.name, "subject": subject, "answer": "True"} for subject in SUBJECTS}
    for values in words_of.values():
        Feedback.objects.create(author="ann", **values)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            truth.lock_policy(stay)
            Feedback.objects.create(author="bob", groups=[], **words_of[SUBJECTS[1]])
            settling_now = pool.submit(settle_apart, with_policy(stay, Priority("experts")))
            wait_for_locks(1)
            Feedback.objects.create(author="bob", groups=[], **words_of[SUBJECTS[0]])
        settling_now.result()
    assert {word.groups is None for word in Feedback.objects.all()} == {False}
    assert [row.words for row in truth.Truth.objects.filter(product=stay.name)] == [2, 2]


def settle_apart(product: DataProduct) -> int:
    try:
        return settle(product)
    finally:
        connection.close()


def test_a_policy_is_checked_against_the_users(settings: Any) -> None:
    settings.EXEMPLAR_OPEN = False
    product = declared({"cost": "cost"}, truth=Priority("experts", "staff", quorum=2))
    member("eva", "experts")
    policies.insert_missing([product])
    named = "truth=Priority('experts', 'staff', quorum=2)"
    assert list(policy_checks.find_unknown_groups(product)) == [
        f"{named} names 'staff', which is no group: create it in the admin, or correct the name."
    ]
    assert list(policy_checks.find_problems(product)) == [
        f"{named}, and 0 users may give feedback: no label counts until more may, by ./dev grant."
    ]
    root = member("root")
    root.is_superuser = True
    root.save()
    member("sam", "staff"), member("sue", "staff")
    assert list(policy_checks.find_problems(product)) == [
        f"{named}, and 1 user of the group 'experts' may give feedback: where one of them speaks, no label counts "
        "until the group has more."
    ]
    member("ed", "experts")
    assert list(policy_checks.find_problems(product)) == []
    settings.EXEMPLAR_OPEN = True
    [problem] = policy_checks.find_problems(declared({"cost": "cost"}, truth=Majority(quorum=50)))
    assert problem == (
        "the policy changed, from Priority('experts', 'staff', quorum=2) to Majority(quorum=50): 0 labels change; run "
        "./dev settle declared."
    )
