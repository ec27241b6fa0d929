"""People with single permissions: pages refuse what the API refuses, with its status, and say why."""

import re

import httpx
import pytest

from tests.console.conftest import LogIn
from tests.console.test_account import post
from tests.console.test_errors import HTML, read
from tests.console.test_predictions import links, references, send
from tests.system import System
from tests.waiting import BUILD_PATIENCE, PATIENCE, eventually

ROW = "key=B-0001"
FEEDBACK = """mutation { feedback(input: {product: "tumor", about: {entity: "B-0001"}, answer: "BENIGN"}) {
  created feedback { id } } }"""


@pytest.fixture
def viewer(log_in_as: LogIn) -> httpx.Client:
    return log_in_as("may-view")


@pytest.fixture
def labeller(log_in_as: LogIn) -> httpx.Client:
    return log_in_as("may-label")


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


def test_all_about_somebody_is_counted_and_then_erased_by_who_may(
    log_in_as: LogIn, viewer: httpx.Client
) -> None:
    page = "/products/tumor/erase/"
    assert viewer.get(page, headers=HTML).status_code == 403
    assert viewer.get(f"{page}?entity=B-0399", headers=HTML).status_code == 403
    assert post(viewer, page, entity="B-0399").status_code == 403
    eraser = log_in_as("may-erase")
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


def test_who_is_not_logged_in_goes_to_the_login_and_from_there_to_the_page(closed_exemplar: System) -> None:
    asked = "/products/tumor/builds/?status=FAILED"
    with httpx.Client(base_url=closed_exemplar.url, trust_env=False, timeout=PATIENCE) as client:
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


def test_who_may_only_view_is_offered_no_act(log_in_as: LogIn) -> None:
    models = "/products/tumor/models/"
    viewer = log_in_as("in-readers")
    # A build may not have registered the second version yet.
    assert eventually(lambda: viewer.get(f"{models}2/").status_code != 404, BUILD_PATIENCE)
    for path in (f"{models}1/", f"{models}2/", f"{models}compare/?a=1&b=2", "/products/tumor/builds/"):
        text = viewer.get(path).text
        assert "in-readers" in text and 'class="act"' not in text, path
        assert "Compare them on stored predictions" not in text and "Request the build" not in text
    viewer.headers["X-CSRFToken"] = viewer.cookies["csrftoken"]
    refused = viewer.post(f"{models}2/", data={"act": "promote", "reason": "Because"})
    assert refused.status_code == 403 and 'role="alert"' in refused.text


def test_whoever_may_only_predict_finds_what_it_asked_for(log_in_as: LogIn) -> None:
    predictions = "/products/tumor/predictions/"
    client = log_in_as("may-predict")
    client.follow_redirects = True
    form = client.get("/products/tumor/try/")
    names = re.findall(r'name="(\w+)" type="number"', form.text)
    assert len(names) == 30 and "From a row of the tables" not in form.text
    case = dict.fromkeys(names, "1") | {"action": "predict", "reference": "mine"}
    assert 'class="answer"' in send(client, "/products/tumor/try/", **case).text
    listed = client.get(predictions)
    assert references(listed) == ["mine"]
    assert "Truth by feedback" not in listed.text and "Delete" not in listed.text
    [url] = links(listed, predictions + r"[^\"/]+/")
    story = client.get(url)
    assert story.status_code == 200 and "about mine" in story.text and "Feedback about it" not in story.text
    what_if = client.get(f"/products/tumor/try/what-if/?prediction={url.split('/')[-2]}")
    assert 'class="chart"' in what_if.text


@pytest.mark.parametrize(
    "path", ["/products/tumor/correct/?queue=newest", "/products/diabetes/data/", "/products/tumor/try/"]
)
def test_a_stranger_is_sent_to_the_login(closed_exemplar: System, path: str) -> None:
    answer = closed_exemplar.client.get(path)
    assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (302, "/login/")
