"""Names of rows: the class of a feature table, and how messages call one row of it."""

import re
from dataclasses import dataclass

from ..ingest.files import Layout, field_names
from ..ingest.files.names import is_reserved
from .inference import InferredColumn

WORD = re.compile(r"[a-z0-9]+")
#: Words of a file's name that say nothing about its rows.
NOISE = frozenset(
    WORD.findall(
        "all backup clean cleaned cleansed complete copy csv data dataset dedup deduped deduplicated export exported "
        "file final full labeled labelled latest list merged new old original prepared preprocessed processed raw "
        "sample subset table temp test testing tmp train training utf8 valid validation"
    )
)
#: A version, a year, a date or a number.
NUMBERED = re.compile(r"v?\d+")
#: Words at the end of a key's name that say that it is one: `customerID`, `Person No`.
KEY_WORDS = frozenset(WORD.findall("code id identifier key no nr num number pk ref uuid"))
#: Characters of a file's name in a class's title; Django allows 244.
MAX_TITLE = 120
IRREGULAR = {"people": "person", "children": "child", "men": "man", "women": "woman", "mice": "mouse"}
#: Words that are no plurals although they end like one.
NO_PLURALS = frozenset(["diabetes", "news", "series", "species"])


@dataclass(frozen=True)
class RowName:
    """Names for a row of a feature table."""

    #: The name of the model's class.
    class_name: str
    #: The words for one row and for several; "": those of the class name.
    title: str = ""
    plural: str = ""


def name_rows(layout: Layout, otherwise: str, key: InferredColumn | None = None) -> RowName:
    """Name the rows after the file where it is called by a plural, else after the key, else "row of <file>".

    Args:
        otherwise: the class's name where the file's says nothing.
        key: the column that identifies a row, where it is not one of another table's rows.
    """
    words = _list_words(layout.stem)
    if words and (singular := to_singular(words[-1])) != words[-1]:
        return RowName(to_camel_case("_".join([*words[:-1], singular])))
    if key and (noun := _find_noun(key)):
        return RowName(to_camel_case(noun))
    name = "_".join(words) or field_names([otherwise])[0]
    title = layout.title[:MAX_TITLE]
    return RowName(to_camel_case(to_singular(name)), f"row of {title}", f"rows of {title}")


def _list_words(stem: str) -> list[str]:
    """List the words of a file's name that say what is in it; empty where none does, or only a reserved one."""
    (name,) = field_names([stem])
    if stem == "standard-input" or name == "column_0" or is_reserved(name.removesuffix("_field")):
        return []
    words = name.removeprefix("column_").removesuffix("_field").split("_")
    telling = [word for word in words if word not in NOISE and not NUMBERED.fullmatch(word)]
    return [] if is_reserved("_".join(telling)) or not telling else telling


def _find_noun(key: InferredColumn) -> str:
    """Find the noun in a key's name, `customer` in `customer_id`; empty where it has none."""
    words = key.name.removesuffix("_field").split("_")
    noun = "_".join(words[:-1]) if words[-1] in KEY_WORDS else ""
    return "" if not noun or noun == "row" or is_reserved(noun) else noun


def to_camel_case(name: str) -> str:
    """Convert snake case to camel case with a capital first letter."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def to_singular(name: str) -> str:
    """Convert an English plural to the singular; other words stay."""
    *before, word = name.rpartition("_")
    if word in IRREGULAR:
        return "".join([*before, IRREGULAR[word]])
    if word in NO_PLURALS or len(word) < 4:
        return name
    if word.endswith("ies") and len(word) > 4:
        return f"{name[:-3]}y"
    if re.search(r"(ss|x|ch|sh)es$", word):
        return name[:-2]
    return name[:-1] if re.search(r"[^suix]s$", word) else name
