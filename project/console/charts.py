"""Charts as SVG elements: drawn on the server, coloured by the style sheet, with the values on hover."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

#: A place without a value is a gap in the line.
Value = float | None


@dataclass(frozen=True)
class Series:
    """One line of a chart, with its interval."""

    title: str
    values: Sequence[Value]
    low: Sequence[Value] = ()
    high: Sequence[Value] = ()
    dashed: bool = False


@dataclass(frozen=True)
class Mark:
    """A place on the horizontal axis at which something happened."""

    place: int
    title: str


@dataclass
class Frame:
    """The plane of a chart: places of the horizontal axis from the left, values from the bottom."""

    places: int
    lowest: float
    highest: float
    width: int = 640
    height: int = 200
    left: int = 48
    right: int = 12
    top: int = 10
    bottom: int = 24
    ticks: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self.ticks = list_ticks(self.lowest, self.highest)
        self.lowest, self.highest = min(self.lowest, self.ticks[0]), max(self.highest, self.ticks[-1])

    def x(self, place: float) -> float:
        """The distance of a place from the left."""
        inner = self.width - self.left - self.right
        return round(self.left + inner * (place + 0.5) / max(self.places, 1), 1)

    def y(self, value: float) -> float:
        """The distance of a value from the top."""
        inner = self.height - self.top - self.bottom
        share = (value - self.lowest) / ((self.highest - self.lowest) or 1)
        return round(self.top + inner * (1 - share), 1)

    def along(self, value: float) -> float:
        """The distance of a value from the left, where values lie along the horizontal axis."""
        share = (value - self.lowest) / ((self.highest - self.lowest) or 1)
        return round(self.left + (self.width - self.left - self.right) * share, 1)

    @property
    def step(self) -> float:
        """The width of one place."""
        return (self.width - self.left - self.right) / max(self.places, 1)


def list_ticks(lowest: float, highest: float, about: int = 4) -> list[float]:
    """List round values that span a range."""
    if not highest > lowest:
        lowest, highest = lowest - (abs(lowest) * 0.1 or 1), highest + (abs(highest) * 0.1 or 1)
    rough = (highest - lowest) / about
    power = 10 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    first = math.floor(lowest / step)
    return [round((first + number) * step, 12) for number in range(math.ceil(highest / step) - first + 1)]


def lines(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    marks: Sequence[Mark] = (),
    height: int = 200,
    width: int = 640,
) -> SafeString:
    """Draw lines over labelled places, with bands for intervals; what happened stands as dashed verticals."""
    values = [
        value
        for each in series
        for part in (each.values, each.low, each.high)
        for value in part
        if value is not None
    ]
    if not values:
        return mark_safe("")
    frame = Frame(len(labels), min(values), max(values), width=width, height=height)
    parts = [draw_axes(frame, labels)]
    for mark in marks:
        x = frame.x(mark.place)
        line = '<line class="mark" x1="{}" x2="{}" y1="{}" y2="{}"><title>{}</title></line>'
        parts.append(format_html(line, x, x, frame.top, frame.height - frame.bottom, mark.title))
    for number, each in enumerate(series, 1):
        colour = f"s{(number - 1) % 6 + 1}"
        for run in _runs(each.low, each.high):
            upper = [(frame.x(place), frame.y(high)) for place, _, high in run]
            lower = [(frame.x(place), frame.y(low)) for place, low, _ in reversed(run)]
            parts.append(
                format_html('<polygon class="band {}" points="{}"/>', colour, _points(upper + lower))
            )
        for run in _runs(each.values, each.values):
            points = [(frame.x(place), frame.y(value)) for place, value, _ in run]
            dashed = " dashed" if each.dashed else ""
            parts.append(
                format_html('<polyline class="line {}{}" points="{}"/>', colour, dashed, _points(points))
            )
            dots = ((x, y, colour) for x, y in points if len(points) == 1)
            parts.append(format_html_join("", '<circle class="dot {2}" cx="{0}" cy="{1}" r="3"/>', dots))
    parts.append(_hits(frame, labels, series))
    return draw_svg(title, frame, parts)


def bars(title: str, labels: Sequence[str], series: Sequence[Series], height: int = 200) -> SafeString:
    """Draw bars beside each other for each labelled place, from 0 on."""
    values = [value for each in series for value in each.values if value is not None]
    if not values:
        return mark_safe("")
    frame = Frame(len(labels), min(0.0, *values), max(0.0, *values), height=height)
    width = frame.step * 0.8 / len(series)
    parts = [draw_axes(frame, labels)]
    for number, each in enumerate(series):
        rectangles = []
        for place, value in enumerate(each.values):
            if value is None:
                continue
            left = frame.x(place) - frame.step * 0.4 + number * width
            top, bottom = sorted((frame.y(value), frame.y(0)))
            text = f"{labels[place]}: {each.title} {format_value(value)}"
            rectangles.append((round(left, 1), top, round(width, 1), round(bottom - top, 1), text))
        bar = '<rect class="bar {5}" x="{0}" y="{1}" width="{2}" height="{3}"><title>{4}</title></rect>'
        colour = f"s{number % 6 + 1}"
        parts.append(format_html_join("", bar, ((*rectangle, colour) for rectangle in rectangles)))
    return draw_svg(title, frame, parts)


def sparkline(title: str, values: Sequence[float]) -> SafeString:
    """Draw small bars without axes, as for predictions a day."""
    highest = max(values, default=0) or 1
    frame = Frame(max(len(values), 1), 0, highest, 160, 36, 0, 0, 1, 1)
    places = (
        (round(frame.x(place) - frame.step * 0.4, 1), frame.y(value), round(frame.step * 0.8, 1), value)
        for place, value in enumerate(values)
    )
    bar = '<rect class="bar s1" x="{}" y="{}" width="{}" height="{}"/>'
    bottom = frame.y(0)
    rectangles = ((x, y, width, round(bottom - y, 1)) for x, y, width, _ in places)
    return draw_svg(title, frame, [format_html_join("", bar, rectangles)])


def draw_on_axis(title: str, frame: Frame, parts: SafeString) -> SafeString:
    """Draw parts above a horizontal axis of values: they stand at `frame.along(value)`."""
    bottom = frame.height - frame.bottom
    rows = ((frame.along(tick), bottom, frame.height - 6, format_value(tick)) for tick in frame.ticks)
    tick = '<line class="grid" x1="{0}" x2="{0}" y1="4" y2="{1}"/><text x="{0}" y="{2}" text-anchor="middle">{3}</text>'
    return draw_svg(title, frame, [format_html_join("", tick, rows), parts])


def format_value(value: float) -> str:
    """Format a value of an axis or a hover text."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"


