"""Lists of a product in one form for all products, for screens that know no product's types."""

from store import models
from store.db.pagination import Page, PageRequest
from store.entities import entities
from store.entities.entities import Entity as EntityRow
from store.exceptions import BadInput
from store.predictions.predictions import PredictionQuerySet
from store.products.product import DataProduct

from ..core.context import Info
from ..types.label_candidates import LabelCandidate
from ..types.list_filters import FeedbackFilter, FeedbackOrder, Filter, OrderBy
from ..types.nodes import UNSET, list_field
from ..types.prediction_filters import PredictionFilter
from ..types.prediction_interfaces import Entity, Feedback, Prediction, feedback_page
from ..types.products import (
    GENERIC_ENTITIES,
    GENERIC_FEEDBACK,
    GENERIC_NEXT_TO_LABEL,
    GENERIC_PREDICTIONS,
    GenericFilter,
    GenericOrder,
)
from .outputs import Fields, prediction_page, readable


def generic_lists() -> Fields:
    """Build the fields of a product's object type: the resolvers of what the interface declares."""

    @list_field(Prediction, description=GENERIC_PREDICTIONS)
    def generic_predictions(
        self: DataProduct,
        info: Info,
        page: PageRequest,
        filter: GenericFilter = UNSET,
        order_by: GenericOrder = UNSET,
    ) -> Page[models.Prediction]:
        rows = matching_generic(self, filter or PredictionFilter())
        return prediction_page([readable(rows, info.context.actor, self.name)], order_by, page)

    @list_field(Entity, description=GENERIC_ENTITIES)
    def generic_entities(self: DataProduct, page: PageRequest) -> Page[EntityRow]:
        return entities.page(self, page)

    @list_field(Feedback, description=GENERIC_FEEDBACK)
    def generic_feedback(
        self: DataProduct,
        page: PageRequest,
        filter: Filter[FeedbackFilter] = UNSET,
        order_by: OrderBy[FeedbackOrder] = UNSET,
    ) -> Page[models.Feedback]:
        return feedback_page([self], filter, order_by, page)

    @list_field(LabelCandidate, description=GENERIC_NEXT_TO_LABEL)
    def generic_next_to_label(self: DataProduct, page: PageRequest) -> Page[models.LabelCandidate]:
        return models.LabelCandidate.objects.page(self, page)

    return {
        "generic_predictions": generic_predictions,
        "generic_entities": generic_entities,
        "generic_feedback": generic_feedback,
        "generic_next_to_label": generic_next_to_label,
    }


def matching_generic(product: DataProduct, filter: PredictionFilter) -> PredictionQuerySet:
    """The product's predictions that match a filter. Raises BadInput, UnknownId, …"""
    if filter.product not in (UNSET, None, product.name):
        message = f"These are the predictions of {product.name}: leave `product` out."
        raise BadInput(message, argument=("filter", "product"))
    return filter.rows(product)
