"""Input coercion of the fast path: from the JSON that a client sent to prediction requests.

Values that the GraphQL types refuse raise NotEligible, and the standard path reports them. The prediction service
validates all others, on both paths.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from types import NoneType
from typing import Any

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLError,
    GraphQLSchema,
    get_nullable_type,
    is_non_null_type,
)
from strawberry.schema.schema_converter import CustomGraphQLEnumType

from learning.exceptions import ExemplarError
from store.products import limits
from store.products.product import DataProduct
from store.serving.predict import Path, PredictionRequest

from ..core import names
from .arguments import ABSENT

Coerce = Callable[[Any], Any]

#: The JSON types that GraphQL's Float accepts; orjson reads neither NaN nor infinities.
NUMBERS: frozenset[type] = frozenset({float, int})


class NotEligible(Exception):
    """The request is left to the standard path, which answers it or reports its errors."""


class NumberColumns:
    """The columns of GraphQL's type Float, by their places in the instance."""

    def __init__(self, places: Sequence[int], allowed: frozenset[type]):
        self.places = places
        #: The JSON types that they accept.
        self.allowed = allowed
        # The last place is picked twice, as itemgetter returns a tuple for two places and more.
        self.pick = itemgetter(*places, places[-1])

    def coerce(self, values: list[Any]) -> None:
        """Convert whole numbers among them to floats, in place. Raises NotEligible."""
        types = set(map(type, self.pick(values)))
        if not types <= self.allowed:
            raise NotEligible
        if int in types:
            for place in self.places:
                if type(values[place]) is int:
                    values[place] = float(values[place])


class InputReader:
    """Reads the prediction requests of one product."""

    def __init__(self, schema: GraphQLSchema, product: DataProduct):
        type_: Any = schema.type_map[f"{names.prefix(product.name)}Features"]
        self.fields = [names.field(name) for name in product.feature_names]
        self.known = frozenset(self.fields)
        types = [type_.fields[field].type for field in self.fields]
        #: The columns that take a number, and those of them that may be null: tested all at once, as there may be tens.
        self.numbers = [
            NumberColumns(places, allowed)
            for allowed, nullable in ((NUMBERS, False), (NUMBERS | {NoneType}, True))
            if (
                places := [
                    place
                    for place, type_ in enumerate(types)
                    if get_nullable_type(type_).name == "Float" and is_non_null_type(type_) is not nullable
                ]
            )
        ]
        self.coerced = [
            (place, coercer(type_))
            for place, type_ in enumerate(types)
            if get_nullable_type(type_).name != "Float"
        ]

    def instance(self, value: Any) -> list[Any]:
        """Coerce features to values in the columns' order. Raises NotEligible."""
        if type(value) is not dict or not value.keys() <= self.known:
            raise NotEligible
        values = list(map(value.get, self.fields))
        for columns in self.numbers:
            columns.coerce(values)
        for place, coerce in self.coerced:
            values[place] = coerce(values[place])
        return values

    def request(
        self, features: Any, entity: Any = ABSENT, reference: Any = ABSENT, path: Path = ()
    ) -> PredictionRequest:
        """Build the request of the arguments of `predict`. Raises NotEligible."""
        return PredictionRequest(
            self.instance(features), optional_text(entity), optional_text(reference), path
        )

    def row(self, value: Any, path: Path) -> PredictionRequest:
        """Build the request of an item of `predictMany`. Raises NotEligible."""
        if type(value) is not dict or not value.keys() <= {"features", "entity", "reference"}:
            raise NotEligible
        return self.request(value.get("features"), value.get("entity"), value.get("reference"), path)


def entity_request(value: Any, path: Path) -> PredictionRequest:
    """Build the request of the argument of `predictFor`, or of an item of `predictForMany`. Raises NotEligible."""
    return PredictionRequest(entity=text(value), path=path)


def items(value: Any) -> Sequence[Any]:
    """Check that a value is a list of a size that one request may have. Raises NotEligible."""
    if type(value) is not list or len(value) > limits.MAX_ROWS:
        raise NotEligible
    return value


def optional_text(value: Any) -> str | None:
    """Check a text that may be absent or null. Raises NotEligible."""
    return None if value is ABSENT or value is None else text(value)


def text(value: Any) -> str:
    """Check that a value is a text that GraphQL accepts. Raises NotEligible."""
    if type(value) is not str or "\0" in value:
        raise NotEligible
    return value


def coercer(type_: Any) -> Coerce:
    """Build the coercion of JSON to a field of this type. It raises NotEligible."""
    coerce = coercer_of_leaf(get_nullable_type(type_))
    nullable = not is_non_null_type(type_)

    def coerce_optional(value: Any) -> Any:
        if value is not None:
            return coerce(value)
        if nullable:
            return None
        raise NotEligible

    return coerce_optional


def coercer_of_leaf(type_: Any) -> Coerce:
    """Build the coercion of JSON to a scalar or an enum, null excluded. It raises NotEligible."""
    if isinstance(type_, CustomGraphQLEnumType):
        return coercer_of_enum(type_)
    if type_.name == "String":
        return text
    coerce = type_.coerce_input_value

    def coerce_leaf(value: Any) -> Any:
        try:
            return coerce(value)
        except (ExemplarError, GraphQLError, ValueError, TypeError, ArithmeticError):
            raise NotEligible from None

    return coerce_leaf if type_.name != "Int" else coercer_of_int(coerce_leaf)


def coercer_of_int(coerce: Coerce) -> Coerce:
    """Accept integers of 32 bits as they are, and leave all others to `coerce`."""

    def coerce_int(value: Any) -> Any:
        return value if type(value) is int and GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT else coerce(value)

    return coerce_int


def coercer_of_enum(type_: CustomGraphQLEnumType) -> Coerce:
    """Build the coercion of a member's name to the member's value. It raises NotEligible."""
    values = {name: type_.coerce_input_value(name).value for name in type_.values}

    def coerce_enum(value: Any) -> Any:
        if type(value) is not str or value not in values:
            raise NotEligible
        return values[value]

    return coerce_enum
