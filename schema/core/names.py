"""Names of products, columns and values in GraphQL."""

import re
from collections.abc import Iterable, Sequence
from functools import cache

from graphql import GraphQLError, assert_name
from strawberry.utils.str_converters import to_camel_case

from store.products.columns import Choice

#: Names that GraphQL reserves among enum values.
RESERVED = {"true", "false", "null"}


@cache
def prefix(product: str) -> str:
    """The beginning of the names of a product's types: "heart_attack" becomes "HeartAttack"."""
    return "".join(part[:1].upper() + part[1:] for part in product.split("_"))


def field(name: str) -> str:
    """The field of a product or a column: "mean_radius" becomes "meanRadius"."""
    return str(to_camel_case(name))


def members(choices: Sequence[Choice]) -> dict[str, Choice]:
    """Enum members by name: the value in UPPER_SNAKE if that is a name, else its title, else CLASS_0.

    Each name is used once: a choice whose name is taken gets the next one.
    """
    by_name: dict[str, Choice] = {}
    for place, choice in enumerate(choices):
        candidates = (upper_snake(choice.text), upper_snake(choice.title), f"CLASS_{place}")
        name = next(name for name in candidates if is_member(name) and name not in by_name)
        by_name[name] = choice
    return by_name


def upper_snake(text: str) -> str:
    """The text as an enum member: "not known" becomes "NOT_KNOWN"."""
    return re.sub(r"\W+", "_", text.strip()).upper()


def is_member(name: str) -> bool:
    """Check if the name can be an enum member."""
    return is_name(name) and name.lower() not in RESERVED and name.strip("_") != ""


def is_name(name: str) -> bool:
    """Check if GraphQL accepts the name and does not reserve it for introspection."""
    try:
        assert_name(name)
    except GraphQLError:
        return False
    return not name.startswith("__")


def duplicates(names: Iterable[str]) -> set[str]:
    """The names that occur more than once."""
    seen: set[str] = set()
    repeated: set[str] = set()
    for name in names:
        (repeated if name in seen else seen).add(name)
    return repeated
