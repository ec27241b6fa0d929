"""Values of features and answers for screens over all products: as JSON, and as people read them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import strawberry
from strawberry.scalars import JSON

from store.products.columns import TypedColumn
from store.products.features import Feature as FeatureColumn
from store.products.product import DataProduct
from store.registry import served_choices
from store.registry.served_choices import NamedChoice

from ..compiled import COLUMN, LOCAL
from ..core import names
from .columns import Feature, as_input


class Cell(NamedTuple):
    """The value of one feature of one row, as its column has it."""

    product: DataProduct
    column: FeatureColumn
    value: Any


def cells_of(product: DataProduct, features: Mapping[str, Any]) -> list[Cell]:
    """The values of a row in the order in which the features are declared."""
    return [Cell(product, column, features.get(column.name)) for column in product.declared_columns]


def find_choice(product: DataProduct, column: str, value: Any) -> NamedChoice | None:
    """Find the choice that a value of a category or of the label is; None if none has ever been served."""
    text = str(value)
    return next(
        (choice for choice in served_choices.list_named(product, column) if choice.text == text), None
    )


def text_of(product: DataProduct, column: TypedColumn, value: Any) -> str | None:
    """A value as people read it: the title of a choice, a number with its unit; None for no value."""
    if value is None or column.field_kind.is_missing(value):
        return None
    if column.choices:
        choice = find_choice(product, column.name, value)
        return choice.title if choice else str(value)
    return column.field_kind.text_for_people(value, column.unit)


def answer_as_json(product: DataProduct, answer: str | None) -> Any:
    """A stored answer as `feedback` takes it; None if it has no such form any more."""
    if answer is None:
        return None
    if product.problem.has_classes:
        choice = find_choice(product, served_choices.LABEL, answer)
        return choice.name if choice else None
    try:
        return float(answer) if product.problem.has_values else int(answer)
    except ValueError:
        return None


def answer_text(product: DataProduct, answer: str | None) -> str | None:
    """A stored answer as people read it: the title of a class, a number with its unit, the number of a cluster."""
    value = answer_as_json(product, answer)
    if answer is None or value is None:
        return answer
    if product.problem.has_classes:
        choice = find_choice(product, served_choices.LABEL, answer)
        return choice.title if choice else answer
    if product.problem.has_values:
        column = product.join.label_column
        assert column is not None
        return column.field_kind.text_for_people(product.label_of(answer), column.unit)
    return "No cluster" if value < 0 else f"Cluster {value}"


def _features_of(cells: Sequence[Cell]) -> list[Feature]:
    """The features of many values; each is made once."""
    products = {cell.product for cell in cells}
    features = {(product, each.column): each for product in products for each in Feature.list_all(product)}
    return [features[cell.product, cell.column.name] for cell in cells]


@strawberry.type(description="The value of one feature, in the same form for all products.")
class FeatureValue:
    @strawberry.field(
        description="The feature's name: that of the field in the product's own types.",
        metadata={LOCAL: True},
    )
    def name(self: Cell) -> str:
        return names.field(self.column.name)

    @strawberry.field(description="The feature that it is the value of.", metadata={COLUMN: _features_of})
    def feature(self: Cell) -> Feature:
        return _features_of([self])[0]

    @strawberry.field(
        graphql_type=JSON | None,
        description="The value as JSON, as `predict` takes it: a choice by its name, a BigInt and a Decimal as a "
        "string, a date as ISO 8601. Null if it is unknown.",
        metadata={LOCAL: True},
    )
    def value(self: Cell) -> Any:
        return as_input(self.product, self.column, self.value)

    @strawberry.field(
        description="The value as people read it: a choice by its title, a number with its unit. Null if it is "
        "unknown.",
        metadata={LOCAL: True},
    )
    def text(self: Cell) -> str | None:
        return text_of(self.product, self.column, self.value)
