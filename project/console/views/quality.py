"""The quality of a product: measured by later labels, beside what was promised and what is estimated."""

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.safestring import SafeString

from ..api import JSONObject, announce, fetch
from ..interval_charts import IntervalRow, intervals
from ..measures import Measure, bounded, compare_with_promised, find_measure, has_value
from ..pages import page, render, render_part, require
from ..quality_request import QualityQuery
from ..tasks import Task
from ..windows import CHOICES, PARTS
from ..wording import metric_title
from . import quality_parts

#: Why labelled predictions do not count, in words.
LEFT_OUT = {
    "TRUTH_BEFORE": "Somebody had said the answer before it was predicted.",
    "LABEL_IN_TABLE": "The row had a label already, of which nobody knows since when.",
    "LEARNED_FROM": "The version had learned from this answer.",
    "NOT_A_LABEL": "What was said is no label that the product predicts today.",
    "OLDER": "The same subject was predicted again later, and the newest prediction counts.",
}


@page
def quality(request: HttpRequest, product: str) -> HttpResponse:
    """Show how good a product is, in a window of time."""
    query = QualityQuery(request, product)
    summary = _summarize(request, query)
    for name in ("QualityDrift", "QualitySkew"):
        announce(request, name, query.variables)
    announce(request, "QualityHistory", query.history_variables(summary["about"]))
    context = {
        "title": "Quality",
        "query": query,
        "windows": CHOICES,
        "parts": PARTS,
        "versions": [each["number"] for each in (summary["about"]["models"] or {}).get("nodes", ())],
        "parameters": request.GET.urlencode(),
    }
    return render(request, "console/quality.html", context | summary, product)


@page
def summary(request: HttpRequest, product: str) -> HttpResponse:
    """Show the figures of the window anew, after a change."""
    return render_part(
        request, "console/parts/quality_summary.html", _summarize(request, QualityQuery(request, product))
    )


def _summarize(request: HttpRequest, query: QualityQuery) -> JSONObject:
    product, quality = query.find(fetch(request, "Quality", query.variables))
    live = bounded(find_measure(quality["measured"], product["metric"]))
    promised, estimated = bounded(quality["promised"]), bounded(quality["estimated"])
    titles = {each["value"]: each["title"] for each in product["labels"] or ()}
    measures = [bounded(each) for each in quality["measured"]]
    return {
        "about": product,
        "quality": quality,
        "window": query.window,
        "live": live,
        "promised": promised,
        "estimated": estimated,
        "verdict": compare_with_promised(live, promised),
        "chart": _draw_intervals(product["metric"], promised, live, estimated),
        "overall": [each for each in measures if each and each["label"] is None],
        "classes": _list_classes(quality["measured"], titles),
        "class_metrics": list(dict.fromkeys(each["metric"] for each in measures if each and each["label"])),
        "measures": _list_measures(quality["measured"], titles),
        "left_out": [
            (LEFT_OUT.get(each["reason"], each["reason"]), each["n"]) for each in quality["leftOut"]
        ],
        "clusters": quality["clusters"],
        "cluster_chart": _draw_clusters(quality["clusters"]),
    }


def _draw_intervals(metric: str, promised: Measure, live: Measure, estimated: Measure) -> SafeString:
    named = (("Promised", promised), ("Live", live), ("Estimate, no labels", estimated))
    rows = [
        IntervalRow(
            title, measure["value"], measure["low"], measure["high"], is_estimate=measure is estimated
        )
        for title, measure in named
        if measure is not None and has_value(measure)
    ]
    return intervals(f"{metric_title(metric)}: promised, live and estimated", rows)


def _draw_clusters(clusters: list[JSONObject]) -> SafeString:
    rows = [
        IntervalRow(
            f"Cluster {each['cluster']}" if each["cluster"] >= 0 else "Noise",
            each["share"],
            each["low"],
            each["high"],
        )
        for each in clusters
    ]
    return intervals("Shares of the clusters", rows)


def _list_classes(measured: list[JSONObject], titles: dict[str, str]) -> list[JSONObject]:
    """List the classes, each with its measures by metric."""
    labels = dict.fromkeys(each["label"] for each in measured if each["label"] is not None)
    metrics = dict.fromkeys(each["metric"] for each in measured if each["label"] is not None)
    return [
        {
            "title": titles.get(label, label),
            "cells": [bounded(find_measure(measured, metric, label)) for metric in metrics],
        }
        for label in labels
    ]


def _list_measures(measured: list[JSONObject], titles: dict[str, str]) -> list[tuple[str, str]]:
    """List the measures whose history can be chosen: the names in addresses, and the titles."""
    return [
        (
            f"{each['metric']}:{each['label']}" if each["label"] else each["metric"],
            metric_title(each["metric"])
            + (f" of {titles.get(each['label'], each['label'])}" if each["label"] else ""),
        )
        for each in measured
    ]


@page
def versions(request: HttpRequest, product: str) -> HttpResponse:
    """Compare the newest versions in the window."""
    query = QualityQuery(request, product)
    about = require(
        fetch(request, "QualityTask", {"product": product})["product"], "There is no such product."
    )
    metrics = [] if not Task(about["task"]).has_truths else [about["metric"]]
    variables = {"product": product, **query.window.variables, "metrics": metrics}
    compared = fetch(request, "QualityVersions", variables)["product"]
    rows = [
        (
            each,
            bounded(each["quality"]["promised"]),
            bounded(find_measure(each["quality"]["measured"], compared["metric"])),
            bounded(each["quality"]["estimated"]),
        )
        for each in compared["models"]["nodes"]
        if each["quality"]
    ]
    context = {"about": compared, "name": product, "rows": rows, "window": query.window}
    return render_part(request, "console/parts/quality_versions.html", context)


urls = [
    path("products/<str:product>/quality/", quality, name="quality"),
    path("products/<str:product>/quality/summary/", summary, name="quality_summary"),
    path("products/<str:product>/quality/versions/", versions, name="quality_versions"),
    *quality_parts.urls,
]
