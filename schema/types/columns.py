"""A column that models learn from, and the values that it takes."""

import strawberry

import store.products.product
from store.products.columns import Choice as DeclaredChoice
from store.products.features import Feature as Column

from ..core import ids, names
from ..core.enums import FeatureKind


@strawberry.type(description="A value that a category or a label can take: `name` is the enum's member.")
class Choice:
    name: str
    value: str
    title: str

    @classmethod
    def all(cls, choices: tuple[DeclaredChoice, ...]) -> "list[Choice]":
        return [cls(name=name, value=c.text, title=c.title) for name, c in names.members(choices).items()]


@strawberry.type(
    description="One column that models learn from: enough to draw its form field. `name` is the GraphQL field, "
    "`column` the database's."
)
class Feature:
    id: strawberry.ID
    name: str
    column: str
    kind: FeatureKind
    title: str
    description: str | None
    unit: str | None
    required: bool
    minimum: float | None
    maximum: float | None
    choices: list[Choice] | None

    @classmethod
    def of(cls, product: store.products.product.DataProduct, column: Column) -> "Feature":
        low, high = column.declared_limits
        return cls(
            id=ids.of_feature(product, column),
            name=names.field(column.name),
            column=column.name,
            kind=column.kind,  # type: ignore[arg-type]
            title=column.title,
            description=column.description,
            unit=column.unit,
            required=not column.nullable,
            minimum=None if low is None else float(low),
            maximum=None if high is None else float(high),
            choices=Choice.all(column.choices) if column.choices else None,
        )
