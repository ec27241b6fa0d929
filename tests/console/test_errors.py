"""The pages for what cannot be shown: not there, not allowed, out of date, away, and an error of ours."""

import re
from types import SimpleNamespace

import httpx
import pytest
from django.test import RequestFactory

from project.console import errors
from tests.console.inspection import Page
from tests.console.test_account import post
from tests.system import System

HTML = {"Accept": "text/html"}
#: Addresses that take forms only.
FORMS = (
    "/account/tokens/",
    "/account/tokens/ex_x/revoke/",
    "/account/tokens/ex_x/rotate/",
    "/new/AAAAAAAAAAAAAAAAAAAAAA/discard/",
    "/products/tumor/builds/1/cancel/",
    "/products/tumor/models/compare/begin/",
    "/products/tumor/predictions/delete/",
    "/products/tumor/predictions/x/feedback/",
    "/products/tumor/predictions/x/retract/",
)


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
    page.open(path)
    assert [fault for fault in page.list_faults_of_both() if "status of 404" not in fault] == []


def test_a_form_without_its_token_is_out_of_date_and_changes_nothing(exemplar: System) -> None:
    refused = exemplar.client.post("/account/tokens/", data={"name": "admin"}, headers=HTML)
    assert refused.status_code == 403
    assert (
        "This form is out of date Nothing was changed. Load the page again, and send it once more."
        in read(refused)
    )


@pytest.mark.parametrize("path", FORMS)
def test_an_address_of_a_form_is_no_page_and_says_so(exemplar: System, path: str) -> None:
    page = exemplar.client.get(path, headers=HTML)
    assert page.status_code == 405
    assert page.headers["allow"] == "POST"
    assert "Nothing was done" in read(page)


def test_a_case_that_was_made_up_is_not_remembered(exemplar: System) -> None:
    with httpx.Client(base_url=exemplar.url, trust_env=False, timeout=60) as client:
        client.get("/")
        answer = post(client, "/products/tumor/correct/", act="skip", row="no such row" * 1000)
        assert answer.status_code == 302
        assert "This case is not there any more" in client.get(answer.headers["location"]).text


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
