"""Rates are written as people say them, and one that allows nothing is refused."""

from io import StringIO

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management import CommandError, call_command

from project.settings import read_rate
from store.access import acting, grants, rates
from store.access.actors import Actor
from store.access.audit import Act, AuditEntry
from store.access.models import User
from store.access.permissions import Grants, Permission
from store.access.rates import Rate
from store.exceptions import Forbidden


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/second", Rate(100, 1)),
        ("5000 per 5 minutes", Rate(5_000, 300)),
        ("1000000/day", Rate(1_000_000, 86_400)),
        ("unlimited", None),
        ("Unlimited", None),
    ],
)
def test_a_rate_is_an_amount_in_a_span_of_time(text, rate):
    assert rates.parse(text) == rate


@pytest.mark.parametrize("text", ["", "100", "fast", "100/fortnight", "-1/second", "1/second; 5/minute"])
def test_what_is_no_rate_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="write 100/second"):
        rates.parse(text)


@pytest.mark.parametrize("text", ["0/second", "0 per day"])
def test_a_rate_that_allows_nothing_is_refused(text):
    with pytest.raises(ValueError, match="allows nothing"):
        rates.parse(text)


@pytest.mark.parametrize("text", ["9" * 30 + "/second", "1/" + "9" * 30 + " years"])
def test_a_number_that_nobody_counts_to_is_refused(text):
    with pytest.raises(ValueError, match="too large to count to: write unlimited"):
        rates.parse(text)


def test_a_rate_of_zero_refuses_the_start(monkeypatch):
    monkeypatch.setenv("EXEMPLAR_RATE", "0/second")
    with pytest.raises(ImproperlyConfigured, match="EXEMPLAR_RATE: '0/second' allows nothing"):
        read_rate("EXEMPLAR_RATE", "unlimited")


def test_a_form_says_what_is_wrong():
    with pytest.raises(ValidationError, match="allows nothing"):
        rates.validate("0/day")


@pytest.mark.parametrize(
    ("rate", "sentence"),
    [
        (Rate(1_000, 1), "1,000 operations in 1 second"),
        (Rate(5, 300), "5 operations in 5 minutes"),
        (Rate(9, 86_400), "9 operations in 1 day"),
    ],
)
def test_a_rate_is_told_in_words(rate, sentence):
    assert str(rate) == sentence


def run(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


@pytest.mark.django_db
def test_a_command_limits_a_program_and_shows_it() -> None:
    shop = User.objects.create_user("shop", kind="PROGRAM")
    grants.grant(shop, [Permission.VIEW], "tumor")
    assert "shop: 100/second, 1000/day." in run(
        "limit", "shop", "--rate", "100/second", "--quota", "1000/day"
    )
    assert "shop: 100/second." in run("limit", "shop", "--quota", "default")
    shop.refresh_from_db()
    assert (shop.rate, shop.quota) == ("100/second", "")
    assert "100/second" in run("who", "tumor")
    entries = AuditEntry.objects.filter(act=Act.CHANGE_ACCOUNT, details__change="limited")
    assert [entry.details["rate"] for entry in entries] == ["100/second"] * 2
    assert "what the settings say" in run("limit", "shop", "--rate", "default")


@pytest.mark.django_db
def test_two_who_limit_at_once_undo_nothing() -> None:
    shop = User.objects.create_user("shop", kind="PROGRAM")
    stale = User.objects.get(pk=shop.pk)
    grants.limit(shop, rate="9/second")
    limited = grants.limit(stale, quota="1000/day")
    assert grants.describe_limits(limited) == "9/second, 1000/day"
    assert User.objects.get(pk=shop.pk).rate == "9/second"


@pytest.mark.django_db
def test_who_shows_limits_of_those_who_are_granted_nothing_themselves() -> None:
    User.objects.create_user("bob")
    assert "bob" not in run("who")
    run("limit", "bob", "--rate", "9/second")
    assert "bob" in run("who") and "9/second" in run("who", "tumor")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("shop",), "Name a --rate"),
        (("shop", "--rate", "0/second"), "allows nothing"),
        (("shop", "--rate", "fast"), "write 100/second"),
        (("shop", "--rate", f"{'0' * 40}9/second"), "at most 40 characters"),
        (("nobody at all", "--rate", "9/second"), "There is no user"),
        (("group:readers", "--rate", "9/second"), "is a group"),
    ],
)
def test_a_limit_that_is_none_is_refused(arguments: tuple[str, ...], message: str) -> None:
    User.objects.create_user("shop", kind="PROGRAM")
    Group.objects.get_or_create(name="readers")
    with pytest.raises(CommandError, match=message):
        run("limit", *arguments)
    assert User.objects.get(username="shop").rate == ""


@pytest.mark.django_db
def test_who_administers_one_product_limits_nobody(settings) -> None:
    settings.EXEMPLAR_OPEN = False
    grantee = User.objects.create_user("shop", kind="PROGRAM")
    some = Actor(author="bea", name="bea", grants=Grants(by_product={"tumor": frozenset(Permission)}))
    with acting.acting_as(some), pytest.raises(Forbidden):
        grants.limit(grantee, rate="9/second")
