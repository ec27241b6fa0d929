"""Truth policies: which label counts by each, and the rows that keep them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from learning.truth import DEFAULT, Latest, Majority, Policy, Priority
from store.access.acting import acting_as
from store.access.actors import TABLE, Actor
from store.access.models import User
from store.predictions import policies, truth
from store.predictions.feedback import COUNTS, RETRACTED, SUPERSEDED, About, Feedback, about_subjects
from store.predictions.truth import TruthPolicy
from store.products.product import DataProduct
from tests.clinic.models import Operation

from ..conftest import declared, operate

ADMIN = Actor(author="admin", name="admin", superuser=True)


def rule(product: DataProduct, policy: Policy) -> None:
    """Have the product's labels count by a policy."""
    row = TruthPolicy(product=product.name, **policies.describe(policy))
    TruthPolicy.objects.filter(pk=row.pk).delete()
    row.save(force_insert=True)


def member(name: str, *groups: str) -> User:
    user = User.objects.get_or_create(username=name)[0]
    user.groups.set([Group.objects.get_or_create(name=group)[0] for group in groups])
    return user


def say(product: DataProduct, operation: Operation, author: str, answer: str) -> Feedback:
    return Feedback.objects.give(product, About(entity=str(operation.pk)), answer, author).feedback


def take_back(product: DataProduct, word: Feedback) -> None:
    Feedback.objects.retract(product, word.pk, ADMIN)


def agreed(product: DataProduct, operation: Operation) -> truth.Truth:
    subject = truth.subject_of_entity(product, str(operation.pk))
    return truth.find_truths(product, [subject])[subject]


def statuses(product: DataProduct, operation: Operation) -> dict[str, str]:
    """The status of each author's newest word, as the nodes have it and as the filter has it."""
    subject = truth.subject_of_entity(product, str(operation.pk))
    shown = {word.pk: word.status for word in about_subjects(product, [subject])[subject]}
    listed = {
        pk: status
        for status in (COUNTS, SUPERSEDED, RETRACTED)
        for pk in Feedback.objects.listed(product)
        .filter(validity=status, subject=subject)
        .values_list("pk", flat=True)
    }
    assert shown == listed
    words = Feedback.objects.filter(pk__in=shown).order_by("pk")
    return {word.author: shown[word.pk] for word in words}


def column(operation: Operation) -> bool | None:
    operation.refresh_from_db()
    return operation.relapsed


