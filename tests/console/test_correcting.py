"""Correcting: people label one case after another, by hand, by keys, and several at once."""

import html
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from selenium.webdriver.common.action_chains import ActionChains

from tests.console.inspection import NARROW, WIDE, Page
from tests.system import System
from tests.test_access import log_in_to
from tests.test_lifecycle import champion, data
from tests.waiting import PATIENCE

PAGE = "/products/tumor/correct/?queue=newest"
FEATURES = """query($p: String!) { product(name: $p) { genericEntities(first: 4) { nodes {
    featureValues { name value } } } } }"""
PREDICT = "mutation($input: PredictInput!) { predict(input: $input) { prediction { id } } }"
SAY = "mutation($input: FeedbackInput!) { feedback(input: $input) { created } }"
WORDS = """query($id: ID!) { node(id: $id) { ... on Prediction {
    truthText feedback { answerText author status comment } } } }"""
FORGET = """mutation($product: String!, $search: String!) {
    deletePredictions(input: {filter: {product: $product, search: $search}}) { count } }"""

Asked = Callable[..., list[str]]
Person = Callable[[], httpx.Client]


@pytest.fixture
def asked(exemplar: System) -> Iterator[Asked]:
    """Predictions about new references, newest last; they are deleted at the end."""
    champion(exemplar)
    used: list[tuple[str, str]] = []

    def ask(product: str = "tumor", count: int = 3) -> list[str]:
        rows = data(exemplar.ask(FEATURES, {"p": product}))["product"]["genericEntities"]["nodes"]
        prefix = secrets.token_hex(6)
        used.append((product, prefix))
        ids = []
        for number in range(count):
            features = {each["name"]: each["value"] for each in rows[number % 4]["featureValues"]}
            item = {"product": product, "features": features, "reference": f"{prefix}-{number}"}
            ids.append(data(exemplar.ask(PREDICT, {"input": item}))["predict"]["prediction"]["id"])
        return ids

    yield ask
    for product, prefix in used:
        data(exemplar.ask(FORGET, {"product": product, "search": prefix}))


@pytest.fixture
def person(exemplar: System) -> Iterator[Person]:
    """Make browsers without scripts, each with a session of its own."""
    with ExitStack() as browsers:

        def make() -> httpx.Client:
            client = httpx.Client(
                base_url=exemplar.url, trust_env=False, timeout=PATIENCE, follow_redirects=True
            )
            return browsers.enter_context(client)

        yield make


def fields(page: httpx.Response) -> dict[str, str]:
    """The hidden fields of the form of the case."""
    form = page.text.partition('class="case"')[2].partition("</form>")[0]
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)
    return {name: html.unescape(value) for name, value in hidden}


def shown(page: httpx.Response) -> str:
    """The prediction that a page shows."""
    return fields(page)["prediction"]


def words(exemplar: System, prediction: str) -> list[Any]:
    return list(data(exemplar.ask(WORDS, {"id": prediction}))["node"]["feedback"])


def test_two_people_at_once_get_different_cases(exemplar: System, asked: Asked, person: Person) -> None:
    ids = asked()
    ann, bob = person(), person()
    first, second = ann.get(PAGE), bob.get(PAGE)
    assert (shown(first), shown(second)) == (ids[2], ids[1])
    assert shown(ann.get(PAGE)) == ids[2]  # loaded again
    following = ann.post(PAGE, data=fields(first) | {"answer": "BENIGN"})
    assert shown(following) == ids[0]
    assert shown(bob.get(PAGE)) == ids[1]


def test_a_label_is_stored_counted_and_taken_back(exemplar: System, asked: Asked, person: Person) -> None:
    ids = asked()
    ann = person()
    stored = ann.post(PAGE, data=fields(ann.get(PAGE)) | {"answer": "BENIGN", "comment": " smooth "})
    assert "Stored: Benign." in stored.text and "<strong>1</strong> labelled" in stored.text
    [word] = words(exemplar, ids[2])
    assert (word["answerText"], word["comment"], word["status"]) == ("Benign", "smooth", "COUNTS")
    undone = ann.post(PAGE, data=fields(stored) | {"act": "undo"})
    assert "Taken back: Benign." in undone.text and "<strong>0</strong> labelled" in undone.text
    assert shown(undone) == ids[2]
    assert [word["status"] for word in words(exemplar, ids[2])] == ["RETRACTED"]
    nothing = ann.post(PAGE, data=fields(undone) | {"act": "undo"})
    assert "There is nothing to undo" in nothing.text


