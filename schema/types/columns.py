"""Feature columns of a product, and the values that a column or a label can take."""

import strawberry

from store.products.features import Feature as FeatureColumn
from store.products.product import DataProduct
from store.registry import served_choices

from ..core import ids, names
from ..core.enums import FeatureKind


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


@strawberry.type(description="One column that models learn from, with everything that its form field needs.")
class Feature:
    id: strawberry.ID = strawberry.field(
        description="An opaque id for caches. `node` does not find features."
    )
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
    choices: list[Choice] | None = strawberry.field(
        description="The values of a category in declared order; null for all other kinds."
    )

    @classmethod
    def from_column(cls, product: DataProduct, column: FeatureColumn) -> "Feature":
        """The feature of a declared column."""
        assert column.kind is not None
        low, high = column.declared_limits
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
            choices=Choice.list_all(product, column.name) if column.choices else None,
        )
