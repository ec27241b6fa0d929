"""The page about the person: permissions, tokens whose secrets are shown once, own feedback, the password."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.console.conftest import PASSWORD, LogIn
from tests.system import System

SECRET = re.compile(r'<pre id="secret"[^>]*>([^<]+)</pre>')
WHO = "{ viewer { name permissions { product { name } permissions } } }"


@contextmanager
def log_in(system: System, name: str = "admin", password: str = "") -> Iterator[httpx.Client]:
    """Log in as a browser does."""
    with httpx.Client(base_url=system.url, trust_env=False, timeout=60) as client:
        client.get("/login/")
        password = password or (system.folder / "admin-password").read_text()
        answer = post(client, "/login/", username=name, password=password)
        assert answer.status_code == 302, answer.text
        yield client


def post(client: httpx.Client, path: str, **form: object) -> httpx.Response:
    """Send a form from the page of the account."""
    token = client.cookies.get("csrftoken", "")
    headers = {"Referer": str(client.base_url.join("/account/"))}
    return client.post(path, data={"csrfmiddlewaretoken": token, **form}, headers=headers)


@pytest.fixture
def admin(closed_exemplar: System) -> Iterator[httpx.Client]:
    with log_in(closed_exemplar) as client:
        yield client


@pytest.fixture
def labeller(log_in_as: LogIn) -> httpx.Client:
    """A person who may give feedback on one product."""
    return log_in_as("lab")


def test_a_token_is_made_shown_once_replaced_and_revoked(
    admin: httpx.Client, closed_exemplar: System
) -> None:
    form = {"name": "admin", "permissions": ["VIEW", "PREDICT"], "products": ["tumor"], "days": "30"}
    page = post(admin, "/account/tokens/", note="a test of tokens", **form)
    secret = SECRET.search(page.text)[1]
    assert f"Authorization: Bearer {secret}" in page.text.replace("&#x27;", "'")
    answer = closed_exemplar.ask(WHO, Authorization=f"Bearer {secret}")
    assert answer["data"]["viewer"]["permissions"] == [
        {"product": {"name": "tumor"}, "permissions": ["VIEW", "PREDICT"]}
    ]
    prefix = secret.rpartition("_")[0][: len("ex_12345678")]
    listed = admin.get("/account/").text
    assert "a test of tokens" in listed and prefix in listed and secret not in listed
    replaced = post(admin, f"/account/tokens/{prefix}/rotate/", hours="24").text
    assert f"The token that replaces {prefix}" in replaced
    successor = SECRET.search(replaced)[1]
    assert "errors" not in closed_exemplar.ask(WHO, Authorization=f"Bearer {successor}")
    assert post(admin, f"/account/tokens/{prefix}/revoke/").status_code == 302
    assert f"The token {prefix} is revoked" in admin.get("/account/").text


def test_what_is_wrong_with_a_token_stands_at_its_field(admin: httpx.Client) -> None:
    page = post(admin, "/account/tokens/", name="", days="soon", note="kept").text
    assert "Name the user or the program" in page
    assert "Choose at least one permission" in page
    assert "Give a whole number of days" in page
    assert 'value="kept"' in page
    page = post(admin, "/account/tokens/", name="admin", permissions=["VIEW"], days="0").text
    assert 'id="days-fault">A token ends after 1 to' in page
    assert "UNKNOWN" not in post(admin, "/account/tokens/ex_none/revoke/").text


def test_who_administers_nothing_sees_own_permissions_and_whom_to_ask(labeller: httpx.Client) -> None:
    page = labeller.get("/account/").text
    assert "You are logged in as lab." in page
    assert '/products/tumor/">' in page and '/products/wine/">' not in page
    assert "Audit log" not in page
    assert 'value="FEEDBACK"' in page and 'value="PROMOTE"' not in page and 'id="name"' not in page
    refused = post(labeller, "/account/tokens/", name="admin", permissions=["VIEW"], days="30")
    assert SECRET.search(refused.text) is None and "ADMINISTER" in refused.text
    assert "ADMINISTER" in labeller.get("/audit/").text


def test_who_administers_nothing_makes_own_tokens(labeller: httpx.Client, closed_exemplar: System) -> None:
    form = {"permissions": ["VIEW", "FEEDBACK"], "products": ["tumor"]}
    assert "A token of your own ends after 1 to" in post(labeller, "/account/tokens/", days="", **form).text
    more = post(labeller, "/account/tokens/", days="30", permissions=["PROMOTE"], products=["tumor"])
    assert SECRET.search(more.text) is None and "permission PROMOTE on tumor" in more.text
    secret = SECRET.search(post(labeller, "/account/tokens/", days="30", note="mine", **form).text)[1]
    answer = closed_exemplar.ask(WHO, Authorization=f"Bearer {secret}")["data"]["viewer"]
    assert answer == {
        "name": "lab",
        "permissions": [{"product": {"name": "tumor"}, "permissions": ["VIEW", "FEEDBACK"]}],
    }


def test_a_password_is_changed_in_the_frame(log_in_as: LogIn, closed_exemplar: System) -> None:
    person = log_in_as("changes-password")
    wrong = post(
        person,
        "/account/password/",
        old_password="wrong",
        new_password1="another lighthouse",
        new_password2="another lighthouse",
    )
    assert 'id="old_password-fault"' in wrong.text
    changed = post(
        person,
        "/account/password/",
        old_password=PASSWORD,
        new_password1="another lighthouse",
        new_password2="another lighthouse",
    )
    assert changed.status_code == 302
    assert "Your password is changed." in person.get("/account/").text
    with log_in(closed_exemplar, "changes-password", "another lighthouse"):
        pass


def test_the_audit_log_has_filters_in_its_address(admin: httpx.Client) -> None:
    page = admin.get("/audit/", params={"act": "LOG_IN", "author": "admin"}).text
    assert page.count('<td class="nowrap">Log in</td>') >= 1
    assert '<td class="nowrap">Request build</td>' not in page
    assert "No entry fits." in admin.get("/audit/", params={"author": "nobody of this name"}).text


def test_a_form_after_the_session_has_ended_leads_to_the_login_and_back(admin: httpx.Client) -> None:
    admin.cookies.delete("sessionid")
    answer = post(admin, "/account/tokens/", name="admin", permissions=["VIEW"])
    assert answer.headers["location"] == "/login/?next=/account/"
    assert admin.get("/account/").headers["location"] == "/login/?next=/account/"
