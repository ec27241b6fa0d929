"""Making types at start-up: names, annotations, and a place where they find each other."""

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from functools import cached_property
from math import isfinite
from typing import Annotated, Any

import strawberry
from django.db import models as django

from learning.dataset import Kind
from store.products.columns import Choice
from store.products.features import Feature
from store.products.product import DataProduct

from ..core import names
from ..core.scalars import BigInt
from ..types.nodes import UNSET
from . import namespace

PLAIN: dict[Kind, Any] = {
    Kind.NUMBER: float,
    Kind.INTEGER: int,
    Kind.BOOLEAN: bool,
    Kind.DATE: datetime.date,
    Kind.DATETIME: datetime.datetime,
    Kind.TEXT: str,
}


@dataclass
class ProductTypes:
    """The types of one product, filled in the order in which they need each other."""

    product: DataProduct
    prefix: str
    #: Of the label and of each category: the enum, by column name; "" is the label's.
    enums: dict[str, Any] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, suffix: str) -> Any:
        """The type called prefix + `suffix`."""
        try:
            return self.made[suffix]
        except KeyError:
            raise AttributeError(suffix) from None

    @property
    def label(self) -> Any:
        """What an answer or a label is: the enum, or a number."""
        return self.enums.get("", float)

    @property
    def label_name(self) -> str:
        """What a label is called: a class has a label, a number is a value."""
        return "label" if self.product.labels else "value"

    @cached_property
    def labels(self) -> dict[str | None, Any]:
        """The members of the label's enum by the text that is stored."""
        return {str(member.value): member for member in self.enums[""]}

    @cached_property
    def shows(self) -> dict[str, Callable[[Any], Any]]:
        """By column, what types a value for the API."""
        return {column.name: self._shower(column) for column in self.product.columns}

    def _shower(self, column: Feature) -> Callable[[Any], Any]:
        """A category's value becomes its enum's member: null where that is no longer declared."""
        if column.kind is Kind.CATEGORY:
            return {member.value: member for member in self.enums[column.name]}.get
        return finite

    def lazy(self, suffix: str) -> Any:
        """A type that is made later."""
        return Annotated[self.prefix + suffix, strawberry.lazy("schema.products.namespace")]

    def enum(self, column: str, suffix: str, choices: tuple[Choice, ...], description: str) -> None:
        members = Enum(self.prefix + suffix, {name: c.value for name, c in names.members(choices).items()})  # type: ignore[misc]
        self.enums[column] = self._keep(suffix, strawberry.enum(members, description=description))

    def make(
        self,
        kind: Callable[..., Any],
        suffix: str,
        fields: Mapping[str, Any],
        bases: tuple[type, ...] = (),
        **options: Any,
    ) -> Any:
        """A type whose fields are resolvers, or pairs of an annotation and a `strawberry.field(…)`, by name.

        It is made by `type`, not by a class statement: two of those in one function would have one name, and then
        Strawberry loses one of them.
        """
        name = self.prefix + suffix
        pairs = {key: given for key, given in fields.items() if isinstance(given, tuple)}
        body: dict[str, Any] = {key: given[1] if key in pairs else given for key, given in fields.items()}
        body["__annotations__"] = {key: annotation for key, (annotation, _) in pairs.items()}
        body["__module__"] = namespace.__name__
        return self._keep(suffix, kind(type(name, bases, body), name=name, **options))

    def _keep(self, suffix: str, made: Any) -> Any:
        self.made[suffix] = made
        setattr(namespace, self.prefix + suffix, made)
        return made

    def annotation(self, column: Feature) -> Any:
        """The Python type that stands for a column's GraphQL type, without null."""
        if column.kind is Kind.CATEGORY:
            return self.enums[column.name]
        if isinstance(column.field, django.DecimalField):
            return Decimal
        if isinstance(column.field, django.BigIntegerField | django.PositiveBigIntegerField):
            return BigInt
        assert column.kind is not None
        return PLAIN[column.kind]


def finite(value: Any) -> Any:
    """Null where it is no number."""
    return None if isinstance(value, float) and not isfinite(value) else value


def category_suffix(column: str) -> str:
    """What the enum of a category is called, behind the product's prefix."""
    return names.prefix(column)


def described(column: Feature) -> str | None:
    """The column's help text, with its range where that says something."""
    low, high = column.declared_limits
    named = (("at least", low), ("at most", high))
    limits = [f"{words} {limit:g}" for words, limit in named if limit is not None]
    sentences = [re.sub(r"([^.])$", r"\1.", column.help_text)] if column.help_text else []
    if limits:
        sentences.append(f"{' and '.join(limits).capitalize()}.")
    return " ".join(sentences) or None


def values(features: Any) -> dict[str, Any]:
    """An input of features by column name, without what was left out; enum members as their values."""
    found = {name: value for name, value in vars(features).items() if value is not UNSET}
    return {name: value.value if isinstance(value, Enum) else value for name, value in found.items()}
