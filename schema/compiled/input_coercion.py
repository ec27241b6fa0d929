"""Input coercion of the fast path: JSON as clients send it becomes prediction requests.

What GraphQL's types do not take raises NotEligible, and the standard path says what is wrong. What they take is
validated by the prediction service, on either path.
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

#: What GraphQL's Float takes of JSON; orjson reads no NaN and no infinity.
NUMBERS: frozenset[type] = frozenset({float, int})


class NotEligible(Exception):
    """The fast path does not take this request: the standard path answers it, or says what is wrong with it."""


class NumberColumns:
    """Columns of GraphQL's type Float, at some places of an instance."""

    def __init__(self, places: Sequence[int], allowed: frozenset[type]):
        self.places = places
        #: The types of JSON that they take.
        self.allowed = allowed
        # For a single place itemgetter returns no tuple, so that one is picked twice.
        self.pick = itemgetter(*places, places[-1])

    def coerce(self, values: list[Any]) -> None:
        """Make floats of the whole numbers among them. Raises NotEligible."""
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

    def instance(self, given: Any) -> list[Any]:
        """Features in the columns' order. Raises NotEligible."""
        if type(given) is not dict or not given.keys() <= self.known:
            raise NotEligible
        values = list(map(given.get, self.fields))
        for columns in self.numbers:
            columns.coerce(values)
        for place, coerce in self.coerced:
            values[place] = coerce(values[place])
        return values

    def request(
        self, features: Any, entity: Any = ABSENT, reference: Any = ABSENT, path: Path = ()
    ) -> PredictionRequest:
        """The arguments of `predict`. Raises NotEligible."""
        return PredictionRequest(
            self.instance(features), optional_text(entity), optional_text(reference), path
        )

    def row(self, given: Any, path: Path) -> PredictionRequest:
        """An item of `predictMany`. Raises NotEligible."""
        if type(given) is not dict or not given.keys() <= {"features", "entity", "reference"}:
            raise NotEligible
        return self.request(given.get("features"), given.get("entity"), given.get("reference"), path)


def entity_request(given: Any, path: Path) -> PredictionRequest:
    """The argument of `predictFor`, or an item of `predictForMany`. Raises NotEligible."""
    return PredictionRequest(entity=text(given), path=path)


def items(given: Any) -> Sequence[Any]:
    """The items of a list that one request may bring. Raises NotEligible."""
    if type(given) is not list or len(given) > limits.MAX_ROWS:
        raise NotEligible
    return given


def optional_text(given: Any) -> str | None:
    return None if given is ABSENT or given is None else text(given)


def text(given: Any) -> str:
    """Raises NotEligible."""
    if type(given) is not str or "\0" in given:
        raise NotEligible
    return given


def coercer(type_: Any) -> Coerce:
    """What coerces the JSON of a field of this type. It raises NotEligible."""
    coerce = coercer_of_leaf(get_nullable_type(type_))
    nullable = not is_non_null_type(type_)

    def coerce_optional(given: Any) -> Any:
        if given is not None:
            return coerce(given)
        if nullable:
            return None
        raise NotEligible

    return coerce_optional


def coercer_of_leaf(type_: Any) -> Coerce:
    if isinstance(type_, CustomGraphQLEnumType):
        return coercer_of_enum(type_)
    if type_.name == "String":
        return text
    coerce = type_.coerce_input_value

    def coerce_leaf(given: Any) -> Any:
        try:
            return coerce(given)
        except (ExemplarError, GraphQLError, ValueError, TypeError, ArithmeticError):
            raise NotEligible from None

    return coerce_leaf if type_.name != "Int" else coercer_of_int(coerce_leaf)


def coercer_of_int(coerce: Coerce) -> Coerce:
    def coerce_int(given: Any) -> Any:
        return given if type(given) is int and GRAPHQL_MIN_INT <= given <= GRAPHQL_MAX_INT else coerce(given)

    return coerce_int


def coercer_of_enum(type_: CustomGraphQLEnumType) -> Coerce:
    """From a member's name to its value."""
    values = {name: type_.coerce_input_value(name).value for name in type_.values}

    def coerce_enum(given: Any) -> Any:
        if type(given) is not str or given not in values:
            raise NotEligible
        return values[given]

    return coerce_enum
