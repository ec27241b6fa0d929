"""The pages for what cannot be shown: not there, not allowed, out of date, away, and an error of ours."""

import re
from types import SimpleNamespace

import httpx
import pytest
from django.test import RequestFactory

from project.console import errors
from tests.console.inspection import NARROW, WIDE, Page
from tests.console.test_account import log_in, post
from tests.freezing import frozen
from tests.system import System
from tests.waiting import eventually

HTML = {"Accept": "text/html"}


def read(page: httpx.Response) -> str:
    """The words of a page's main part, which has the style of all others."""
    assert "console/console.css" in page.text
    return " ".join(re.sub(r"<[^>]+>", " ", page.text.partition("<main")[2]).split())


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/nothing/", "There is no such page"),
        ("/products/nothing/builds/", "There is no such product"),
        ("/products/tumor/builds/999999/", "There is no such page"),
        ("/new/AAAAAAAAAAAAAAAAAAAAAA/", "There is no such page"),
    ],
)
def test_what_is_not_there_is_a_page_with_a_way_back(exemplar: System, path: str, title: str) -> None:
    page = exemplar.client.get(path, headers=HTML)
    assert page.status_code == 404
    assert title in read(page)
    assert 'class="button" href="/"' in page.text


@pytest.mark.parametrize(
    "path", ["/nothing/", "/products/nothing/builds/", "/login/", "/login/?next=/audit/"]
)
def test_such_a_page_has_no_fault_but_its_status(page: Page, path: str) -> None:
    for width, dark in ((WIDE, False), (NARROW, True)):
        page.open(path, width, dark)
        assert [fault for fault in page.list_faults() if "status of 404" not in fault] == [], (width, dark)


def test_a_form_without_its_token_is_out_of_date_and_changes_nothing(exemplar: System) -> None:
    refused = exemplar.client.post("/account/tokens/", data={"name": "admin"}, headers=HTML)
    assert refused.status_code == 403
    assert (
        "This form is out of date Nothing was changed. Load the page again, and send it once more."
        in read(refused)
    )


def test_who_is_not_logged_in_goes_to_the_login_and_from_there_to_the_page(closed_exemplar: System) -> None:
    asked = "/products/tumor/builds/?status=FAILED"
    with httpx.Client(base_url=closed_exemplar.url, trust_env=False) as client:
        location = client.get(asked, headers=HTML).headers["location"]
        assert location == "/login/?next=/products/tumor/builds/%3Fstatus%3DFAILED"
        client.get(location)
        password = (closed_exemplar.folder / "admin-password").read_text()
        assert post(client, location, username="admin", password=password).headers["location"] == asked
        assert client.get(asked).status_code == 200
        # The session ends while the page is open: the next form leads to the login, and back to its page.
        client.cookies.delete("sessionid")
        token = client.cookies["csrftoken"]
        headers = {"Referer": f"{closed_exemplar.url}{asked}"}
        form = {"csrfmiddlewaretoken": token, "reason": "typed"}
        answer = client.post("/products/tumor/builds/", data=form, headers=headers)
        assert answer.headers["location"] == location
        assert post(client, location, username="admin", password=password).headers["location"] == asked
        assert "You were not logged in any more, so nothing was changed." in client.get(asked).text


def test_pages_say_that_the_database_is_away_and_load_again(fragile: System) -> None:
    with log_in(fragile) as person:
        with frozen(fragile.process("postgres")):
            for client in (fragile.client, person):
                page = client.get("/products/tumor/builds/", headers=HTML)
                assert page.status_code == 503
                assert "cannot be reached" in read(page)
                assert read(page).count("The database cannot be reached") == 1
                assert re.search(r'http-equiv="refresh" content="\d+"', page.text)
        assert eventually(lambda: person.get("/products/tumor/builds/", headers=HTML).status_code == 200)


def test_pages_are_shown_while_valkey_is_away(fragile: System) -> None:
    with frozen(fragile.process("valkey")):
        for path in ("/", "/products/tumor/builds/", "/account/", "/new/"):
            assert fragile.client.get(path, headers=HTML).status_code == 200, path
    assert eventually(lambda: fragile.status("/ready") == 200)


def test_an_error_of_ours_has_an_id_and_tells_nothing_else() -> None:
    request = RequestFactory().get("/products/tumor/try/")
    request.session = SimpleNamespace(session_key=None)  # type: ignore[assignment]
    try:
        raise RuntimeError("the secret of a row")
    except RuntimeError:
        page = errors.failed(request)
    assert page.status_code == 500
    text = page.content.decode()
    assert "Something went wrong" in text
    assert re.search(r"Report the id \w+", text)
    assert "the secret of a row" not in text
