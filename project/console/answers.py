"""Answers as pages show them: probabilities as bars, an interval on its axis, distances from clusters."""

from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString

from .api import JSONObject
from .charts import Frame, draw_on_axis, format_value

#: So many labels are shown before the others are folded away.
FEW = 8


@dataclass(frozen=True)
class Bar:
    """A labelled bar."""

    title: str
    value: float
    share: float
    is_answer: bool


@dataclass(frozen=True)
class Shown:
    """One answer, stored or not, as a page shows it."""

    node: JSONObject

    @property
    def text(self) -> str:
        """The answer; a number with digits that mean something."""
        value = self.node.get("value") or self.node.get("answerValue")
        if self.interval is None or not isinstance(value, float):
            return str(self.node["answerText"])
        return f"{round_for(value, self.interval['high'] - self.interval['low'])} {self.unit}".strip()

    @property
    def unit(self) -> str:
        """The unit of a number; empty if it has none."""
        return str(self.node["answerText"]).partition(" ")[2] if self.interval else ""

    @property
    def interval(self) -> JSONObject | None:
        """The interval around a number; None if there is none."""
        interval: JSONObject | None = self.node.get("answerInterval")
        return interval

    @property
    def interval_text(self) -> str:
        """The ends of the interval."""
        interval = self.interval
        if interval is None:
            return ""
        width = interval["high"] - interval["low"]
        return f"{round_for(interval['low'], width)} to {round_for(interval['high'], width)}"

    @property
    def probabilities(self) -> list[Bar]:
        """The probabilities of the labels, the most probable first."""
        rows = self.node.get("answerProbabilities") or ()
        ordered = sorted(rows, key=lambda row: -row["probability"])
        return [
            Bar(row["answerText"], row["probability"], row["probability"], place == 0)
            for place, row in enumerate(ordered)
        ]

    @property
    def first(self) -> list[Bar]:
        """The probabilities that are shown at once."""
        return self.probabilities[:FEW]

    @property
    def rest(self) -> list[Bar]:
        """The probabilities that are folded away."""
        return self.probabilities[FEW:]

    @property
    def distances(self) -> list[Bar]:
        """The distances from the clusters' centres, the nearest first."""
        rows = sorted(self.node.get("clusterDistances") or (), key=lambda row: row["distance"])
        longest = max((row["distance"] for row in rows), default=0) or 1
        return [
            Bar(f"Cluster {row['cluster']}", row["distance"], row["distance"] / longest, place == 0)
            for place, row in enumerate(rows)
        ]

    @property
    def chart(self) -> SafeString | str:
        """The interval on an axis; empty for answers that have none."""
        interval, value = self.interval, self.node.get("value") or self.node.get("answerValue")
        if interval is None or not isinstance(value, int | float):
            return ""
        frame = Frame(1, interval["low"], interval["high"], width=420, height=56, left=16, right=16)
        y = 16
        parts = format_html(
            '<line class="interval s1" x1="{}" x2="{}" y1="{}" y2="{}" stroke-width="6"><title>{}</title></line>'
            '<circle class="dot s1" cx="{}" cy="{}" r="7"><title>{}</title></circle>',
            frame.along(interval["low"]),
            frame.along(interval["high"]),
            y,
            y,
            self.interval_text,
            frame.along(value),
            y,
            self.text,
        )
        return draw_on_axis(f"{self.text}, from {self.interval_text}", frame, parts)


def round_for(value: float, width: float) -> str:
    """Round a number to digits that mean something beside an uncertainty as wide as this."""
    if width <= 0:
        return format_value(value)
    decimals = max(0, 2 - len(f"{abs(width):.0f}")) if width >= 1 else min(6, len(f"{1 / width:.0f}") + 1)
    return f"{value:,.{decimals}f}"


def list_other_labels(about: JSONObject, answer: JSONObject | None) -> list[JSONObject]:
    """List the labels that an answer is not, for who corrects it."""
    right = answer and answer["answerValue"]
    return [label for label in about["labels"] or () if label["name"] != right]
