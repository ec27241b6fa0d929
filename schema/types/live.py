"""Events of live lists: a prediction or a feedback was stored, a product has changed."""

from typing import Any

import strawberry

from store import models
from store.products import catalogue
from store.products.product import DataProduct as DeclaredProduct
from store.runtime.live_rows import LiveRow
from store.runtime.product_changes import ChangedProduct

from ..core.enums import ProductChange
from .nodes import Edge, Node
from .prediction_interfaces import Feedback, Prediction, edge_of
from .products import DataProduct

CURSOR = "The event's position: pass it as `after` to continue behind it."


def cursor_field() -> Any:
    """Build the field of an event's cursor."""
    return strawberry.field(resolver=lambda self: self.cursor, description=CURSOR)


def product_of_row() -> Any:
    """Build the field of the product of a stored row."""

    def product(self: LiveRow) -> DeclaredProduct:
        return catalogue.get(self.row.product)

    return strawberry.field(
        resolver=product, graphql_type=DataProduct, description="The product of the list."
    )


@strawberry.type(description="A prediction was stored for the first time.")
class PredictionStored:
    cursor: str = cursor_field()
    product: DataProduct = product_of_row()

    @strawberry.field(graphql_type=Prediction, description="The prediction: its `id` says if it came before.")
    def prediction(self: LiveRow) -> models.Prediction:
        prediction: models.Prediction = self.row
        return prediction

    @strawberry.field(
        graphql_type=Edge[Prediction],
        description="The prediction's edge in the list of all predictions, newest first.",
    )
    def prediction_edge(self: LiveRow) -> object:
        return edge_of(self.row)

    is_type_of = Node.is_type_of


@strawberry.type(description="An author gave feedback.")
class FeedbackGiven:
    cursor: str = cursor_field()
    product: DataProduct = product_of_row()

    @strawberry.field(graphql_type=Feedback, description="The feedback: its `id` says if it came before.")
    def feedback(self: LiveRow) -> models.Feedback:
        feedback: models.Feedback = self.row
        return feedback

    is_type_of = Node.is_type_of


@strawberry.type(
    description="A product has changed: select fields of it to keep them current in the client's cache."
)
class ProductChanged:
    cursor: str = cursor_field()

    @strawberry.field(graphql_type=DataProduct, description="The product as it is now.")
    def product(self: ChangedProduct) -> DeclaredProduct:
        return self.product

    @strawberry.field(description="What has changed since the event before, or may have.")
    def changes(self: ChangedProduct) -> list[ProductChange]:
        return [change for change in ProductChange if change in self.changes]

    is_type_of = Node.is_type_of
