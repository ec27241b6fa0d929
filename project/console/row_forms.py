"""The form of one row: its fields, the input that it becomes, and what others have changed meanwhile."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .api import JSONObject, Problem
from .row_values import read_value, write_value
from .tables import Table

#: The names of fields that are no features.
LABEL, AT, KEY, VERSION = "row:label", "row:at", "row:key", "version"


@dataclass
class RowField:
    """One field of a row's form."""

    name: str
    feature: JSONObject
    text: str = ""
    #: The text when the row was read.
    before: str = ""
    #: The text of somebody else's change since.
    theirs: str | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def widget(self) -> str:
        """The kind of control: `select`, `long`, or the type of an input."""
        if self.choices:
            return "select"
        kinds = {"DATE": "date", "DATETIME": "datetime-local", "TEXT": "long"}
        return kinds.get(self.feature["kind"], "text")

    @property
    def choices(self) -> list[JSONObject]:
        """The values that it can have; empty where any is accepted."""
        if self.feature["kind"] == "BOOLEAN":
            return [{"name": "true", "title": "yes"}, {"name": "false", "title": "no"}]
        return list(self.feature["choices"] or ())

    @property
    def is_decimal(self) -> bool:
        """True for numbers, so that a phone shows digits."""
        return self.feature["kind"] in ("NUMBER", "INTEGER")

    @property
    def hint(self) -> str:
        """The description, unless the title says the same."""
        text = str(self.feature["description"] or "")
        bare = text.removesuffix(f" [{self.feature['unit']}]")
        return "" if bare.lower() == self.feature["title"].lower() else bare

    @property
    def is_changed(self) -> bool:
        """True if the person has changed it."""
        return self.text.replace("\r\n", "\n") != self.before.replace("\r\n", "\n")

    @property
    def is_contested(self) -> bool:
        """True if somebody else has written another value than the person."""
        return self.theirs is not None and self.text != self.theirs

    def titled(self, text: str | None) -> str:
        """The value as people read it."""
        return next((each["title"] for each in self.choices if each["name"] == text), text or "unknown")

    @property
    def texts(self) -> tuple[str, str, str]:
        """The value before, that of others, and the person's, as people read them."""
        return self.titled(self.before), self.titled(self.theirs), self.titled(self.text)


@dataclass
class RowForm:
    """The form of a row: all that can be written of it."""

    table: Table
    fields: list[RowField]
    version: str = ""
    faults: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, table: Table, row: JSONObject | None = None) -> "RowForm":
        """Build the form of a row, or of a new one."""
        fields = list(_list_fields(table, is_new=row is None))
        if row:
            for each, text in zip(
                fields, map(read_texts(row).get, [each.name for each in fields]), strict=True
            ):
                each.text = each.before = write_value(each.feature, text)
        return cls(table, fields, row["version"] if row else "")

    @property
    def groups(self) -> Iterator[tuple[str, list[RowField]]]:
        """The fields by the groups of their features, in declared order."""
        groups: dict[str, list[RowField]] = {}
        for each in self.fields:
            groups.setdefault(each.feature["group"], []).append(each)
        yield from groups.items()

    @property
    def changed(self) -> list[RowField]:
        """The fields that the person has changed."""
        return [each for each in self.fields if each.is_changed]

    def fill(self, posted: Mapping[str, str]) -> None:
        """Take in what was sent, with what the fields had when the form was shown."""
        self.version = posted.get(VERSION, "")
        for each in self.fields:
            each.text = posted.get(each.name, each.text)
            each.before = posted.get(f"before:{each.name}", each.before)

    def inputs(self, fields: list[RowField]) -> JSONObject:
        """Build the input of a mutation from some fields."""
        inputs: JSONObject = {}
        for each in fields:
            value = read_value(each.feature, each.text)
            if each.name == LABEL:
                inputs[str(self.table.label_member)] = value
            elif each.name in (AT, KEY):
                if each.name == AT or value is not None:
                    inputs[each.name.removeprefix("row:")] = value
            else:
                inputs.setdefault("features", {})[each.name] = value
        return inputs

    def blame(self, problems: list[Problem]) -> None:
        """Put problems at their fields."""
        members = {self.table.label_member: LABEL, "at": AT, "key": KEY, "entity": KEY}
        for problem in problems:
            path = problem.argument[1:]
            name = (
                path[1]
                if path[:1] == ("features",) and len(path) > 1
                else members.get(path[0] if path else None)
            )
            at = next((each for each in self.fields if each.name == name), None)
            (at.faults if at else self.faults).append(problem.message)

    def merge(self, row: JSONObject) -> list[RowField]:
        """Take in what others have changed since; returns the fields that differ from what the form had."""
        theirs = read_texts(row)
        self.version = row["version"]
        for each in self.fields:
            each.theirs = write_value(each.feature, theirs.get(each.name))
            if not each.is_changed:
                each.text = each.theirs
        return [each for each in self.fields if each.theirs != each.before or each.is_contested]


def read_texts(row: JSONObject) -> dict[str, Any]:
    """Return the values of a row by the names of a form's fields."""
    label = row.get("label") if row.get("label") is not None else row.get("value")
    values = {each["name"]: each["value"] for each in row["featureValues"] or ()}
    return values | {LABEL: label, AT: row.get("at")}


def _list_fields(table: Table, is_new: bool) -> Iterator[RowField]:
    """Yield the fields of a form: the key of a new row, the features that are no computed ones, time and label."""
    plain = {"choices": None, "unit": None, "group": "The row", "description": None, "required": False}
    if is_new:
        hint = "Leave it empty where the database numbers the rows."
        yield RowField(KEY, plain | {"title": "Key", "kind": "OPEN_CATEGORY", "description": hint})
    if table.has_times:
        yield RowField(AT, plain | {"title": "Time of the event (UTC)", "kind": "DATETIME", "required": True})
    if table.label_member:
        kind = "CATEGORY" if table.about["labels"] else "NUMBER"
        yield RowField(LABEL, plain | {"title": "Label", "kind": kind, "choices": table.about["labels"]})
    for feature in table.features:
        if feature["computedFrom"] is None:
            yield RowField(feature["name"], feature)
