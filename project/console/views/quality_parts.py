"""Parts of the page about quality, which are loaded by themselves: over time, drift and skew."""

import csv
import re
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse
from django.urls import path

from store.exports.formats import FORMULA

from ..api import JSONObject, fetch
from ..attention import is_drifting, list_drifting
from ..charts import Mark, Series, bars
from ..measures import bounded, find_measure
from ..operations import compose
from ..pages import page, render_part, require
from ..quality_history import History
from ..quality_request import QualityQuery
from ..tasks import Task
from ..windows import PARTS

#: Examples of differing values that a feature shows.
MOST_EXAMPLES = 3
#: The columns of the history as CSV.
COLUMNS = ("predictions", "labelled", "counted", "disputed", "coverage")
MEASURES = ("metric", "label", "value", "low", "high", "n")


@page
def history(request: HttpRequest, product: str) -> HttpResponse:
    """Show a measure, the coverage and the volume over time."""
    query = QualityQuery(request, product)
    about, quality, metric = _fetch_history(request, query)
    parts = History.of(quality["history"] or [], query.window.by)
    happenings = parts.list_happenings(about)
    marks = [Mark(each.place, each.text) for each in happenings]
    titles = _title_labels(about)
    counts = [each for each in about["predictionCounts"] or () if query.covers(each.get("model"))]
    volumes = parts.list_volumes(counts, titles)
    context = {
        "query": query,
        "about": about,
        "metric": metric,
        "label_title": titles.get(query.label or "", query.label),
        "chart": parts.draw_measure(metric, query.label, bounded(quality["promised"]), marks),
        "coverage": parts.draw_coverage(marks) if Task(about["task"]).has_truths else "",
        "volume": parts.draw_volume(counts, titles, marks),
        "volumes": volumes,
        "happenings": happenings,
        "has_counted": any(parts.values("counted")),
        "rows": list(_list_rows(parts, metric, query.label)),
        "by": dict(PARTS)[query.window.by].lower(),
        "parameters": request.GET.urlencode(),
    }
    return render_part(request, "console/parts/quality_history.html", context)


def _title_labels(about: JSONObject) -> dict[str, str]:
    """Get the titles of a product's labels, or of its clusters, by their texts."""
    if not Task(about["task"]).has_truths:
        numbers = {each["answer"] for each in about["predictionCounts"] or ()}
        return {number: "Noise" if number == "-1" else f"Cluster {number}" for number in numbers}
    return {each["value"]: each["title"] for each in about["labels"] or ()}


def _list_rows(
    parts: History, metric: str, label: str | None
) -> Iterator[tuple[str, JSONObject, JSONObject | None]]:
    """List the parts with predictions, the newest first, each with its measure."""
    for text, bucket in reversed(list(zip(parts.labels, parts.buckets, strict=True))):
        if bucket is not None:
            yield text, bucket, bounded(find_measure(bucket["measured"], metric, label))


def _fetch_history(request: HttpRequest, query: QualityQuery) -> tuple[JSONObject, JSONObject, str]:
    about = require(
        fetch(request, "QualityTask", {"product": query.product})["product"], "There is no such product."
    )
    variables = query.history_variables(about)
    return *query.find(fetch(request, "QualityHistory", variables)), query.metric or about["metric"]


@page
def history_csv(request: HttpRequest, product: str) -> HttpResponse:
    """Write the history with all measures as CSV: a row for each part of time and measure."""
    query = QualityQuery(request, product)
    _, quality, _ = _fetch_history(request, query)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = (
        f'attachment; filename="{product}-quality-{query.window.by.lower()}.csv"'
    )
    writer = csv.writer(response)
    writer.writerow(["start", *COLUMNS, *MEASURES])
    for bucket in quality["history"] or ():
        counts = [bucket["start"], *(bucket[name] for name in COLUMNS)]
        for measure in bucket["measured"] or [{}]:
            writer.writerow([*counts, *(escape_formula(measure.get(name)) for name in MEASURES)])
    return response


