"""The page about quality: measured, promised and estimated side by side, over time, with drift; honest when empty."""

import csv
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from project.console import windows
from project.console.charts import Mark, Series
from project.console.interval_charts import IntervalRow, intervals, stacked_bars
from project.console.measures import bounded, compare_with_promised
from project.console.quality_history import History
from project.console.templatetags.quality import json_value, p_value
from project.console.views import quality_parts
from project.console.wording import first_sentences, metric_title, write_metrics
from tests.console.inspection import Page
from tests.console.test_home import as_anybody
from tests.system import System
from tests.test_lifecycle import champion, data, predict_for

NOON = datetime(2026, 5, 31, 12, 30, tzinfo=UTC)


def measure(
    value: float | None, low: float | None = None, high: float | None = None, n: int = 100
) -> dict[str, Any]:
    return {"metric": "roc_auc", "label": None, "value": value, "low": low, "high": high, "n": n}


def bucket(start: str, value: float | None = None, predictions: int = 10, counted: int = 5) -> dict[str, Any]:
    low, high = (None, None) if value is None else (value - 0.1, value + 0.1)
    measured = [measure(value, low, high)]
    counts = {"predictions": predictions, "labelled": counted, "counted": counted, "coverage": 0.5}
    return {"start": start, "measured": measured, **counts}


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows.timezone, "now", lambda: NOON)


@pytest.mark.parametrize(
    ("parameters", "since", "by"),
    [
        ({}, "2026-05-01T00:00:00+00:00", "DAY"),
        ({"window": "24h"}, "2026-05-30T12:00:00+00:00", "HOUR"),
        ({"window": "7d"}, "2026-05-24T00:00:00+00:00", "DAY"),
        ({"window": "all"}, None, "WEEK"),
        ({"window": "nonsense"}, "2026-05-01T00:00:00+00:00", "DAY"),
        ({"window": "7d", "by": "hour"}, "2026-05-24T00:00:00+00:00", "HOUR"),
        ({"since": "2026-05-30"}, "2026-05-30T00:00:00+00:00", "HOUR"),
        ({"since": "2026-05-01T06:00:00+02:00"}, "2026-05-01T06:00:00+02:00", "DAY"),
        ({"since": "2025-01-01"}, "2025-01-01T00:00:00+00:00", "WEEK"),
    ],
)
def test_a_window_is_read_from_the_address(
    noon: None, parameters: dict[str, str], since: str, by: str
) -> None:
    window = windows.read_window(parameters)
    assert (window.variables["since"], window.by, window.problems) == (since, by, ())
    assert window.condition == ({"createdAt": {"gte": since}} if since else {})


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"since": "yesterday"}, "is no date"),
        ({"since": "2026-02-31"}, "is no date"),
        ({"since": "2026-05-02", "until": "2026-05-01"}, "ends before it begins"),
    ],
)
def test_what_is_no_window_is_said_and_another_one_shown(
    noon: None, parameters: dict[str, str], words: str
) -> None:
    (problem,) = windows.read_window(parameters).problems
    assert words in problem


@pytest.mark.parametrize(
    ("live", "promised", "words"),
    [
        (measure(0.8, 0.7, 0.9), measure(0.99, 0.98, 1.01), "worse than promised beyond chance"),
        (measure(0.95, 0.9, 0.985), measure(0.99, 0.98, 1.0), "chance may explain the difference"),
        (measure(0.99, 0.97, 1.0), measure(0.9, 0.85, 0.95), "better than promised beyond chance"),
        (measure(1.0, n=3), measure(0.99, 0.98, 1.0), "too few labels for an interval"),
        (measure(0.8, 0.7, 0.9), None, "nothing was promised"),
        (measure(None, n=1), measure(0.99, 0.98, 1.0), "too few, or of too few classes"),
    ],
)
def test_a_sentence_says_whether_chance_explains_a_difference(
    live: dict[str, Any], promised: dict[str, Any] | None, words: str
) -> None:
    assert words in compare_with_promised(live, promised)


