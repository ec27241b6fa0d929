"""Values in forms: how JSON of the API is written for people, and read again."""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from .api import JSONObject

#: A slider reaches so far beyond where nine tenths of the values lie, as a share of that range.
BEYOND = 0.25
#: Digits of a whole number that counts something, at most: the API's integers have no more.
MOST_DIGITS = 10
#: A number with a decimal comma, as 12,5 and 1.273,94. Nobody can tell what 1,234 is.
DECIMAL_COMMA = re.compile(r"-?(\d+,(\d{1,2}|\d{4,})|\d{1,3}(\.\d{3})+,\d+)")
#: A date as 13.3.2025, whose day comes first.
DOTTED_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
#: What browsers take as the value of an input, by its type.
BROWSER_NUMBER = re.compile(r"-?(\d+(\.\d+)?|\.\d+)([eE][+-]?\d+)?")
BROWSER_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?")


def find_bounds(feature: JSONObject) -> tuple[float, float] | None:
    """Find the range in which a number is moved; None if nothing says where its values lie."""
    least, most, typical = feature["minimum"], feature["maximum"], feature["typicalRange"]
    if typical is not None and typical["high"] > typical["low"]:
        beyond = BEYOND * (typical["high"] - typical["low"])
        low, high = typical["low"] - beyond, typical["high"] + beyond
        low, high = low if least is None else max(low, least), high if most is None else min(high, most)
    elif least is not None and most is not None:
        low, high = least, most
    else:
        return None
    return (low, high) if low < high else None


def round_step(rough: float) -> float:
    """Round a step down to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return float(f"{max(factor for factor in (1, 2, 5) if factor * power <= rough * 1.000001) * power:.12g}")


def is_number(text: str) -> bool:
    """Check if a text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def is_date(text: str) -> bool:
    """Check if a text is a date as browsers write it."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


#: Checks of what an input of this type shows. A browser shows, and sends, nothing of another text.
SHOWN: Mapping[str, Callable[[str], bool]] = {
    "number": lambda text: bool(BROWSER_NUMBER.fullmatch(text)),
    "date": is_date,
    "datetime-local": lambda text: bool(BROWSER_MOMENT.fullmatch(text)),
}


def normalize_value(kind: str, text: str) -> str:
    """Write a number with a decimal comma, or a date with dots, as the API takes it; other texts stay as they are."""
    stripped = text.strip()
    if kind in ("NUMBER", "INTEGER") and DECIMAL_COMMA.fullmatch(stripped):
        return stripped.replace(".", "").replace(",", ".")
    if kind == "DATE" and (parts := DOTTED_DATE.fullmatch(stripped)):
        day, month, year = parts.groups()
        return f"{year}-{month:0>2}-{day:0>2}"
    return text


def read_whole(text: str) -> int | None:
    """Read the number of a version, a place or the like; None for what is none, or is larger than any."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else None


def read_number(text: str) -> Any:
    """Read a number, whole where it is; another text stays as it is."""
    try:
        return int(text)
    except ValueError:
        return float(text) if is_number(text) else text


def with_offset(text: str) -> str:
    """Complete a moment without an offset: it is in UTC."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if parsed.tzinfo else parsed.replace(tzinfo=UTC).isoformat()


def to_text(value: Any) -> str:
    """Write a JSON value of the API as the text of a form's field."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return format(value, ".15g")
        case list():
            return ", ".join(map(str, value))
        case str() if value[10:11] == "T":
            return _without_offset(value)
    return str(value)


def _without_offset(text: str) -> str:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return text
    moment = parsed.astimezone(UTC) if parsed.tzinfo else parsed
    return moment.strftime("%Y-%m-%dT%H:%M:%S" if moment.second else "%Y-%m-%dT%H:%M")


def simplify(name: str) -> str:
    """Reduce a name to its letters and digits, so that `mean_radius` and `Mean radius` are one."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def read_row(text: str) -> dict[str, str]:
    """Read a pasted row: a JSON object, or a header and a row of CSV or TSV. Raises ValueError with a sentence."""
    text = text.strip()
    if text.startswith(("{", "[")):
        return _read_object(text)
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        raise ValueError("Paste two lines, the names of the columns and the values, or one JSON object.")
    delimiter = max("\t;,", key=lines[0].count)
    try:
        names, values, *_ = csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)
    except (csv.Error, ValueError) as error:
        raise ValueError(
            "This cannot be read as two lines: a quote may be open, or a value too long."
        ) from error
    if len(names) != len(values):
        raise ValueError(f"The first line has {len(names)} columns, and the second has {len(values)}.")
    return dict(zip(names, values, strict=True))


def _read_object(text: str) -> dict[str, str]:
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"This is no JSON: {error.msg} in line {error.lineno}.") from error
    except (ValueError, RecursionError) as error:  # more digits, or more depth, than is ever read
        raise ValueError("A number of this JSON is too long, or it is nested too deep.") from error
    row = row[0] if isinstance(row, list) and row else row
    row = row.get("features", row) if isinstance(row, dict) else row
    if not isinstance(row, dict):
        raise ValueError("Paste one JSON object, with a member for each feature.")
    texts = {name: to_text(value) for name, value in row.items()}
    try:
        "".join([*texts, *texts.values()]).encode()
    except UnicodeEncodeError as error:  # JSON may have half a character, which no page can show
        raise ValueError("This JSON has an escape that is half of a character.") from error
    return texts
