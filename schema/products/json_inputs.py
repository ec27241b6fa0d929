"""Features and answers that come as JSON: checked and read as the product's own input types would be.

The errors are those of the typed inputs, with the same codes and sentences, and with paths into the JSON.
"""

from functools import lru_cache
from typing import Any, cast

from graphql import GraphQLFloat, GraphQLInputType, GraphQLNonNull, GraphQLSchema

from store.exceptions import BadInput, Faults
from store.products.product import DataProduct

from ..compiled import NotEligible
from ..compiled.input_coercion import InputReader
from ..core import names
from ..core.inputs import Path, Place, all_refusals, coerce_leaf

#: The sentence about a value that is nested too deeply to be described.
TOO_DEEP = "A value is nested more deeply than any input: check it against `features` of the product."

#: The reader of a product's features; a schema has as many as it has products.
reader_of = lru_cache(100)(InputReader)


def read_features(schema: GraphQLSchema, product: DataProduct, features: object, path: Path) -> list[object]:
    """Read the values of the product's inputs, in their order. Raises all faults at once."""
    type_ = schema.type_map[f"{names.prefix(product.name)}Features"]
    check(features, cast(GraphQLInputType, type_), Place(path))
    try:
        return reader_of(schema, product).instance(features)
    except NotEligible:
        raise BadInput("These are no features of this product.", argument=path) from None


def read_answer(schema: GraphQLSchema, product: DataProduct, answer: object, path: Path) -> str:
    """Read the text of an answer that a person gives. Raises BadInput, OutOfRange, NotFinite."""
    has_classes = bool(product.labels)
    named = schema.type_map[f"{names.prefix(product.name)}Label"] if has_classes else GraphQLFloat
    type_ = cast(Any, named)
    check(answer, GraphQLNonNull(type_), Place(path, product.join.label_column))
    value: Any = coerce_leaf(answer, type_)
    return product.answer_of(value.value if has_classes else value, path)


def check(value: object, type_: GraphQLInputType, place: Place) -> None:
    """Check that a value is of a GraphQL type. Raises all faults at once."""
    faults = Faults()
    try:
        faults.errors += all_refusals(value, type_, place)
    except RecursionError:  # a message about a value renders all of it
        raise BadInput(TOO_DEEP, argument=place.path) from None
    faults.check()
