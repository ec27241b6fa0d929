"""Trying: a case is filled in, predicted, judged, shared and moved along one feature."""

import re
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from tests.console.inspection import NARROW, Page
from tests.system import System
from tests.test_lifecycle import champion, data
from tests.waiting import PATIENCE

TRY = "/products/tumor/try/"
EXAMPLE = """query($p: String!) { product(name: $p) { examples(first: 1) { inputs } } }"""
COUNT = "query($p: String!) { product(name: $p) { genericPredictions { totalCount } } }"
#: Features by which all answers of the tests can be told from others, and deleted.
FORGET = "mutation($i: DeletePredictionsInput!) { deletePredictions(input: $i) { count } }"


@pytest.fixture
def client(exemplar: System) -> Iterator[httpx.Client]:
    """A browser without scripts, on a system whose products serve."""
    champion(exemplar)
    with httpx.Client(
        base_url=exemplar.url, trust_env=False, timeout=PATIENCE, follow_redirects=True
    ) as client:
        client.get(TRY)
        yield client


def send(client: httpx.Client, path: str, **fields: Any) -> httpx.Response:
    """Send a form of a page."""
    token = client.cookies["csrftoken"]
    return client.post(path, data={"csrfmiddlewaretoken": token} | fields)


def example(system: System, product: str = "tumor") -> dict[str, Any]:
    [first] = data(system.ask(EXAMPLE, {"p": product}))["product"]["examples"]
    return dict(first["inputs"])


@pytest.mark.script("console/trying.js")
def test_a_case_is_predicted_and_moved_along_one_feature(page: Page) -> None:
    page.open(f"{TRY}?example=1")
    slider = page.find("[data-slider=input-meanRadius]")
    slider.send_keys(Keys.END)
    assert page.find("#input-meanRadius").get_attribute("value") == slider.get_attribute("max")
    page.find("#predict").click()
    page.wait(lambda: page.find_all("#what-if-rows"))
    assert "prediction=" in page.browser.current_url
    assert page.find("#answer .answer").text in ("Benign", "Malignant")
    Select(page.find("#what-if-feature")).select_by_visible_text("Worst area [px²]")
    page.wait(lambda: "Worst area:" in page.find(".readout").text)
    before = page.find(".readout output").text
    page.find("#what-if-place").send_keys(Keys.END)
    assert page.find(".readout output").text != before
    page.settle()
    assert page.list_faults() == []
    page.find("[data-try]").click()
    page.settle()
    assert page.find("#input-worstArea").get_attribute("value") in page.browser.current_url


def test_on_a_phone_the_answer_is_in_sight_once_all_is_loaded(page: Page) -> None:
    page.open("/products/diabetes/try/?example=1", NARROW)
    page.find("#predict").click()
    page.wait(lambda: page.find_all("#what-if-rows"))
    page.settle()
    script = "return document.querySelector('#answer .answer').getBoundingClientRect().top"
    assert 0 <= page.browser.execute_script(script) < 300


def test_all_faults_stand_at_their_fields_in_the_words_of_the_form(page: Page) -> None:
    page.open(f"{TRY}?example=1")
    page.find("#input-meanRadius").clear()
    page.find("#input-worstArea").clear()
    page.find("#input-worstArea").send_keys("-5")
    page.find("#predict").click()
    page.wait(lambda: page.find_all(".fault"))
    assert [fault.text for fault in page.find_all(".fault")] == [
        "Mean radius is required: it must be a number in px.",
        "Worst area must be at least 0 px², not -5 px².",
    ]
    assert "2 fields must be completed or corrected" in page.text
    assert page.find("#input-meanTexture").get_attribute("value")
    assert page.list_faults() == []


@pytest.mark.parametrize("product", ["tumor", "diabetes", "wine", "manual"])
def test_an_answer_has_no_fault_wide_and_narrow(page: Page, product: str) -> None:
    page.open(f"/products/{product}/try/?example=1")
    page.browser.execute_script("document.getElementById('predict').click()")
    page.wait(lambda: page.find_all("#answer .answer"))
    page.settle()
    assert page.list_code_names() == []
    assert page.list_faults_of_both() == []


