"""What the pages and the dashboard say of metrics is what is exposed."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from docs.generate import ROOT, exposed_name
from project.metrics import labels_of
from store.telemetry.metrics import Metric

DASHBOARD = ROOT / "docs" / "dashboards" / "exemplar.json"
PAGE = ROOT / "docs" / "how-to" / "watching.md"
#: Labels that Prometheus itself adds, or that a histogram's buckets have.
GIVEN = {"job", "instance", "le"}
NAME = re.compile(r"exemplar_\w+")


def samples() -> dict[str, set[str]]:
    """The names of all samples with their labels."""
    named = {}
    for metric in Metric.declared.values():
        ends = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        for end in ends:
            named[exposed_name(metric) + end] = {*labels_of(metric), *GIVEN}
    return named


def queries(part: Any) -> Iterator[str]:
    """Every query of the dashboard."""
    if isinstance(part, dict):
        yield from (part[key] for key in ("expr", "definition") if isinstance(part.get(key), str))
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from queries(each)


def labels_in(query: str) -> set[str]:
    grouped = re.findall(r"\b(?:by|on|group_left|group_right) ?\(([\w, ]*)\)", query)
    return {name.strip() for names in grouped for name in names.split(",") if name.strip()} | set(
        re.findall(r"(\w+)=~?\"", query)
    )


QUERIES = sorted(set(queries(json.loads(DASHBOARD.read_text()))))
ALERTS = re.findall(r"expr: ('[^']+'|[^,}]+)", PAGE.read_text())


@pytest.mark.parametrize("query", [*QUERIES, *ALERTS])
def test_a_query_names_metrics_and_labels_that_there_are(query: str) -> None:
    known = samples()
    named = NAME.findall(query)
    assert named
    for name in named:
        assert name in known, query
    assert labels_in(query) <= set.union(*(known[name] for name in named)), query


def test_the_dashboard_shows_every_metric() -> None:
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for query in QUERIES for name in NAME.findall(query)}
    assert {exposed_name(metric) for metric in Metric.declared.values()} - shown == set()


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