def test_an_interval_ends_at_the_greatest_score_that_is_possible() -> None:
    assert bounded(measure(0.99, 0.98, 1.004)) == measure(0.99, 0.98, 1.0)
    assert bounded({**measure(-0.01, -0.1, 0.02), "metric": "neg_log_loss"})["high"] == 0  # type: ignore[index]


def test_parts_without_predictions_are_gaps_in_the_history() -> None:
    buckets = [bucket("2026-05-01T00:00:00Z", 0.9), bucket("2026-05-04T00:00:00Z", 0.8)]
    history = History.of(buckets, "DAY")
    assert history.labels == ["01 May", "02 May", "03 May", "04 May"]
    assert [each and each["measured"][0]["value"] for each in history.buckets] == [0.9, None, None, 0.8]
    assert history.place(datetime(2026, 5, 3, 5, tzinfo=UTC)) == 2
    assert history.place(datetime(2026, 4, 30, tzinfo=UTC)) is None
    assert history.place(datetime(2026, 5, 5, tzinfo=UTC)) is None
    chart = history.draw_measure(
        "roc_auc", None, measure(0.95, 0.9, 1.0), [Mark(3, "Version 2 was promoted")]
    )
    assert "Version 2 was promoted" in chart and "live 0.8" in chart and "promised 0.95" in chart


@pytest.mark.parametrize(
    ("counted", "sentence"),
    [(0, "has a label that counts yet"), (1, "has enough labels of each class to compute it yet")],
)
def test_a_history_without_a_value_says_whether_labels_count(
    monkeypatch: pytest.MonkeyPatch, counted: int, sentence: str
) -> None:
    about = {
        "task": "CLASSIFICATION",
        "metric": "roc_auc",
        **dict.fromkeys(("labels", "predictionCounts", "promotions", "builds")),
    }
    quality = {"promised": None, "history": [bucket("2026-05-01T00:00:00Z", counted=counted)]}
    monkeypatch.setattr(quality_parts, "_fetch_history", lambda *_: (about, quality, "roc_auc"))
    assert sentence in as_anybody(monkeypatch, quality_parts.history, "/", "tumor")


def test_a_history_over_years_by_hours_is_drawn_without_gaps() -> None:
    buckets = [bucket("2020-05-01T00:00:00Z"), bucket("2026-05-04T00:00:00Z")]
    assert len(History.of(buckets, "HOUR").starts) == 2


def test_days_on_which_clocks_change_are_no_gaps() -> None:
    days = [bucket(f"2026-03-{day}T00:00:00+0{1 if day < 30 else 2}:00") for day in (28, 29, 30, 31)]
    assert len(History.of(days, "DAY").starts) == 4


def test_a_part_without_a_label_that_counts_has_no_line() -> None:
    history = History.of([bucket("2026-05-01T00:00:00Z")], "DAY")
    assert history.draw_measure("roc_auc", None, measure(0.9, 0.8, 1.0), []) == ""
    assert history.draw_measure("recall", "x", None, []) == ""


def test_many_labels_are_drawn_as_others() -> None:
    history = History.of([bucket("2026-05-01T00:00:00Z")], "DAY")
    counts = [
        {"start": "2026-05-01T00:00:00Z", "count": 10 - number, "answer": f"label {number}"}
        for number in range(8)
    ]
    volumes = history.list_volumes(counts, {"label 0": "First"})
    assert [each.title for each in volumes] == ["First", "label 1", "label 2", "label 3", "label 4", "others"]
    assert sum(sum(value or 0 for value in each.values) for each in volumes) == sum(range(3, 11))


