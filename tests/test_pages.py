"""The pages beside the API: health, readiness, GraphiQL with its tabs, and the way between them."""

import json
import re
import time
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from project.engines import PostgreSQL
from tests.system import System
from tests.waiting import BUILD_PATIENCE

PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PRODUCTS = ["tumor", "diabetes", "wine", "manual"]


def test_a_process_that_runs_is_healthy_and_ready(exemplar: System):
    assert exemplar.client.get("/health").json() == {"alive": True}
    assert exemplar.client.get("/ready").json() == {"ready": True}


def test_a_browser_gets_graphiql_and_a_program_gets_graphql(exemplar: System):
    page = exemplar.client.get("/graphql/", headers=PAGE)
    assert page.headers["Content-Type"].startswith("text/html")
    assert "csrftoken" in page.headers["Set-Cookie"]
    answer = exemplar.client.get("/graphql/", params={"query": "{ __typename }"}, headers=PAGE)
    assert answer.json() == {"data": {"__typename": "Query"}}


def test_an_address_without_its_slash_leads_to_the_one_with_it(exemplar: System):
    response = exemplar.client.get("/graphql?query=%7B__typename%7D")
    assert response.status_code == 308
    assert response.headers["Location"].endswith("/graphql/?query=%7B__typename%7D")
    assert exemplar.client.get("/products/tumor/try").headers["Location"] == "/products/tumor/try/"


def test_static_files_are_served_and_nothing_beside_them(exemplar: System):
    assert exemplar.client.get("/static/project/graphiql.js").status_code == 200
    assert exemplar.client.get("/static/nothing.js").status_code == 404
    assert exemplar.client.get("/static/%2e%2e/settings.py").status_code in (400, 404)


def test_the_admin_asks_for_a_login(exemplar: System):
    assert exemplar.client.get("/admin/", headers=PAGE).status_code == 302


def test_pages_leave_no_connections_behind(exemplar: System):
    def connections() -> int:
        with closing(psycopg2.connect(**PostgreSQL(exemplar.folder).dsn)) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'exemplar'")
            return cursor.fetchone()[0]

    before = connections()
    for _ in range(30):
        exemplar.client.get("/graphql/", headers=PAGE)
    assert connections() <= before + 8  # the rows' threads may have taken theirs in between


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_tabs_of_a_product_run_as_they_are(exemplar: System, product):
    wait_for_a_champion(exemplar, product)
    tabs = tabs_of(exemplar, product)
    for kind in ("Explore", "Predict", "Quality", *(["NextToLabel"] if "NextToLabel" in tabs else [])):
        answer = exemplar.ask(tabs[kind]["query"], json.loads(tabs[kind]["variables"] or "{}"))
        assert "errors" not in answer
    progress = tabs["BuildProgress"]
    body = {"query": progress["query"], "variables": json.loads(progress["variables"])}
    events = exemplar.client.post("/graphql/", json=body, headers={"Accept": "text/event-stream"})
    assert events.text.count('"final":true') == 1
    assert events.text.endswith("event: complete\ndata: \n\n")


@pytest.mark.parametrize(
    ("product", "told"), [("tumor", True), ("diabetes", True), ("wine", False), ("manual", True)]
)
def test_a_product_that_learns_from_labels_has_a_tab_for_feedback(exemplar: System, product, told):
    tabs = tabs_of(exemplar, product)
    assert ("Feedback" in tabs) is told
    if told:
        assert json.loads(tabs["Feedback"]["variables"])["input"]["about"]["entity"]


def tabs_of(exemplar: System, product: str) -> dict[str, dict[str, str]]:
    """The tabs on a product's page, by the end of their names."""
    text = exemplar.client.get("/graphql/", params={"product": product}, headers=PAGE).text
    found = re.search(r'<script id="page" type="application/json">(.*?)</script>', text)
    assert found
    page: dict[str, Any] = json.loads(found[1])
    tabs = page["tabs"]
    names = [
        re.search(r"^(?:query|mutation|subscription) [A-Z][a-z]+(\w+)", tab["query"], re.M) for tab in tabs
    ]
    return {name[1]: tab for name, tab in zip(names, tabs, strict=True) if name}


def wait_for_a_champion(exemplar: System, product: str) -> None:
    until = time.monotonic() + BUILD_PATIENCE
    while not exemplar.ask(f"{{ {product} {{ champion {{ id }} }} }}")["data"][product]["champion"]:
        assert time.monotonic() < until
        time.sleep(0.2)
