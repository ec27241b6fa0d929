"""Filters of the list of predictions: parameters of an address, and what they are in the API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from django.http import HttpRequest, QueryDict

from .api import JSONObject, fetch
from .callers import find_permissions
from .form_values import is_number, read_number, read_whole, simplify, to_text
from .pages import require
from .tasks import Task

#: The conditions on features that one form has.
MOST_FEATURES = 5
#: The comparisons with a feature's value, as the API calls them, with signs for people.
COMPARISONS = {"eq": "=", "gte": "≥", "lte": "≤", "gt": ">", "lt": "<"}
#: Conditions that are true or false, with what they mean either way.
FLAGS = {
    "wrong": ("wrong", "right"),
    "labelled": ("with feedback", "without feedback"),
    "disputed": ("disputed", "not disputed"),
}
#: Parameters that say where in the list a page is, and are no part of the filter.
PLACE = ("after", "before")
#: Orders by their names in the address: the title, the API's order, and the task that has it.
ORDERS: Mapping[str, tuple[str, JSONObject | None, str]] = {
    "newest": ("Newest first", None, ""),
    "oldest": ("Oldest first", {"field": "CREATED_AT", "direction": "ASC"}, ""),
    "requested": ("Requested last", {"field": "UPDATED_AT", "direction": "DESC"}, ""),
    "unsure": ("Least sure first", {"field": "CONFIDENCE", "direction": "ASC"}, "CLASSIFICATION"),
    "sure": ("Surest first", {"field": "CONFIDENCE", "direction": "DESC"}, "CLASSIFICATION"),
    "highest": ("Highest first", {"field": "VALUE", "direction": "DESC"}, "REGRESSION"),
    "lowest": ("Lowest first", {"field": "VALUE", "direction": "ASC"}, "REGRESSION"),
}


@dataclass(frozen=True)
class FeatureCondition:
    """One condition on a feature, as it stands in the form."""

    place: int
    feature: str = ""
    comparison: str = "gte"
    text: str = ""


@dataclass
class PredictionFilter:
    """The filter of an address, for one product."""

    about: JSONObject
    parameters: Mapping[str, str]
    #: What cannot be read, by parameter.
    faults: dict[str, str] = field(default_factory=dict)
    may_view: bool = True

    @property
    def task(self) -> str:
        """The task of the product."""
        return str(self.about["task"])

    def text(self, name: str) -> str:
        """A parameter without space around it; empty if it is missing."""
        return self.parameters.get(name, "").strip()

    @cached_property
    def shared(self) -> JSONObject:
        """The conditions that have one form in all filters of the API."""
        conditions: JSONObject = {}
        if words := self.text("q"):
            conditions["search"] = words
        for name in FLAGS:
            if self.text(name) in ("yes", "no"):
                conditions[name] = self.text(name) == "yes"
        if model := self._model():
            conditions["model"] = {"eq": model}
        if span := self._span("confidence", percent=True):
            conditions["confidence"] = span
        if span := self._span("value"):
            conditions["value"] = span
        if times := self._times():
            conditions["createdAt"] = times
        if self.text("shadow") == "yes":
            conditions["served"] = False
        return conditions

    @cached_property
    def conditions(self) -> list[FeatureCondition]:
        """The conditions on features, with an empty one for the next."""
        rows = [
            FeatureCondition(place, feature, self.text(f"compare{place}") or "eq", self.text(f"than{place}"))
            for place in range(1, MOST_FEATURES + 1)
            if (feature := self.text(f"feature{place}"))
        ]
        free = next(
            (place for place in range(1, MOST_FEATURES + 1) if not self.text(f"feature{place}")), None
        )
        return rows if free is None else [*rows, FeatureCondition(free)]

    @cached_property
    def features(self) -> list[JSONObject]:
        """The conditions on features as the API takes them, one for each feature."""
        by_name = {each["name"]: each for each in self.about["features"]}
        merged: dict[str, JSONObject] = {}
        for each in self.conditions:
            if each.feature not in by_name or each.comparison not in COMPARISONS or not each.text:
                continue
            value = read_value(by_name[each.feature], each.text)
            if value is None:
                title = by_name[each.feature]["title"]
                self.faults[f"than{each.place}"] = f"{title} must be a number, not {each.text!r}."
                continue
            merged.setdefault(each.feature, {"feature": each.feature})[each.comparison] = value
        return list(merged.values())

    @property
    def input(self) -> JSONObject:
        """The filter as the API takes it for any product."""
        conditions = dict(self.shared)
        if (answer := self.text("answer")) and not self._is_no_cluster(answer):
            conditions["answer"] = {"eq": answer}
        if truth := self.text("truth"):
            conditions["truth"] = {"eq": truth}
        return conditions | ({"features": self.features} if self.features else {})

    @property
    def typed(self) -> JSONObject:
        """The filter as the product's own type has it, for exports."""
        conditions = dict(self.shared)
        if (answer := self.text("answer")) and not self._is_no_cluster(answer):
            clusters = not Task(self.task).has_truths
            conditions["cluster" if clusters else "label"] = {"eq": int(answer) if clusters else answer}
        if truth := self.text("truth"):
            conditions["truth"] = {"eq": truth}
        if self.features:
            conditions["features"] = {
                each["feature"]: {name: value for name, value in each.items() if name != "feature"}
                for each in self.features
            }
        return conditions

    @property
    def texts(self) -> dict[str, str]:
        """The parameters that are not empty, without the place in the list."""
        return {name: text for name, text in self.parameters.items() if text and name not in PLACE}

    @property
    def is_empty(self) -> bool:
        """Check if it has no condition."""
        return not self.input

    @property
    def order(self) -> str:
        """The name of the order."""
        name = self.text("sort")
        return name if name in dict(self.orders) else "newest"

    @property
    def orders(self) -> list[tuple[str, str]]:
        """The orders that predictions of this task have, with their titles."""
        return [(name, title) for name, (title, _, task) in ORDERS.items() if task in ("", self.task)]

    @property
    def order_input(self) -> JSONObject | None:
        """The order as the API takes it."""
        return ORDERS[self.order][1]

    def _is_no_cluster(self, text: str) -> bool:
        """Return True, and note the fault, for the answer of a clustering that is no number of a cluster."""
        if Task(self.task).has_truths or read_whole(text.removeprefix("-")) is not None:
            return False
        self.faults["answer"] = f"Clusters have numbers, and {text!r} is none."
        return True

    def _model(self) -> str | None:
        number = self.text("version")
        versions = (self.about.get("models") or {"nodes": []})["nodes"]
        model = next((each["id"] for each in versions if str(each["number"]) == number), None)
        if number and model is None:
            self.faults["version"] = f"There is no version {number}."
        return model

    def _span(self, name: str, percent: bool = False) -> JSONObject:
        """The bounds of a number, from `name_from` and `name_to`."""
        span = {}
        for end, condition in (("from", "gte"), ("to", "lte")):
            text = self.text(f"{name}_{end}")
            if not text:
                continue
            if not is_number(text):
                self.faults[f"{name}_{end}"] = f"{text!r} is no number."
                continue
            span[condition] = float(text) / 100 if percent else float(text)
        return span

    def _times(self) -> JSONObject:
        """The bounds of the time, by days in UTC; the last day counts."""
        times = {}
        for name, condition, days in (("since", "gte", 0), ("until", "lt", 1)):
            if not (text := self.text(name)):
                continue
            try:
                day = date.fromisoformat(text[:10]) + timedelta(days=days)
            except (ValueError, OverflowError):
                self.faults[name] = f"{text!r} is no date."
                continue
            times[condition] = f"{day.isoformat()}T00:00:00Z"
        return times


def read_value(feature: JSONObject, text: str) -> Any:
    """Read a value to compare a feature with; None if it is no number where one is needed."""
    if feature["choices"]:
        names = {
            simplify(name): each["name"]
            for each in feature["choices"]
            for name in (each["title"], each["name"])
        }
        return names.get(simplify(text), text)
    if feature["kind"] == "BOOLEAN":
        return {"yes": True, "true": True, "no": False, "false": False}.get(text.lower(), text)
    if feature["kind"] in ("NUMBER", "INTEGER"):
        return read_number(text) if is_number(text) else None
    return to_text(text)


def read_filter(request: HttpRequest, product: str, parameters: QueryDict) -> PredictionFilter:
    """Read the filter of an address or a form. Raises Refused, Http404."""
    may_view = "VIEW" in find_permissions(request, product)
    data = fetch(request, "PredictionsForm", {"product": product, "view": may_view})
    about = require(data["product"], "There is no such product.")
    texts = {name: text for name, text in parameters.dict().items() if isinstance(text, str)}
    return PredictionFilter(about, texts, may_view=may_view)
