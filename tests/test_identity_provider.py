"""A running Exemplar that trusts an identity provider: its tokens at the API, and people in a browser."""

from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.identity_provider import IdentityProvider
from tests.system import System
from tests.waiting import eventually, waiting

WHO = "{ viewer { name anonymous } }"

pytestmark = pytest.mark.system


@pytest.fixture
def idp(trusted_provider: IdentityProvider) -> IdentityProvider:
    return trusted_provider


@pytest.fixture
def closed(closed_exemplar: System) -> System:
    """The system in which strangers may do nothing, asked by a stranger."""
    closed_exemplar.client.cookies.clear()
    return closed_exemplar


def ask(system: System, token: str, query: str = WHO) -> Any:
    return system.ask(query, authorization=f"Bearer {token}")


def code(answer: Any) -> str:
    return answer["errors"][0]["extensions"]["code"]


def test_a_token_says_who_asks_and_its_groups_what_he_may_do(closed: System, idp: IdentityProvider) -> None:
    reader = ask(closed, idp.token(sub="r", preferred_username="rita", groups=["readers"]))
    assert reader["data"]["viewer"] == {"name": "oidc/rita", "anonymous": False}
    query = "{ products { viewerPermissions } }"
    by_group = {
        name: set(
            ask(closed, idp.token(sub="r", groups=[name]), query)["data"]["products"][0]["viewerPermissions"]
        )
        for name in ("readers", "labellers", "admins")
    }
    assert by_group["readers"] < by_group["labellers"] < by_group["admins"]
    assert "ADMINISTER" in by_group["admins"]


def test_groups_of_one_token_do_not_stay_with_the_user(closed: System, idp: IdentityProvider) -> None:
    query = "{ products { viewerPermissions } }"
    assert "data" in ask(closed, idp.token(sub="once", groups=["readers"]), query)
    refused = ask(closed, idp.token(sub="once", groups=[]), query)
    assert code(refused) in ("FORBIDDEN", "UNAUTHENTICATED")


def test_a_program_is_known_as_one(closed: System, idp: IdentityProvider) -> None:
    token = idp.token(sub="batch", client_id="batch", groups=["readers"])
    assert ask(closed, token)["data"]["viewer"]["name"] == "oidc/batch"


def test_wrong_tokens_are_refused_and_say_nothing_of_what_exists(
    closed: System, idp: IdentityProvider
) -> None:
    sentences = set()
    for token in (
        idp.token(aud="other"),
        idp.token(iss="https://elsewhere.example"),
        "a.b.c",
        idp.token()[:-4] + "AAAA",
    ):
        answer = ask(closed, token)
        assert code(answer) == "UNAUTHENTICATED"
        sentences.add(answer["errors"][0]["message"])
    assert len(sentences) == 1


def test_a_token_in_the_url_is_refused(closed: System, idp: IdentityProvider) -> None:
    response = closed.client.get(
        "/graphql/", params={"query": WHO, "access_token": idp.token(groups=["readers"])}
    )
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_two_credentials_are_refused(closed: System, idp: IdentityProvider) -> None:
    token = idp.token(groups=["readers"])
    answer = closed.ask(WHO, authorization=f"Bearer {token}", cookie="sessionid=abc")
    assert code(answer) == "UNAUTHENTICATED"


def test_keys_rotate_while_it_runs(closed: System, idp: IdentityProvider) -> None:
    idp.rotate(*idp.keys)
    token = idp.token(sub="rotated", groups=["readers"])
    assert eventually(lambda: "data" in ask(closed, token))


def test_a_user_who_is_deactivated_is_refused_within_seconds(closed: System, idp: IdentityProvider) -> None:
    token = idp.token(sub="leaver", preferred_username="leaver", groups=["readers"])
    assert "data" in ask(closed, token)
    closed.call(
        "shell",
        "-c",
        "from store.access.models import User; User.objects.filter(username='oidc/leaver').update(is_active=False)",
    )
    assert eventually(lambda: "errors" in ask(closed, token))


@pytest.mark.browser
def test_a_person_logs_in_and_out_in_a_browser(
    closed: System, idp: IdentityProvider, browser: Chrome
) -> None:
    wait = waiting(browser)
    idp.person = {"sub": "grace-1", "preferred_username": "grace", "groups": ["labellers"]}
    browser.get(f"{closed.url}/graphql/")
    assert "/login/" in browser.current_url
    browser.find_element(By.LINK_TEXT, "Log in with Example Corp").click()
    wait.until(lambda driver: driver.title == "Example Corp")
    browser.find_element(By.XPATH, "//button[.='Continue']").click()
    wait.until(lambda driver: driver.current_url == f"{closed.url}/graphql/")
    assert "oidc/grace" in browser.find_element(By.TAG_NAME, "header").text
    browser.find_element(By.XPATH, "//button[.='Log out']").click()
    wait.until(lambda driver: "logged out" in driver.page_source)
    browser.find_element(By.LINK_TEXT, "Log out of Example Corp, too").click()
    wait.until(lambda driver: driver.current_url.startswith(f"{idp.issuer}/end"))
    browser.get(f"{closed.url}/graphql/")
    assert "/login/" in browser.current_url
