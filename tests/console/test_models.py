"""The pages of versions: the list, a version, versions side by side, and who lets which one serve."""

import inspect
import re
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from django.http import Http404, HttpRequest
from django.template.loader import render_to_string

from project.console import interval_charts, model_tables
from project.console.templatetags import registry
from project.console.views import comparisons, models, promotions
from schema import schema as served
from schema.core.errors import ErrorCode
from tests.console.inspection import WIDE, Page
from tests.test_lifecycle import champion, data

LIST = "/products/tumor/models/"
#: A product whose champion these tests change and restore.
OTHER = "/products/diabetes/models/"
MARK, MARKED = "window.mark = 'before it was sent'", "return window.mark"
PROMOTE = "mutation($input: PromoteInput!) { promote(input: $input) { promotion { id } } }"


@pytest.fixture
def restored(page: Page) -> Iterator[dict[str, Any]]:
    """The champion of the other product, which serves again at the end."""
    first = champion(page.system, "diabetes")
    yield first
    if champion(page.system, "diabetes")["id"] != first["id"]:
        reason = {"model": first["id"], "reason": "As it was before a test."}
        data(page.system.ask(PROMOTE, {"input": reason}))


def send(page: Page, path: str, act: str, **fields: str) -> None:
    """Fill the form of an act on the page of a version and send it."""
    if page.browser.current_url != page.system.url + path:
        page.open(path)
    form = f"form:has([name=act][value={act}])"
    for name, value in fields.items():
        element = page.find(f"{form} [name={name}]")
        element.clear()
        element.send_keys(value)
    page.browser.execute_script(MARK)
    page.find(f"{form} button").click()
    page.wait(lambda: not page.browser.execute_script(MARKED) and page.find_all(".message, .problems"))
    page.settle()


def open_form(client: httpx.Client, path: str) -> dict[str, str]:
    """Open the page of a version as one more person; return the fields of its promotion."""
    text = client.get(path).text
    form = re.search(r'<form method="post" class="act"><h3>Let it serve.*?</form>', text, re.DOTALL)
    assert form is not None
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[0])
    return {**dict(fields), "reason": "It is better."}


@pytest.mark.parametrize("path", [f"{LIST}1/", f"{LIST}compare/?a=1&b=2&c=3", "/products/diabetes/models/1/"])
def test_a_page_about_versions_has_no_fault(page: Page, path: str) -> None:
    page.open(path)
    assert page.list_code_names() == []
    assert page.list_unreachable() == []
    assert [name for name, answer in page.replay().items() if "errors" in answer] == []
    page.emulate(WIDE, dark=False)
    assert page.list_faults_of_both() == []


def test_the_list_has_what_was_promised_and_what_is_measured(page: Page) -> None:
    page.open(LIST)
    page.wait(lambda: page.find_all("#versions .chart"))
    assert "serves" in page.find("tr.chosen").text
    assert re.search(r"0\.\d+\s+0\.\d+ to [01]\.?\d*, n = \d+", page.find("tr.chosen").text)


def test_the_chosen_versions_are_compared(page: Page) -> None:
    page.open(LIST)
    page.wait(lambda: page.find_all("#versions .chart"))
    for box in page.find_all("[name=version]")[-2:]:
        box.click()
    page.find("form:has(#versions) button").click()
    page.wait(lambda: "/compare/" in page.browser.current_url)
    page.settle()
    assert "What differs" in page.text
    assert "compare/?a=1&b=2" in page.browser.current_url


def test_one_of_two_people_who_promote_at_once_reads_who_was_quicker(
    page: Page, restored: dict[str, Any]
) -> None:
    # Another test's build may have promoted a fourth version.
    others = [number for number in (1, 2, 3) if number != restored["number"]][:2]
    answers = []
    with ExitStack() as stack:
        people = [
            stack.enter_context(httpx.Client(base_url=page.system.url, trust_env=False, timeout=60))
            for _ in others
        ]
        paths = [f"{OTHER}{number}/" for number in others]
        forms = [open_form(client, path) for client, path in zip(people, paths, strict=True)]
        for client, path, form in zip(people, paths, forms, strict=True):
            answers.append(client.post(path, data=form))
    assert [answer.status_code for answer in answers] == [302, 409]
    assert f"Version {others[0]} of diabetes serves now" in answers[1].text
    assert promotions.QUICKER in answers[1].text
    assert "It is better." in answers[1].text, "what was written stays"
    assert champion(page.system, "diabetes")["number"] == others[0]