def escape_formula(value: object) -> object:
    """Put an apostrophe before a text that a spreadsheet would take for a formula."""
    return f"'{value}" if isinstance(value, str) and re.match(FORMULA, value) else value


@page
def drift(request: HttpRequest, product: str) -> HttpResponse:
    """Show how far served features are from those that were learned from, the farthest first."""
    query = QualityQuery(request, product)
    _, quality = query.find(fetch(request, "QualityDrift", query.variables))
    features = sorted(quality["drift"], key=lambda each: -(each["value"] or 0))
    context = {
        "name": product,
        "quality": quality,
        "rows": [(each, is_drifting(each)) for each in features],
        "drifting": list_drifting(quality["drift"]),
        "is_tested": any(each["adjustedPValue"] is not None for each in features),
        "n": max((each["n"] for each in features), default=0),
        "window": query.window,
        "parameters": request.GET.urlencode(),
    }
    return render_part(request, "console/parts/quality_drift.html", context)


@page
def histogram(request: HttpRequest, product: str, feature: str) -> HttpResponse:
    """Draw a feature's values in the snapshot beside those that were served in the window."""
    query = QualityQuery(request, product)
    version = {"number": query.model or 0, "one": query.model is not None}
    about = fetch(request, "HistogramOf", {"product": product, **version})["product"]
    prefix = require(about, "There is no such product.")["typePrefix"]
    filter = query.window.condition
    if query.model is not None:
        filter["model"] = {"eq": require(about["model"], f"There is no version {query.model}.")["id"]}
    operation = compose("QualityHistogram", prefix)
    data = fetch(request, operation, {"feature": feature, "filter": filter or None})
    root = prefix[:1].lower() + prefix[1:]
    drawn = require(data[root]["featureHistogram"], "There is no histogram.")
    labels = [_title_bin(each["bin"]) for each in drawn["bins"]]
    shares = [
        Series(title, _share([each[name] or 0 for each in drawn["bins"]]))
        for title, name in (("learned from", "snapshot"), ("served", "predictions"))
    ]
    chart = bars(f"{drawn['feature']['title']}: learned from and served, in percent", labels, shares)
    return render_part(
        request,
        "console/parts/quality_histogram.html",
        {"feature": drawn["feature"], "chart": chart, "query": query},
    )


def _share(counts: list[int]) -> list[float]:
    total = sum(counts)
    return [round(100 * count / total, 2) if total else 0.0 for count in counts]


def _title_bin(part: JSONObject) -> str:
    low, high = part["low"], part["high"]
    match part["kind"]:
        case "VALUE":
            return str(part["title"] or part["value"])
        case "OTHER":
            return "others"
        case "MISSING":
            return "none"
    if low is None and high is None:
        since, until = (part["since"] or "")[:10], (part["until"] or "")[:10]
        return f"{since} to {until}" if since and until else f"from {since}" if since else f"until {until}"
    if low is None:
        return f"< {high:.4g}"
    return f"≥ {low:.4g}" if high is None else f"{low:.4g} to {high:.4g}"


@page
def skew(request: HttpRequest, product: str) -> HttpResponse:
    """Show which features were served with other values than the rows have."""
    query = QualityQuery(request, product)
    _, quality = query.find(fetch(request, "QualitySkew", query.variables))
    differing = sorted(
        (each for each in quality["skew"]["features"] if each["differing"]),
        key=lambda each: -each["differing"],
    )
    rows = [(each, each["examples"][:MOST_EXAMPLES]) for each in differing]
    context = {"name": product, "skew": quality["skew"], "rows": rows, "window": query.window}
    return render_part(request, "console/parts/quality_skew.html", context)


urls = [
    path("products/<str:product>/quality/history/", history, name="quality_history"),
    path("products/<str:product>/quality/history.csv", history_csv, name="quality_csv"),
    path("products/<str:product>/quality/drift/", drift, name="quality_drift"),
    path("products/<str:product>/quality/drift/<str:feature>/", histogram, name="quality_histogram"),
    path("products/<str:product>/quality/skew/", skew, name="quality_skew"),
]