@pytest.mark.django_db
class TestPolicies:
    def test_by_latest_the_newest_word_of_anybody_counts(self, stay: DataProduct) -> None:
        rule(stay, Latest())
        operation = operate(relapsed=None)
        for author, answer in [("ann", "True"), ("bob", "True"), ("cem", "False")]:
            word = say(stay, operation, author, answer)
        assert (agreed(stay, operation).answer, agreed(stay, operation).words) == ("False", 3)
        assert agreed(stay, operation).disputed is True
        assert column(operation) is False
        assert statuses(stay, operation) == {"ann": SUPERSEDED, "bob": SUPERSEDED, "cem": COUNTS}
        take_back(stay, word)
        assert column(operation) is True
        assert statuses(stay, operation) == {"ann": SUPERSEDED, "bob": COUNTS, "cem": RETRACTED}

    def test_by_priority_the_first_group_in_which_anybody_spoke_decides(self, stay: DataProduct) -> None:
        rule(stay, Priority("experts", "staff"))
        member("eva", "experts"), member("sam", "staff", "others"), member("sue", "staff")
        operation = operate()
        say(stay, operation, "passer-by", "True")
        say(stay, operation, "other", "True")
        assert column(operation) is True
        say(stay, operation, "sam", "False")
        assert column(operation) is False
        say(stay, operation, "sue", "True")
        assert agreed(stay, operation).answer is None
        assert agreed(stay, operation).words == 2
        assert column(operation) is None
        say(stay, operation, "eva", "True")
        assert (agreed(stay, operation).answer, agreed(stay, operation).words) == ("True", 1)
        assert statuses(stay, operation) == {
            "passer-by": SUPERSEDED,
            "other": SUPERSEDED,
            "sam": SUPERSEDED,
            "sue": SUPERSEDED,
            "eva": COUNTS,
        }

    @pytest.mark.parametrize("policy", [Majority(quorum=2), Latest(quorum=2), Priority("experts", quorum=2)])
    def test_below_the_quorum_there_is_no_truth_and_the_table_has_its_value(
        self, stay: DataProduct, policy: Policy
    ) -> None:
        rule(stay, policy)
        operation = operate(relapsed=False)
        say(stay, operation, "ann", "True")
        say(stay, operation, "ann", "True")
        assert (agreed(stay, operation).answer, agreed(stay, operation).words) == (None, 1)
        assert column(operation) is False
        word = say(stay, operation, "bob", "True")
        assert (agreed(stay, operation).answer, agreed(stay, operation).words) == ("True", 2)
        assert column(operation) is True
        take_back(stay, word)
        assert column(operation) is False

    def test_a_word_has_the_groups_of_its_author_at_the_time(self, stay: DataProduct) -> None:
        rule(stay, Priority("experts"))
        member("eva", "experts", "staff")
        operation = operate()
        assert say(stay, operation, "eva", "True").groups == ["experts", "staff"]
        assert say(stay, operation, "bob", "False").groups == []
        assert Feedback.objects.get(author=TABLE).groups is None
        member("eva"), member("bob", "experts")
        assert column(operation) is True
        # The same label from somebody who has become an expert is another word.
        assert say(stay, operation, "bob", "False").groups == ["experts"]
        assert column(operation) is None

    def test_groups_that_an_identity_provider_names_count_for_who_was_named(self, stay: DataProduct) -> None:
        Group.objects.create(name="experts")
        actor = Actor(
            author="oidc/eva", name="oidc/eva", superuser=True, groups=frozenset({"experts", "unknown"})
        )
        with acting_as(actor):
            assert say(stay, operate(), "oidc/eva", "True").groups == ["experts"]
            assert say(stay, operate(), "somebody else", "True").groups == []

    def test_a_product_without_a_row_has_the_majority(self, stay: DataProduct) -> None:
        TruthPolicy.objects.all().delete()
        operation = operate()
        for author, answer in [("ann", "True"), ("bob", "True"), ("cem", "False")]:
            say(stay, operation, author, answer)
        assert agreed(stay, operation).answer == "True"
        assert policies.find_stored(stay).policy == DEFAULT

    def test_a_new_product_has_the_policy_that_it_declares(self) -> None:
        TruthPolicy.objects.all().delete()
        new = declared({"cost": "cost"}, truth=Priority("experts", quorum=2))
        policies.insert_missing([new])
        policies.insert_missing([declared({"cost": "cost"}, truth=Latest())])
        assert policies.find_stored(new).policy == Priority("experts", quorum=2)

    def test_a_product_with_feedback_keeps_the_majority_until_it_is_settled(self) -> None:
        TruthPolicy.objects.all().delete()
        product = declared({"cost": "cost"}, truth=Latest())
        say(product, operate(), "ann", "True")
        policies.insert_missing([product])
        assert policies.find_stored(product).policy == DEFAULT

    def test_a_subject_is_looked_up_by_its_index(self, stay: DataProduct) -> None:
        subject = truth.subject_of_entity(stay, "1")
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO store_feedback (product, subject, entity, author, answer, comment) "
                "SELECT 'stay', md5(i::text)::uuid, i::text, 'ann', 'True', '' FROM generate_series(1, 20000) i"
            )
            cursor.execute("ANALYZE store_feedback")
            cursor.execute("ANALYZE store_truth")
        for condition, indexes in [
            ({"subject": subject}, ("store_truth_pkey", "feedback_by_subject")),
            (
                {"subject__in": [subject, truth.subject_of_entity(stay, "2")]},
                ("store_truth_pkey", "feedback_by_subject"),
            ),
            ({"entity": "1"}, ("truths_by_entity", "feedback_by_entity")),
        ]:
            for table, index in zip((truth.Truth, truth.Voice), indexes, strict=True):
                plan = table.objects.filter(product="stay", **condition).explain()
                assert index in plan and f"Seq Scan on {table._meta.db_table}" not in plan, plan
                assert "Seq Scan on store_feedback" not in plan, plan


@pytest.mark.django_db(transaction=True)
def test_processes_that_start_at_once_insert_one_row(stay: DataProduct) -> None:
    TruthPolicy.objects.all().delete()

    def start(_: Any) -> None:
        policies.insert_missing([stay])
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start, range(8)))
    assert TruthPolicy.objects.count() == 1
