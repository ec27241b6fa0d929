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
from store.registry.retired_features import note_use
from store.serving.predict import Path, PredictionRequest

from ..core import names
from .arguments import ABSENT

#: Coerces a JSON value. Raises NotEligible.
Coerce: TypeAlias = Callable[[object], object]

#: Types of JSON that GraphQL's Float accepts; orjson accepts neither NaN nor infinity.
NUMBERS: frozenset[type] = frozenset({float, int})
#: The members of an item to predict.
ITEM_FIELDS = frozenset({"features", "entity", "reference"})


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
        #: The retired features by field, with the coercions that say whether the standard path would accept a value.
        self.retired = {
            (field := names.field(column.name)): (column.name, coercer(input_fields[field].type))
            for column in product.retired_inputs
        }
        self.product = product.name
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
            self.ignore_retired(features)
        return list(map(features.get, self.fields, self.absent))

    def ignore_retired(self, features: dict[str, object]) -> None:
        """Note the use of retired features. Raises NotEligible for a field or a value that is not accepted."""
        for field in features.keys() - self.field_names:
            if field not in self.retired:
                raise NotEligible
            name, coerce = self.retired[field]
            coerce(features[field])
            note_use(self.product, name)

    def requests(self, field: str, values: object, path: Path) -> list[PredictionRequest]:
        """The requests of a field that predicts. Raises NotEligible.

        Args:
            field: `predict`, `predictFor`, `predictMany` or `predictForMany`.
            values: the field's arguments, or its input object, which stands at `path`.
        """
        match field:
            case "predict":
                return [self.row(values, path)]
            case "predictFor":
                return [entity_request(only(values, "entity"), (*path, "entity"))]
            case "predictMany":
                rows = enumerate(items(only(values, "rows")))
                return [self.row(row, (*path, "rows", place)) for place, row in rows]
        keys = enumerate(items(only(values, "entities")))
        return [entity_request(key, (*path, "entities", place)) for place, key in keys]

    def item(self, item: object, path: Path, product: str) -> PredictionRequest:
        """The request of an item that also names this product. Raises NotEligible."""
        if type(item) is not dict or item.get("product") != product:
            raise NotEligible
        return self.row({name: value for name, value in item.items() if name != "product"}, path)

    def row(self, row: object, path: Path) -> PredictionRequest:
        """The request of one item. Raises NotEligible."""
        if type(row) is not dict or not row.keys() <= ITEM_FIELDS:
            raise NotEligible
        entity, reference = row.get("entity"), row.get("reference")
        return PredictionRequest(
            self.instance(row.get("features")), optional_text(entity), optional_text(reference), path
        )


def entity_request(key: object, path: Path) -> PredictionRequest:
    """The request of one row's key. Raises NotEligible."""
    return PredictionRequest(entity=text(key), path=path)


def only(values: object, name: str) -> object:
    """The only member of arguments or of an input object. Raises NotEligible."""
    if type(values) is not dict or values.keys() != {name}:
        raise NotEligible
    return values[name]


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
