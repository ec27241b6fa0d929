"""Charts of values with their intervals on one axis, and of bars that stand on each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from .charts import Frame, Mark, Series, draw_axes, draw_svg, format_value

#: Units of a row's height, of the least space for titles, and of the axis: phones show it without scrolling.
ROW, TITLES, AXIS = 32, 130, 310
#: Units of a letter of a title, at most.
LETTER = 7.5


@dataclass(frozen=True)
class IntervalRow:
    """A value with its interval."""

    title: str
    value: float
    low: float | None = None
    high: float | None = None
    #: An estimate is drawn open, so that nobody takes it for a measure.
    is_estimate: bool = False


def intervals(title: str, rows: Sequence[IntervalRow]) -> SafeString:
    """Draw values as dots and their intervals as lines, each row in a colour of its own; empty without any."""
    return _draw(title, rows, [f"s{place % 6 + 1}" for place in range(len(rows))], [])


def differences(title: str, rows: Sequence[IntervalRow]) -> SafeString:
    """Draw differences as dots on their intervals, beside the line of no difference; empty without any."""
    return _draw(title, rows, ["s1"] * len(rows), [0.0])


def _draw(title: str, rows: Sequence[IntervalRow], colours: list[str], marks: list[float]) -> SafeString:
    if not rows:
        return mark_safe("")
    ends = [value for row in rows for value in (row.value, row.low, row.high) if value is not None] + marks
    left = max(TITLES, round(LETTER * max(len(row.title) for row in rows)))
    height = ROW * len(rows) + 30
    frame = Frame(1, min(ends), max(ends), width=left + AXIS, height=height, left=left, right=24)
    parts = [_draw_scale(frame, height)]
    line = '<line class="mark" x1="{0}" x2="{0}" y1="4" y2="{1}"/>'
    parts.extend(format_html(line, frame.along(mark), height - 24) for mark in marks)
    parts.extend(_draw_row(frame, *each) for each in zip(range(len(rows)), rows, colours, strict=True))
    return draw_svg(title, frame, parts)


def _draw_scale(frame: Frame, height: int) -> SafeString:
    line = (
        '<line class="grid" x1="{0}" x2="{0}" y1="4" y2="{1}"/>'
        '<text x="{0}" y="{2}" text-anchor="middle">{3}</text>'
    )
    ticks = ((frame.along(tick), height - 24, height - 8, format_value(tick)) for tick in frame.ticks)
    return format_html_join("", line, ticks)


def _draw_row(frame: Frame, place: int, row: IntervalRow, colour: str) -> SafeString:
    y = ROW * place + ROW // 2 + 2
    parts = [format_html('<text class="strong" x="0" y="{}">{}</text>', y + 4, row.title)]
    text = f"{row.title}: {format_value(row.value)}"
    if row.low is not None and row.high is not None:
        text += f" ({format_value(row.low)} to {format_value(row.high)})"
        line = '<line class="interval {}" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        parts.append(format_html(line, colour, frame.along(row.low), frame.along(row.high), y, y))
    dot = '<circle class="dot {}{}" cx="{}" cy="{}" r="6"><title>{}</title></circle>'
    open_dot = " open" if row.is_estimate else ""
    parts.append(format_html(dot, colour, open_dot, frame.along(row.value), y, text))
    return mark_safe("".join(parts))


def stacked_bars(
    title: str, labels: Sequence[str], series: Sequence[Series], marks: Sequence[Mark] = (), height: int = 180
) -> SafeString:
    """Draw counts of labelled places as bars that stand on each other; what happened stands as dashed verticals."""
    totals = [sum(each.values[place] or 0 for each in series) for place in range(len(labels))]
    if not any(totals):
        return mark_safe("")
    frame = Frame(len(labels), 0, max(totals), height=height)
    parts = [draw_axes(frame, labels), *draw_marks(frame, marks)]
    below = [0.0] * len(labels)
    bar = '<rect class="bar {5}" x="{0}" y="{1}" width="{2}" height="{3}"><title>{4}</title></rect>'
    for number, each in enumerate(series):
        rectangles = []
        for place, value in enumerate(each.values):
            if not value:
                continue
            top, bottom = frame.y(below[place] + value), frame.y(below[place])
            below[place] += value
            text = f"{labels[place]}: {each.title} {format_value(value)}"
            x = round(frame.x(place) - frame.step * 0.4, 1)
            rectangles.append((x, top, round(frame.step * 0.8, 1), round(bottom - top, 1), text))
        colour = f"s{number % 6 + 1}"
        parts.append(format_html_join("", bar, ((*rectangle, colour) for rectangle in rectangles)))
    return draw_svg(title, frame, parts)


def draw_marks(frame: Frame, marks: Sequence[Mark]) -> list[SafeString]:
    """Draw what happened as dashed verticals."""
    line = '<line class="mark" x1="{0}" x2="{0}" y1="{1}" y2="{2}"><title>{3}</title></line>'
    bottom = frame.height - frame.bottom
    return [format_html(line, frame.x(mark.place), frame.top, bottom, mark.title) for mark in marks]
