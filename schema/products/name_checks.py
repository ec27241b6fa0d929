"""Checks of names: those that GraphQL does not accept, and those that Strawberry would silently merge."""

import keyword
from collections.abc import Iterator, Sequence

from graphql import GraphQLSchema

from store.exceptions import InvalidJoin
from store.products.product import DataProduct

from ..core import names
from . import MUTATIONS, SUFFIXES
from .type_factory import category_suffix

#: Characters of a product's name, at most: GraphQL types, tables and URLs contain it.
MAX_NAME = 40


def name_problems(product: DataProduct) -> Iterator[str]:
    """List the problems of the names of one product, as sentences."""
    if not isinstance(product.name, str) or not _is_plain(product.name) or len(product.name) > MAX_NAME:
        yield (
            f"its name must be lower case, of ASCII letters, digits and single underscores, begin with a letter, be no "
            f"keyword and have at most {MAX_NAME} characters, as 'heart_attack'."
        )
    for name in _feature_names(product):
        if not _is_plain(name):
            yield (
                f"the feature {name!r} cannot be a GraphQL field: use lower case ASCII letters, digits and single "
                "underscores, begin with a letter, and avoid Python's keywords, as 'blood_pressure'."
            )
        elif len(name) > MAX_NAME:
            yield f"the feature {name!r} has more than {MAX_NAME} characters: shorten it."
    yield from _equal_in_camel_case(product)


def _feature_names(product: DataProduct) -> list[str]:
    """List the names of the features, then those of the retired ones."""
    return [*product.join.features, *(product.retired_features or ())]


def _is_plain(name: str) -> bool:
    """Check that the camel case of a name is unique: "a__b" and "a_b" would become one name."""
    plain = name.isascii() and name.isidentifier() and name == name.lower() and not keyword.iskeyword(name)
    return plain and "__" not in name and not name.startswith("_") and not name.endswith("_")


def _equal_in_camel_case(product: DataProduct) -> Iterator[str]:
    for shared in sorted(names.duplicates(map(names.field, _feature_names(product)))):
        both = " and ".join(repr(name) for name in _feature_names(product) if names.field(name) == shared)
        yield f"the features {both} would be one GraphQL field, {shared}: rename one."
    for shared in sorted(names.duplicates(_suffixes(product))):
        yield f"an enum {names.prefix(product.name)}{shared} would be made twice: rename that feature."


def _suffixes(product: DataProduct) -> list[str]:
    """List the ends of the names of the product's types."""
    categories = list(map(category_suffix, _categories(product)))
    return [*SUFFIXES, *categories, *(f"{category}Condition" for category in categories)]


def _categories(product: DataProduct) -> list[str]:
    try:
        return [column.name for column in (*product.columns, *product.retired) if column.choices]
    except InvalidJoin:
        return []


def shared_names(declared: Sequence[DataProduct], fixed: GraphQLSchema) -> Iterator[str]:
    """List the names of types and root fields that two products, or a product and the `fixed` schema, share."""
    types = dict.fromkeys(fixed.type_map, "the API")
    fields = {
        name: "the API"
        for root in (fixed.query_type, fixed.mutation_type)
        for name in (root.fields if root else ())
    }
    for product in declared:
        if list(name_problems(product)):
            continue
        yield from _already_used(product, "type", _type_names(product), types)
        yield from _already_used(product, "field", _field_names(product), fields)


def _already_used(
    product: DataProduct, kind: str, new: Sequence[str], owners: dict[str, str]
) -> Iterator[str]:
    """List the new names that have an owner, and enter the others."""
    for name in new:
        if owner := owners.get(name):
            yield f"it would make a {kind} {name}, which {owner} has already: rename it."
        owners.setdefault(name, f"the product {product.name!r}")


def _type_names(product: DataProduct) -> list[str]:
    prefix = names.prefix(product.name)
    pages = [f"{node}{part}" for node in ("Prediction", "Entity") for part in ("Connection", "Edge")]
    return [prefix + suffix for suffix in (*_suffixes(product), *pages)]


def _field_names(product: DataProduct) -> list[str]:
    return [
        names.field(product.name),
        *(names.field(f"{product.name}_{suffix}") for suffix in MUTATIONS),
    ]
