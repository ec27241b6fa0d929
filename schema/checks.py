"""What `manage.py check` refuses of names: what GraphQL would mangle, and Strawberry silently merge."""

import keyword
from collections.abc import Iterator, Sequence
from typing import Any

from django.core import checks

from store.products import catalogue
from store.products.features import InvalidJoin
from store.products.product import DataProduct

from . import products
from .composition import compose
from .core import names
from .products.type_factory import category_suffix

#: What a product's name may be: GraphQL types, table names and URLs are made of it.
LONGEST = 40


@checks.register("exemplar")
def check_names(app_configs: Any = None, **options: Any) -> list[checks.CheckMessage]:
    """Names of every declared product, and those that two of them would share."""
    declared = catalogue.products()
    found: list[checks.CheckMessage] = [
        checks.Error(f"The product {product.name!r}: {sentence}", obj=product.join.model, id="exemplar.E003")
        for product in declared
        for sentence in problems(product)
    ]
    return found + [checks.Error(sentence, id="exemplar.E004") for sentence in meetings(declared)]


def problems(product: DataProduct) -> Iterator[str]:
    """What is wrong with the names of one product, a sentence each."""
    if not _is_plain(product.name) or len(product.name) > LONGEST:
        yield (
            f"its name must be lower case, of ASCII letters, digits and single underscores, begin with a letter, be no "
            f"keyword and have at most {LONGEST} characters, as 'heart_attack'."
        )
    for name in product.join.features:
        if not _is_plain(name):
            yield (
                f"the feature {name!r} cannot be a GraphQL field: use lower case ASCII letters, digits and single "
                "underscores, begin with a letter, and avoid Python's keywords, as 'blood_pressure'."
            )
        elif len(name) > LONGEST:
            yield f"the feature {name!r} has more than {LONGEST} characters: shorten it."
    yield from _camel_meetings(product)


def _is_plain(name: str) -> bool:
    """Whether its camel case is unique and can be turned back: "a__b" and "a_b" would be one name."""
    plain = name.isascii() and name.isidentifier() and name == name.lower() and not keyword.iskeyword(name)
    return plain and "__" not in name and not name.startswith("_") and not name.endswith("_")


def _camel_meetings(product: DataProduct) -> Iterator[str]:
    for met in sorted(names.duplicates(map(names.field, product.join.features))):
        both = " and ".join(repr(name) for name in product.join.features if names.field(name) == met)
        yield f"the features {both} would be one GraphQL field, {met}: rename one."
    suffixes = [*products.SUFFIXES, *map(category_suffix, _categories(product))]
    for met in sorted(names.duplicates(suffixes)):
        yield f"an enum {names.prefix(product.name)}{met} would be made twice: rename that feature."


def _categories(product: DataProduct) -> list[str]:
    try:
        return [column.name for column in product.columns if column.choices]
    except InvalidJoin:
        return []


def meetings(declared: Sequence[DataProduct]) -> Iterator[str]:
    """Names of types and root fields that two products, or a product and the API itself, would share."""
    fixed = compose([])._schema
    types = dict.fromkeys(fixed.type_map, "the API")
    fields = {
        name: "the API"
        for root in (fixed.query_type, fixed.mutation_type)
        for name in (root.fields if root else ())
    }
    for product in declared:
        if list(problems(product)):
            continue
        yield from _taken(product, "type", _type_names(product), types)
        yield from _taken(product, "field", _field_names(product), fields)


def _taken(product: DataProduct, what: str, new: Sequence[str], known: dict[str, str]) -> Iterator[str]:
    for name in new:
        if owner := known.get(name):
            yield f"The product {product.name!r} would make a {what} {name}, which {owner} has already: rename it."
        known.setdefault(name, f"the product {product.name!r}")


def _type_names(product: DataProduct) -> list[str]:
    prefix = names.prefix(product.name)
    suffixes = [*products.SUFFIXES, *map(category_suffix, _categories(product))]
    made = [prefix + suffix for suffix in suffixes]
    return made + [
        f"{prefix}{node}{of}" for node in ("Prediction", "Entity") for of in ("Connection", "Edge")
    ]


def _field_names(product: DataProduct) -> list[str]:
    return [
        names.field(product.name),
        *(names.field(f"{product.name}_{suffix}") for suffix in products.MUTATIONS),
    ]