def test_a_version_is_promoted_and_rolled_back_with_a_reason(page: Page, restored: dict[str, Any]) -> None:
    before, other = restored["number"], 2 if restored["number"] != 2 else 3
    page.open(f"{OTHER}{other}/")
    assert f"instead of version {before}" in page.find("#acts").text
    send(page, f"{OTHER}{other}/", "promote", reason="Better on later rows")
    assert f"Version {other} serves now." in page.text
    assert page.list_faults() == []
    send(page, f"{OTHER}{other}/", "rollback", reason="It was a mistake")
    assert champion(page.system, "diabetes")["number"] == before
    page.open(OTHER)
    assert "Better on later rows" in page.text and "It was a mistake" in page.text


def test_a_share_is_tried_and_the_trial_ended(page: Page) -> None:
    tried = f"{LIST}2/"
    send(page, tried, "split", share="many", reason="A tenth first")
    assert page.find_all(".problems")
    send(page, tried, "split", share="10", reason="A tenth first")
    assert "has begun" in page.text and "10.0 % of the subjects" in page.text
    page.open(LIST)
    assert "Split of version 2" in page.text
    send(page, tried, "end", reason="Seen enough")
    page.open(LIST)
    assert "Seen enough" in page.text
    assert page.list_faults() == []


def test_two_versions_are_compared_on_stored_predictions(page: Page) -> None:
    keys = [
        row["key"]
        for row in data(page.system.ask("{ tumor { entities(first: 12) { nodes { key } } } }"))["tumor"][
            "entities"
        ]["nodes"]
    ]
    for key in keys:
        data(page.system.ask("query($key: ID!) { tumor { predictFor(entity: $key) { id } } }", {"key": key}))
    page.open(f"{LIST}compare/?a=3&b=1")
    page.find("#comparison form button").click()
    page.wait(lambda: page.find_all("#job[data-state=SUCCEEDED]"), 60)
    page.settle()
    assert "Replayed" in page.text
    assert page.list_faults() == []
    page.find("#job a[href*='/predictions/']")
    page.open(page.find("#comparison").get_attribute("data-address") or f"{LIST}compare/?a=1&b=3")
    assert page.list_code_names() == []


def test_what_does_not_exist_is_a_sentence(page: Page) -> None:
    for path, sentence in (
        (f"{LIST}999/", "There is no version 999."),
        (f"{LIST}compare/?a=1&b=999", "There is no version 999."),
    ):
        response = page.system.client.get(path)
        assert response.status_code == 404 and sentence in response.text
    assert page.system.client.get(f"{LIST}1/pictures/NONE.svg").status_code in (400, 404)


def test_a_picture_may_load_and_run_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = {"product": {"model": {"diagnostics": [{"title": "ROC", "svg": "<svg/>"}]}}}
    monkeypatch.setattr(models, "fetch", lambda *_: drawn)
    view = inspect.unwrap(models.picture)
    response = view(HttpRequest(), "tumor", 1, "ROC")
    assert response["Content-Type"] == "image/svg+xml"
    assert "default-src 'none'" in response["Content-Security-Policy"]
    monkeypatch.setattr(models, "fetch", lambda *_: {"product": None})
    with pytest.raises(Http404):
        view(HttpRequest(), "tumor", 1, "ROC")


def test_less_is_better_of_a_loss() -> None:
    def version(value: float) -> dict[str, Any]:
        scores = {"metric": "log_loss", "value": value, "label": None}
        return {
            "means": [{**scores, "fold": None}],
            "folds": [{**scores, "fold": 0}, {**scores, "fold": 1}],
            "snapshot": {"fingerprint": "same"},
        }

    [row] = model_tables.compare_scores([version(0.5), version(0.25)], "roc_auc")
    [difference] = row.differences
    assert row.title == "Log loss, less is better"
    assert difference == model_tables.Difference(-0.25, 2, 2)


