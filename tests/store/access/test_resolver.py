"""The resolver: every change of who may do what is noted, and what was cached is forgotten."""

import time
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from project.settings import read_stranger_permissions
from store.access import grants, resolver, tokens
from store.access.credentials import NOBODY, Credentials, read_credentials
from store.access.models import User, UserKind
from store.access.permissions import Permission
from store.exceptions import Unauthenticated
from store.products import system_checks

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def closed(settings) -> None:
    settings.EXEMPLAR_OPEN = False


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann", password="secret")


def session_of(user: User) -> str:
    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session["_auth_user_hash"] = user.get_session_auth_hash()
    session.save()
    assert session.session_key
    return session.session_key


CHANGES = {
    "grant": lambda ann: grants.grant(ann, [Permission.VIEW], "tumor"),
    "revoke": lambda ann: grants.revoke(ann, [Permission.PREDICT], "tumor"),
    "group": lambda ann: ann.groups.add(Group.objects.create(name="team")),
    "global": lambda ann: grants.grant(ann, [Permission.VIEW]),
    "deactivate": lambda ann: User.objects.filter(pk=ann.pk).update(is_active=False),
    "password": lambda ann: (ann.set_password("other"), ann.save()),
    "token": lambda ann: tokens.make(ann, created_by="ann"),
    "revoked token": lambda ann: tokens.revoke(tokens.make(ann, created_by="ann").token.prefix),
    "logout": lambda ann: SessionStore(session_of(ann)).flush(),
    "delete": lambda ann: ann.delete(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_who_may_do_what_is_noted(ann: User, change: str) -> None:
    grants.grant(ann, [Permission.PREDICT], "tumor")
    before = resolver.read_revision()
    CHANGES[change](ann)
    assert resolver.read_revision() != before


def test_what_changes_nothing_is_not_noted(ann: User) -> None:
    token = tokens.make(ann, created_by="ann").token
    before = resolver.read_revision()
    User.objects.filter(pk=ann.pk).update(last_login=timezone.now())
    tokens.touch([token.pk])
    session_of(ann)
    assert resolver.read_revision() == before


def test_a_cached_caller_is_forgotten_with_the_next_change(ann: User, monkeypatch) -> None:
    monkeypatch.setattr(resolver, "cache", cache := resolver.Cache())
    secret = tokens.make(ann, created_by="ann").secret
    credentials = Credentials(bearer=secret)
    cache.note(resolver.read_revision())
    actor = resolver.resolve(credentials)
    assert resolver.cached(credentials) is actor
    grants.grant(ann, [Permission.VIEW], "tumor")
    assert cache.note(resolver.read_revision())
    assert resolver.cached(credentials) is None
    assert resolver.resolve(credentials).permissions_for("tumor") == (Permission.VIEW,)


def test_a_refusal_is_cached_too(monkeypatch) -> None:
    monkeypatch.setattr(resolver, "cache", cache := resolver.Cache())
    cache.note(resolver.read_revision())
    guess = Credentials(bearer="ex_guess")
    with pytest.raises(Unauthenticated):
        resolver.resolve(guess)
    monkeypatch.setattr(resolver, "_look_up", lambda credentials: pytest.fail("looked up again"))
    with pytest.raises(Unauthenticated):
        resolver.resolve(guess)


def test_nothing_is_cached_where_nobody_looks(ann: User, monkeypatch) -> None:
    monkeypatch.setattr(resolver, "cache", resolver.Cache())
    credentials = Credentials(bearer=tokens.make(ann, created_by="ann").secret)
    resolver.resolve(credentials)
    assert resolver.cached(credentials) is None


def test_an_old_look_is_not_believed(ann: User, monkeypatch) -> None:
    monkeypatch.setattr(resolver, "cache", cache := resolver.Cache())
    cache.note(resolver.read_revision())
    credentials = Credentials(bearer=tokens.make(ann, created_by="ann").secret)
    cache.note(resolver.read_revision())
    resolver.resolve(credentials)
    assert resolver.cached(credentials)
    cache.refreshed_at -= resolver.STALE_SECONDS + 1
    assert resolver.cached(credentials) is None


def test_a_cached_token_ends_with_its_lifetime(ann: User, monkeypatch) -> None:
    monkeypatch.setattr(resolver, "cache", cache := resolver.Cache())
    made = tokens.make(ann, created_by="ann", expires_in=timedelta(milliseconds=1_500))
    cache.note(resolver.read_revision())
    credentials = Credentials(bearer=made.secret)
    resolver.resolve(credentials)
    later = time.monotonic() + 2
    monkeypatch.setattr("store.access.resolver.time.monotonic", lambda: later)
    assert resolver.cached(credentials) is None


def test_a_session_is_its_user_until_it_ends(ann: User) -> None:
    key = session_of(ann)
    actor = resolver.find_session_actor(key)
    assert (actor.name, actor.kind, actor.credential) == ("ann", "PERSON", "session")
    SessionStore(key).flush()
    stranger = resolver.find_session_actor(key)
    assert stranger.anonymous and stranger.author.startswith("anonymous-") and key not in stranger.author


def test_a_program_cannot_log_in(ann: User) -> None:
    key = session_of(ann)
    User.objects.filter(pk=ann.pk).update(kind=UserKind.PROGRAM)
    assert resolver.find_session_actor(key).anonymous


def test_strangers_may_what_is_granted_to_them(settings) -> None:
    assert not resolver.resolve(NOBODY).admitted
    settings.EXEMPLAR_ANONYMOUS = {"wine": ["PREDICT"], None: ["VIEW"]}
    assert resolver.resolve(NOBODY).permissions_for("wine") == (Permission.VIEW, Permission.PREDICT)
    strangers, _ = User.objects.get_or_create(username="anonymous", defaults={"kind": UserKind.STRANGERS})
    grants.grant(strangers, [Permission.FEEDBACK], "tumor")
    assert Permission.FEEDBACK in resolver.resolve(NOBODY).permissions_for("tumor")


def test_whoever_logs_in_keeps_what_strangers_may(ann: User, settings) -> None:
    settings.EXEMPLAR_ANONYMOUS = {"wine": ["PREDICT"]}
    assert resolver.find_session_actor(session_of(ann)).permissions_for("wine") == (Permission.PREDICT,)


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Basic YTpi")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer a b")],
        [(b"authorization", b"Bearer \xff")],
        [(b"authorization", b"Bearer " + b"a" * 9_000)],
        [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")],
        [(b"authorization", b"Bearer a"), (b"cookie", b"sessionid=b")],
    ],
)
def test_credentials_that_are_none_or_two_are_refused(headers) -> None:
    with pytest.raises(Unauthenticated):
        read_credentials(headers)


