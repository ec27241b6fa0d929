"""Reading: JSON as clients send it becomes what a model is asked, checked on the way as the ordinary way checks it."""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLError, GraphQLSchema, get_nullable_type

from learning.exceptions import ExemplarError, InvalidValue
from store.predictions.predictions import Question, checked_name
from store.products import limits
from store.products.features import Feature
from store.products.product import DataProduct

from ..core import names
from .arguments import ABSENT

Read = Callable[[Any], Any]

#: Of an enum's members by name, of what is no member.
NO_MEMBER: Any = object()


class NotEligible(Exception):
    """The input is not the usual: the ordinary way takes it, or says what is wrong with it."""


class InputReader:
    """What a product takes."""

    def __init__(self, schema: GraphQLSchema, product: DataProduct):
        self.product = product
        fields: Any = schema.type_map[f"{names.prefix(product.name)}Features"].fields  # type: ignore[attr-defined]
        self.columns = [
            (name, reader(column, get_nullable_type(fields[name].type)))
            for column in product.columns
            for name in [names.field(column.name)]
        ]
        self.known = frozenset(name for name, _ in self.columns)

    def instance(self, given: Any) -> list[Any]:
        """A cleaned instance. Raises Unusual."""
        if type(given) is not dict or not given.keys() <= self.known:
            raise NotEligible
        try:
            return [read(given.get(name)) for name, read in self.columns]
        except InvalidValue:
            raise NotEligible from None

    def question(self, features: Any, entity: Any = ABSENT, reference: Any = ABSENT) -> Question:
        """Raises Unusual. Whether the entity exists is not known yet, where that matters."""
        return Question(self.instance(features), self.entity(entity), self.reference(reference))

    def row(self, given: Any) -> Question:
        """An item of `predictMany`. Raises Unusual."""
        if type(given) is not dict or not given.keys() <= {"features", "entity", "reference"}:
            raise NotEligible
        return self.question(**{"features": None} | given)

    def entity(self, given: Any) -> str | None:
        if given is ABSENT or given is None:
            return None
        if self.product.writable and not self.product.is_key(text(given)):
            raise NotEligible
        return text(given)

    def reference(self, given: Any) -> str | None:
        if given is ABSENT or given is None:
            return None
        try:
            return checked_name(text(given), ())
        except ExemplarError:
            raise NotEligible from None


def listed(given: Any, read: Read) -> list[Any]:
    """The items of a list, each as `read` gives it. Raises Unusual."""
    if type(given) is not list or len(given) > limits.MAX_ROWS:
        raise NotEligible
    return [read(item) for item in given]


def text(given: Any) -> str:
    if type(given) is not str or "\0" in given:
        raise NotEligible
    return given


def reader(column: Feature, type_: Any) -> Read:
    """From JSON to a cleaned value; raises Unusual."""
    if column.choices:
        read = category(column)
    else:
        assert column.kind is not None
        read = column.kind.json_reader(column) or cautious(column, type_)
    return optional(read) if column.nullable else read


def optional(read: Read) -> Read:
    return lambda given: None if given is None else read(given)


def category(column: Feature) -> Read:
    values = {name: column.by_text[choice.text] for name, choice in names.members(column.choices).items()}

    def read(given: Any) -> Any:
        value = values.get(given, NO_MEMBER) if type(given) is str else NO_MEMBER
        if value is NO_MEMBER:
            raise NotEligible
        return value

    return read


def cautious(column: Feature, type_: Any) -> Read:
    """By the type's own coercion and the column's own check."""

    def read(given: Any) -> Any:
        if given is None:
            raise NotEligible
        try:
            return column.clean(type_.coerce_input_value(given))
        except (ExemplarError, GraphQLError, ValueError, TypeError, ArithmeticError):
            raise NotEligible from None

    return read
