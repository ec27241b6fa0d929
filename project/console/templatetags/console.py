"""Tags and filters of the console's templates: numbers and moments as people read them."""

import json
import math
import re
from datetime import datetime
from typing import Any

from django import template
from django.template.context import Context
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

#: What stands where there is no value.
NOTHING = "–"
#: A number of many decimals, with or without its unit.
LONG_NUMBER = re.compile(r"(-?\d+\.\d{5,})( \S+)?")
#: Digits of a feature's value that people read; the exact one shows on hover.
MOST_DIGITS = 6


@register.filter
def number(value: float | str | None, digits: int = 3) -> str:
    """Format a number with so many significant digits, and thousands apart; a template's absent value is none."""
    if value is None or value == "":
        return NOTHING
    numeric = float(value)
    if not math.isfinite(numeric):
        return str(value)
    if numeric == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(numeric))))
    return f"{numeric:,.{decimals}f}" if abs(numeric) < 1 or not numeric.is_integer() else f"{numeric:,.0f}"


@register.filter
def percent(value: float | None, digits: int = 0) -> str:
    """Format a share as a percentage; with decimals, what is nearly none or all is not written as 0 or 100."""
    if value is None:
        return NOTHING
    least = 10.0**-digits
    if digits and 0 < 100 * value < least / 2:
        return f"< {least:.{digits}f} %"
    if digits and 100 - least / 2 <= 100 * value < 100:
        return f"> {100 - least:.{digits}f} %"
    return f"{100 * value:.{digits}f} %"


@register.filter
def count(value: int | None) -> str:
    """Format a count with thousands apart."""
    return NOTHING if value is None else f"{value:,}"


@register.filter
def seconds(value: float | None) -> str:
    """Format a duration in the two largest of its units."""
    if value is None:
        return NOTHING
    rest, parts = round(value), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts[:2]) or "0 s"


@register.filter
def moment(value: str | datetime | None, form: str = "relative") -> SafeString | str:
    """Render a moment, which the page's script shows in the reader's time zone; `exact` for more than a distance."""
    if value is None:
        return NOTHING
    parsed = value if isinstance(value, datetime) else parse_datetime(value)
    if parsed is None:
        return str(value)
    exact = " data-exact" if form == "exact" else ""
    text = f"{parsed:%d %b %Y, %H:%M} {parsed.tzname() or ''}".strip()
    # Both texts are made here, of a moment alone.
    return format_html("<time datetime='{}'{}>{}</time>", parsed.isoformat(), SafeString(exact), text)


@register.filter
def measured(measure: dict[str, Any] | None) -> str:
    """Format a measure with its interval and its number of predictions."""
    if not measure or measure.get("value") is None:
        return NOTHING
    text = number(measure["value"])
    if measure.get("low") is not None:
        text += f" ({number(measure['low'])} to {number(measure['high'])})"
    return f"{text}, n = {count(measure['n'])}" if "n" in measure else text


@register.filter
def rounded(text: str | None) -> str | None:
    """Round a number of many decimals in the text of a value, with or without its unit; other texts stay."""
    match = LONG_NUMBER.fullmatch(text or "")
    if match is None:
        return text
    short = f"{float(match[1]):.{MOST_DIGITS}g}"
    return text if "e" in short else f"{short}{match[2] or ''}"


@register.filter
def words(value: str) -> str:
    """Write the name of an enum's value as words: `ROC_AUC` as `roc auc`."""
    return value.replace("_", " ").lower()


@register.filter
def as_json(value: object) -> str:
    """Write a value as JSON, for an attribute of an element."""
    return json.dumps(value, ensure_ascii=False)


@register.simple_tag(takes_context=True)
def with_parameters(context: Context, **changes: object) -> str:
    """Build the query of the page's address with some parameters changed; None removes one."""
    parameters = context["request"].GET.copy()
    for name, value in changes.items():
        if value in (None, ""):
            parameters.pop(name, None)
        else:
            parameters[name] = str(value)
    return f"?{parameters.urlencode()}"
