"""Counts of what a filter of predictions matches, as links that set a condition or take it away."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from .api import JSONObject
from .pages import link
from .prediction_filters import PLACE, PredictionFilter

#: The entries of one group that are shown.
MOST_ENTRIES = 12


@dataclass(frozen=True)
class FacetEntry:
    """One value with its count, and the address of the list with it as a condition, or without."""

    title: str
    value: str
    count: int
    share: float
    is_chosen: bool
    url: str


@dataclass(frozen=True)
class Facet:
    """The counts by one property."""

    title: str
    entries: Sequence[FacetEntry]


def list_facets(filter: PredictionFilter, product: str, counted: JSONObject) -> list[Facet]:
    """List the counts by answer, by truth and by version, the most frequent values first."""
    labels = {label["value"]: label for label in filter.about["labels"] or ()}
    answers = [(*name_answer(row["answer"], labels), row["count"]) for row in counted.get("answers") or ()]
    truths = [(*name_answer(row["truthText"], labels), row["count"]) for row in counted.get("truths") or ()]
    versions = [
        (f"Version {row['model']['number']}", str(row["model"]["number"]), row["count"])
        for row in counted["versions"]
        if row["model"]
    ]
    groups = (
        ("Answer", "answer", answers),
        ("Truth by feedback", "truth", truths),
        ("Version", "version", versions),
    )
    return [Facet(title, list_entries(filter, product, key, rows)) for title, key, rows in groups if rows]


def list_entries(
    filter: PredictionFilter, product: str, key: str, rows: Sequence[tuple[str, str, int]]
) -> list[FacetEntry]:
    """List the values of one property."""
    total = sum(count for *_, count in rows) or 1
    ordered = sorted(rows, key=lambda row: -row[2])[:MOST_ENTRIES]
    return [
        FacetEntry(
            title,
            value,
            count,
            count / total,
            is_chosen(filter, key, value),
            url_of(filter, product, key, value),
        )
        for title, value, count in ordered
    ]


def name_answer(text: str | None, labels: dict[str, JSONObject]) -> tuple[str, str]:
    """Name a label or a cluster for people, and in the address; there may be no feedback."""
    if text is None:
        return "no feedback", ""
    if label := labels.get(text):
        return str(label["title"]), str(label["name"])
    return (text if labels else "No cluster" if text == "-1" else f"Cluster {text}"), text


def is_chosen(filter: PredictionFilter, key: str, value: str) -> bool:
    """Check if the filter has this condition."""
    return filter.text("labelled") == "no" if value == "" else filter.text(key) == value


def url_of(filter: PredictionFilter, product: str, key: str, value: str) -> str:
    """Build the address of the list with this value as a condition, or without it where it is one."""
    if value == "":
        key, value = "labelled", "no"
    parameters = {name: text for name, text in filter.parameters.items() if name not in PLACE}
    parameters[key] = "" if parameters.get(key) == value else value
    return link(reverse("console:predictions", args=[product]), parameters)