def test_the_same_label_sent_twice_is_one_word(exemplar: System, asked: Asked, person: Person) -> None:
    [prediction] = asked(count=1)
    ann = person()
    sent = fields(ann.get(PAGE)) | {"answer": "BENIGN"}
    ann.post(PAGE, data=sent)
    again = ann.post(PAGE, data=sent | {"state": fields_of_state(ann, prediction)})
    assert "You had said “Benign” already" in again.text and "<strong>1</strong> labelled" in again.text
    assert len(words(exemplar, prediction)) == 1


def fields_of_state(client: httpx.Client, prediction: str) -> str:
    """The state of a case as a page shows it now."""
    return fields(client.get("/products/tumor/correct/", params={"prediction": prediction}))["state"]


def test_a_skipped_case_is_not_shown_again_unless_it_is_undone(
    exemplar: System, asked: Asked, person: Person
) -> None:
    ids = asked()
    ann = person()
    skipped = ann.post(PAGE, data=fields(ann.get(PAGE)) | {"act": "skip"})
    assert shown(skipped) == ids[1] and "<strong>1</strong> skipped" in skipped.text
    assert shown(person().get(PAGE)) == ids[2]  # free for others
    assert shown(ann.post(PAGE, data=fields(skipped) | {"act": "undo"})) == ids[2]


def test_a_case_that_somebody_labelled_meanwhile_says_so(
    exemplar: System, asked: Asked, person: Person
) -> None:
    [prediction] = asked(count=1)
    ann = person()
    sent = fields(ann.get(PAGE)) | {"answer": "MALIGNANT"}
    word = {"product": "tumor", "about": {"prediction": prediction}, "answer": "BENIGN", "author": "bob"}
    data(exemplar.ask(SAY, {"input": word}))
    stale = ann.post(PAGE, data=sent)
    assert stale.status_code == 409 and "Somebody has said something" in stale.text
    assert "said bob" in stale.text and shown(stale) == prediction
    assert [word["author"] for word in words(exemplar, prediction)] == ["bob"]
    agreed = ann.post(PAGE, data=fields(stale) | {"answer": "MALIGNANT"})
    assert "Stored: Malignant." in agreed.text and len(words(exemplar, prediction)) == 2
    disputed = person().get("/products/tumor/correct/?queue=disputed")
    assert shown(disputed) == prediction and "What others say (2)" in disputed.text


def test_who_has_spoken_is_not_asked_again_in_another_browser(
    exemplar: System, asked: Asked, person: Person
) -> None:
    [prediction] = asked(count=1)
    for author, answer in (("bob", "BENIGN"), ("eve", "MALIGNANT")):
        word = {"product": "tumor", "about": {"prediction": prediction}, "answer": answer, "author": author}
        data(exemplar.ask(SAY, {"input": word}))
    address = "/products/tumor/correct/?queue=disputed"
    browsers = [person(), person()]
    for browser in browsers:
        browser.follow_redirects = False
        log_in_to(browser, exemplar.folder)
        browser.follow_redirects = True
    page = browsers[0].get(address)
    assert shown(page) == prediction
    browsers[0].post(address, data=fields(page) | {"answer": "MALIGNANT"}, headers={"Referer": str(page.url)})
    assert sorted(word["author"] for word in words(exemplar, prediction)) == ["admin", "bob", "eve"]
    assert "Nothing waits here." in browsers[1].get(address).text


