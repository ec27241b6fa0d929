"""Filters of the pages about quality: metrics, and what was left out, as people read them."""

from django import template

from .. import wording
from .console import NOTHING, number

register = template.Library()

register.filter("metric_title", wording.metric_title)
register.filter("write_metrics", wording.write_metrics)


@register.filter
def p_value(value: float | None) -> str:
    """Format a p-value: small ones by what they are below."""
    if value is None:
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


@register.filter
def json_value(value: object) -> str:
    """Write a value of a feature."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value, 5) if isinstance(value, int | float) else str(value)
