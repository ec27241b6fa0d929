"""Engines for tests that need rows, a whole system for those which go through the front door, a browser."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from project import engines as embedded
from tests.system import System, copied, state_folder

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
HAS_BROWSER = bool(CHROMIUM and DRIVER)


@pytest.fixture(scope="session")
def engines() -> Iterator[None]:
    """PostgreSQL and Valkey of this session, where no URL names others; what they hold need not survive."""
    chosen = embedded.embedded(settings, durable=False)
    with embedded.running(settings.EXEMPLAR_STATE, chosen, "the tests"):
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(engines: None) -> None:
    """Have the engines run before pytest-django makes its database."""


@pytest.fixture(scope="session")
def grown() -> Path:
    """The state folder of a system that was started, built the examples' first champions, and was stopped."""
    system = System(state_folder())
    try:
        system.start()
        until = time.monotonic() + 240
        while not all(map(has_grown, system.ask(GROWN)["data"]["products"])):
            assert time.monotonic() < until, system.output
            time.sleep(0.5)
    finally:
        system.stop()
    return system.folder


GROWN = "{ products { champion { id } builds(status: [READY, RUNNING]) { totalCount } } }"


def has_grown(product: dict[str, Any]) -> bool:
    return bool(product["champion"]) and product["builds"]["totalCount"] == 0


@pytest.fixture(scope="session")
def exemplar(grown: Path) -> Iterator[System]:
    """A running Exemplar with the example products, shared by all tests: leave it as you found it."""
    system = System(copied(grown))
    try:
        yield system.start()
    finally:
        system.stop()


@pytest.fixture
def system() -> Iterator[System]:
    """An Exemplar of the test's own, not started yet."""
    system = System(state_folder())
    try:
        yield system
    finally:
        system.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    """Chromium without a window; the test is skipped where there is none, except in CI."""
    if not HAS_BROWSER:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Chromium or chromedriver is missing")
    os.environ["SE_OFFLINE"] = "true"  # or selenium calls home for a driver
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (
        "--headless=new",
        "--window-size=1400,900",
        "--disable-dev-shm-usage",
        "--no-proxy-server",
    ):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if "browser" in report.keywords]
    if skipped and not HAS_BROWSER:
        terminalreporter.section("NOT TESTED IN A BROWSER", red=True, bold=True)
        terminalreporter.write_line(
            f"{len(skipped)} browser tests were skipped: install chromium and chromedriver, then run ./dev test again.",
            red=True,
            bold=True,
        )
