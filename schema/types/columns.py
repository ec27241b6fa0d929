"""Feature columns of a product, and the values that a column or a label can take."""

from collections.abc import Mapping
from typing import Any

import strawberry
from strawberry.scalars import JSON

from store.access.permissions import Permission
from store.exceptions import BadInput
from store.products import forms
from store.products.columns import TypedColumn
from store.products.features import Feature as FeatureColumn
from store.products.product import DataProduct
from store.registry import served_choices
from store.snapshots.typical import TypicalValues

from ..core import ids, names
from ..core.context import Info
from ..core.enums import FeatureKind
from .nodes import ID, Node


@strawberry.type(description="A value that a category or a label can take.")
class Choice:
    name: str = strawberry.field(description="The enum member that stands for the value in queries.")
    value: str = strawberry.field(description="The value in the database, as text.")
    title: str = strawberry.field(description="The value's name for people: show it in forms.")

    @classmethod
    def list_all(cls, product: DataProduct, column: str = served_choices.LABEL) -> "list[Choice]":
        """The declared choices of a label or a feature, in order."""
        choices = served_choices.list_named(product, column)
        return [cls(name=c.name, value=c.text, title=c.title) for c in choices if c.declared]


def find_column(product: DataProduct, feature: str) -> FeatureColumn:
    """Find a feature by the name of its field, or of its column. Raises BadInput."""
    by_name = {names.field(column.name): column for column in product.declared_columns}
    by_name |= {column.name: column for column in product.columns}
    if feature not in by_name:
        fields = ", ".join(names.field(column.name) for column in product.declared_columns)
        message = f"{product} has no feature {feature!r}: it has {fields}."
        raise BadInput(message, argument=("feature",))
    return by_name[feature]


def as_input(product: DataProduct, column: TypedColumn, value: Any) -> Any:
    """A validated value as a client sends it in the variables of a request: JSON, a choice by its name."""
    if not column.choices or value is None:
        return column.field_kind.serialize(value)
    choices = served_choices.list_named(product, column.name)
    return next((choice.name for choice in choices if choice.text == str(value)), None)


def inputs_as_json(product: DataProduct, features: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs among validated features, as a client sends them; those that are null and may be left out are."""
    values = {column: as_input(product, column, features.get(column.name)) for column in product.inputs}
    return {
        names.field(column.name): value
        for column, value in values.items()
        if value is not None or column.required
    }


@strawberry.type(
    description="Where nine tenths of a feature's values lie: numbers, or for dates and times days since 1970-01-01."
)
class TypicalRange:
    low: float = strawberry.field(description="The quantile 0.05: a twentieth of the values is smaller.")
    median: float = strawberry.field(description="The quantile 0.5: half of the values are smaller.")
    high: float = strawberry.field(description="The quantile 0.95: a twentieth of the values is greater.")


@strawberry.type(description="One column that models learn from, with everything that its form field needs.")
class Feature(Node):
    id: strawberry.ID = strawberry.field(description=ID)
    name: str = strawberry.field(description="The field's name in the product's inputs and instances.")
    column: str = strawberry.field(description="The column's name in the product's declaration.")
    kind: FeatureKind = strawberry.field(description="The kind of its values.")
    title: str = strawberry.field(description="The label of its form field.")
    description: str | None = strawberry.field(
        description="Help text for the form field; null if none is declared."
    )
    unit: str | None = strawberry.field(description="The unit of its values; null if none is declared.")
    required: bool = strawberry.field(
        description="True if its value may not be left out; it may be null only where the type of the input allows it."
    )
    computed_from: list[str] | None = strawberry.field(
        description="The fields of the input from which it is computed: it is shown with the features that were "
        "predicted from, and no input. Null if it is an input itself."
    )
    minimum: float | None = strawberry.field(
        description="The smallest value that is accepted; null if none is declared."
    )
    maximum: float | None = strawberry.field(
        description="The greatest value that is accepted; null if none is declared."
    )
    earliest: str | None = strawberry.field(
        description="The first day or moment that is accepted, as the input takes it; null if none is declared, and "
        "for other kinds. One that is computed, as today, is so at each request."
    )
    latest: str | None = strawberry.field(
        description="The last day or moment that is accepted, as `earliest`."
    )
    choices: list[Choice] | None = strawberry.field(
        description="The values of a category in declared order; null for all other kinds."
    )

    position: int = strawberry.field(
        description="Its place in the product's declaration, from 0: the order in which a form shows the features."
    )
    group: str = strawberry.field(
        description="The title of the group of fields that it stands in: as declared, else the table it comes from."
    )
    step: float | None = strawberry.field(
        description="The distance between two numbers that a form offers, as declared, else by the column's digits. "
        "Null if any number will do, and for other kinds."
    )
    default: JSON | None = strawberry.field(
        description="The value that a new form has, as the input takes it; null if there is none."
    )
    product: strawberry.Private[DataProduct]
    declared: strawberry.Private[FeatureColumn]
    typical: strawberry.Private[TypicalValues]

    @strawberry.field(
        description="A value to show as an example, as the input takes it: the declared one, else for callers with the "
        "permission VIEW that of a typical row which the champion has learned from. Null if there is none."
    )
    def example(self, info: Info) -> JSON | None:
        example = self.product.form_field(self.declared.name).example
        if example is not None:
            return as_input(self.product, self.declared, self.declared.clean(example))
        may_view = info.context.actor.may(Permission.VIEW, self.product.name)
        value = self.typical.example.get(self.declared.name) if may_view else None
        return as_input(self.product, self.declared, value)

    @strawberry.field(
        description="Where nine tenths of its values lie in the snapshot that the champion has learned from. Null for "
        "kinds without an order, without a champion, and for callers without the permission VIEW."
    )
    def typical_range(self, info: Info) -> TypicalRange | None:
        may_view = info.context.actor.may(Permission.VIEW, self.product.name)
        values = self.typical.ranges.get(self.declared.name) if may_view else None
        return values and TypicalRange(**values._asdict())

    @classmethod
    def list_all(cls, product: DataProduct) -> "list[Feature]":
        """The features of a product in the order of their declaration."""
        typical = TypicalValues(product)
        columns = enumerate(product.declared_columns)
        return [cls._from_column(product, column, place, typical) for place, column in columns]

    @classmethod
    def find(cls, product: DataProduct, column: str) -> "Feature | None":
        """The feature of a column; None if the product has none of this name."""
        return next((each for each in cls.list_all(product) if each.column == column), None)

    @classmethod
    def _from_column(
        cls, product: DataProduct, column: FeatureColumn, position: int, typical: TypicalValues
    ) -> "Feature":
        assert column.kind is not None
        low, high = column.declared_limits
        earliest, latest = (None if limit is None else limit.isoformat() for limit in column.moment_limits)
        return cls(
            id=ids.feature_id(product, column),
            name=names.field(column.name),
            column=column.name,
            kind=column.kind.learned_as,
            title=column.title,
            description=column.description,
            unit=column.unit,
            required=column.required,
            computed_from=list(map(names.field, column.computation.inputs)) if column.computation else None,
            minimum=None if low is None else float(low),
            maximum=None if high is None else float(high),
            earliest=earliest,
            latest=latest,
            choices=Choice.list_all(product, column.name) if column.choices else None,
            position=position,
            group=forms.find_group(product, column),
            step=forms.find_step(product, column),
            default=as_input(product, column, forms.find_default(product, column)),
            product=product,
            declared=column,
            typical=typical,
        )
