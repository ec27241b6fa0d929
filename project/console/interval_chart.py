"""A chart of differences with their intervals: one line each, beside the line of no difference."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from .charts import format_value, list_ticks

WIDTH, LEFT, RIGHT, LINE, BOTTOM = 640, 210, 16, 24, 24


@dataclass(frozen=True)
class Interval:
    """A difference with the ends of its interval."""

    title: str
    value: float
    low: float
    high: float


def intervals(title: str, rows: Sequence[Interval]) -> SafeString:
    """Draw each difference as a dot on its interval; empty without any."""
    if not rows:
        return mark_safe("")
    ticks = list_ticks(min(0.0, *(row.low for row in rows)), max(0.0, *(row.high for row in rows)))
    height = LINE * len(rows) + BOTTOM

    def x(value: float) -> float:
        share = (value - ticks[0]) / ((ticks[-1] - ticks[0]) or 1)
        return round(LEFT + (WIDTH - LEFT - RIGHT) * share, 1)

    grid = format_html_join(
        "",
        '<line class="grid" x1="{0}" x2="{0}" y1="0" y2="{1}"/><text x="{0}" y="{2}" text-anchor="middle">{3}</text>',
        ((x(tick), height - BOTTOM, height - 6, format_value(tick)) for tick in ticks),
    )
    zero = format_html('<line class="mark" x1="{0}" x2="{0}" y1="0" y2="{1}"/>', x(0.0), height - BOTTOM)
    lines = format_html_join(
        "",
        '<g class="s1"><title>{4}: {5} ({6} to {7})</title><text x="{8}" y="{9}" text-anchor="end">{4}</text>'
        '<line class="interval" x1="{1}" x2="{2}" y1="{3}" y2="{3}"/><circle class="dot" cx="{0}" cy="{3}" r="4"/></g>',
        (
            (
                *(x(row.value), x(row.low), x(row.high), LINE * place + LINE / 2),
                *(row.title, *map(format_value, (row.value, row.low, row.high))),
                *(LEFT - 10, LINE * place + LINE / 2 + 4),
            )
            for place, row in enumerate(rows)
        ),
    )
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>',
        *(WIDTH, height, title, grid, zero, lines),
    )
