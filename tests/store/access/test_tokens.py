"""Tokens: made once, stored as hashes, limited, rotated, revoked."""

from datetime import timedelta

import pytest
from django.utils import timezone

from store.access import grants, resolver, tokens
from store.access.acting import acting_as
from store.access.credentials import Credentials
from store.access.models import Token, User, UserKind
from store.access.permissions import Permission
from store.exceptions import BadInput, Forbidden, Unauthenticated, UnknownId

pytestmark = pytest.mark.django_db

VIEW, PREDICT = Permission.VIEW, Permission.PREDICT


@pytest.fixture(autouse=True)
def closed(settings) -> None:
    settings.EXEMPLAR_OPEN = False


@pytest.fixture
def app() -> User:
    program = User.objects.create(username="shop", kind=UserKind.PROGRAM, password="!")
    grants.grant(program, [VIEW, PREDICT], "tumor")
    return program


def find(secret: str):
    return resolver.resolve(Credentials(bearer=secret))


def test_a_token_is_its_program_with_its_grants(app: User) -> None:
    made = tokens.make(app, created_by="admin")
    actor = find(made.secret)
    assert (actor.author, actor.kind, actor.credential) == ("shop", "PROGRAM", f"token {made.token.prefix}")
    assert actor.permissions_for("tumor") == (VIEW, PREDICT)
    assert not actor.superuser


def test_no_column_holds_the_secret(app: User) -> None:
    made = tokens.make(app, created_by="admin")
    stored = Token.objects.filter(pk=made.token.pk).values().get()
    assert made.secret not in str(
        {name: bytes(v) if isinstance(v, memoryview) else v for name, v in stored.items()}
    )
    assert made.secret.startswith(stored["prefix"])


def test_a_scope_limits_what_the_token_may(app: User) -> None:
    made = tokens.make(app, created_by="admin", permissions=[PREDICT], products=["tumor", "wine"])
    actor = find(made.secret)
    assert actor.permissions_for("tumor") == (PREDICT,)
    assert actor.permissions_for("wine") == ()


def test_a_superusers_token_with_a_scope_is_no_superuser() -> None:
    admin = User.objects.create_superuser("root")
    limited = find(tokens.make(admin, created_by="root", permissions=[VIEW]).secret)
    assert limited.permissions_for("wine") == (VIEW,) and not limited.superuser
    assert find(tokens.make(admin, created_by="root").secret).superuser


@pytest.mark.parametrize("change", ["revoked", "expired", "inactive", "deleted"])
def test_a_token_that_does_not_hold_is_refused_with_one_sentence(app: User, change: str) -> None:
    made = tokens.make(app, created_by="admin", expires_in=timedelta(days=1))
    assert find(made.secret)
    if change == "revoked":
        tokens.revoke(made.token.prefix)
    elif change == "expired":
        Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif change == "inactive":
        User.objects.filter(pk=app.pk).update(is_active=False)
    else:
        app.delete()
    with pytest.raises(Unauthenticated, match="unknown, expired or revoked"):
        find(made.secret)


@pytest.mark.parametrize(
    "secret",
    ["ex_", "ex_aaaaaaaa_", "ex_aaaaaaaa_" + "b" * 43, "ex_\0", "ex_" + "é" * 9, "nonsense", "a.b.c"],
)
def test_what_is_no_token_is_refused(secret: str) -> None:
    with pytest.raises(Unauthenticated):
        find(secret)


def test_a_rotated_token_holds_for_the_overlap(app: User) -> None:
    old = tokens.make(app, created_by="admin", expires_in=timedelta(days=90), permissions=[VIEW])
    new = tokens.rotate(old.token, created_by="admin", overlap=timedelta(hours=1))
    assert find(old.secret) and find(new.secret).permissions_for("tumor") == (VIEW,)
    old.token.refresh_from_db()
    assert old.token.expires_at and old.token.expires_at <= timezone.now() + timedelta(hours=1)
    assert new.token.expires_at and new.token.expires_at > timezone.now() + timedelta(days=89)


def test_a_token_changes_itself_and_no_other_of_its_user(app: User) -> None:
    wide = tokens.make(app, created_by="admin").token
    narrow = tokens.make(app, created_by="admin", permissions=[VIEW], products=["tumor", "tumor"])
    with acting_as(find(narrow.secret)):
        for change in (
            lambda: tokens.rotate(wide, created_by="shop", overlap=timedelta(hours=1)),
            lambda: tokens.revoke(wide.prefix),
        ):
            with pytest.raises(Forbidden, match="changes itself alone"):
                change()
        successor = tokens.rotate(narrow.token, created_by="shop", overlap=timedelta(hours=1)).token
    assert (successor.permissions, successor.products) == (["VIEW"], ["tumor"])
    wide.refresh_from_db()
    assert wide.revoked_at is None and wide.expires_at is None


def test_the_last_use_is_written_once_a_minute(app: User) -> None:
    token = tokens.make(app, created_by="admin").token

    def last_use():
        tokens.touch([token.pk])
        token.refresh_from_db()
        return token.last_used_at

    first = last_use()
    assert first is not None
    for seconds, is_written in ((30, False), (61, True)):
        earlier = first - timedelta(seconds=seconds)
        Token.objects.update(last_used_at=earlier)
        assert (last_use() != earlier) is is_written


def test_tokens_that_make_no_sense_are_refused(app: User) -> None:
    with pytest.raises(BadInput, match="in the future"):
        tokens.make(app, created_by="admin", expires_in=timedelta(0))
    with pytest.raises(BadInput, match="name permissions"):
        tokens.make(app, created_by="admin", permissions=[])
    with pytest.raises(BadInput, match="at most 200 characters"):
        tokens.make(app, created_by="admin", note="é" * 201)
    with pytest.raises(UnknownId):
        tokens.revoke("ex_nothing")
