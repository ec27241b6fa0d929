"""People log in to pages: by a password, or through an identity provider; wrong answers of it log nobody in."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest
from django.test import Client

from project.login import BROWSER_COOKIE
from store.access import login_limits
from store.access.models import Identity, User
from tests import identity_provider
from tests.identity_provider import IdentityProvider
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"


@pytest.fixture
def idp(settings: Any) -> Iterator[IdentityProvider]:
    with identity_provider.running() as provider:
        provider.configure(settings)
        yield provider


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Let nobody in without a permission, and begin without failures of other tests, which come from one address."""
    settings.EXEMPLAR_OPEN = False
    monkeypatch.setattr(login_limits, "_shared", login_limits.LocalFailures())


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password=PASSWORD)


# -- Through the provider --


def leave(client: Client, next: str = "/graphql/?product=tumor") -> dict[str, str]:
    """Begin to log in; return what the browser brings to the provider."""
    response = client.get(f"/login/provider/?{urlencode({'next': next})}")
    assert response.status_code == 302, response.content
    return dict(parse_qsl(urlsplit(response["Location"]).query))


def consent(idp: IdentityProvider, request: dict[str, str], ok: str = "yes") -> str:
    """Log in at the provider; return the path with which it sends the browser back."""
    url = f"{idp.issuer}/authorize?{urlencode(request)}"
    page = httpx.post(url, data={"ok": ok}, trust_env=False, timeout=PATIENCE)
    parts = urlsplit(page.headers["Location"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "http://testserver/login/callback/"
    return f"{parts.path}?{parts.query}"


def is_logged_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_a_person_logs_in_through_the_provider(client: Client, idp: IdentityProvider) -> None:
    request = leave(client)
    assert request["response_type"] == "code"
    assert request["code_challenge_method"] == "S256"
    assert len({request["state"], request["nonce"], request["code_challenge"]}) == 3
    response = client.get(consent(idp, request))
    assert response["Location"] == "/graphql/?product=tumor"
    assert is_logged_in(client)
    identity = Identity.objects.get(issuer=idp.issuer, subject="ada-1")
    assert client.session["_auth_user_id"] == str(identity.user.pk)
    assert client.session["_auth_user_backend"].endswith("IdentityProviderBackend")
    assert client.session["oidc_groups"] == ["labellers"]
    assert client.session.get_expiry_age() <= 8 * 3_600
    assert not [
        name for name, cookie in client.cookies.items() if name.startswith("exemplar_login") and cookie.value
    ]
    assert not idp.refused


def test_the_session_has_another_key_after_the_login(client: Client, idp: IdentityProvider) -> None:
    session = client.session
    session["fixed"] = "by an attacker"
    session.save()
    client.cookies["sessionid"] = session.session_key
    client.get(consent(idp, leave(client)))
    assert client.session.session_key != session.session_key


def test_another_login_of_the_same_person_has_other_groups(client: Client, idp: IdentityProvider) -> None:
    client.get(consent(idp, leave(client)))
    key = client.session.session_key
    idp.person["groups"] = ["operators"]
    client.get(consent(idp, leave(client)))
    assert client.session["oidc_groups"] == ["operators"]
    assert client.session.session_key != key


@pytest.mark.parametrize("methods", [None, ["client_secret_basic"], ["client_secret_post"]])
def test_the_client_identifies_itself_as_the_provider_wants(
    client: Client, idp: IdentityProvider, methods: list[str] | None
) -> None:
    if methods:
        idp.document["token_endpoint_auth_methods_supported"] = methods
    client.get(consent(idp, leave(client)))
    assert is_logged_in(client)


def test_a_public_client_has_no_secret(client: Client, idp: IdentityProvider, settings: Any) -> None:
    settings.EXEMPLAR_OIDC_CLIENT_SECRET = ""
    client.get(consent(idp, leave(client)))
    assert idp.refused == ["client"]  # this provider wants one


@pytest.mark.parametrize(
    "instead",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"iss": "https://elsewhere.example"},
        {"exp": 1},
        {"azp": "another"},
        {"sub": ""},
    ],
)
def test_a_wrong_id_token_logs_nobody_in(
    client: Client, idp: IdentityProvider, instead: dict[str, Any]
) -> None:
    idp.instead = instead
    response = client.get(consent(idp, leave(client)))
    assert response.status_code == 403
    assert not is_logged_in(client)
    assert not Identity.objects.exists()


