"""Names of products and columns in GraphQL. `store.products.choice_names` has those of values."""

from collections.abc import Iterable
from functools import cache

from strawberry.utils.str_converters import to_camel_case


@cache
def prefix(product: str) -> str:
    """The beginning of the names of a product's types: "heart_attack" becomes "HeartAttack"."""
    return "".join(part[:1].upper() + part[1:] for part in product.split("_"))


def field(name: str) -> str:
    """The field of a product or a column: "mean_radius" becomes "meanRadius"."""
    return str(to_camel_case(name))


def duplicates(names: Iterable[str]) -> set[str]:
    """The names that occur more than once."""
    seen: set[str] = set()
    repeated: set[str] = set()
    for name in names:
        (repeated if name in seen else seen).add(name)
    return repeated
