"""Names: how a product, its columns and its values are called in GraphQL."""

import re
from collections.abc import Iterable, Sequence
from functools import cache

from graphql import GraphQLError, assert_name
from strawberry.utils.str_converters import to_camel_case

from store.products.columns import Choice

#: Enum values that GraphQL keeps for itself.
KEPT = {"true", "false", "null"}


@cache
def prefix(product: str) -> str:
    """What the names of a product's types begin with: "heart_attack" → "HeartAttack"."""
    return "".join(part[:1].upper() + part[1:] for part in product.split("_"))


def field(name: str) -> str:
    """A product or a column as a field: "mean_radius" → "meanRadius"."""
    return str(to_camel_case(name))


def members(choices: Sequence[Choice]) -> dict[str, Choice]:
    """Enum members by name: the value as UPPER_SNAKE where that is a name, else its title, else CLASS_0.

    Choices that would share a name are told apart by their place.
    """
    found: dict[str, Choice] = {}
    for place, choice in enumerate(choices):
        candidates = (upper_snake(choice.text), upper_snake(choice.title), f"CLASS_{place}")
        name = next(name for name in candidates if is_member(name) and name not in found)
        found[name] = choice
    return found


def upper_snake(text: str) -> str:
    return re.sub(r"\W+", "_", text.strip()).upper()


def is_member(name: str) -> bool:
    return is_name(name) and name.lower() not in KEPT and name.strip("_") != ""


def is_name(name: str) -> bool:
    """Whether GraphQL takes it, and does not keep it for itself."""
    try:
        assert_name(name)
    except GraphQLError:
        return False
    return not name.startswith("__")


def twice(names: Iterable[str]) -> set[str]:
    """The names that occur more than once."""
    seen: set[str] = set()
    return {name for name in names if name in seen or seen.add(name)}  # type: ignore[func-returns-value]