def test_credentials_are_read() -> None:
    assert read_credentials([]) is NOBODY
    assert read_credentials([(b"cookie", b"other=1")]) is NOBODY
    assert read_credentials([(b"cookie", b"a=1; sessionid=k")]) == Credentials(session="k")
    assert read_credentials([(b"authorization", b"bearer  t")]) == Credentials(bearer="t")


@pytest.mark.parametrize(
    "text",
    [
        ":VIEW",
        "tumor: PREDICT",
        "tumor:",
        "nope:VIEW,tumor:VIEW",
        "a:b:VIEW",
        "tumor:VIEW, PREDICT",
        "tumor:VIEW ,PREDICT",
    ],
)
def test_what_strangers_may_is_not_guessed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXEMPLAR_ANONYMOUS", text)
    with pytest.raises(ImproperlyConfigured, match="with blanks between products alone"):
        read_stranger_permissions("EXEMPLAR_ANONYMOUS")


def test_what_strangers_may_on_a_product_that_is_not_declared_is_an_error_of_check(settings) -> None:
    settings.EXEMPLAR_ANONYMOUS = {"wine": ["PREDICT"], "nope": ["VIEW"], None: ["VIEW"]}
    (message,) = system_checks.check_strangers()
    assert message.id == "exemplar.E007" and "'nope'" in message.msg
