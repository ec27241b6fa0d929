"""Searches for texts that begin or go on with some characters, in upper or lower case."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import BooleanField, Func, TextField, Value
from django.db.models.functions import Collate, Lower

from ..exceptions import OutOfRange

#: Characters of a search, at most.
LONGEST = 200


def clean(text: str | None, argument: Sequence[str | int]) -> str | None:
    """Return the characters to search for; None for a blank text, which searches for nothing. Raises OutOfRange."""
    text = (text or "").strip()
    if len(text) > LONGEST:
        message = f"A search takes at most {LONGEST} characters, not {len(text)}."
        raise OutOfRange(message, argument=argument, maximum=LONGEST)
    return text or None


def searchable(column: Any) -> Collate:
    """Build the lower case of a column; an index of it serves `begins_with`, whatever the database's collation is."""
    return Collate(Lower(column), "C")


def begins_with(column: Any, text: str) -> Any:
    """Build the condition that a column begins with a text."""
    return _is_like(column, f"{connection.ops.prep_for_like_query(text)}%")


def contains(column: Any, text: str) -> Any:
    """Build the condition that a column contains a text."""
    return _is_like(column, f"%{connection.ops.prep_for_like_query(text)}%")


def _is_like(column: Any, pattern: str) -> Any:
    return Func(
        searchable(column),
        Lower(Value(pattern, TextField())),
        template="(%(expressions)s)",
        arg_joiner=" LIKE ",
        output_field=BooleanField(),
    )
