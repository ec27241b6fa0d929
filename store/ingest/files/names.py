"""Names for fields: what a header says, as Python, GraphQL and PostgreSQL can write it."""

import keyword
import re
import unicodedata
from collections.abc import Iterable

from django.db import models

#: Letters that Unicode does not take apart.
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
#: Characters of a name, so that what is made of it is a feature that GraphQL takes.
LONGEST = 36
#: A unit in brackets at the end: `Blood pressure (mmHg)`.
UNIT = re.compile(r"\s*(\([^()]*\)|\[[^\[\]]*\])\s*$")
#: Where a word begins in `PassengerId` and in `HTTPStatus`.
WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def field_names(header: Iterable[str]) -> tuple[str, ...]:
    """One name for each column, all different, also as GraphQL writes them (`age_2` and `age2` are both age2)."""
    taken: set[str] = set()
    names = []
    for place, title in enumerate(header):
        name = wanted = field_name(title) or f"column_{place}"
        number = 1
        while _folded(name) in taken:
            number += 1
            name = f"{wanted}_{number}"
        taken.add(_folded(name))
        names.append(name)
    return tuple(names)


def field_name(title: str) -> str:
    """The title in snake case; empty where nothing of it can be written in ASCII."""
    name = _snake(UNIT.sub("", title)) or _snake(title)
    if name[:1].isdigit():
        name = f"column_{name}"
    if len(name) > LONGEST:
        name = name[: LONGEST + 1].rpartition("_")[0] or name
    name = name[:LONGEST].strip("_")
    return f"{name}_field" if is_reserved(name) else name


def is_reserved(name: str) -> bool:
    """Whether Python, or Django's models, have another meaning for it."""
    return (
        keyword.iskeyword(name) or hasattr(models.Model, name) or name in {"objects", "none", "true", "false"}
    )


def _snake(title: str) -> str:
    letters = unicodedata.normalize("NFKD", title.translate(LETTERS)).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "_", WORD.sub("_", letters)).strip("_").lower()


def _folded(name: str) -> str:
    return name.replace("_", "")
