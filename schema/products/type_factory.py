"""Type factory: builds the GraphQL types of a product from its declaration."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from functools import cached_property
from math import isfinite
from typing import Annotated, Any, TypeVar, cast

import strawberry
from django.core.exceptions import ValidationError

from store.products.columns import TypedColumn
from store.products.product import DataProduct
from store.registry import served_choices
from store.registry.retired_features import note_use
from store.registry.served_choices import NamedChoice

from ..core import names
from ..core.enums import register_enum
from ..types.nodes import UNSET, Edge
from . import namespace

T = TypeVar("T")

#: Why members are deprecated whose value is declared no longer.
NO_CHOICE = "It is no choice any more: only older rows have it."
#: Why fields are deprecated whose feature is retired.
RETIRED = "It is no feature any more: what is given is ignored, never stored."
#: Why a feature of older predictions is deprecated.
RETIRED_VALUE = "It is no feature any more: only older predictions have it."


@dataclass
class ProductTypes:
    """The types of one product, built in the order in which they need each other."""

    product: DataProduct
    prefix: str
    #: Enums of the categories by the columns' names, and of the label under "".
    enums: dict[str, type[Enum]] = field(default_factory=dict)
    types: dict[str, type] = field(default_factory=dict)

    def __getattr__(self, suffix: str) -> type:
        """The type called prefix + `suffix`."""
        try:
            return self.types[suffix]
        except KeyError:
            raise AttributeError(suffix) from None

    @property
    def label(self) -> type:
        """The type of a label: the enum of its values, or a number."""
        return self.enums.get("", float)

    @property
    def stored_label(self) -> Any:
        """The type of a stored label: null where no enum has ever had the class, or where it is no number."""
        return self.label | None

    @property
    def label_name(self) -> str:
        """The name of a label's field: `label` for a class, `value` for a number."""
        return "label" if self.product.labels else "value"

    @cached_property
    def labels(self) -> dict[str | None, Enum]:
        """Members of the label's enum by their stored text."""
        return {member.value: member for member in self.enums[""]}

    @cached_property
    def converters(self) -> dict[str, Callable[[object], object]]:
        """By column, the function that converts a stored value for GraphQL."""
        columns = (*self.product.columns, *self.product.retired)
        return {column.name: self._converter(column) for column in columns}

    def _converter(self, column: TypedColumn) -> Callable[[object], object]:
        """A category's value becomes a member of its enum, or null if no enum has served it."""
        if not column.choices:
            return finite_or_none
        members: dict[Any, Enum] = {member.value: member for member in self.enums[column.name]}
        # A row has values as its column has them, and not as text.
        return (members | {value_of_text(column, text): member for text, member in members.items()}).get

    def lazy(self, suffix: str) -> Any:
        """A reference to a type that is built later."""
        return Annotated[self.prefix + suffix, strawberry.lazy("schema.products.namespace")]

    def enum(self, column: str, suffix: str, description: str, retired: Sequence[str] = ()) -> None:
        """Build the enum of a column's choices; `retired` are stored texts that are no longer predicted.

        Its values are the choices' texts, since two choices that are equal in Python would be one member.
        """
        choices = served_choices.list_named(self.product, column)
        enum = Enum(self.prefix + suffix, {choice.name: choice.text for choice in choices})  # type: ignore[misc]
        register_enum(
            enum,
            {choice.name: describe_choice(choice, choice.text in retired) for choice in choices},
            description,
            deprecated={choice.name: NO_CHOICE for choice in choices if not choice.declared},
        )
        self.enums[column] = self._add(suffix, enum)

    def make(
        self,
        kind: Callable[..., type],
        suffix: str,
        fields: Mapping[str, object],
        description: str,
        bases: tuple[type, ...] = (),
    ) -> None:
        """Build a type of resolvers, or pairs of an annotation and a `strawberry.field(…)`, by name.

        The class is made by `type`, not by a class statement: two of those in one function would have the same
        qualified name, and Strawberry would drop one of them.
        """
        name = self.prefix + suffix
        pairs = {key: pair for key, pair in fields.items() if isinstance(pair, tuple)}
        body: dict[str, object] = {key: pairs[key][1] if key in pairs else fields[key] for key in fields}
        body["__annotations__"] = {key: annotation for key, (annotation, _) in pairs.items()}
        body["__module__"] = namespace.__name__
        self._add(suffix, kind(type(name, bases, body), name=name, description=description))

    def _add(self, suffix: str, type_: type[T]) -> type[T]:
        self.types[suffix] = type_
        setattr(namespace, self.prefix + suffix, type_)
        return type_

    def annotation(self, column: TypedColumn) -> Any:
        """The Python type that stands for a column's GraphQL type, without null."""
        if column.choices:
            return self.enums[column.name]
        assert column.kind is not None
        return column.kind.python


def list_of(type_: object) -> Any:
    """The list type of a type that is built at start-up."""
    return cast(Any, list)[type_]


def edge_type(type_: object) -> Any:
    """The type of the edges of a list of a type that is built at start-up."""
    return cast(Any, Edge)[type_]


def finite_or_none(value: object) -> object:
    """The value; None if it is NaN or infinite."""
    return None if isinstance(value, float | Decimal) and not isfinite(value) else value


def value_of_text(column: TypedColumn, text: str) -> object:
    """The value of a choice as the column has it; the text itself if it does not fit the column any more."""
    try:
        return column.by_text[text] if text in column.by_text else column.field.to_python(text)
    except ValidationError:
        return text


def category_suffix(column: str) -> str:
    """The name of a category's enum, without the product's prefix."""
    return names.prefix(column)


def describe_column(column: TypedColumn) -> str:
    """Describe a column by its declared name, its help text with the unit, and its range."""
    declared_name = getattr(column.field, "_verbose_name", None)
    low, high = column.declared_limits
    limits = [
        f"{words} {limit:g}" for words, limit in (("at least", low), ("at most", high)) if limit is not None
    ]
    sentences = [str(declared_name or ""), column.help_text, " and ".join(limits)]
    return " ".join(map(as_sentence, filter(None, sentences))) or as_sentence(column.title)


def as_sentence(text: str) -> str:
    """The text with a capital letter and a full stop."""
    return re.sub(r"([^.?!…])$", r"\1.", text[:1].upper() + text[1:])


def describe_choice(choice: NamedChoice, retired: bool) -> str:
    """Describe an enum member by the choice's title and its stored text."""
    stored = "" if choice.text == choice.title else f" (stored as {choice.text or 'an empty text'})"
    return f"{choice.title}{stored}{': retired, only older rows have it' if retired else ''}."


def column_values(product: DataProduct, features: object) -> dict[str, object]:
    """The values of an input of features by column, enum members as their values.

    Fields that are absent are left out, and so are retired ones, whose use is noted.
    """
    values = {
        name: value.value if isinstance(value, Enum) else value
        for name, value in vars(features).items()
        if value is not UNSET
    }
    for column in product.retired_inputs:
        if column.name in values:
            note_use(product.name, column.name)
            del values[column.name]
    return values