def test_without_scripts_a_case_is_sent_and_its_address_is_the_answer(
    exemplar: System, client: httpx.Client
) -> None:
    features = example(exemplar)
    answered = send(client, TRY, action="predict", reference="order 7", **features)
    assert answered.status_code == 200 and "prediction=" in str(answered.url)
    assert 'class="answer"' in answered.text and "order 7" in answered.text
    again = send(client, TRY, action="predict", reference="order 7", **features)
    assert again.url == answered.url  # a second click is the same prediction
    what_if = client.get(re.findall(r'href="([^"]*what-if[^"]*)"', answered.text)[0].replace("&amp;", "&"))
    assert 'class="chart"' in what_if.text
    data(exemplar.ask(FORGET, {"i": {"filter": {"product": "tumor", "reference": {"eq": "order 7"}}}}))
    gone = client.get(str(answered.url))
    assert gone.status_code == 404 and "was deleted" in gone.text


def test_what_if_stores_nothing(exemplar: System, client: httpx.Client) -> None:
    answered = send(client, TRY, action="predict", **example(exemplar))
    before = data(exemplar.ask(COUNT, {"p": "tumor"}))
    id = answered.url.params["prediction"]
    for feature in ("meanRadius", "worstArea"):
        page = client.get(f"{TRY}what-if/", params={"prediction": id, "feature": feature})
        assert page.status_code == 200
    assert data(exemplar.ask(COUNT, {"p": "tumor"})) == before


def test_a_case_is_shared_by_its_address_with_names_of_fields_or_columns(client: httpx.Client) -> None:
    for query in ("meanRadius=12.5&reference=x1", "mean_radius=12.5&reference=x1"):
        page = client.get(f"{TRY}?{query}")
        assert re.search(r'name="meanRadius"[^>]*value="12.5"', page.text)
        assert 'href="/products/tumor/try/?meanRadius=12.5&amp;reference=x1"' in page.text


def test_a_pasted_row_fills_the_form(client: httpx.Client) -> None:
    filled = send(client, TRY, action="paste", pasted="Mean radius\tworst_area\n13.5\t700\n")
    assert "2 of 30 fields were filled from the row." in filled.text
    assert re.search(r'name="worstArea"[^>]*value="700"', filled.text)
    refused = send(client, TRY, action="paste", pasted="a,b\n1")
    assert refused.status_code == 422 and "has 2 columns, and the second has 1" in refused.text


def test_a_row_of_the_tables_fills_the_form(exemplar: System, client: httpx.Client) -> None:
    options = client.get(f"{TRY}rows/").text
    key = re.findall(r'value="([^"]+)"', options)[0]
    filled = client.get(TRY, params={"row": key})
    assert f'name="entity" value="{key}"' in filled.text
    assert not re.search(r'name="meanRadius"[^>]*value=""', filled.text)
    assert "No row has the key nobody." in client.get(TRY, params={"row": "nobody"}).text


def test_it_is_said_what_is_right_from_the_answer(exemplar: System, client: httpx.Client) -> None:
    # Feedback about a reference stays when its predictions are deleted.
    order = secrets.token_hex(6)
    answered = send(client, TRY, action="predict", reference=order, **example(exemplar))
    action = re.findall(r'action="([^"]+/feedback/)"', answered.text)[0]
    stored = send(client, action, back="try", answer="BENIGN", comment="Seen by two.")
    assert "Stored: Benign is right." in stored.text and stored.url == answered.url
    again = send(client, action, back="try", answer="BENIGN", comment="Seen by two.")
    assert "You said before that Benign is right." in again.text
    assert "Nothing was stored" in send(client, action, back="try", answer="").text
    data(exemplar.ask(FORGET, {"i": {"filter": {"product": "tumor", "reference": {"eq": order}}}}))


def test_an_unknown_product_prediction_or_form_says_so(client: httpx.Client) -> None:
    assert client.get("/products/nothing/try/").status_code == 404
    assert client.get(f"{TRY}?prediction=nonsense").status_code == 404
    assert client.post(TRY, data={"action": "predict"}).status_code == 403
    assert send(client, TRY, action="predict", meanRadius="wide").status_code == 422
