"""The page of a product's settings: rules in words, options as declared, and the file for who administers."""

import re

import httpx
import pytest

from project.console.views.settings import OPTIONS, PERMISSIONS, WRITES, _describe, _order
from schema.core.enums import Writes
from schema.types.product_settings import list_options
from store.access.permissions import Permission
from store.products import catalogue
from tests.system import System


def get(system: System, product: str, client: httpx.Client | None = None) -> str:
    response = (client or system.client).get(f"/products/{product}/settings/")
    assert response.status_code == 200, response.text
    return response.text


def test_every_option_permission_and_kind_of_writing_has_words() -> None:
    names = {option.name for product in catalogue.products() for option in list_options(product.problem)}
    assert names <= set(OPTIONS)
    assert {permission.value for permission in Permission} == set(PERMISSIONS)
    assert {each.name for each in Writes} == set(WRITES)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("metric", "roc_auc", "ROC AUC"),
        ("seconds", 5400, "1 h 30 min"),
        ("seconds", None, "none"),
        ("gap", 0, "none"),
        ("pictures", 0.2, "20 %"),
        ("ordered", True, "yes"),
        ("floors", {"MALIGNANT": 0.9}, "MALIGNANT: 0.900"),
        ("floors", {}, "none"),
        ("families", ["naive_bayes", "svm"], "naive bayes, svm"),
        ("candidates", 1200, "1,200"),
        ("infer_limit", 50, "50 µs a row"),
        ("other_one", "x", "x"),
    ],
)
def test_an_option_is_written_for_people(name: str, value: object, text: str) -> None:
    assert _describe({"name": name, "value": value, "declared": True}).value == text


def test_unknown_options_come_last() -> None:
    options = [{"name": "newest"}, {"name": "seed"}, {"name": "metric"}]
    assert [each["name"] for each in _order(options)] == ["metric", "seed", "newest"]


def test_rules_are_shown_with_what_they_said_and_when_they_are_due(exemplar: System) -> None:
    html = get(exemplar, "tumor")
    assert "Every day at 03:00 UTC." in html
    assert "After 50 feedback items about labels since the newest snapshot." in html
    assert "A scheduled rule is due" in html and "What it said last" in html
    assert "The label that most people say counts" in html
    assert len(html.encode()) < 100_000


def test_a_product_without_rules_says_how_to_declare_one(exemplar: System) -> None:
    assert "No rule is declared" in get(exemplar, "diabetes")


def test_strangers_see_no_file_and_no_receivers(exemplar: System) -> None:
    html = get(exemplar, "tumor")
    assert "products.py" not in html and "Who is told" not in html
    assert "SettingsReceivers" not in html


def test_who_administers_sees_the_file_and_who_is_told(exemplar: System) -> None:
    password = re.search(r"user admin, password (\S+)", exemplar.output)
    assert password is not None
    with httpx.Client(base_url=exemplar.url, trust_env=False, follow_redirects=True, timeout=60) as client:
        form = client.get("/admin/login/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert token is not None
        fields = {"username": "admin", "password": password[1], "csrfmiddlewaretoken": token[1]}
        client.post("/admin/login/", data=fields, headers={"Referer": f"{exemplar.url}/admin/login/"})
        html = get(exemplar, "tumor", client)
    assert "<code>examples/tumor/products.py</code>, line" in html
    assert "Who is told" in html and "Nobody is told" in html and "Grant and revoke" in html


def test_settings_of_no_product_are_not_found(exemplar: System) -> None:
    assert exemplar.client.get("/products/nothing/settings/").status_code == 404