def test_an_id_token_with_a_foreign_signature_logs_nobody_in(client: Client, idp: IdentityProvider) -> None:
    request = leave(client)
    path = consent(idp, request)
    published = idp.keys[0].published
    idp.rotate()
    idp.keys[0].published = published | {"kid": idp.keys[0].id}
    assert client.get(path).status_code == 403
    assert not is_logged_in(client)


def test_an_answer_without_its_state_logs_nobody_in(client: Client, idp: IdentityProvider) -> None:
    path = consent(idp, leave(client))
    for query in (path.replace("state=", "state=x"), path.split("&state=")[0], path.split("?")[0]):
        assert client.get(query).status_code == 403
    assert not is_logged_in(client)
    assert not idp.requests["/token"]


def test_a_login_that_another_browser_began_logs_nobody_in(client: Client, idp: IdentityProvider) -> None:
    """An attacker sends his own answer to a victim, who would work under his name."""
    path = consent(idp, leave(Client()))
    leave(client)
    assert client.get(path).status_code == 403
    assert not is_logged_in(client)


def test_a_code_is_of_no_use_to_whoever_did_not_begin_the_login(
    client: Client, idp: IdentityProvider
) -> None:
    """A stolen code, put into a login of the thief's own: the verifier is another one."""
    stolen = parse_qs(urlsplit(consent(idp, leave(Client()))).query)["code"][0]
    own = consent(idp, leave(client))
    code = parse_qs(urlsplit(own).query)["code"][0]
    assert client.get(own.replace(code, stolen)).status_code == 403
    assert idp.refused == ["code_verifier"]
    assert not is_logged_in(client)


def test_a_code_counts_once(client: Client, idp: IdentityProvider) -> None:
    path = consent(idp, leave(client))
    client.get(path)
    client.logout()
    assert client.get(path).status_code == 403
    assert not is_logged_in(client)


def test_an_answer_of_another_issuer_is_refused(client: Client, idp: IdentityProvider) -> None:
    path = consent(idp, leave(client))
    assert client.get(f"{path}&iss=https://elsewhere.example").status_code == 403
    assert client.get(f"{path}&iss={idp.issuer}").status_code == 403  # that login is over
    path = consent(idp, leave(client))
    assert client.get(f"{path}&iss={idp.issuer}").status_code == 302


def test_whoever_refuses_at_the_provider_reads_that_he_is_not_logged_in(
    client: Client, idp: IdentityProvider
) -> None:
    response = client.get(consent(idp, leave(client), ok="no") + "&error_description=<b>call+0900</b>")
    assert response.status_code == 403
    assert "did not log you in" in response.text
    assert "0900" not in response.text


@pytest.mark.parametrize("broken", ["503", "is not JSON"])
def test_a_provider_that_is_away_is_a_page_with_a_sentence(
    client: Client, idp: IdentityProvider, broken: str
) -> None:
    idp.broken = broken
    response = client.get("/login/provider/")
    assert response.status_code == 503
    assert "cannot be fetched now" in response.text


@pytest.mark.parametrize(
    "next", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)", ""]
)
def test_a_login_leads_to_no_other_site(client: Client, idp: IdentityProvider, next: str) -> None:
    assert client.get(consent(idp, leave(client, next)))["Location"] == "/"
    response = client.post("/login/", {"username": "x", "password": "y", "next": next})
    assert next == "" or f'value="{next}"' not in response.text