def draw_axes(frame: Frame, labels: Sequence[str]) -> SafeString:
    """Draw the values of the vertical axis and the labels of the horizontal one."""
    right = frame.width - frame.right
    line = (
        '<line class="grid" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>'
        '<text x="{3}" y="{4}" text-anchor="end">{5}</text>'
    )
    rows = (
        (frame.left, right, frame.y(tick), frame.left - 6, frame.y(tick) + 4, format_value(tick))
        for tick in frame.ticks
    )
    # About one label for each 70 units has room.
    every = max(1, math.ceil(len(labels) * 70 / (right - frame.left)))
    texts = ((frame.x(place), frame.height - 6, labels[place]) for place in range(0, len(labels), every))
    return format_html_join("", line, rows) + format_html_join(
        "", '<text x="{}" y="{}" text-anchor="middle">{}</text>', texts
    )


def _hits(frame: Frame, labels: Sequence[str], series: Sequence[Series]) -> SafeString:
    rows = []
    for place, label in enumerate(labels):
        values = [
            f"{each.title} {format_value(value)}"
            for each in series
            if place < len(each.values) and (value := each.values[place]) is not None
        ]
        if values:
            x = round(frame.x(place) - frame.step / 2, 1)
            rows.append(
                (x, frame.top, round(frame.step, 1), frame.height - frame.top - frame.bottom, label, values)
            )
    hit = '<rect class="hit" x="{}" y="{}" width="{}" height="{}"><title>{}: {}</title></rect>'
    return format_html_join("", hit, ((*row[:5], ", ".join(row[5])) for row in rows))


def _runs(low: Sequence[Value], high: Sequence[Value]) -> list[list[tuple[int, float, float]]]:
    """Split places at those without a value."""
    runs: list[list[tuple[int, float, float]]] = [[]]
    for place, (below, above) in enumerate(zip(low, high, strict=True)):
        if below is None or above is None:
            runs.append([])
        else:
            runs[-1].append((place, below, above))
    return [run for run in runs if run]


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def draw_svg(title: str, frame: Frame, parts: Sequence[SafeString]) -> SafeString:
    """Draw the element around the parts of a chart."""
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        frame.width,
        frame.height,
        title,
        mark_safe("".join(parts)),
    )
