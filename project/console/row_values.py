"""Values of rows: JSON of the API as the text of a form, and back."""

import re

from .api import JSONObject

#: A moment without an offset, as forms of browsers have it.
LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?")


def read_value(feature: JSONObject, text: str) -> object:
    """Read a text as JSON for the API, which says what is wrong with it; an empty text is unknown."""
    text = text.strip() if feature["kind"] != "TEXT" else text
    match feature["kind"]:
        case _ if not text.strip():
            return None
        case "BOOLEAN":
            return {"true": True, "false": False}.get(text.lower(), text)
        case "INTEGER" if re.fullmatch(r"[+-]?\d{1,300}", text):
            return int(text)
        case "NUMBER" | "INTEGER":
            return read_number(text)
        case "DATETIME" if LOCAL.fullmatch(text):
            return f"{text}Z"
    return text


def read_number(text: str) -> object:
    """Read a number; what is none stays a text."""
    try:
        return float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError:
        return text


def write_value(feature: JSONObject, value: object) -> str:
    """Write JSON of the API as the text of a form's field."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if feature["kind"] == "DATETIME":
        # Browsers take three digits of a second.
        return re.sub(r"(?:(\.\d{1,3})\d*)?(?:Z|\+00:00)$", r"\1", str(value))
    return str(value)
