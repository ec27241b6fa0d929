"""Rows of a product's feature tables: their columns, and the filter of a list."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, QueryDict

from .api import Answer, JSONObject, Problem, Refused, ask, fetch
from .operations import compose
from .pages import require
from .row_values import read_value

#: Rows of a page of the list, and features that it shows unless all are asked for.
SIZE, MOST_COLUMNS = 25, 8
#: Conditions on features that one list has, at most: each is a link to the list without it.
MOST_CONDITIONS = 20
#: The conditions of a filter by the name that the address has: their title, and the API's member.
CONDITIONS = {
    "is": ("is", "eq"),
    "from": ("is at least", "gte"),
    "to": ("is at most", "lte"),
    "unknown": ("is unknown", "isNull"),
    "known": ("is known", "isNull"),
}
#: The orders of a list by the name that the address has.
ORDERS = {
    "key": ("Key", {"field": "KEY", "direction": "ASC"}),
    "-key": ("Key, last first", {"field": "KEY", "direction": "DESC"}),
    "-at": ("Newest first", {"field": "AT", "direction": "DESC"}),
    "at": ("Oldest first", {"field": "AT", "direction": "ASC"}),
    "label": ("Label", {"field": "LABEL", "direction": "ASC"}),
    "-label": ("Label, last first", {"field": "LABEL", "direction": "DESC"}),
}


@dataclass(frozen=True)
class Table:
    """The rows of a product as one table."""

    about: JSONObject

    @classmethod
    def load(cls, request: HttpRequest, product: str) -> "Table":
        """Load the columns. Raises Http404 where there is no such product."""
        owner = fetch(request, "DataColumns", {"product": product})["product"]
        return cls(require(owner, f"There is no product {product}."))

    @property
    def prefix(self) -> str:
        """The beginning of the names of the product's types."""
        return str(self.about["typePrefix"])

    @property
    def root(self) -> str:
        """The field of the product in a query."""
        return self.prefix[:1].lower() + self.prefix[1:]

    @property
    def features(self) -> list[JSONObject]:
        """The features, in declared order."""
        return list(self.about["features"])

    @property
    def label_member(self) -> str | None:
        """The member of inputs that has the label; None where there is no label."""
        return {"CLASSIFICATION": "label", "REGRESSION": "value"}.get(self.about["task"])

    @property
    def has_times(self) -> bool:
        """True if each row describes an event at a time."""
        return "at\n" in compose("Row", self.prefix).text

    def ask(self, request: HttpRequest, name: str, variables: Mapping[str, Any]) -> Answer:
        """Execute an operation of the product's own types."""
        return ask(request, compose(name, self.prefix), variables)

    def load_row(self, request: HttpRequest, key: str) -> tuple[JSONObject, list[JSONObject]]:
        """Load a row, and the words about it. Raises Http404."""
        owner = fetch(request, compose("Row", self.prefix), {"key": key})[self.root]
        words = (owner.get("genericFeedback") or {}).get("nodes", [])
        return require(owner["entity"], f"There is no row {key}: it may have been deleted."), words


@dataclass(frozen=True)
class Condition:
    """One condition of a list on a feature."""

    feature: JSONObject
    name: str
    text: str
    #: The query of the address without this condition.
    without: str = ""

    @property
    def sentence(self) -> str:
        """The condition in words."""
        value = next(
            (each["title"] for each in self.feature["choices"] or () if each["name"] == self.text), self.text
        )
        words = f"{self.feature['title']} {CONDITIONS[self.name][0]}"
        unit = f" {self.feature['unit']}" if self.feature["unit"] else ""
        return words if self.name in ("unknown", "known") else f"{words} {value}{unit}"

    @property
    def value(self) -> tuple[str, object]:
        """The member of the API's condition, with its value."""
        member = CONDITIONS[self.name][1]
        return member, self.name == "unknown" if member == "isNull" else read_value(self.feature, self.text)


@dataclass(frozen=True)
class RowFilter:
    """The rows that an address means."""

    table: Table
    parameters: QueryDict

    @property
    def conditions(self) -> list[Condition]:
        """The conditions on features: the parameters `feature`, `is` and `value`, in their order."""
        names, operators, values = (self.parameters.getlist(name) for name in ("feature", "is", "value"))
        by_name = {feature["name"]: feature for feature in self.table.features}
        complete = list(zip(names, operators, values, strict=False))
        if len(complete) > MOST_CONDITIONS:
            sentence = f"A list has at most {MOST_CONDITIONS} conditions on features: take some away."
            raise Refused([Problem("BAD_INPUT", sentence)])
        return [
            Condition(by_name[name], operator, text, self._without(complete, place))
            for place, (name, operator, text) in enumerate(complete)
            if name in by_name and operator in CONDITIONS and (text or operator in ("unknown", "known"))
        ]

    def _without(self, conditions: list[tuple[str, str, str]], place: int) -> str:
        rest = self.parameters.copy()
        left = [each for number, each in enumerate(conditions) if number != place]
        for number, name in enumerate(("feature", "is", "value")):
            rest.setlist(name, [each[number] for each in left])
        return f"?{rest.urlencode()}"

    @property
    def filter(self) -> JSONObject:
        """The filter as the API takes it; empty for all rows."""
        wanted: JSONObject = {}
        if search := self.parameters.get("search", "").strip():
            wanted["search"] = search
        if self.parameters.get("labelled") in ("yes", "no"):
            wanted["labelled"] = self.parameters["labelled"] == "yes"
        if (label := self.parameters.get("label")) and self.table.about["labels"]:
            wanted["truth"] = {"eq": label}
        for condition in self.conditions:
            member, value = condition.value
            wanted.setdefault("features", {}).setdefault(condition.feature["name"], {})[member] = value
        return wanted

    @property
    def order(self) -> str:
        """The name of the order."""
        name = self.parameters.get("order", "key")
        return name if name in self.orders else "key"

    @property
    def orders(self) -> dict[str, str]:
        """The titles of the orders that the table has, by their names."""
        absent = [] if self.table.has_times else ["at"]
        absent += [] if self.table.label_member else ["label"]
        return {name: title for name, (title, _) in ORDERS.items() if name.lstrip("-") not in absent}

    def variables(self) -> JSONObject:
        """The variables of the list."""
        page: JSONObject = {"first": SIZE, "after": self.parameters.get("after") or None}
        if before := self.parameters.get("before"):
            page = {"last": SIZE, "before": before}
        order = None if self.order == "key" else ORDERS[self.order][1]
        return page | {"filter": self.filter or None, "orderBy": order}
