"""GraphiQL as people use it: in a browser, with nothing but this machine to load from."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.system import System
from tests.waiting import BUILD_PATIENCE, PATIENCE

#: Seconds for a page to show something, and for the first build of a product to end.
SOON, AFTER_A_BUILD = PATIENCE, BUILD_PATIENCE


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

    def wait(self, condition, seconds: float = SOON) -> None:
        WebDriverWait(self.browser, seconds).until(lambda _: condition())

    def open(self, name: str) -> None:
        tabs = self.browser.find_elements(By.CSS_SELECTOR, "button.graphiql-tab-button")
        next(tab for tab in tabs if tab.text == name).click()
        time.sleep(0.5)  # GraphiQL looks at another tab's operations when nobody types for a moment

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


def wait_for_a_champion(exemplar: System, browser: Chrome) -> None:
    def champion() -> bool:
        return bool(exemplar.ask("{ tumor { champion { id } } }")["data"]["tumor"]["champion"])

    WebDriverWait(browser, AFTER_A_BUILD).until(lambda _: champion())


def test_graphiql_loads_from_this_machine_alone(page: Page, exemplar: System):
    names = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    loaded = page.browser.execute_script(names)
    assert any(name.endswith("graphiql.min.js") for name in loaded)
    at_home = (exemplar.url, "data:")  # fonts inside the style sheet count once they are drawn with
    assert [name for name in loaded if not name.startswith(at_home)] == []
    assert page.tabs == ["TumorExplore", "TumorPredict", "TumorFeedback", "TumorBuild", "TumorBuildProgress"]
    assert "Tumor" in page.browser.title or "tumor" in page.browser.title


def test_a_tab_runs_as_it_is(page: Page):
    page.run()
    page.wait(lambda: '"champion": {' in page.answer)
    assert '"errors"' not in page.answer


def test_a_subscription_streams_a_builds_events(page: Page):
    page.open("TumorBuildProgress")
    page.run()
    page.wait(lambda: '"final": true' in page.answer, AFTER_A_BUILD)
    assert "BuildSucceeded" in page.answer


def test_every_product_has_tabs(page: Page, exemplar: System):
    for product, tabs in {"diabetes": 5, "wine": 4, "manual": 5}.items():
        page.browser.get(f"{exemplar.url}/graphql/?product={product}")
        page.wait(lambda tabs=tabs: len(page.tabs) == tabs)
