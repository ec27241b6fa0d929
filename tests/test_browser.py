"""GraphiQL as people use it: in a browser, with nothing but this machine to load from."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.system import System
from tests.waiting import BUILD_PATIENCE, PATIENCE, waiting

#: Seconds for a page to show something, and for the first build of a product to end.
SOON, AFTER_A_BUILD = PATIENCE, BUILD_PATIENCE
#: The products, each with the number of its tabs.
PRODUCTS = {"tumor": 8, "diabetes": 8, "wine": 6, "manual": 8}
#: Widths of phones' screens, the narrowest last.
WIDTHS = (400, 320)
RECORD_FRAMES = """
window.frames_sent = [];
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (frame) { window.frames_sent.push(frame); return send.call(this, frame); };
"""
UNFINISHED = "{ wine { builds(filter: { status: { in: [READY, RUNNING] } }) { totalCount } } }"
#: The newest build may be one that a test has cancelled.
SUCCEEDED = "{ tumor { builds(first: 1, filter: { status: { eq: SUCCEEDED } }) { nodes { id } } } }"
#: By how much a page is wider than its window.
OVERHANG = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Page:
    """GraphiQL, seen through what is on the screen."""

    def __init__(self, browser: Chrome):
        self.browser = browser

    @property
    def tabs(self) -> list[str]:
        return [tab.text for tab in self.browser.find_elements(By.CSS_SELECTOR, "button.graphiql-tab-button")]

    @property
    def answer(self) -> str:
        """All of it; on the screen are only the lines that there is room for."""
        return self.browser.execute_script(
            "return document.querySelector('.result-window .CodeMirror').CodeMirror.getValue()"
        )

    @property
    def variables(self) -> str:
        return self.browser.execute_script(
            "return document.querySelector('[aria-label=Variables] .CodeMirror').CodeMirror.getValue()"
        )

    def write_variables(self, variables: dict[str, Any]) -> None:
        """Replace the variables of the open tab."""
        write = (
            "document.querySelector('[aria-label=Variables] .CodeMirror').CodeMirror.setValue(arguments[0])"
        )
        self.browser.execute_script(write, json.dumps(variables))

    def wait(self, condition, seconds: float = SOON) -> None:
        waiting(self.browser, seconds).until(lambda _: condition())

    def open(self, name: str) -> None:
        tabs = self.browser.find_elements(By.CSS_SELECTOR, "button.graphiql-tab-button")
        next(tab for tab in tabs if tab.text == name).click()
        time.sleep(0.5)  # GraphiQL looks at another tab's operations when nobody types for a moment

    def record_frames(self) -> None:
        """Keep what the pages from the next one on send by WebSocket."""
        self.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": RECORD_FRAMES})

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(frame) for frame in self.browser.execute_script("return window.frames_sent")]

    def show_on_a_phone(self, width: int) -> None:
        screen = {"width": width, "height": 800, "deviceScaleFactor": 2, "mobile": True}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def run(self) -> None:
        self.browser.find_element(By.CSS_SELECTOR, "button.graphiql-execute-button").click()


@pytest.fixture
def page(exemplar: System, browser: Chrome, tmp_path: Path) -> Iterator[Page]:
    """GraphiQL with tumor's tabs; the network is cut, and what is on the screen at the end is kept."""
    wait_for_a_champion(exemplar, browser)
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["https://*", "wss://*"]})
    browser.get(f"{exemplar.url}/graphql/?product=tumor")
    page = Page(browser)
    page.wait(lambda: page.tabs)
    yield page
    browser.save_screenshot(str(tmp_path / "graphiql.png"))
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def wait_for_a_champion(exemplar: System, browser: Chrome) -> None:
    def champion() -> bool:
        return bool(exemplar.ask("{ tumor { champion { id } } }")["data"]["tumor"]["champion"])

    waiting(browser, AFTER_A_BUILD).until(lambda _: champion())


def test_graphiql_loads_from_this_machine_alone(page: Page, exemplar: System):
    names = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    loaded = page.browser.execute_script(names)
    assert any(name.endswith("graphiql.min.js") for name in loaded)
    at_home = (exemplar.url, "data:")  # fonts inside the style sheet count once they are drawn with
    assert [name for name in loaded if not name.startswith(at_home)] == []
    assert page.tabs == [
        f"Tumor{tab}"
        for tab in (
            *("Explore", "Predict", "Feedback", "NextToLabel", "Quality"),
            *("Build", "BuildProgress", "Comparison"),
        )
    ]
    assert "Tumor" in page.browser.title or "tumor" in page.browser.title


def test_a_tab_runs_as_it_is(page: Page):
    page.run()
    page.wait(lambda: '"champion": {' in page.answer)
    assert '"errors"' not in page.answer


def test_a_subscription_streams_a_builds_events(page: Page, exemplar: System):
    [build] = exemplar.ask(SUCCEEDED)["data"]["tumor"]["builds"]["nodes"]
    page.open("TumorBuildProgress")
    page.write_variables({"build": build["id"]})
    page.run()
    page.wait(lambda: '"final": true' in page.answer, AFTER_A_BUILD)
    assert "BuildSucceeded" in page.answer


@pytest.mark.script("project/graphiql.js")
def test_the_next_tab_watches_the_build_that_was_requested(page: Page, exemplar: System):
    page.record_frames()
    page.wait(lambda: not exemplar.ask(UNFINISHED)["data"]["wine"]["builds"]["totalCount"], AFTER_A_BUILD)
    page.browser.get(f"{exemplar.url}/graphql/?product=wine")
    page.wait(lambda: "WineBuild" in page.tabs)
    page.open("WineBuild")
    page.run()
    page.wait(lambda: '"requestBuild"' in page.answer)
    requested = json.loads(page.answer)["data"]["requestBuild"]["build"]["id"]
    page.open("WineBuildProgress")
    assert requested not in page.variables  # they name the build before
    page.run()
    page.wait(lambda: '"final": true' in page.answer, AFTER_A_BUILD)
    assert [frame["payload"]["variables"] for frame in page.frames if frame["type"] == "subscribe"] == [
        {"build": requested}
    ]


def test_every_product_can_be_reached_on_a_phone_and_has_tabs(page: Page, exemplar: System):
    page.show_on_a_phone(WIDTHS[-1])
    page.browser.get(f"{exemplar.url}/graphql/")
    page.wait(lambda: page.tabs)
    for product, tabs in PRODUCTS.items():
        for width in WIDTHS:
            page.show_on_a_phone(width)
            assert page.browser.execute_script(OVERHANG) <= 0, (product, width)
        page.browser.find_element(By.CSS_SELECTOR, "details.products summary").click()
        page.browser.find_element(By.CSS_SELECTOR, f".products-body a[href='?product={product}']").click()
        page.wait(lambda product=product: f"product={product}" in page.browser.current_url)
        page.wait(lambda tabs=tabs: len(page.tabs) == tabs)
        assert page.browser.find_element(By.ID, "chosen").text == product.capitalize()