def test_a_deactivated_user_does_not_get_in(client: Client, idp: IdentityProvider) -> None:
    client.get(consent(idp, leave(client)))
    User.objects.update(is_active=False)
    client.logout()
    assert client.get(consent(idp, leave(client))).status_code == 403
    assert not is_logged_in(client)


def test_only_the_named_group_makes_superusers_and_only_for_as_long(
    client: Client, idp: IdentityProvider, settings: Any
) -> None:
    idp.person["groups"] = ["admins"]
    client.get(consent(idp, leave(client)))
    assert client.get("/admin/").status_code == 302
    settings.EXEMPLAR_OIDC_ADMINISTRATORS = "admins"
    client.get(consent(idp, leave(client)))
    assert client.get("/admin/").status_code == 200
    idp.person["groups"] = []
    client.get(consent(idp, leave(client)))
    assert client.get("/admin/").status_code == 302


def test_logging_out_ends_the_session_and_links_to_the_providers_logout(
    client: Client, idp: IdentityProvider
) -> None:
    client.get(consent(idp, leave(client)))
    assert client.get("/logout/").status_code == 405
    page = client.post("/logout/")
    assert not is_logged_in(client)
    assert f"{idp.issuer}/end?client_id=exemplar-pages" in page.text
    assert "Log out of Example Corp, too" in page.text


# -- By a password --


def log_in(client: Client, password: str, path: str = "/login/", name: str = "ada", **headers: str) -> int:
    return client.post(path, {"username": name, "password": password}, **headers).status_code


@pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
def test_after_some_failures_the_right_password_has_to_wait(client: Client, ada: User, path: str) -> None:
    for _ in range(login_limits.OF_USER_AT_ADDRESS):
        assert log_in(client, "wrong", path) == 200
    response = client.post(path, {"username": "ada", "password": PASSWORD})
    assert response.status_code == 429
    assert response["Retry-After"] == str(login_limits.WINDOW)
    assert "Wait 5 minutes" in response.text
    assert not is_logged_in(client)
    assert log_in(client, PASSWORD, path, REMOTE_ADDR="192.0.2.8") == 302


def test_both_pages_count_together_and_unknown_users_as_known_ones(client: Client, ada: User) -> None:
    for name in ("ada", "nobody"):
        statuses = [
            log_in(client, "wrong", path, name)
            for path in ["/login/", "/admin/login/"] * login_limits.OF_USER_AT_ADDRESS
        ]
        assert statuses == [200] * 5 + [429] * 5


def test_a_user_gets_in_where_he_has_been_before_whatever_strangers_do(client: Client, ada: User) -> None:
    assert log_in(client, PASSWORD) == 302
    assert client.cookies[BROWSER_COOKIE]["httponly"]
    client.post("/logout/")
    for number in range(login_limits.OF_USER + 1):
        log_in(Client(), "wrong", REMOTE_ADDR=f"192.0.2.{number}")
    assert log_in(Client(), PASSWORD, REMOTE_ADDR="192.0.2.200") == 429
    assert log_in(client, PASSWORD) == 302


def test_the_page_offers_what_there_is(client: Client, idp: IdentityProvider, settings: Any) -> None:
    both = client.get("/login/?next=/graphql/").text
    assert "Log in with Example Corp" in both
    assert 'name="password"' in both
    assert "/login/provider/?next=%2Fgraphql%2F" in both
    settings.EXEMPLAR_OIDC_CLIENT_ID = ""
    assert "Example Corp" not in client.get("/login/").text


def test_whoever_may_not_open_a_page_reads_as_whom_he_is_logged_in(client: Client, ada: User) -> None:
    log_in(client, PASSWORD)
    page = client.get("/admin/", follow=True)
    assert "You are logged in as ada" in page.text


def test_a_form_without_its_token_is_refused(ada: User) -> None:
    client = Client(enforce_csrf_checks=True)
    assert log_in(client, PASSWORD) == 403