def test_promotions_and_builds_are_happenings_of_the_history() -> None:
    history = History.of([bucket("2026-05-01T00:00:00Z"), bucket("2026-05-02T00:00:00Z")], "DAY")
    happenings = history.list_happenings(
        {
            "promotions": {
                "nodes": [{"at": "2026-05-02T03:00:00Z", "rollback": True, "model": {"number": 1}}]
            },
            "builds": {"nodes": [{"number": 4, "status": "FAILED", "endedAt": "2026-05-01T03:00:00Z"}]},
        }
    )
    assert [(each.text, each.place) for each in happenings] == [
        ("Build 4 failed", 0),
        ("It was rolled back to version 1", 1),
    ]


def test_an_estimate_is_drawn_open() -> None:
    chart = intervals(
        "Quality", [IntervalRow("Live", 0.9, 0.8, 1.0), IntervalRow("Estimate", 0.95, is_estimate=True)]
    )
    assert chart.count("open") == 1 and "Live: 0.9 (0.8 to 1)" in chart
    assert intervals("Quality", []) == ""


def test_bars_stand_on_each_other() -> None:
    chart = stacked_bars(
        "Volume", ["a", "b"], [Series("x", [1, 2]), Series("y", [None, 3])], [Mark(1, "here")]
    )
    assert chart.count("<rect") == 3 and "here" in chart
    assert stacked_bars("Volume", ["a"], [Series("x", [0])]) == ""


def test_codes_are_written_as_words() -> None:
    assert metric_title("neg_log_loss") == "Log loss, negative"
    assert metric_title("balanced_accuracy") == "Balanced accuracy"
    assert write_metrics("Its roc_auc is 0.9, its neg_log_loss -0.1; r2_like stays.") == (
        "Its ROC AUC is 0.9, its log loss, negative -0.1; r2_like stays."
    )
    assert first_sentences("Version 1.5 came. It waits. More.") == "Version 1.5 came. It waits."
    assert (p_value(0.0001), p_value(0.25), p_value(None)) == ("< 0.001", "0.250", "–")
    assert [json_value(value) for value in (None, True, 1234.5678, "x")] == ["nothing", "yes", "1,234.6", "x"]


# -- Over HTTP, of a system that serves --


def get(system: System, path: str, status: int = 200) -> str:
    response = system.client.get(f"/products/{path}")
    assert response.status_code == status, response.text
    return response.text


def test_a_page_without_predictions_says_so(exemplar: System) -> None:
    champion(exemplar)
    html = get(exemplar, "tumor/quality/?since=2020-01-01&until=2020-02-01")
    assert "Nothing was predicted" in html and "since 01 Jan 2020, 00:00 until 01 Feb 2020" in html
    assert "no prediction in this window" in get(
        exemplar, "tumor/quality/history/?since=2020-01-01&until=2020-02-01"
    )
    assert "can be compared yet" in get(exemplar, "tumor/quality/drift/?since=2020-01-01&until=2020-02-01")
    assert "nothing to compare" in get(exemplar, "tumor/quality/skew/?since=2020-01-01&until=2020-02-01")


def test_a_label_makes_quality_and_the_page_shows_it_with_its_number(exemplar: System) -> None:
    number = champion(exemplar)["number"]
    asked = {"about": {"prediction": predict_free(exemplar, "quality-1")}, "label": "BENIGN"}
    mutation = "mutation($input: TumorFeedbackInput!) { tumorFeedback(input: $input) { created } }"
    data(exemplar.ask(mutation, {"input": asked}))
    html = get(exemplar, "tumor/quality/?window=24h")
    assert "How good is it?" in html and "Every metric" in html and "ROC AUC" in html and "Benign" in html
    assert len(html.encode()) < 100_000
    for part in ("summary", "history", "versions", "drift", "skew"):
        get(exemplar, f"tumor/quality/{part}/?window=24h&model={number}")
    assert "Recall of Benign" in html or "recall:benign" in html
    assert "Recall of Benign" in get(exemplar, "tumor/quality/history/?window=24h&measure=recall:benign")
    histogram = get(exemplar, f"tumor/quality/drift/meanRadius/?window=24h&model={number}")
    assert "learned from" in histogram and f"of the last 24 hours, by version {number}" in histogram
    assert "all stored predictions" in get(exemplar, "tumor/quality/drift/meanRadius/?window=all")
    get(exemplar, "tumor/quality/drift/meanRadius/?model=999", 404)
    rows = list(csv.DictReader(get(exemplar, "tumor/quality/history.csv?window=24h").splitlines()))
    assert {"start", "predictions", "metric", "label", "low", "high", "n"} <= set(rows[0])
    assert sum(int(row["predictions"]) for row in rows if row["metric"] == "roc_auc" and not row["label"]) > 0


