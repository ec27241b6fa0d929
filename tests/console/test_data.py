"""Rows of the feature tables in the console: found, changed by two people, created, deleted, and sent as files."""

import html
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from selenium.webdriver.support.select import Select

from project.console import operations
from tests.console.inspection import NARROW, Page
from tests.system import System
from tests.test_lifecycle import champion, data
from tests.waiting import PATIENCE

BASE = "/products/diabetes/data"
#: Values of a row that no other test reads.
ROW = {
    "age": "59",
    "sex": "SECOND",
    "bmi": "32.1",
    "bloodPressure": "101",
    "totalCholesterol": "157",
    "ldl": "93.2",
    "hdl": "38",
    "cholesterolRatio": "4",
    "logTriglycerides": "4.8598",
    "glucose": "87",
    "row:label": "151",
}
DELETE = "mutation($key: ID!) { diabetesDelete(input: {entity: $key}) { deletedId } }"
READ = "query($key: ID!) { diabetes { entity(key: $key) { value features { age bmi glucose } } } }"
PATCH = "mutation($input: DiabetesPatchInput!) { diabetesPatch(input: $input) { changed } }"


@pytest.fixture
def ann(exemplar: System) -> Iterator[httpx.Client]:
    """A browser without scripts."""
    champion(exemplar, "diabetes")
    with httpx.Client(
        base_url=exemplar.url, trust_env=False, timeout=PATIENCE, follow_redirects=True
    ) as client:
        yield client


@pytest.fixture
def key(exemplar: System, ann: httpx.Client) -> Iterator[str]:
    """The key of a row of one's own, which is created by the form and deleted at the end."""
    key = f"T-{secrets.token_hex(6)}"
    created = ann.post(f"{BASE}/new/", data=fields(ann.get(f"{BASE}/new/")) | ROW | {"row:key": key})
    assert created.status_code == 200 and f"{key} was created." in created.text
    yield key
    exemplar.ask(DELETE, {"key": key})


def fields(page: httpx.Response) -> dict[str, str]:
    """The fields of the last form of a page, as a browser sends them unchanged."""
    form = page.text.rpartition('<form method="post"')[2]
    inputs = re.findall(r'<input(?=[^>]*name="([^"]+)")(?=[^>]*value="([^"]*)")', form)
    chosen = re.findall(r'<select[^>]*name="([^"]+)".*?</select>', form, re.DOTALL)
    parts = [part for part in form.split("<select")[1:] if 'name="' in part]
    values = [
        re.search(r'<option value="([^"]*)" selected', part.partition("</select>")[0]) for part in parts
    ]
    selects = {name: found[1] if found else "" for name, found in zip(chosen, values, strict=True)}
    return {name: html.unescape(value) for name, value in inputs} | selects


def read(exemplar: System, key: str) -> dict[str, float]:
    row = data(exemplar.ask(READ, {"key": key}))["diabetes"]["entity"]
    return dict(row["features"]) | {"value": row["value"]}


def test_rows_are_searched_filtered_and_ordered(ann: httpx.Client) -> None:
    def keys(query: str) -> list[str]:
        return re.findall(r'row/\?key=([^"]+)"', ann.get(f"{BASE}/?{query}").text)

    first = keys("search=p-000")
    assert first == [f"P-{number:04}" for number in range(1, 10)]
    assert keys("search=p-000&order=-key") == first[::-1]
    few = keys("feature=age&is=from&value=70&feature=bmi&is=to&value=30&order=-label")
    assert few and set(few) <= set(keys("feature=age&is=from&value=70&feature=bmi&is=to&value=30"))
    assert keys("feature=age&is=unknown&value=") == [] == keys("labelled=no&search=P-")
    page = ann.get(f"{BASE}/?feature=age&is=from&value=70")
    assert "Age is at least 70 years" in page.text and "entities.csv?filter=" in page.text
    refused = ann.get(f"{BASE}/?feature=age&is=from&value=old")
    assert refused.status_code == 400 and 'class="problems"' in refused.text


def test_pages_of_rows_go_on_and_back(ann: httpx.Client) -> None:
    def walk(page: httpx.Response, words: str) -> httpx.Response:
        [link] = re.findall(rf'href="(\?[^"]+)">{words}</a>', page.text)
        return ann.get(f"{BASE}/{html.unescape(link)}")

    first = ann.get(f"{BASE}/?order=-key")
    second = walk(first, "Next")
    keys = [
        re.findall(r'row/\?key=([^"]+)"', page.text) for page in (first, second, walk(second, "Previous"))
    ]
    assert keys[0] == keys[2] != keys[1]


def test_a_row_is_changed_where_it_was_changed(exemplar: System, ann: httpx.Client, key: str) -> None:
    address = f"{BASE}/row/edit/?key={key}"
    sent = fields(ann.get(address))
    changed = ann.post(address, data=sent | {"bmi": "30,5", "row:label": "152"})
    assert f"{key} was changed." in changed.text
    assert read(exemplar, key) == {"age": 59, "bmi": 30.5, "glucose": 87, "value": 152}
    nothing = ann.post(address, data=fields(ann.get(address)))
    assert "Nothing was changed." in nothing.text


