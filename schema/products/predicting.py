"""Mutations of a product that predict, as the fields of its query do, with payloads that caches can follow."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry

from learning.exceptions import ExemplarError
from store import models
from store.products.limits import check_size
from store.serving import predict
from store.serving.predict import PredictionRequest

from ..compiled import LOCAL
from ..core import names
from ..core.context import Info
from ..core.mutation import mutation
from ..types.prediction_interfaces import edge_of
from .inputs import required
from .outputs import Fields
from .payloads import product_field
from .queries import champion, request_of
from .type_factory import ProductTypes, edge_type, list_of

#: The mutations by the ends of their names: those of the query's fields.
PREDICTING = ("predict", "predict_for", "predict_many", "predict_for_many")

#: The predictions of a mutation of many items, and the errors of those that were refused.
Items = list[models.Prediction | ExemplarError]


def make_predicting(t: ProductTypes) -> Fields:
    """Build the mutation fields by name, with their inputs and payloads."""
    _make_inputs(t)
    for suffix in PREDICTING:
        _make_payload(t, suffix, _fields_of_many(t) if suffix.endswith("_many") else _fields_of_one(t))
    fields = _single_fields(t) | _many_fields(t)
    return {f"{t.product.name}_{suffix}": field for suffix, field in fields.items()}


def _make_inputs(t: ProductTypes) -> None:
    inputs: dict[str, dict[str, tuple[object, object]]] = {
        "predict_for": {"entity": (strawberry.ID, required("The primary key of the row."))},
        "predict_many": {
            "rows": (list_of(t.PredictInput), required("The items to predict, at most 10,000."))
        },
        "predict_for_many": {
            "entities": (list[strawberry.ID], required("The primary keys of the rows, at most 10,000."))
        },
    }
    for suffix, fields in inputs.items():
        description = f"The input of `{names.field(f'{t.product.name}_{suffix}')}`."
        t.make(strawberry.input, f"{names.prefix(suffix)}Input", fields, description)


def _make_payload(t: ProductTypes, suffix: str, fields: Fields) -> None:
    description = f"The result of `{names.field(f'{t.product.name}_{suffix}')}`."
    t.make(
        strawberry.type, f"{names.prefix(suffix)}Payload", fields | {"product": product_field(t)}, description
    )


def _fields_of_one(t: ProductTypes) -> Fields:
    """Build the fields of a payload whose root is the prediction."""

    @strawberry.field(
        graphql_type=t.Prediction | None, description="The stored prediction.", metadata={LOCAL: True}
    )
    def prediction(self: models.Prediction) -> models.Prediction:
        return self

    @strawberry.field(
        graphql_type=edge_type(t.Prediction) | None,
        description="The prediction with its cursor in the list of predictions, newest first: put it there.",
        metadata={LOCAL: True},
    )
    def prediction_edge(self: models.Prediction) -> object:
        return edge_of(self)

    return {"prediction": prediction, "prediction_edge": prediction_edge}


def _fields_of_many(t: ProductTypes) -> Fields:
    """Build the fields of a payload whose root is the list of predictions and errors."""

    @strawberry.field(
        graphql_type=list_of(t.Prediction | None) | None,
        description="The stored predictions: one place for each item, in order; null for an item that was refused, "
        "with an error whose path ends in the item's index.",
    )
    def predictions(self: Items) -> Items:
        return self

    @strawberry.field(
        graphql_type=list_of(edge_type(t.Prediction) | None) | None,
        description="The predictions with their cursors in the list of predictions, newest first. The places are those "
        "of `predictions`.",
    )
    def prediction_edges(self: Items) -> Sequence[object]:
        return [item if isinstance(item, ExemplarError) else edge_of(item) for item in self]

    return {"predictions": predictions, "prediction_edges": prediction_edges}


def _single_fields(t: ProductTypes) -> Fields:
    product = t.product

    @mutation(
        "Predict from features, and store the prediction, as the product's `predict` does in a query.",
        graphql_type=t.PredictPayload | None,
    )
    def predict_(
        self: object,
        info: Info,
        input: Annotated[
            Any, strawberry.argument(graphql_type=t.PredictInput, description="The item to predict.")
        ],
    ) -> models.Prediction:
        request = request_of(product, input.features, input.entity, input.reference)
        return predict.predict_one(champion(info, product), request)

    @mutation(
        "Predict from the row with this primary key, as the tables have it now, and store the prediction.",
        graphql_type=t.PredictForPayload | None,
    )
    def predict_for(
        self: object,
        info: Info,
        input: Annotated[
            Any, strawberry.argument(graphql_type=t.PredictForInput, description="The row to predict from.")
        ],
    ) -> models.Prediction:
        request = PredictionRequest(entity=input.entity, path=("entity",))
        return predict.predict_one(champion(info, product), request)

    return {"predict": predict_, "predict_for": predict_for}


def _many_fields(t: ProductTypes) -> Fields:
    product = t.product

    @mutation(
        "Predict many items at once, and store the predictions.", graphql_type=t.PredictManyPayload | None
    )
    def predict_many(
        self: object,
        info: Info,
        input: Annotated[
            Any, strawberry.argument(graphql_type=t.PredictManyInput, description="The items to predict.")
        ],
    ) -> Items:
        pinned = champion(info, product)
        check_size(input.rows, "rows")
        requests = [
            request_of(product, row.features, row.entity, row.reference, ("input", "rows", place))
            for place, row in enumerate(input.rows)
        ]
        return predict.predict(pinned, requests)

    @mutation(
        "Predict from many rows of the tables, and store the predictions.",
        graphql_type=t.PredictForManyPayload | None,
    )
    def predict_for_many(
        self: object,
        info: Info,
        input: Annotated[
            Any,
            strawberry.argument(graphql_type=t.PredictForManyInput, description="The rows to predict from."),
        ],
    ) -> Items:
        pinned = champion(info, product)
        check_size(input.entities, "entities")
        requests = [
            PredictionRequest(entity=key, path=("input", "entities", place))
            for place, key in enumerate(input.entities)
        ]
        return predict.predict(pinned, requests)

    return {"predict_many": predict_many, "predict_for_many": predict_for_many}
