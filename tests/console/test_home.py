"""The first page: it lists products at once, loads their figures one by one, and says what wants attention."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import AsyncRequestFactory

from project.console import pages
from project.console.api import Answer, Api, Problem
from project.console.attention import describe_drift, list_notices
from project.console.views import home as views
from tests.console.inspection import Page
from tests.system import System

PERMISSIONS = ["VIEW", "PREDICT", "FEEDBACK"]
EMPTY: dict[str, Any] = {
    "name": "tumor",
    "title": "Tumor",
    "task": "CLASSIFICATION",
    "metric": "roc_auc",
    "viewerPermissions": PERMISSIONS,
    "champion": {"number": 3},
    "settings": {"hold": None},
    "pendingPromotion": None,
    "trial": None,
    "builds": {"nodes": []},
    "retraining": None,
    "quality": None,
}


def measure(value: float, low: float, high: float, n: int = 200) -> dict[str, Any]:
    return {"metric": "roc_auc", "label": None, "value": value, "low": low, "high": high, "n": n}


def build(**changes: Any) -> dict[str, Any]:
    usual = {
        "number": 7,
        "status": "SUCCEEDED",
        "decision": "",
        "promoted": True,
        "problem": None,
        "model": None,
    }
    return {"nodes": [usual | changes]}


def texts(**changes: Any) -> list[str]:
    return [notice.text for notice in list_notices({"refusedProducts": [], "products": [EMPTY | changes]})]


def test_where_all_is_well_nothing_wants_attention() -> None:
    assert texts() == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"builds": build(status="FAILED", problem={"message": "The table is empty."})},
            "Build 7 failed: The table is empty.",
        ),
        (
            {
                "builds": build(
                    promoted=False,
                    decision="Version 4 waits for a person. Its roc_auc is lower. More.",
                    model={"number": 4, "status": "CHALLENGER"},
                )
            },
            "Version 4 waits for a person. Its ROC AUC is lower.",
        ),
        ({"champion": None}, "No version serves, so nothing can be predicted."),
        (
            {"settings": {"hold": "It was rolled back."}},
            "Winners of builds wait for a person: It was rolled back.",
        ),
        (
            {"pendingPromotion": {"message": "Its roc_auc lacks 3 labels.", "model": {"number": 4}}},
            "Version 4 waits for evidence. Its ROC AUC lacks 3 labels.",
        ),
        (
            {
                "trial": {
                    "kind": "SHADOW",
                    "model": {"number": 4},
                    "startedAt": "2026-01-01T00:00:00Z",
                    "predicted": 1200,
                    "problem": "",
                }
            },
            "Version 4 is tried in a shadow: 1,200 predictions so far.",
        ),
        (
            {
                "retraining": {
                    "decisions": {
                        "nodes": [
                            {
                                "at": "2026-01-01T00:00:00Z",
                                "rule": "AfterFeedback(50)",
                                "reason": "51 came.",
                                "build": {"number": 8},
                            }
                        ]
                    }
                }
            },
            "A rule requested build 8: 51 came.",
        ),
    ],
)
def test_each_thing_that_wants_attention_is_a_sentence(changes: dict[str, Any], text: str) -> None:
    assert texts(**changes) == [text]


def test_live_quality_below_the_promise_comes_first_and_names_the_noise() -> None:
    quality = {
        "counted": 200,
        "disputed": 2,
        "promised": measure(0.99, 0.98, 0.997),
        "measured": [measure(0.8, 0.7, 0.9)],
        "drift": [{"feature": {"title": "Radius"}, "value": 0.4, "adjustedPValue": 0.001, "n": 90}],
    }
    first, second, third = texts(quality=quality)
    assert first.startswith("ROC AUC is 0.800 (0.700 to 0.900), n = 200; 0.990 was promised.")
    assert second == "A feature drifts from what was learned: Radius (0.40)."
    assert third == "People disagree about the subjects of 2 predictions of the last 7 days."


def test_a_small_distance_and_one_by_chance_are_no_news() -> None:
    drift = [
        {"feature": {"title": "Radius"}, "value": 0.05, "adjustedPValue": 0.001, "n": 90_000},
        {"feature": {"title": "Area"}, "value": 0.3, "adjustedPValue": 0.2, "n": 20},
        {"feature": {"title": "Texture"}, "value": None, "adjustedPValue": None, "n": 0},
    ]
    quality = {"counted": 0, "disputed": 0, "promised": None, "measured": [], "drift": drift}
    assert texts(quality=quality) == []


def test_of_many_drifting_features_the_farthest_are_named() -> None:
    drifting = [{"feature": {"title": f"F{n}"}, "value": 0.9 - n / 10} for n in range(5)]
    expected = "5 features drift from what was learned: F0 (0.90), F1 (0.80), F2 (0.70) and 2 more."
    assert describe_drift(drifting) == expected


def test_what_is_declared_and_not_served_is_named_with_its_reason() -> None:
    refused = [{"name": "churn", "reason": "The label has no classes."}]
    (notice,) = list_notices({"refusedProducts": refused, "products": []})
    assert (notice.weight, notice.subject) == ("bad", "churn")
    assert "The label has no classes." in notice.text


def answered(monkeypatch: pytest.MonkeyPatch, products: int, query: str = "") -> tuple[str, list[str]]:
    """The page with so many products, and the operations that it executed."""
    listed = [
        {
            "name": f"p{n}",
            "title": f"Product {n}",
            "description": "Which one?",
            "task": "CLASSIFICATION",
            "viewerPermissions": PERMISSIONS,
        }
        for n in range(products)
    ]
    executed: list[str] = []

    async def execute(api: Api, answer: Answer, *_: object) -> None:
        executed.append(answer.operation.name)
        answer.data = {"viewer": {"name": None, "anonymous": True}, "products": listed}

    monkeypatch.setattr(Api, "execute", execute)
    path = f"/?{urlencode({'q': query})}" if query else "/"
    return as_anybody(monkeypatch, views.home, path), executed


class Anybody:
    """An actor who may do anything."""

    admitted = True


def as_anybody(monkeypatch: pytest.MonkeyPatch, view: Any, path: str, *arguments: str) -> str:
    """The page that a view renders."""
    monkeypatch.setattr(pages, "actor_of", lambda request: Anybody())
    monkeypatch.setattr("project.console.api.actor_of", lambda request: Anybody())
    request = AsyncRequestFactory().get(path)
    request.user = AnonymousUser()
    return str(view(request, *arguments).content.decode())


def test_the_page_itself_executes_two_operations_however_many_products(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    html, executed = answered(monkeypatch, 50)
    assert executed == ["Home", "Frame"]
    assert html.count('data-product="') == 50
    assert len(html.encode()) < 100_000


def test_cards_can_be_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    html, _ = answered(monkeypatch, 50, "product 49")
    assert html.count('data-product="') == 1
    html, _ = answered(monkeypatch, 50, "nothing of this name")
    assert "No product has" in html and 'value="nothing of this name"' in html


def test_without_a_product_the_page_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    html, _ = answered(monkeypatch, 0)
    assert "Make a product from a file" in html and "./dev newproduct" in html


def test_what_could_not_be_looked_up_is_no_news() -> None:
    assert texts(champion=None, builds=None, settings=None) == []


def test_while_the_database_is_away_a_card_says_so_once_and_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nothing = {"champion": None, "quality": None, "predictionCounts": None, "builds": None}

    async def execute(api: Api, answer: Answer, *_: object) -> None:
        answer.data = {"product": EMPTY | nothing}
        answer.problems = [Problem("UNAVAILABLE", "The database cannot be reached.") for _ in range(3)]
        answer.problems.append(Problem("FORBIDDEN", "You may not see the champion."))

    monkeypatch.setattr(Api, "execute", execute)
    html = as_anybody(monkeypatch, views.card, "/home/cards/tumor/", "tumor")
    assert html.count("The database cannot be reached.") == 1 and "delay:5s" in html
    assert "You may not" not in html and "No version serves" not in html


@pytest.mark.parametrize(
    ("predictions", "counted", "words"),
    [(0, 0, "no prediction yet"), (3, 0, "no label that counts yet"), (3, 1, "too few labels yet")],
)
def test_a_card_without_a_live_value_says_what_is_lacking(
    monkeypatch: pytest.MonkeyPatch, predictions: int, counted: int, words: str
) -> None:
    quality = {"predictions": predictions, "counted": counted, "promised": None, "measured": []}
    card = EMPTY | {"quality": quality, "predictionCounts": [], "champion": None}

    async def execute(api: Api, answer: Answer, *_: object) -> None:
        answer.data = {"product": card}

    monkeypatch.setattr(Api, "execute", execute)
    assert words in as_anybody(monkeypatch, views.card, "/home/cards/tumor/", "tumor")


def test_a_card_of_no_product_is_not_found(exemplar: System) -> None:
    assert exemplar.client.get("/home/cards/nothing/").status_code == 404


@pytest.mark.script("console/home.js")
def test_cards_are_loaded_and_follow_what_changes(page: Page) -> None:
    page.open("/")
    page.wait(lambda: page.find_all("#card-tumor .figures"))
    assert "Version" in page.find("#card-tumor").text and "Promised" in page.find("#card-tumor").text
    page.wait(lambda: page.find_all("#attention .card, #attention .muted"))
    page.browser.execute_script("document.querySelector('#card-tumor .product-figures').innerHTML = ''")
    data = {"data": {"productChanged": {"product": {"name": "tumor"}}}}
    page.browser.execute_script(
        "document.querySelector('.attention').dispatchEvent("
        "new CustomEvent('live', { bubbles: true, detail: arguments[0] }))",
        data,
    )
    page.wait(lambda: page.find_all("#card-tumor .figures"))