@pytest.mark.parametrize(
    ("metric", "less"),
    [("pinball_0.1", True), ("davies_bouldin", True), ("neg_log_loss", False), ("d2_log_loss_score", False)],
)
def test_whether_less_is_better_follows_the_name(metric: str, less: bool) -> None:
    assert registry.is_loss(metric) is less


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.474, "0.4740"), (-0.002867, "-0.0029"), (0.00001234, "0.00001234"), (43.691, "43.69"), (1.0, "1")],
)
def test_scores_below_one_have_the_same_decimals(value: float, text: str) -> None:
    assert registry.score(value) == text


def test_a_small_difference_has_one_digit() -> None:
    assert [registry.signed(each) for each in (-0.000383, 0.168, 0.0)] == ["-0.0004", "+0.168", "0"]


def test_the_comparison_says_why_the_champion_serves() -> None:
    sides = [{"number": 4, "status": "CHAMPION"}, {"number": 5, "status": "CHALLENGER"}]
    promotion = {"model": {"number": 4}, "reason": "Better"}
    data = {"promotions": {"nodes": [promotion]}}
    assert comparisons._find_promotion(data, sides) == promotion
    assert comparisons._find_promotion(data, sides[1:]) is None


def test_scores_of_other_rows_are_not_paired() -> None:
    sides = [{"snapshot": {"fingerprint": print}, "folds": [{"fold": 0}]} for print in ("a", "b")]
    assert not model_tables.share_rows(sides)


def test_a_difference_is_drawn_on_its_interval() -> None:
    drawn = interval_charts.differences(
        "Differences", [interval_charts.IntervalRow("Accuracy", 0.2, 0.1, 0.3)]
    )
    assert "Accuracy: 0.2 (0.1 to 0.3)" in drawn
    # The line of no difference stands where the axis begins.
    assert 'class="mark" x1="130.0"' in drawn
    assert interval_charts.differences("Differences", []) == ""


def test_names_are_written_for_people() -> None:
    assert registry.prose("max_iter=3 has roc_auc 0.9") == "max iter=3 has ROC AUC 0.9"
    members = [{"family": "linear", "weight": 0.75}, {"family": "kernel_svm", "weight": 0.25}]
    assert registry.recipe([{"name": "members", "value": members}]) == "0.75 linear + 0.25 kernel SVM"
    recipe = [{"name": "members", "value": members}, {"name": "parts", "value": 3}]
    assert registry.recipe(recipe) == "3 fold models of 0.75 linear + 0.25 kernel SVM"
    assert registry.recipe([{"name": "learning_rate", "value": 0.1}]) == "learning rate 0.1"
    assert registry.prose("l2_regularization=0.0") == "l2 regularization=0.0"
    assert registry.author("Build 2 of diabetes") == "build 2" and registry.author("Mira") == "Mira"
    assert registry.why_won("won") != ""


def test_every_reason_and_code_has_words() -> None:
    assert set(comparisons.REASONS) == set(served.schema._schema.type_map["ExclusionReason"].values)
    assert [code for code in promotions.STALE if code not in ErrorCode.__members__] == []


@pytest.mark.parametrize(
    ("predictions", "counted", "words"),
    [(0, 0, "–</td>"), (3, 0, "no truth yet"), (3, 1, "too few truths yet")],
)
def test_a_version_without_a_live_value_says_what_is_lacking(
    predictions: int, counted: int, words: str
) -> None:
    quality = {"predictions": predictions, "counted": counted}
    build = {"number": 1}
    version = {
        "number": 2,
        "family": "linear",
        "status": "CHAMPION",
        "builtAt": "2026-05-01T00:00:00Z",
        "build": build,
    }
    product = SimpleNamespace(name="tumor")
    context = {"rows": [version | {"quality": quality}], "product": product, "roles": {}}
    assert words in render_to_string("console/parts/models_live.html", context)
