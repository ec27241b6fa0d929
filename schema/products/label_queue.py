"""Label queue of a product: the type of a place in it, and the list of what to label next."""

import strawberry

from store import models
from store.db.pagination import Page, PageRequest
from store.entities.entities import Entity as EntityRow
from store.products.product import DataProduct
from store.serving.label_queue import MOST

from ..types.label_candidates import ITS_ENTITY, NEWEST_PREDICTION, LabelCandidate
from ..types.nodes import list_field
from .outputs import Fields, Label, label_of
from .type_factory import ProductTypes

NEXT_TO_LABEL = (
    "What has no label yet, in the order in which labels would teach most: what the model is uncertain of, with few "
    f"that are alike among the first; at most {MOST}. The order is made anew as labels and predictions arrive; a "
    "cursor goes on in its own. What has got a label is left out at once, and so is what the caller has labelled."
)


def label_queue_fields(t: ProductTypes) -> Fields:
    """Build the type of a place in the order, and the product's list of them."""
    t.make(
        strawberry.type,
        "LabelCandidate",
        _candidate_fields(t),
        f"A place in the order in which to label what of {t.product} has no label.",
        (LabelCandidate,),
    )

    @list_field(t.LabelCandidate, description=NEXT_TO_LABEL)
    def next_to_label(self: DataProduct, page: PageRequest) -> Page[models.LabelCandidate]:
        return models.LabelCandidate.objects.page(self, page)

    return {"next_to_label": next_to_label}


def _candidate_fields(t: ProductTypes) -> Fields:
    @strawberry.field(graphql_type=t.lazy("Product"), description="The data product it belongs to.")
    def product_field(self: object) -> DataProduct:
        return t.product

    @strawberry.field(
        graphql_type=t.Prediction | None,
        description=NEWEST_PREDICTION,
    )
    def prediction(self: models.LabelCandidate) -> models.Prediction | None:
        return self.find_prediction()

    @strawberry.field(
        graphql_type=t.Entity | None,
        description=ITS_ENTITY,
    )
    def entity(self: models.LabelCandidate) -> EntityRow | None:
        return self.find_entity()

    @strawberry.field(
        graphql_type=t.label | None,
        description="The answer that the version has predicted; null while no version serves.",
    )
    def label(self: models.LabelCandidate) -> Label:
        return label_of(t, self.answer)

    return {
        "product": product_field,
        "prediction": prediction,
        "entity": entity,
        t.label_name: label,
    }
