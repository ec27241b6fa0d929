"""Users of an identity provider: made when they first come, and nobody else's."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import connection

from store.access import identities
from store.access.models import Identity, User, UserKind
from store.access.oidc import Claims
from store.exceptions import Unauthenticated

pytestmark = pytest.mark.django_db


def claims(**fields: Any) -> Claims:
    usual = {
        "issuer": "https://id.example",
        "subject": "1",
        "name": "ada",
        "email": "ada@example.com",
        "groups": (),
        "expires_at": datetime.max.replace(tzinfo=UTC),
        "is_program": False,
    }
    return Claims(**(usual | fields))


def test_whoever_comes_first_gets_a_user_and_then_finds_it_again() -> None:
    user = identities.find_user(claims())
    assert (user.username, user.email, user.kind) == ("oidc/ada", "ada@example.com", UserKind.PERSON)
    assert not user.has_usable_password()
    assert not user.is_superuser
    assert identities.find_user(claims(name="ada.lovelace")) == user
    assert User.objects.get(pk=user.pk).username == "oidc/ada"


def test_a_program_gets_a_user_of_its_kind() -> None:
    assert identities.find_user(claims(is_program=True)).kind == UserKind.PROGRAM


def test_a_name_is_not_taken_over_from_another_subject_or_a_local_user() -> None:
    local = User.objects.create_user("ada")
    first = identities.find_user(claims())
    second = identities.find_user(claims(subject="2"))
    third = identities.find_user(claims(issuer="https://other.example"))
    assert len({local.pk, first.pk, second.pk, third.pk}) == 4
    assert second.username.startswith("oidc/ada~")
    assert third.username not in (first.username, second.username)


def test_no_local_user_can_be_given_such_a_name() -> None:
    with pytest.raises(ValidationError):
        UnicodeUsernameValidator()(identities.find_user(claims()).username)


@pytest.mark.parametrize(
    "name", ["a:b c/d", "Ada Lovelace", "ada#EXT#@example", "TABLE", "anonymous", "é" * 200, "/"]
)
def test_whatever_the_provider_calls_somebody_is_a_name_here(name: str) -> None:
    username = identities.find_user(claims(name=name)).username
    assert username.startswith("oidc/")
    assert len(username) <= 150
    assert not set(username.removeprefix("oidc/")) & set(": /#")


def test_a_deactivated_user_is_refused_in_the_sentence_for_all_tokens() -> None:
    user = identities.find_user(claims())
    user.is_active = False
    user.save()
    with pytest.raises(Unauthenticated, match="not accepted here"):
        identities.find_user(claims())


@pytest.mark.django_db(transaction=True)
def test_many_requests_at_once_make_one_user() -> None:
    def find(_: int) -> int:
        try:
            return identities.find_user(claims()).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(find, range(16)))) == 1
    assert Identity.objects.count() == 1
    assert User.objects.filter(username__startswith="oidc/").count() == 1


def test_the_provider_alone_makes_superusers_where_a_setting_names_the_group(settings: Any) -> None:
    user = identities.find_user(claims())
    identities.record_login(user, claims(groups=("admins",)))
    assert not user.is_superuser
    settings.EXEMPLAR_OIDC_ADMINISTRATORS = "admins"
    identities.record_login(user, claims(groups=("admins",)))
    assert User.objects.get(pk=user.pk).is_superuser
    assert not identities.is_superuser(user, claims())
    identities.record_login(user, claims())
    assert not User.objects.get(pk=user.pk).is_superuser
