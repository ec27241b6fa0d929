"""Fixtures of the console's tests: a page in a browser of a system in which all products have a champion."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests.console.inspection import Page
from tests.system import System
from tests.test_lifecycle import champion


@pytest.fixture
def page(exemplar: System, browser: Chrome, tmp_path: Path) -> Iterator[Page]:
    """Pages of a system whose products serve; what is on the screen at the end is kept."""
    champion(exemplar)
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["https://*", "wss://*"]})
    page = Page(browser, exemplar)
    yield page
    page.shoot(tmp_path / "page.png")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
