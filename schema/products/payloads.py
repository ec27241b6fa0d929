"""Fields that the payloads of a product's mutations share."""

import strawberry

from store.products.product import DataProduct

from ..compiled import LOCAL
from .type_factory import ProductTypes


def product_field(t: ProductTypes) -> object:
    """Build the field of the product, with whose fields a client follows what has changed in it."""

    @strawberry.field(
        graphql_type=t.Product, description="The product, as it is now.", metadata={LOCAL: True}
    )
    def product(self: object) -> DataProduct:
        return t.product

    return product
