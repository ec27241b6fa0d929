"""The object of a product in the query: predicting, and reading what was predicted."""

from typing import Any

import strawberry
from strawberry.types import Info

from store import models
from store.entities import entities
from store.products.product import DataProduct
from store.serving import champions
from store.serving.champions import PredictionRequest

from ..compiled import WRITES
from ..types.nodes import UNSET, Connection, connection, given
from ..types.prediction_interfaces import PredictionOrder, version_number
from ..types.products import DataProduct as Product
from .outputs import prediction_page
from .type_factory import ProductTypes, values


def make_query(t: ProductTypes) -> None:
    t.make(
        strawberry.type,
        "Product",
        _predicting(t) | _reading(t),
        (Product,),
        description=t.product.description or f"The data product {t.product}.",
    )


def champion(info: Info, product: DataProduct) -> champions.Champion:
    """The champion for this request: the same for all of its fields, whatever is promoted meanwhile."""
    pins = info.context.pins
    if product.name not in pins:
        pins[product.name] = champions.get_champion(product)
    pinned: champions.Champion = pins[product.name]
    return pinned


def asked(row: Any) -> PredictionRequest:
    return PredictionRequest(
        features=values(row.features), entity=given(row.entity), reference=given(row.reference)
    )


def _predicting(t: ProductTypes) -> dict[str, Any]:
    @strawberry.field(
        description="Stored before it is returned. One row for each (model, subject, features); the subject is the "
        "entity, else the reference, else nobody.",
        metadata=WRITES,
    )
    def predict(
        self: DataProduct,
        info: Info,
        features: t.Features,
        entity: strawberry.ID | None = UNSET,
        reference: str | None = UNSET,
    ) -> t.Prediction | None:
        question = PredictionRequest(
            features=values(features), entity=given(entity), reference=given(reference)
        )
        return champions.predict(champion(info, self), question)

    @strawberry.field(description="For an entity, as its tables stand.", metadata=WRITES)
    def predict_for(self: DataProduct, info: Info, entity: strawberry.ID) -> t.Prediction | None:
        return champions.predict_for(champion(info, self), entity)

    @strawberry.field(
        description="As many items as were asked for, in order; null where errors[] has a path that ends in the "
        "item's index. 10,000 at most.",
        metadata=WRITES,
    )
    def predict_many(
        self: DataProduct, info: Info, rows: list[t.PredictInput]
    ) -> list[t.Prediction | None] | None:
        return champions.predict_many(champion(info, self), [asked(row) for row in rows])

    @strawberry.field(description="As `predictMany`, for entities as their tables stand.", metadata=WRITES)
    def predict_for_many(
        self: DataProduct, info: Info, entities: list[strawberry.ID]
    ) -> list[t.Prediction | None] | None:
        return champions.predict_for_many(champion(info, self), entities)

    return {
        "predict": predict,
        "predict_for": predict_for,
        "predict_many": predict_many,
        "predict_for_many": predict_for_many,
    }


def _reading(t: ProductTypes) -> dict[str, Any]:
    @strawberry.field(description="What was predicted, newest first.")
    def predictions(
        self: DataProduct,
        first: int | None = 20,
        after: str | None = UNSET,
        filter: t.PredictionFilter | None = UNSET,
        order_by: PredictionOrder | None = UNSET,
    ) -> Connection[t.Prediction] | None:
        return prediction_page([matching(self, filter)], order_by, first, after)

    @strawberry.field(description="Null where no row has this key.")
    def entity(self: DataProduct, key: strawberry.ID) -> t.Entity | None:
        return entities.find(self, [key]).get(key)

    @strawberry.field(description="In the order of their keys.")
    def entities_(
        self: DataProduct, first: int | None = 20, after: str | None = UNSET
    ) -> Connection[t.Entity] | None:
        return connection(entities.page(self, first, after or None))

    return {"predictions": predictions, "entity": entity, "entities": entities_}


def matching(product: DataProduct, filter: Any) -> Any:
    """The predictions that a product's filter matches."""
    conditions = {name: value for name, value in vars(filter).items() if value is not UNSET} if filter else {}
    conditions["model"] = version_number(conditions.get("model"))
    if (label := conditions.pop("label", None)) is not None:
        conditions["answer"] = str(label.value)
    if (cluster := conditions.pop("cluster", None)) is not None:
        conditions["answer"] = str(cluster)
    truth = conditions.pop("truth", None)
    rows = models.Prediction.objects.matching(product, **conditions)
    return rows if truth is None else rows.with_truth(product, str(truth.value))