@pytest.mark.parametrize(
    ("cell", "written"), [("=1+1", "'=1+1"), ("-a", "'-a"), (-0.5, -0.5), ("a-b", "a-b")]
)
def test_a_spreadsheet_takes_no_label_for_a_formula(cell: object, written: object) -> None:
    assert quality_parts.escape_formula(cell) == written


def test_what_there_is_not_is_refused_in_words(exemplar: System) -> None:
    champion(exemplar)
    predict_free(exemplar, "quality-2")
    assert "has no version 999" in get(exemplar, "tumor/quality/?model=999", 404)
    get(exemplar, "nothing/quality/", 404)
    assert "is no date" in get(exemplar, "tumor/quality/?since=tomorrow")
    get(exemplar, "tumor/quality/history/?window=24h&measure=no_metric", 400)
    get(exemplar, "tumor/quality/drift/no_feature/", 400)


def test_a_clustering_says_that_it_has_no_truth(exemplar: System) -> None:
    champion(exemplar)
    key = data(exemplar.ask("{ wine { entities(first: 1) { nodes { key } } } }"))["wine"]["entities"][
        "nodes"
    ][0]["key"]
    data(exemplar.ask("query($key: ID!) { wine { predictFor(entity: $key) { id } } }", {"key": key}))
    html = get(exemplar, "wine/quality/?window=24h")
    assert "learns without labels" in html and "Cluster" in html
    get(exemplar, "wine/quality/history/?window=24h")


def test_a_part_that_is_refused_is_shown_in_its_place(exemplar: System) -> None:
    response = exemplar.client.get("/products/tumor/quality/?model=999", headers={"HX-Request": "true"})
    assert response.status_code == 404
    assert "<html" not in response.text and 'role="alert"' in response.text


def test_the_page_loads_its_parts_and_a_histogram_on_demand(page: Page) -> None:
    predict_for(page.system, "B-0002")
    page.open("/products/tumor/quality/?window=24h")
    page.wait(lambda: page.find_all("#drift meter"))
    page.find("#drift button").click()
    page.wait(lambda: page.find_all("#histogram-1 svg"))
    assert page.list_faults() == []


def predict_free(system: System, reference: str) -> str:
    """Predict for the features of a row, under a reference of its own; returns the prediction's id."""
    names = " ".join(
        each["name"] for each in data(system.ask("{ tumor { features { name } } }"))["tumor"]["features"]
    )
    document = f"{{ tumor {{ entities(first: 1) {{ nodes {{ features {{ {names} }} }} }} }} }}"
    features = data(system.ask(document))["tumor"]["entities"]["nodes"][0]["features"]
    features["meanRadius"] += 0.001
    predict = (
        "query($features: TumorFeatures!, $reference: String) "
        "{ tumor { predict(features: $features, reference: $reference) { id } } }"
    )
    return str(
        data(system.ask(predict, {"features": features, "reference": reference}))["tumor"]["predict"]["id"]
    )


def test_an_hour_is_the_length_of_a_part() -> None:
    history = History.of([bucket("2026-05-01T00:00:00Z"), bucket("2026-05-01T02:00:00Z")], "HOUR")
    assert history.starts[1] - history.starts[0] == timedelta(hours=1)
