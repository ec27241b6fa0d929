"""What holds for every page: no fault wide and narrow, light and dark, and the GraphQL that it shows runs."""

import pytest
from graphql import parse, validate
from selenium.webdriver.common.by import By

from project.console import operations
from schema import schema as served
from tests.console.inspection import WIDE, Page

#: Every page that is opened by its address alone.
PAGES = (
    "/",
    "/new/",
    "/account/",
    *(
        f"/products/tumor/{section}/"
        for section in ("try", "predictions", "correct", "builds", "models", "quality", "data", "settings")
    ),
    # A regression and a clustering, where pages differ by the task.
    *(
        f"/products/{product}/{section}/"
        for product in ("diabetes", "wine")
        for section in ("try", "predictions", "models", "quality")
    ),
    "/products/diabetes/correct/",
    "/products/wine/correct/",
    "/products/tumor/data/upload/",
    "/products/tumor/data/snapshots/",
    "/products/tumor/data/snapshots/1/",
    "/products/tumor/data/new/",
    "/products/wine/data/",
    "/products/tumor/erase/",
    "/products/tumor/erase/?entity=B-0001",
)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_for_everybody(page: Page, path: str) -> None:
    """No fault wide and narrow, light and dark, all within reach of a keyboard, no code in its text, its GraphQL runs.

    A page is opened once for all of it: opening takes longer than looking.
    """
    page.open(path)
    assert page.list_code_names() == []
    assert page.list_unreachable() == []
    assert [name for name, answer in page.replay().items() if "errors" in answer] == []
    page.emulate(WIDE, dark=False)
    assert page.list_faults_of_both() == []


def test_the_account_of_an_administrator_has_no_fault(page: Page) -> None:
    page.open("/login/?next=/account/")
    if page.browser.current_url.endswith("/login/?next=/account/"):
        page.find("#id_username").send_keys("admin")
        page.find("#id_password").send_keys((page.system.folder / "admin-password").read_text())
        page.find("form button").click()
        page.wait(lambda: page.browser.current_url.endswith("/account/"))
    page.open("/account/")
    page.find("details.disclosure summary").click()
    assert page.list_faults_of_both() == []
    page.emulate(WIDE, dark=False)
    next(box for box in page.find_all("[name=permissions]") if box.get_attribute("value") == "VIEW").click()
    page.browser.find_element(By.XPATH, "//button[text()='Make the token']").click()
    page.wait(lambda: page.find_all("#secret"))
    assert page.list_faults_of_both() == []
    for path in ("/account/password/", "/audit/"):
        page.open(path)
        assert page.list_faults_of_both() == [], path


@pytest.mark.script("console/console.js")
def test_moments_are_shown_in_the_readers_words(page: Page) -> None:
    page.open("/")
    page.wait(lambda: " ago" in page.text or "now" in page.text)


@pytest.mark.parametrize("operation", operations.list_operations(), ids=lambda operation: operation.name)
def test_an_operation_is_valid(operation: operations.Operation) -> None:
    document = parse(operation.text)
    assert validate(served.schema._schema, document) == []
    assert document.definitions[0].name.value == operation.name