def test_a_row_that_somebody_else_changed_is_shown_beside_ones_own(
    exemplar: System, ann: httpx.Client, key: str
) -> None:
    address = f"{BASE}/row/edit/?key={key}"
    sent = fields(ann.get(address)) | {"bmi": "30", "age": "60"}
    data(exemplar.ask(PATCH, {"input": {"entity": key, "features": {"bmi": 33, "glucose": 90}}}))
    stale = ann.post(address, data=sent)
    assert stale.status_code == 409 and "Somebody else has changed this row meanwhile" in stale.text
    rows = re.findall(
        r'<th scope="row">([^<]+)</th><td>([^<]*)</td><td>([^<]*)</td><td>(.*?)</td>', stale.text
    )
    assert rows == [
        ("Age", "59", "59", "<strong>60</strong>"),
        ("Bmi", "32.1", "33", "<strong>30</strong>"),
        ("Glucose", "87", "90", "as theirs"),
    ]
    assert read(exemplar, key)["bmi"] == 33
    stored = ann.post(address, data=fields(stale))
    assert f"{key} was changed." in stored.text
    assert read(exemplar, key) == {"age": 60, "bmi": 30, "glucose": 90, "value": 151}


def test_faults_stand_at_their_fields(exemplar: System, ann: httpx.Client, key: str) -> None:
    address = f"{BASE}/row/edit/?key={key}"
    wrong = {"age": "old", "bmi": "nan", "row:label": "much"}
    refused = ann.post(address, data=fields(ann.get(address)) | wrong)
    assert refused.status_code == 400
    faulty = re.findall(r'id="fault-([^"]+)"', refused.text)
    assert set(faulty) <= {"age", "bmi", "row:label"} and faulty
    assert 'value="old"' in refused.text
    taken = ann.post(f"{BASE}/new/", data=fields(ann.get(f"{BASE}/new/")) | ROW | {"row:key": key})
    assert taken.status_code == 400 and "exists" in taken.text


def test_a_row_is_deleted_after_a_look_at_what_is_about_it(
    exemplar: System, ann: httpx.Client, key: str
) -> None:
    address = f"{BASE}/row/delete/?key={key}"
    asked = ann.get(address)
    assert "0 predictions and 0 words about it stay" in asked.text
    sent = fields(asked)
    data(exemplar.ask(PATCH, {"input": {"entity": key, "features": {"bmi": 33}}}))
    assert ann.post(address, data=sent).status_code == 409
    gone = ann.post(address, data=fields(ann.get(address)))
    assert f"{key} was deleted." in gone.text
    assert ann.get(f"{BASE}/row/?key={key}").status_code == 404


def test_a_snapshot_shows_its_analysis_and_its_statement(ann: httpx.Client) -> None:
    listed = ann.get(f"{BASE}/snapshots/")
    [address, *_] = re.findall(r'href="(/products/diabetes/data/snapshots/\d+/)"', listed.text)
    page = ann.get(address)
    assert "CREATE TABLE snapshots." in page.text and "Information of Bmi" in page.text
    [link] = re.findall(r'href="(/export/diabetes/snapshot\.csv\?snapshot=[^"]+)"', page.text)
    assert ann.get(html.unescape(link)).text.startswith(("id,", "key,", "entity,"))
    assert ann.get(f"{BASE}/snapshots/9999/").status_code == 404


@pytest.mark.parametrize("prefix", ["Tumor", "Diabetes", "Wine", "Manual"])
def test_operations_of_a_products_own_types_are_valid(exemplar: System, prefix: str) -> None:
    for operation in operations.list_composed(prefix):
        if prefix == "Wine" and operation.name == "RetractFeedback":
            continue
        problems = exemplar.ask(f"query Other {{ viewer {{ name }} }}\n{operation.text}", {})["errors"]
        # Which of the two to execute is not said, and nothing else is wrong.
        assert "operationName" in problems[0]["message"] or "operation" in problems[0]["message"].lower()


def test_rows_have_no_fault_in_a_browser(page: Page, key: str) -> None:
    for path in (
        f"/row/?key={key}",
        f"/row/edit/?key={key}",
        f"/row/delete/?key={key}",
        "/new/",
        "/snapshots/",
    ):
        page.open(BASE + path)
        assert page.list_faults_of_both() == [], path
    page.open(f"{BASE}/snapshots/1/", NARROW)
    assert page.list_faults() == []


@pytest.mark.script("console/data.js")
def test_a_file_is_previewed_and_imported(page: Page, key: str, tmp_path: Path) -> None:
    exported = page.system.client.get(f'/export/diabetes/entities.csv?filter={{"key":{{"eq":"{key}"}}}}').text
    assert key in exported
    header = "number,age,sex,bmi,blood_pressure,total_cholesterol,ldl,hdl,cholesterol_ratio,log_triglycerides,glucose"
    changed = f"{key},59,2,29.5,101,157,93.2,38,4,4.8598,87"
    file = tmp_path / "patients.csv"
    file.write_text(f"{header}\n{changed}\n{key}-x,old,2,29.5,101,157,93.2,38,4,4.8598,87\n")
    page.open(f"{BASE}/upload/")
    page.find("#file").send_keys(str(file))
    Select(page.find("#day-first")).select_by_value("true")
    page.find("#upload button").click()
    page.wait(lambda: "What patients.csv would do" in page.text)
    page.wait(lambda: page.find_all("#import-state tbody tr"))
    assert "old" in page.find("#import-state tbody").text
    assert read(page.system, key)["bmi"] == 32.1
    assert page.list_faults() == []
    page.find("[data-import-now]").click()
    page.wait(lambda: "patients.csv was imported" in page.text)
    assert read(page.system, key)["bmi"] == 29.5


def test_a_file_that_cannot_be_read_says_so(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "empty.csv"
    file.write_text("")
    page.open(f"{BASE}/upload/", NARROW, dark=True)
    page.find("#file").send_keys(str(file))
    page.find("#upload button").click()
    page.wait(lambda: "The file is empty." in page.text)
