"""The answer as one feature moves: the values that are tried, a chart, and a table of the answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.safestring import SafeString

from .answers import Shown
from .api import JSONObject
from .charts import Mark, Series, format_value, lines
from .feature_forms import FeatureField
from .form_values import is_number, read_number, to_text

#: The values of a number that are tried.
PLACES = 25
#: The labels or clusters whose lines are drawn.
MOST_LINES = 4


def list_values(field: FeatureField) -> list[tuple[Any, str]]:
    """List the values of a feature to try, each with its text; none where its values have no range."""
    if field.choices:
        is_boolean = field.feature["kind"] == "BOOLEAN"
        return [
            (each["name"] == "true" if is_boolean else each["name"], each["title"]) for each in field.choices
        ]
    slider = field.slider
    if slider is None:
        return []
    step = (slider.high - slider.low) / (PLACES - 1)
    values = {round_to(slider.low + step * place, slider.step, slider.high) for place in range(PLACES)}
    if is_number(field.text):
        values.add(float(read_number(field.text)))
    whole = field.feature["kind"] == "INTEGER"
    return [(int(value) if whole else value, format_value(value)) for value in sorted(values)]


def round_to(value: float, step: float, highest: float) -> float:
    """Round a value to a multiple of a step, not beyond the highest."""
    return min(highest, float(f"{round(value / step) * step:.12g}"))


def choose_feature(movable: Sequence[FeatureField], name: str) -> FeatureField | None:
    """Choose the feature of this name, or the first one; None if none can be moved."""
    return next((each for each in movable if each.name == name), movable[0] if movable else None)


@dataclass(frozen=True)
class Tried:
    """One value, with the answer to it."""

    value: Any
    text: str
    answer: Shown | None
    is_present: bool

    @property
    def typed(self) -> str:
        """The value as it is typed into the form."""
        return to_text(self.value)


@dataclass
class WhatIf:
    """The answers to the values of one feature."""

    field: FeatureField
    values: Sequence[tuple[Any, str]]
    answers: Sequence[JSONObject | None]
    prediction: JSONObject

    @cached_property
    def rows(self) -> list[Tried]:
        """The values in order, with their answers."""
        present = self.place
        return [
            Tried(value, text, Shown(answer) if answer else None, place == present)
            for place, ((value, text), answer) in enumerate(zip(self.values, self.answers, strict=True))
        ]

    @cached_property
    def place(self) -> int:
        """The place of the value that was predicted from; 0 if it is none of them."""
        values = [value for value, _ in self.values]
        present = self.field.read()
        return values.index(present) if present in values else 0

    @property
    def last(self) -> int:
        """The last place."""
        return len(self.values) - 1

    @property
    def moves(self) -> bool:
        """Check if the answer differs anywhere, as far as is shown."""
        return len({row.answer.text for row in self.rows if row.answer}) > 1

    @property
    def series(self) -> list[Series]:
        """The lines: the number with its interval, or the most probable labels, or the nearest clusters."""
        if any(answer and answer["value"] is not None for answer in self.answers):
            return [self._number()]
        key, name, title = (
            ("answerProbabilities", "answer", "probability")
            if self.prediction.get("answerProbabilities")
            else ("clusterDistances", "cluster", "distance")
        )
        columns = [{row[name]: row for row in (answer or {}).get(key) or ()} for answer in self.answers]
        peak: dict[Any, float] = {}
        for column in columns:
            for each, row in column.items():
                size = row[title] if title == "probability" else -row[title]
                peak[each] = max(peak.get(each, size), size)
        largest = sorted(peak, key=lambda each: -peak[each])[:MOST_LINES]
        return [
            Series(self._title(each, columns), [column.get(each, {}).get(title) for column in columns])
            for each in largest
        ]

    @property
    def chart(self) -> SafeString:
        """The lines over the values, with a mark where the prediction stands."""
        title = f"The answer by {self.field.feature['title']}"
        mark = Mark(self.place, f"Now: {self.values[self.place][1]}")
        return lines(title, [text for _, text in self.values], self.series, [mark], height=230, width=400)

    def _number(self) -> Series:
        intervals = [(answer or {}).get("answerInterval") or {} for answer in self.answers]
        return Series(
            "Answer",
            [answer["value"] if answer else None for answer in self.answers],
            [interval.get("low") for interval in intervals],
            [interval.get("high") for interval in intervals],
        )

    def _title(self, each: Any, columns: Sequence[JSONObject]) -> str:
        row: JSONObject = next(column[each] for column in columns if each in column)
        return str(row.get("answerText", f"Distance from cluster {each}"))
