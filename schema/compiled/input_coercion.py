"""Input coercion of the fast path: from JSON, as clients send it, to prediction requests.

A value that its GraphQL type does not accept raises NotEligible, and the standard path reports the error. Accepted
values are validated by the prediction service, on either path.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from types import NoneType
from typing import TypeAlias, cast

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLLeafType,
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

#: Coerces a JSON value. Raises NotEligible.
Coerce: TypeAlias = Callable[[object], object]

#: Types of JSON that GraphQL's Float accepts; orjson accepts neither NaN nor infinity.
NUMBERS: frozenset[type] = frozenset({float, int})


class NotEligible(Exception):
    """The fast path does not take this request: the standard path executes it, or reports its errors."""


class NumberColumns:
    """Columns of GraphQL's type Float, by their places in an instance."""

    def __init__(self, places: Sequence[int], allowed: frozenset[type], width: int):
        self.places = places
        #: The types of JSON that they accept.
        self.allowed = allowed
        #: None: all columns. For a single place itemgetter returns no tuple, so that one is picked twice.
        self.pick = itemgetter(*places, places[-1]) if len(places) < width else None

    def coerce(self, values: list[object]) -> None:
        """Convert whole numbers to floats, in place. Raises NotEligible."""
        types = set(map(type, self.pick(values) if self.pick else values))
        if not types <= self.allowed:
            raise NotEligible
        if int in types:
            for place in self.places:
                value = values[place]
                if type(value) is int:
                    values[place] = float(value)


class InputReader:
    """Reads the prediction requests of one product."""

    def __init__(self, schema: GraphQLSchema, product: DataProduct):
        features = schema.type_map[f"{names.prefix(product.name)}Features"]
        input_fields = cast(GraphQLInputObjectType, features).fields
        self.fields = [names.field(name) for name in product.input_names]
        #: The values of fields that are left out; one that must be said is of no type that is accepted.
        self.absent = product.absent_inputs
        self.field_names = frozenset(self.fields)
        #: None: a single column, for which itemgetter returns no tuple.
        self.pick = itemgetter(*self.fields) if len(self.fields) > 1 else None
        types = [input_fields[field].type for field in self.fields]
        #: The columns of numbers, and those of numbers or null: checked together, as there may be tens of them.
        self.numbers = [
            NumberColumns(places, allowed, len(types))
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

    def instance(self, features: object) -> list[object]:
        """The values of the inputs in their order. Raises NotEligible."""
        if type(features) is not dict:
            raise NotEligible
        values = self.values(features)
        for columns in self.numbers:
            columns.coerce(values)
        for place, coerce in self.coerced:
            values[place] = coerce(values[place])
        return values

    def values(self, features: dict[str, object]) -> list[object]:
        """The values in the inputs' order, with those of `absent`. Raises NotEligible if a field is unknown."""
        if self.pick and len(features) == len(self.fields):
            try:
                return list(self.pick(features))  # all of them and no others, as usual
            except KeyError:
                pass
        if not features.keys() <= self.field_names:
            raise NotEligible
        return list(map(features.get, self.fields, self.absent))

    def request(
        self, features: object, entity: object = ABSENT, reference: object = ABSENT, path: Path = ()
    ) -> PredictionRequest:
        """The request of the arguments of `predict`. Raises NotEligible."""
        return PredictionRequest(
            self.instance(features), optional_text(entity), optional_text(reference), path
        )

    def row(self, row: object, path: Path) -> PredictionRequest:
        """The request of an item of `predictMany`. Raises NotEligible."""
        if type(row) is not dict or not row.keys() <= {"features", "entity", "reference"}:
            raise NotEligible
        return self.request(row.get("features"), row.get("entity"), row.get("reference"), path)


def entity_request(key: object, path: Path) -> PredictionRequest:
    """The request of the argument of `predictFor`, or of an item of `predictForMany`. Raises NotEligible."""
    return PredictionRequest(entity=text(key), path=path)


def items(value: object) -> Sequence[object]:
    """The items of a list, at most MAX_ROWS. Raises NotEligible."""
    if type(value) is not list or len(value) > limits.MAX_ROWS:
        raise NotEligible
    return value


def optional_text(value: object) -> str | None:
    """A text; None if it is null or absent. Raises NotEligible."""
    return None if value is ABSENT or value is None else text(value)


def text(value: object) -> str:
    """A text without the NUL character. Raises NotEligible."""
    if type(value) is not str or "\0" in value:
        raise NotEligible
    return value


def coercer(type_: GraphQLInputType) -> Coerce:
    """The coercion of a field of this type."""
    coerce = leaf_coercer(cast(GraphQLLeafType, get_nullable_type(type_)))
    nullable = not is_non_null_type(type_)

    def coerce_optional(value: object) -> object:
        if value is not None:
            return coerce(value)
        if nullable:
            return None
        raise NotEligible

    return coerce_optional


def leaf_coercer(type_: GraphQLLeafType) -> Coerce:
    """The coercion of a scalar or an enum."""
    if isinstance(type_, CustomGraphQLEnumType):
        return enum_coercer(type_)
    if type_.name == "String":
        return text
    coerce = cast(Coerce, type_.coerce_input_value)

    def coerce_leaf(value: object) -> object:
        try:
            return coerce(value)
        except (ExemplarError, GraphQLError, ValueError, TypeError, ArithmeticError, RecursionError):
            raise NotEligible from None

    return coerce_leaf if type_.name != "Int" else int_coercer(coerce_leaf)


def int_coercer(coerce: Coerce) -> Coerce:
    """The coercion of GraphQL's Int; `coerce` takes the numbers that are written otherwise, as 1.0."""

    def coerce_int(value: object) -> object:
        return value if type(value) is int and GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT else coerce(value)

    return coerce_int


def enum_coercer(type_: CustomGraphQLEnumType) -> Coerce:
    """The coercion of an enum: from a member's name to its value."""
    values = {name: type_.coerce_input_value(name).value for name in type_.values}

    def coerce_enum(value: object) -> object:
        if type(value) is not str or value not in values:
            raise NotEligible
        return values[value]

    return coerce_enum
