"""Forms of a product's features: a field for each input, and what was typed as the API takes it."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .api import JSONObject, Problem
from .charts import format_value
from .form_values import (
    SHOWN,
    find_bounds,
    is_number,
    normalize_value,
    read_number,
    round_step,
    simplify,
    to_text,
    with_offset,
)

#: With so few choices all are shown beside each other.
MOST_RADIOS = 4
#: The steps of a slider without a declared step.
STEPS = 200
YES_OR_NO = ({"name": "true", "title": "Yes"}, {"name": "false", "title": "No"})
WIDGETS = {
    "NUMBER": "number",
    "INTEGER": "number",
    "DATE": "date",
    "DATETIME": "datetime-local",
    "TEXT": "long",
}


@dataclass(frozen=True)
class Slider:
    """The range that a slider moves in."""

    low: float
    high: float
    step: float


@dataclass(frozen=True)
class Option:
    """A value that can be chosen."""

    value: str
    title: str
    is_chosen: bool


@dataclass
class FeatureField:
    """The field of one feature, with what was typed into it and what is wrong with that."""

    feature: JSONObject
    text: str = ""
    faults: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the field in the form and in the address."""
        return str(self.feature["name"])

    @property
    def widget(self) -> str:
        """The kind of control: `radios`, `select`, or the type of an input; `long` for long texts."""
        if choices := self.choices:
            return "radios" if len(choices) <= MOST_RADIOS else "select"
        kind = WIDGETS.get(self.feature["kind"], "text")
        # Numbers that are written in another form, as times of a day, are typed as text.
        if kind == "number" and self._is_written_as_text:
            return "text"
        # A browser would drop such a text, and what is wrong would be sent as unknown.
        is_shown = not self.text.strip() or kind not in SHOWN or SHOWN[kind](self.text.strip())
        return kind if is_shown else "text"

    @property
    def choices(self) -> Sequence[JSONObject]:
        """The values that it can have; empty where there are too many to list."""
        return YES_OR_NO if self.feature["kind"] == "BOOLEAN" else self.feature["choices"] or ()

    @property
    def options(self) -> list[Option]:
        """The choices, after one for an unknown value where that may be; at the end a text that is no choice."""
        options = [Option(each["name"], each["title"], each["name"] == self.text) for each in self.choices]
        if self.text and not any(option.is_chosen for option in options):
            options.append(Option(self.text, self.text, is_chosen=True))  # to be refused, not dropped
        if self.feature["required"] and (self.text or self.widget == "radios"):
            return options
        empty = "Choose" if self.feature["required"] else "Unknown"
        return [Option("", empty, not self.text), *options]

    @property
    def hint(self) -> str:
        """The description, the accepted values and the typical ones, as sentences."""
        sentences = [self._describe(), self._limits(), self._typical()]
        return " ".join(sentence for sentence in sentences if sentence)

    @property
    def placeholder(self) -> str:
        """A typical value, as an example: by its first words nobody takes it for one that was typed."""
        example = to_text(self.feature["example"])
        short = example if len(example) <= 80 else example[:79] + "…"
        return f"such as {short}" if short else ""

    @property
    def slider(self) -> Slider | None:
        """The slider beside a number: over its limits, or somewhat more than its typical range."""
        if self.widget != "number":
            return None
        bounds = find_bounds(self.feature)
        if bounds is None:
            return None
        low, high = bounds
        step = self.feature["step"] or (
            1 if self.feature["kind"] == "INTEGER" else round_step((high - low) / STEPS)
        )
        # Round values, inside of the range: at its ends there may be limits.
        low, high = math.ceil(low / step - 1e-9) * step, math.floor(high / step + 1e-9) * step
        return Slider(*(float(f"{value:.12g}") for value in (low, high, step)))

    def read(self) -> Any:
        """Read the text as JSON for the API, which says what is wrong with it."""
        text = self.text.strip()
        match self.feature["kind"]:
            case "BOOLEAN":
                return {"true": True, "false": False}.get(text, text)
            case "NUMBER" | "INTEGER" if not self._is_written_as_text and not self.choices:
                return read_number(text)
            case "DATETIME":
                return with_offset(text)
        if isinstance(self.feature["example"], list):
            return [member.strip() for member in text.split(",") if member.strip()]
        return self.text

    def match(self, text: str) -> str:
        """Match a text to a choice by its name or its title; write others as the API takes them."""
        wanted = text.strip().lower()
        for each in self.choices:
            if wanted in (each["name"].lower(), each["title"].lower()):
                return str(each["name"])
        return normalize_value(self.feature["kind"], text)

    @property
    def _is_written_as_text(self) -> bool:
        samples = (self.feature["example"], self.feature["default"])
        return any(isinstance(sample, str) and not is_number(sample) for sample in samples)

    def _describe(self) -> str:
        text = self.feature["description"] or ""
        bare = text.removesuffix(f" [{self.feature['unit']}]")
        return f"{bare}." if text and bare.lower() != self.feature["title"].lower() else ""

    def _limits(self) -> str:
        numbers = (self.feature["minimum"], self.feature["maximum"])
        low, high = (None if value is None else format_value(value) for value in numbers)
        low, high = low or self.feature["earliest"], high or self.feature["latest"]
        if low and high:
            return f"{low} to {high}."
        return f"At least {low}." if low else f"At most {high}." if high else ""

    def _typical(self) -> str:
        typical = self.feature["typicalRange"]
        if typical is None or self.widget != "number":
            return "In UTC." if self.widget == "datetime-local" else ""
        return f"Mostly {format_value(typical['low'])} to {format_value(typical['high'])}."


