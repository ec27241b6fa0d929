"""The pages of snapshots: the examples that builds have learned from, and what was found in them."""

from datetime import date, timedelta

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from ..api import JSONObject, fetch
from ..pages import page, render, require
from ..paging import page_of
from ..templatetags.console import number

#: Kinds whose numbers are days since 1970-01-01.
DAYS = ("DATE", "DATETIME")


@page
@require_safe
def snapshots(request: HttpRequest, product: str) -> HttpResponse:
    """List the snapshots by their builds, newest first."""
    variables = {"product": product, **page_of(request)}
    owner = require(fetch(request, "DataSnapshots", variables)["product"], f"There is no product {product}.")
    builds = owner["builds"] or {"nodes": [], "pageInfo": None}
    context = {
        "title": "Snapshots",
        "builds": builds["nodes"],
        "page": builds["pageInfo"],
        "section": "snapshots",
    }
    return render(request, "console/snapshots.html", context, product)


@page
@require_safe
def snapshot(request: HttpRequest, product: str, build: int) -> HttpResponse:
    """Show the snapshot of a build with its analysis, and the statement that made it."""
    data = fetch(request, "DataSnapshot", {"product": product, "build": build})
    owner = require(data["product"], f"There is no product {product}.")
    taken = require(
        (owner["build"] or {}).get("snapshot"), f"Build {build} of {owner['title']} has no snapshot."
    )
    analysis = [describe(each) for each in taken["analysis"] or ()]
    analysis.sort(key=lambda each: -(each["information"] or 0))
    context = {
        "title": f"Snapshot {taken['number']}",
        "snapshot": taken,
        "build": build,
        "task": owner["task"],
        "analysis": analysis,
        "most_information": max((each["information"] or 0 for each in analysis), default=0) or 1,
        "section": "snapshots",
    }
    return render(request, "console/snapshot.html", context, product)


def describe(analysis: JSONObject) -> JSONObject:
    """Write the range and the quantiles of a feature as people read them."""
    quantiles = analysis["quantiles"] or []
    texts = {
        "low": write(analysis["kind"], analysis["minimum"]),
        "high": write(analysis["kind"], analysis["maximum"]),
        "middle": write(analysis["kind"], quantiles[2]) if len(quantiles) > 2 else None,
    }
    return analysis | texts


def write(kind: str, value: float | None) -> str | None:
    """Write a number of a feature, or a day that is stored as one."""
    if value is None:
        return None
    if kind not in DAYS:
        return number(value)
    return (date(1970, 1, 1) + timedelta(days=int(value))).isoformat()


urls = [
    path("products/<str:product>/data/snapshots/", snapshots, name="snapshots"),
    path("products/<str:product>/data/snapshots/<int:build>/", snapshot, name="snapshot"),
]