def test_a_case_that_was_deleted_meanwhile_is_passed_over(
    exemplar: System, asked: Asked, person: Person
) -> None:
    asked(count=1)
    ann = person()
    sent = fields(ann.get(PAGE)) | {"answer": "BENIGN"}
    data(exemplar.ask(FORGET, {"product": "tumor", "search": ""}))
    assert "this case is not there any more" in ann.post(PAGE, data=sent).text
    gone = ann.get("/products/tumor/correct/", params={"prediction": sent["prediction"]})
    assert gone.status_code == 200 and "it was deleted" in gone.text


def test_the_models_answer_is_hidden_until_it_is_asked_for(
    exemplar: System, asked: Asked, person: Person
) -> None:
    [prediction] = asked(count=1)
    ann = person()
    address = f"/products/tumor/correct/?prediction={prediction}"
    hidden, open_ = ann.get(address).text, ann.get(f"{address}&answer=shown").text
    assert "Its answer is hidden" in hidden and "with a probability of" not in hidden
    assert "Version 1 says" in open_ or re.search(r"Version \d+ says", open_)


@pytest.mark.parametrize("answer", ["", "many", "nan", "1e999"])
def test_what_is_no_number_is_refused_at_its_field(
    exemplar: System, asked: Asked, answer: str, person: Person
) -> None:
    [prediction] = asked("diabetes", 1)
    ann = person()
    address = "/products/diabetes/correct/?queue=newest"
    refused = ann.post(address, data=fields(ann.get(address)) | {"answer": answer, "act": "label"})
    assert refused.status_code == 400 and 'id="answer-fault"' in refused.text
    assert words(exemplar, prediction) == []
    stored = ann.post(address, data=fields(refused) | {"answer": "151,5", "act": "label"})
    assert "Stored: 151.5" in stored.text


def test_clusters_have_no_labels_to_correct(exemplar: System, person: Person) -> None:
    ann = person()
    page = ann.get("/products/wine/correct/")
    assert "has no labels that could be corrected" in page.text
    assert 'href="/products/wine/correct/"' not in ann.get("/products/wine/data/").text


@pytest.mark.script("console/correct.js")
def test_cases_are_labelled_by_keys(page: Page, asked: Asked) -> None:
    ids = asked()
    page.open(PAGE)
    assert page.list_faults() == []

    def press(keys: str, sentence: str) -> None:
        ActionChains(page.browser).send_keys(keys).perform()
        page.wait(lambda: sentence in page.text)
        page.settle()

    press("1", "Stored: Benign.")
    press("s", "Skipped.")
    press("u", "Here is the case again.")
    page.find("#comment").send_keys("12")  # a text, and no label
    press("\ue00c", "Comment")
    press("2", "Stored: Malignant.")
    assert [word["comment"] for word in words(page.system, ids[1])] == ["12"]
    assert "2 labelled, 0 skipped" in page.text
    assert page.list_faults() == []


def test_labels_are_in_reach_of_a_thumb(page: Page, asked: Asked) -> None:
    asked(count=1)
    page.open(f"{PAGE}&answer=shown")
    for width, dark in ((WIDE, False), (NARROW, True)):
        page.emulate(width, dark)
        assert page.list_faults() == [], (width, dark)
        button = page.find("[data-shortcut='1']")
        assert button.rect["height"] >= 44
        top = page.browser.execute_script("return arguments[0].getBoundingClientRect().bottom", button)
        assert top <= page.browser.execute_script("return innerHeight")


def test_a_case_stays_where_a_form_is_out_of_date_or_the_server_is_away(page: Page, asked: Asked) -> None:
    [prediction] = asked(count=1)
    page.open(PAGE)
    page.browser.delete_cookie("csrftoken")
    page.find("[data-shortcut='1']").click()
    page.wait(lambda: page.find_all(".problems[data-refused]"))
    assert page.find("input[name=prediction]").get_attribute("value") == prediction
    page.open(PAGE)
    page.browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/correct/*"]})
    page.find("[data-shortcut='1']").click()
    page.wait(lambda: "The server cannot be reached" in page.text)
    page.browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["https://*", "wss://*"]})
    page.find("[data-shortcut='1']").click()
    page.wait(lambda: "Stored: Benign." in page.text)
    assert len(words(page.system, prediction)) == 1
