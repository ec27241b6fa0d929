"""People with single permissions: pages refuse what the API refuses, with its status, and say why."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.console.test_account import log_in, post
from tests.console.test_errors import HTML, read
from tests.system import System

ROW = "key=B-0001"
FEEDBACK = """mutation { feedback(input: {product: "tumor", about: {entity: "B-0001"}, answer: "BENIGN"}) {
  created feedback { id } } }"""
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


@contextmanager
def person(system: System, name: str, permission: str) -> Iterator[httpx.Client]:
    """Create somebody with one permission on one product, who is logged in."""
    password = "a quiet lighthouse"
    users = "from django.contrib.auth import get_user_model; users = get_user_model().objects"
    system.run(
        "shell",
        "-c",
        f"{users}; users.filter(username={name!r}).delete(); users.create_user({name!r}, password={password!r})",
    )
    system.run("grant", name, permission, "tumor")
    with log_in(system, name, password) as client:
        yield client


@pytest.fixture(scope="module")
def viewer(closed_exemplar: System) -> Iterator[httpx.Client]:
    with person(closed_exemplar, "may-view", "VIEW") as client:
        yield client


@pytest.fixture(scope="module")
def labeller(closed_exemplar: System) -> Iterator[httpx.Client]:
    with person(closed_exemplar, "may-label", "FEEDBACK") as client:
        yield client


def test_who_may_only_look_is_shown_no_form_that_writes(viewer: httpx.Client) -> None:
    for path in ("new/", f"row/edit/?{ROW}", f"row/delete/?{ROW}"):
        page = viewer.get(f"/products/tumor/data/{path}", headers=HTML)
        assert page.status_code == 403, path
        assert "You may not see this" in read(page)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("try/", {"action": "predict", "meanRadius": "14"}),
        ("correct/", {"act": "label", "row": "B-0001", "answer": "BENIGN"}),
        ("data/new/", {"row:key": "B-X", "meanRadius": "1"}),
        (f"data/row/edit/?{ROW}", {"version": "x", "meanRadius": "1"}),
        (f"data/row/delete/?{ROW}", {"version": "x"}),
    ],
)
def test_who_may_only_look_is_refused_what_is_sent(
    viewer: httpx.Client, path: str, form: dict[str, str]
) -> None:
    page = post(viewer, f"/products/tumor/{path}", **form)
    assert page.status_code == 403
    assert "You may not see this" in read(page)


def test_who_may_not_view_is_refused_the_rows(labeller: httpx.Client) -> None:
    assert labeller.get("/products/tumor/data/").status_code == 403


def test_who_gives_feedback_without_viewing_sees_the_own_account(labeller: httpx.Client) -> None:
    token = {"X-CSRFToken": labeller.cookies["csrftoken"], "Referer": str(labeller.base_url)}
    answer = labeller.post("/graphql/", json={"query": FEEDBACK}, headers=token).json()
    assert answer["data"]["feedback"]["feedback"]["id"]
    page = labeller.get("/account/")
    assert page.status_code == 200
    assert "Tumor" in page.text and "B-0001" not in page.text


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


def test_all_about_somebody_is_counted_and_then_erased_by_who_may(
    closed_exemplar: System, viewer: httpx.Client
) -> None:
    page = "/products/tumor/erase/"
    assert viewer.get(page, headers=HTML).status_code == 403
    assert viewer.get(f"{page}?entity=B-0399", headers=HTML).status_code == 403
    assert post(viewer, page, entity="B-0399").status_code == 403
    with person(closed_exemplar, "may-erase", "ERASE") as eraser:
        assert "Show what is stored" in eraser.get(page).text
        counted = eraser.get(f"{page}?reference=nobody-of-this-name").text
        assert (
            "All that is stored about <strong>nobody-of-this-name</strong> will be erased: 0 predictions"
            in counted
        )
        assert eraser.get(f"{page}?reference=a&entity=b", headers=HTML).status_code == 400
        erased = post(eraser, page, reference="nobody-of-this-name", reason="A request.")
        assert erased.status_code == 302
        assert "Erased: predictions: 0, words of feedback: 0." in eraser.get(page).text
