"""Names of fields for columns' titles, valid in Python, GraphQL and PostgreSQL."""

import keyword
import re
import unicodedata
from collections.abc import Iterable

from django.db import models

from ...products.choice_names import transliterate

#: Letters that Unicode normalization does not decompose, and signs.
LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d"}
    | {
        "Đ": "D",
        "þ": "th",
        "Þ": "Th",
        "ð": "d",
        "ı": "i",
        "µ": "u",
        "&": " and ",
        "%": " percent ",
        "#": " number ",
    }
)
#: Characters of a name; GraphQL names that are composed with it must not become too long.
MAX_NAME_LENGTH = 36
#: A unit in brackets at the end: `Blood pressure (mmHg)`.
UNIT = re.compile(r"\s*(\([^()]*\)|\[[^\[\]]*\])\s*$")
#: Where a word begins in `PassengerId` and in `HTTPStatus`.
WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def field_names(header: Iterable[str]) -> tuple[str, ...]:
    """Build a name for each title; all differ, also in GraphQL, where `age_2` and `age2` are both age2."""
    taken: set[str] = set()
    names = []
    for place, title in enumerate(header):
        name = wanted = field_name(title) or f"column_{place}"
        number = 1
        while _fold_for_graphql(name) in taken:
            number += 1
            name = f"{wanted}_{number}"
        taken.add(_fold_for_graphql(name))
        names.append(name)
    return tuple(names)


def field_name(title: str) -> str:
    """Build the name of one title in snake case; empty where nothing of it can be written in ASCII."""
    name = _to_snake_case(UNIT.sub("", title)) or _to_snake_case(title)
    if name[:1].isdigit():
        name = f"column_{name}"
    if len(name) > MAX_NAME_LENGTH:
        name = name[: MAX_NAME_LENGTH + 1].rpartition("_")[0] or name
    name = name[:MAX_NAME_LENGTH].strip("_")
    return f"{name}_field" if is_reserved(name) else name


def is_reserved(name: str) -> bool:
    """Return True where the name means something else to Python or to Django's models."""
    return (
        keyword.iskeyword(name) or hasattr(models.Model, name) or name in {"objects", "none", "true", "false"}
    )


def _to_snake_case(title: str) -> str:
    plain = unicodedata.normalize("NFKD", title.translate(LETTERS))
    letters = transliterate(plain).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "_", WORD.sub("_", letters)).strip("_").lower()


def _fold_for_graphql(name: str) -> str:
    return name.replace("_", "")
