"""The admin in a browser: a build watched from its request to its end without a reload, on wide and narrow screens."""

import time
from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.system import System
from tests.test_lifecycle import champion, data, nodes
from tests.waiting import BUILD_PATIENCE, PATIENCE, waiting

PAGES = (
    "/admin/",
    "/admin/store/productstate/",
    "/admin/store/productstate/diabetes/change/",
    "/admin/store/build/",
    "/admin/store/modelversion/",
)


@pytest.fixture
def admin(exemplar: System, browser: Chrome) -> Iterator[Chrome]:
    champion(exemplar, "diabetes")
    browser.get(f"{exemplar.url}/admin/login/?next=/admin/")
    if "login" in browser.current_url:
        fill(browser, "username", "admin")
        fill(browser, "password", (exemplar.folder / "admin-password").read_text())
        browser.find_element(By.CSS_SELECTOR, "form button").click()
        waiting(browser).until(lambda driver: "login" not in driver.current_url)
    yield browser
    browser.set_window_size(1400, 900)


def fill(browser: Chrome, name: str, text: str) -> None:
    browser.find_element(By.NAME, name).send_keys(text)


def press(browser: Chrome, title: str) -> None:
    browser.find_element(By.LINK_TEXT, title).click()


def text(browser: Chrome, selector: str = "body") -> str:
    """What is to be read there now: the live part may be another one in the next moment."""
    return browser.execute_script("return document.querySelector(arguments[0]).innerText", selector)


def wait(browser: Chrome, said: str, seconds: float = PATIENCE) -> None:
    waiting(browser, seconds).until(lambda _: said in text(browser))


@pytest.mark.script("store/live.js")
def test_a_build_is_requested_and_watched_to_its_end_without_a_reload(exemplar, admin):
    admin.get(f"{exemplar.url}/admin/store/productstate/diabetes/change/")
    until = time.monotonic() + BUILD_PATIENCE
    while "Request a build" not in text(admin):  # one that another test has requested
        assert time.monotonic() < until
        time.sleep(0.5)
        admin.refresh()
    press(admin, "Request a build")
    fill(admin, "reason", "To watch it.")
    admin.find_element(By.CSS_SELECTOR, "input[type=submit]").click()
    wait(admin, "was requested")
    admin.find_element(By.CSS_SELECTOR, "table.numbers tbody a").click()
    admin.execute_script("window.reloads = 'none'")
    seen = [text(admin, ".state")]
    until = time.monotonic() + BUILD_PATIENCE
    while "SUCCEEDED" not in seen[-1]:
        assert time.monotonic() < until
        time.sleep(0.2)
        seen.append(text(admin, ".state"))
    # How many percentages are seen between is a matter of the machine's pace.
    assert any("RUNNING" in state for state in seen), seen
    assert admin.execute_script("return window.reloads") == "none"
    assert "To watch it." in text(admin)
    assert "Cancel this build" not in text(admin)
    assert len(admin.find_elements(By.CSS_SELECTOR, "table.numbers tbody tr")) > 3


@pytest.fixture
def drawn(exemplar: System) -> int:
    """The number of a version with pictures, which quick builds do not draw, that learned from one more label."""
    keys = data(exemplar.ask("{ diabetes { entities(first: 2) { edges { node { key } } } } }"))
    entity = nodes(keys["diabetes"]["entities"])[1]["key"]  # other tests ask about the first
    about = {"about": {"entity": entity}, "value": 100.5, "author": "who likes pictures"}
    data(exemplar.ask(FEEDBACK, {"input": about}))
    exemplar.run(
        "build", "diabetes", "--candidates", "1", "--families", "linear", EXEMPLAR_QUICK_BUILDS="off"
    )
    newest = data(exemplar.ask("{ diabetes { builds(first: 1) { nodes { model { number } } } } }"))
    return int(newest["diabetes"]["builds"]["nodes"][0]["model"]["number"])


FEEDBACK = "mutation($input: DiabetesFeedbackInput!) { diabetesFeedback(input: $input) { created } }"


def test_a_version_shows_its_pictures(exemplar, drawn, admin):
    # Whether it serves, or is held for want of evidence.
    admin.get(f"{exemplar.url}/admin/store/modelversion/?product=diabetes")
    press(admin, f"diabetes {drawn}")
    wait(admin, "Learning curve")
    pictures = admin.find_elements(By.CSS_SELECTOR, ".pictures img")
    assert len(pictures) >= 5
    assert all(admin.execute_script("return arguments[0].naturalWidth", each) > 100 for each in pictures)


@pytest.mark.parametrize("path", PAGES)
def test_pages_fit_a_phone(exemplar, admin, path):
    admin.set_window_size(500, 900)
    admin.get(exemplar.url + path)
    width = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert admin.execute_script(width) <= 0
