"""The pages of builds: one is requested, watched to its end, cancelled, and refused at its fields."""

import re
from typing import Any

import pytest

from learning.fits.running import FitStage
from project.console import build_progress
from project.console.views import builds
from schema.core.errors import ErrorCode
from tests.console.inspection import Page
from tests.test_lifecycle import data
from tests.waiting import BUILD_PATIENCE

WIDE = "/products/tumor/builds/"
MARK = "window.mark = 'the page that was opened'"
MARKED = "return window.mark"
UNFINISHED = "{ tumor { builds(filter: { status: { in: [READY, RUNNING] } }) { totalCount } } }"


def wait_until_idle(page: Page) -> None:
    """Wait for the builds that other tests have requested: a request while one runs leads to that one."""
    page.wait(lambda: not data(page.system.ask(UNFINISHED))["tumor"]["builds"]["totalCount"], BUILD_PATIENCE)


def request_build(page: Page, **fields: str) -> None:
    """Fill the form and send it."""
    page.open(WIDE)
    page.find("details.disclosure summary").click()
    for name, value in fields.items():
        page.find(f"[name={name}]").send_keys(value)
    page.find("details.disclosure button").click()


def state(page: Page) -> str:
    return str(page.find("#build").get_attribute("data-state"))


@pytest.mark.script("console/builds.js")
def test_a_build_is_watched_to_its_end(page: Page) -> None:
    wait_until_idle(page)
    request_build(page, candidates="2", reason="New rows since Monday")
    page.wait(lambda: page.find_all("#build"))
    page.browser.execute_script(MARK)
    assert "New rows since Monday" in page.text
    page.wait(lambda: page.find_all("[data-since]") or state(page) == "SUCCEEDED")
    page.wait(lambda: state(page) == "SUCCEEDED", BUILD_PATIENCE)
    assert page.browser.execute_script(MARKED) == "the page that was opened", "it was loaded again"
    page.settle()
    assert re.search(r"Chose|Kept", page.find(".decision").text)
    assert "±" in page.find("#leaderboard").text
    page.wait(lambda: not page.find_all("#cancel"))
    assert page.list_faults() == []
    assert [name for name, answer in page.replay().items() if "errors" in answer] == []
    page.open(page.browser.current_url.removeprefix(page.system.url), 400, dark=True)
    assert page.list_faults() == []


def test_a_build_is_cancelled_with_a_reason(page: Page) -> None:
    wait_until_idle(page)
    request_build(page)
    page.wait(lambda: page.find_all("#cancel input[name=reason]"))[0].send_keys("Wrong rows")
    page.find("#cancel button").click()
    page.wait(lambda: page.find_all("#build") and state(page) == "CANCELLED")
    assert "Wrong rows" in page.text and "was cancelled" in page.text
    cancelled = page.browser.current_url.removeprefix(page.system.url)
    page.open(cancelled)
    assert page.list_faults() == []


def test_what_is_wrong_with_a_form_stands_at_its_fields(page: Page) -> None:
    before = count_builds(page)
    request_build(page, candidates="many", seconds="soon")
    page.wait(lambda: page.find_all("#fault-candidates"))
    assert "whole number" in page.find("#fault-candidates").text
    assert page.find("#candidates").get_attribute("value") == "many"
    request_build(page, candidates="-1", seconds="0")
    page.wait(lambda: page.find_all("#fault-candidates") and page.find_all("#fault-seconds"))
    assert count_builds(page) == before


def test_a_second_request_leads_to_the_build_that_runs(page: Page) -> None:
    query = 'mutation { requestBuild(input: {product: "tumor"}) { build { id number } } }'
    running: dict[str, Any] = data(page.system.ask(query))["requestBuild"]["build"]
    request_build(page, candidates="2")
    page.wait(lambda: page.find_all("#build"))
    assert page.browser.current_url.endswith(f"/{running['number']}/")
    assert "had not ended yet" in page.text
    data(
        page.system.ask(
            "mutation($id: ID!) { cancelJob(input: {job: $id}) { job { id } } }", {"id": running["id"]}
        )
    )


def test_a_build_that_does_not_exist_is_a_sentence(page: Page) -> None:
    response = page.system.client.get(f"{WIDE}9999/")
    assert response.status_code == 404 and "There is no build 9999." in response.text


def test_the_form_says_how_long_builds_take(page: Page) -> None:
    page.open(WIDE)
    assert "The last" in page.find("details.disclosure").get_attribute("textContent")


def test_a_list_without_rows_says_what_to_do(page: Page) -> None:
    page.open(f"{WIDE}?status=FAILED")
    assert "No build is failed" in page.text and "Show all builds" in page.text


#: Asks for the list of a product that does not exist, as its live part would.
REFUSED = """
const part = document.querySelector("[data-live]");
htmx.ajax("GET", "/products/absent/builds/", { source: part, target: "#builds", select: "#builds" });
"""


@pytest.mark.script("console/console.js")
def test_a_part_that_is_refused_stays_with_the_reason(page: Page) -> None:
    page.open(WIDE)
    page.browser.execute_script(REFUSED)
    page.wait(lambda: page.find_all("[data-refused]"))
    assert page.find("[data-refused]").text and page.find("#builds table")


def test_remedies_are_for_codes_that_exist() -> None:
    assert [code for code in builds.REMEDIES if code not in ErrorCode.__members__] == []


def test_steps_that_are_left_out_take_no_time() -> None:
    build = {
        "number": 1,
        "status": "SUCCEEDED",
        "requestedAt": "2026-01-01T00:00:00Z",
        "startedAt": "2026-01-01T00:00:10Z",
        "endedAt": "2026-01-01T00:01:00Z",
        "model": None,
        "begin": {"nodes": []},
    }
    times = [step.elapsed for step in build_progress.list_steps(build, [])]
    assert times == [10, 50, 0, 0, 0]


def test_fits_that_run_are_listed_with_their_tasks() -> None:
    first, second = {"id": "first"}, {"id": "second"}
    fits = [("SEARCH", 0, 2.0, first), ("FINAL_ROUND", 2, 9.0, None), ("ALL_EXAMPLES", None, 0.0, None)]
    running = [
        {"stage": stage, "fold": fold, "seconds": seconds, "candidate": candidate}
        for stage, fold, seconds, candidate in fits
    ]
    candidates = [{**each, "complete": False, "problem": None} for each in (first, second)]
    build = {
        "runningFits": running,
        "events": {"nodes": []},
        "newest": {"nodes": candidates},
        "best": {"nodes": candidates[:1]},
    }
    tasks = [fit["task"] for fit in build_progress.list_running(build)]
    assert tasks == ["fold 3 of the final round", "fold 1 of the search", "all examples for the model"]
    assert build_progress.list_open(build) == candidates[1:]


def test_every_stage_of_fits_has_words() -> None:
    assert set(build_progress.STAGES) == set(FitStage)


def test_why_a_row_won_is_not_said_twice() -> None:
    winner = {"remark": "won: the other is higher by luck"}
    assert builds._explain(winner, "Chose linear.") == "the other is higher by luck."
    assert builds._explain(winner, "Chose linear. Note: the other is higher by luck, perhaps.") == ""
    assert builds._explain(None, "") == ""


def count_builds(page: Page) -> int:
    return int(
        data(page.system.ask('{ product(name: "tumor") { builds { totalCount } } }'))["product"]["builds"][
            "totalCount"
        ]
    )
