"""The object of a product in the query: predict, and read what was predicted."""

from typing import Annotated, Any

import strawberry

from learning.exceptions import ExemplarError
from store import models
from store.db.pagination import Page, PageRequest
from store.entities import entities
from store.entities.entities import Entity as EntityRow
from store.products.limits import check_size
from store.products.product import DataProduct
from store.serving import champions, predict
from store.serving.predict import Path, PredictionRequest

from ..compiled import WRITES
from ..core.context import Info
from ..types.list_filters import FeedbackFilter, FeedbackOrder, Filter, OrderBy
from ..types.nodes import UNSET, list_field, unset_to_none
from ..types.prediction_interfaces import EntityOrder, feedback_page
from ..types.products import DataProduct as Product
from ..types.products import Key
from .charts import chart_fields
from .examples import example_fields
from .filters import entity_page, matching
from .generic_lists import generic_lists
from .label_queue import label_queue_fields
from .outputs import Fields, Order, prediction_page, readable
from .type_factory import ProductTypes, column_values, list_of

Entity = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="The primary key of the row that the prediction is about, if there is one."
    ),
]
Reference = Annotated[
    str | None,
    strawberry.argument(
        description="The caller's own name for the subject if it has no row: an order, a session, a form. Feedback can "
        "refer to it."
    ),
]


def make_query(t: ProductTypes) -> None:
    """Build the product's object type."""
    t.make(
        strawberry.type,
        "Product",
        _predict_fields(t) | _read_fields(t) | generic_lists() | example_fields(t) | chart_fields(t),
        t.product.description or f"The data product {t.product}.",
        (Product,),
    )


def champion(info: Info, product: DataProduct) -> champions.Champion:
    """The champion for this request: the same for all of its fields, even if another version is promoted."""
    pins = info.context.pins
    if product.name not in pins:
        pins[product.name] = champions.get_champion(product)
    return pins[product.name]


def request_of(
    product: DataProduct, features: Any, entity: Any, reference: Any, path: Path = ()
) -> PredictionRequest:
    """The request of typed inputs, which stand at `path` in the client's input."""
    instance = product.instance(column_values(product, features))
    return PredictionRequest(instance, unset_to_none(entity), unset_to_none(reference), path)


def _predict_fields(t: ProductTypes) -> Fields:
    @strawberry.field(
        description="Predict from features, and store the prediction. The same features, subject and model version are "
        "one prediction, however often it is requested. The subject is the entity, else the reference, else the "
        "features themselves.",
        graphql_type=t.Prediction | None,
        metadata=WRITES,
    )
    def predict_(
        self: DataProduct,
        info: Info,
        features: Annotated[
            object,
            strawberry.argument(graphql_type=t.Features, description="The features to predict from."),
        ],
        entity: Entity = UNSET,
        reference: Reference = UNSET,
    ) -> models.Prediction:
        return predict.predict_one(champion(info, self), request_of(self, features, entity, reference))

    @strawberry.field(
        description="Predict from the row with this primary key, as the tables have it now, and store the prediction.",
        graphql_type=t.Prediction | None,
        metadata=WRITES,
    )
    def predict_for(self: DataProduct, info: Info, entity: Key) -> models.Prediction:
        request = PredictionRequest(entity=entity, path=("entity",))
        return predict.predict_one(champion(info, self), request)

    @strawberry.field(
        description="Predict many items at once, and store the predictions. The list has one place for each item, in "
        "order; null for an item that was refused, with an error whose path ends in the item's index.",
        graphql_type=list_of(t.Prediction | None) | None,
        metadata=WRITES,
    )
    def predict_many(
        self: DataProduct,
        info: Info,
        rows: Annotated[
            list[Any],
            strawberry.argument(
                graphql_type=list_of(t.PredictInput), description="The items to predict, at most 10,000."
            ),
        ],
    ) -> list[models.Prediction | ExemplarError]:
        pinned = champion(info, self)
        check_size(rows, "rows")
        requests = [
            request_of(self, row.features, row.entity, row.reference, ("rows", place))
            for place, row in enumerate(rows)
        ]
        return predict.predict(pinned, requests)

    @strawberry.field(
        description="Predict from many rows of the tables, and store the predictions. The list has one place for each "
        "key, as `predictMany` has.",
        graphql_type=list_of(t.Prediction | None) | None,
        metadata=WRITES,
    )
    def predict_for_many(
        self: DataProduct,
        info: Info,
        entities: Annotated[
            list[strawberry.ID],
            strawberry.argument(description="The primary keys of the rows, at most 10,000."),
        ],
    ) -> list[models.Prediction | ExemplarError]:
        pinned = champion(info, self)
        check_size(entities, "entities")
        requests = [
            PredictionRequest(entity=key, path=("entities", place)) for place, key in enumerate(entities)
        ]
        return predict.predict(pinned, requests)

    return {
        "predict": predict_,
        "predict_for": predict_for,
        "predict_many": predict_many,
        "predict_for_many": predict_for_many,
    }


def _read_fields(t: ProductTypes) -> Fields:
    @list_field(
        t.Prediction,
        description="The stored predictions that match the filter, newest first unless `orderBy` says otherwise.",
    )
    def predictions(
        self: DataProduct,
        info: Info,
        page: PageRequest,
        filter: Annotated[
            object,
            strawberry.argument(
                graphql_type=t.PredictionFilter | None,
                description="The predictions to list. Leave it out for all.",
            ),
        ] = UNSET,
        order_by: Order = UNSET,
    ) -> Page[models.Prediction]:
        rows = readable(matching(self, filter), info.context.actor, self.name)
        return prediction_page([rows], order_by, page)

    @strawberry.field(
        graphql_type=t.Entity | None, description="The row with this primary key; null if there is none."
    )
    def entity(self: DataProduct, key: Key) -> EntityRow | None:
        return entities.find(self, [key]).get(key)

    @list_field(
        t.Entity,
        description="The rows that match the filter, in the order of their primary keys unless `orderBy` says "
        "otherwise.",
    )
    def entities_(
        self: DataProduct,
        page: PageRequest,
        filter: Annotated[
            object,
            strawberry.argument(
                graphql_type=t.EntityFilter | None, description="The rows to list. Leave it out for all."
            ),
        ] = UNSET,
        order_by: Annotated[
            EntityOrder | None,
            strawberry.argument(description="The order. Leave it out for that of the primary keys."),
        ] = UNSET,
    ) -> Page[EntityRow]:
        return entity_page(self, filter, order_by or EntityOrder(), page)

    return {"predictions": predictions, "entity": entity, "entities": entities_} | (
        _feedback_field(t) | label_queue_fields(t) if t.product.learns_from_labels else {}
    )


def _feedback_field(t: ProductTypes) -> Fields:
    @list_field(
        t.Feedback,
        description="The feedback on the product, newest first unless `orderBy` says otherwise.",
    )
    def feedback(
        self: DataProduct,
        page: PageRequest,
        filter: Filter[FeedbackFilter] = UNSET,
        order_by: OrderBy[FeedbackOrder] = UNSET,
    ) -> Page[models.Feedback]:
        return feedback_page([self], filter, order_by, page)

    return {"feedback": feedback}