@dataclass
class Group:
    """The fields that stand together."""

    title: str
    fields: list[FeatureField]


@dataclass
class FeatureForm:
    """The form of a product's inputs."""

    fields: list[FeatureField]
    #: What is wrong with none of the fields.
    faults: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, features: Iterable[JSONObject]) -> "FeatureForm":
        """Build the empty form of a product's features, with its defaults."""
        inputs = [feature for feature in features if feature["computedFrom"] is None]
        return cls([FeatureField(feature, to_text(feature["default"])) for feature in inputs])

    @property
    def groups(self) -> list[Group]:
        """The fields by their groups, in the order of the declaration."""
        groups: dict[str, list[FeatureField]] = {}
        for each in self.fields:
            groups.setdefault(each.feature["group"], []).append(each)
        return [Group(title, fields) for title, fields in groups.items()]

    @property
    def texts(self) -> dict[str, str]:
        """Get the texts of the fields by their names, without those that are empty."""
        return {each.name: each.text for each in self.fields if each.text}

    @property
    def features(self) -> JSONObject:
        """The values for the API; a field that is empty is left out."""
        return {each.name: each.read() for each in self.fields if each.text.strip()}

    def fill(self, values: Mapping[str, Any]) -> None:
        """Fill fields with JSON values, as the API has them."""
        for each in self.fields:
            if each.name in values:
                each.text = to_text(values[each.name])

    def type(self, texts: Mapping[str, str]) -> int:
        """Put texts into fields, by the names of fields or columns or by titles; return how many have a field."""
        by_key = {key: text for name, text in texts.items() if (key := simplify(name))}
        typed = 0
        for each in self.fields:
            title, unit = each.feature["title"], each.feature["unit"]
            names = (each.name, each.feature["column"], title, f"{title} {unit or ''}")
            text = next((by_key[key] for name in names if (key := simplify(name)) in by_key), None)
            if text is not None:
                each.text, typed = each.match(text), typed + 1
        return typed

    def blame(self, problems: Iterable[Problem], others: Collection[str] = ()) -> dict[str, list[str]]:
        """Put problems at their fields; return those of other arguments of the input by their names."""
        by_name = {each.name: each for each in self.fields}
        elsewhere: dict[str, list[str]] = {}
        for problem in problems:
            match problem.argument:
                case ("input", "features", name, *_) if name in by_name:
                    by_name[name].faults.append(problem.message)
                case ("input", name, *_) if name in others:
                    elsewhere.setdefault(name, []).append(problem.message)
                case _:
                    self.faults.append(problem.message)
        return elsewhere

    @property
    def count_faults(self) -> int:
        """The number of fields with something wrong."""
        return sum(bool(each.faults) for each in self.fields)
