"""Examples of a product: feature sets of typical rows."""

import strawberry

from store.products.product import DataProduct
from store.snapshots import typical
from store.snapshots.typical import DEFAULT_EXAMPLES, TypicalValues

from ..types.columns import inputs_as_json
from ..types.examples import Example, FirstExamples
from .outputs import Fields, label_of
from .type_factory import ProductTypes, list_of


def example_fields(t: ProductTypes) -> Fields:
    """Build the type of examples, and the product's field that lists them."""
    _make_example(t)

    @strawberry.field(
        graphql_type=list_of(t.Example) | None,
        description="The features of typical rows that the champion has learned from, the labels in turn: values to "
        "fill a form with. Only of rows that there still are and the caller may see; empty without a champion.",
    )
    def examples(self: DataProduct, first: FirstExamples = DEFAULT_EXAMPLES) -> list[object]:
        return [_example(t, example) for example in TypicalValues(self).examples(first)]

    return {"examples": examples}


def _example(t: ProductTypes, example: typical.Example) -> object:
    label = {t.label_name: label_of(t, example.label)} if t.product.learns_from_labels else {}
    inputs = inputs_as_json(t.product, example.features)
    return t.Example(inputs=inputs, features=example.features, **label)


def _make_example(t: ProductTypes) -> None:
    fields: Fields = {
        "features": (t.Instance, strawberry.field(description="The features, with those that are computed."))
    }
    if t.product.learns_from_labels:
        fields[t.label_name] = (
            t.label | None,
            strawberry.field(description="The label of the row; null if it has none."),
        )
    t.make(
        strawberry.type,
        "Example",
        fields,
        f"The features of a typical row of {t.product}, to fill a form with.",
        (Example,),
    )
