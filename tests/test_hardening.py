"""What a browser is told: whose sessions count, headers, and a policy that no page violates."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from tests.system import System
from tests.test_access import log_in
from tests.test_browser import Page
from tests.test_lifecycle import champion
from tests.waiting import PATIENCE, waiting

OTHER = "https://evil.example"
PAGE = {"Accept": "text/html"}


@pytest.mark.parametrize(
    "media_type", ["application/json", "text/event-stream", "multipart/mixed;subscriptionSpec=1.0"]
)
@pytest.mark.parametrize(
    "query", ["{ products { name } }", "mutation { deletePredictions(input: {ids: []}) { count } }"]
)
def test_a_session_without_the_token_of_its_cookie_is_refused_in_every_form(
    exemplar: System, media_type: str, query: str
) -> None:
    options: dict[str, Any] = {"base_url": exemplar.url, "trust_env": False, "timeout": PATIENCE}
    with httpx.Client(cookies={"sessionid": "s" * 32}, **options) as client:
        for headers in ({}, {"X-CSRFToken": "a" * 32}, {"Origin": OTHER}, {"Authorization": "Basic eDp5"}):
            refused = client.post(
                "/graphql/", json={"query": query}, headers={"Accept": media_type, **headers}
            )
            assert refused.status_code in (401, 403)


def test_the_address_without_a_slash_never_leads_elsewhere(exemplar: System) -> None:
    response = exemplar.client.get("/graphql?query=x")
    assert response.headers["Location"] == "/graphql/?query=x"
    forged = exemplar.client.get("/graphql?query=x", headers={"Host": "evil.example"})
    assert forged.status_code == 400 and "Location" not in forged.headers


@pytest.mark.parametrize(
    "path", ["/graphql/", "/admin/login/", "/nothing", "/static/store/live.js", "/static/nothing"]
)
def test_every_response_has_the_headers_of_a_page(exemplar: System, path: str) -> None:
    headers = exemplar.client.get(path, headers=PAGE).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in re.findall("script-src[^;]*", policy)[0]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert ("no-cache" if path.startswith("/static/") else "no-store") in headers["Cache-Control"]
    assert "Strict-Transport-Security" not in headers


# -- The policy, in a browser --

#: Notes each violation of a policy in the page's own log.
LISTENER = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) =>
    window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample} ${event.sourceFile}`));
"""


@pytest.fixture
def watched(exemplar: System, browser: Chrome) -> Iterator[Chrome]:
    """A browser that is logged in and notes violations."""
    champion(exemplar, "diabetes")
    listener = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LISTENER})
    browser.get(f"{exemplar.url}/admin/login/")
    assert violations(browser) == []
    log_in_by_cookie(exemplar, browser)
    yield browser
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", listener)


def log_in_by_cookie(system: System, browser: Chrome) -> None:
    system.client.cookies.clear()
    log_in(system)
    browser.add_cookie({"name": "sessionid", "value": system.client.cookies["sessionid"]})
    system.client.cookies.clear()


def violations(browser: Chrome) -> list[str]:
    return browser.execute_script("return window.violations")


def test_a_violation_would_be_noticed(exemplar: System, watched: Chrome) -> None:
    watched.execute_script(
        "document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\" onclick=\"x()\">')"
    )
    # A browser may look at a handler when it is called for the first time.
    watched.execute_script("document.body.lastElementChild.click()")
    directives = {"style-src-attr", "script-src-attr"}
    waiting(watched).until(
        lambda _: {violation.split()[0] for violation in violations(watched)} == directives
    )


def test_no_page_of_the_admin_violates_its_policy(exemplar: System, watched: Chrome) -> None:
    addresses = set()
    for address in walk_admin_pages(exemplar, watched):
        assert "Server Error" not in watched.title and "not found" not in watched.title.lower(), address
        assert violations(watched) == [], address
        addresses.add(address)
    assert len(addresses) > 10


def walk_admin_pages(exemplar: System, browser: Chrome) -> Iterator[str]:
    """Open the pages that the admin's index leads to, and of each kind of rows one with its forms, each page once."""
    visited: list[str] = []
    forms: list[str] = []

    def visit(address: str) -> str:
        browser.get(address)
        visited.append(address)
        return address

    yield visit(f"{exemplar.url}/admin/password_change/")
    yield visit(f"{exemplar.url}/admin/")
    for address in dict.fromkeys(links(browser, "#content-main")):
        yield visit(address)
        for change in links(browser, "#result_list tbody th")[:1]:
            yield visit(change)
            forms += links(browser, "#content")[:4] + links(browser, ".object-tools")
    yield from map(visit, [form for form in dict.fromkeys(forms) if form not in visited])


def links(browser: Chrome, selector: str) -> list[str]:
    """List the addresses that a part of the page leads to, without the end of the session."""
    found = browser.find_elements(By.CSS_SELECTOR, f"{selector} a[href]")
    addresses = [str(link.get_attribute("href")) for link in found]
    return [address for address in addresses if "/admin/" in address and "logout" not in address]


def test_graphiql_violates_no_policy(exemplar: System, watched: Chrome) -> None:
    watched.get(f"{exemplar.url}/graphql/?product=diabetes")
    page = Page(watched)
    page.wait(lambda: page.tabs)
    page.run()
    page.wait(lambda: '"champion": {' in page.answer)
    for button in ("Show Documentation Explorer", "Show History", "Show GraphiQL Explorer"):
        for element in watched.find_elements(By.CSS_SELECTOR, f"button[aria-label='{button}']"):
            element.click()
    watched.execute_script("document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.focus()")
    hints = ActionChains(watched).key_down(Keys.CONTROL).send_keys(Keys.SPACE).key_up(Keys.CONTROL)
    hints.perform()
    for label in ("Open short keys dialog", "Open settings dialog"):
        watched.find_element(By.CSS_SELECTOR, f"button[aria-label='{label}']").click()
        page.wait(lambda: watched.find_elements(By.CSS_SELECTOR, "[role=dialog]"))
        watched.find_element(By.CSS_SELECTOR, "[role=dialog]").send_keys(Keys.ESCAPE)
        page.wait(lambda: not watched.find_elements(By.CSS_SELECTOR, "[role=dialog]"))
    page.open("DiabetesBuildProgress")
    page.run()
    page.wait(lambda: '"final": true' in page.answer)
    assert violations(watched) == []


def test_a_report_runs_no_script_and_has_its_style(exemplar: System, browser: Chrome, tmp_path: Path) -> None:
    champion(exemplar, "diabetes")
    exemplar.run("report", "diabetes", "--skip-checks", "--to", str(tmp_path / "report.html"))
    listener = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LISTENER})
    try:
        browser.get(f"file://{tmp_path}/report.html")
        assert violations(browser) == []
        width = "return getComputedStyle(document.querySelector('main')).maxWidth"
        assert browser.execute_script(width) == "1200px"
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", listener)
