"""Compiled operations, which select nothing but predictions: read the variables, predict, serialize."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graphql import FieldNode, GraphQLError, GraphQLObjectType, GraphQLSchema

from learning.exceptions import ExemplarError
from store.exceptions import Overloaded
from store.predictions.predictions import Prediction
from store.predictions.upsert import ValidRequest
from store.products.product import DataProduct
from store.serving.champions import Champion, find_champion
from store.serving.dispatcher import PredictionDispatcher
from store.serving.micro_batching import MOST_WAITING
from store.serving.predict import PredictionRequest

from ..core import names
from ..core.errors import translate
from .arguments import Variables, values_of, variables_in
from .collect_fields import NotCompiled, Scope
from .input_coercion import InputReader, NotEligible, entity_request, items
from .serializers import Serialize, SerializerFactory


@dataclass(frozen=True, eq=False)
class PredictionField:
    """A field that predicts."""

    product: DataProduct
    #: The response keys that lead to it, and the nodes that were merged into it.
    path: tuple[str, str]
    nodes: Sequence[FieldNode]
    #: The requests that the field's arguments make. Raises NotEligible.
    read: Callable[[Variables], Sequence[PredictionRequest]]
    serialize: Serialize
    many: bool

    def serialized(
        self, outcome: Sequence[Prediction | ExemplarError] | Exception, errors: list[GraphQLError]
    ) -> Any:
        """Serialize the field; a refused field or item is null, and its error is appended to `errors`."""
        if isinstance(outcome, Exception):
            errors.append(self.error(outcome))
            return None
        values: list[Any] = []
        for place, prediction in enumerate(outcome):
            if isinstance(prediction, ExemplarError):
                errors.append(self.error(prediction, (place,) if self.many else ()))
                values.append(None)
            else:
                values.append(self.serialize(prediction))
        return values if self.many else values[0]

    def error(self, error: Exception, place: tuple[int, ...] = ()) -> GraphQLError:
        """Locate and translate an error as the standard path does."""
        located = GraphQLError(str(error), self.nodes, path=(*self.path, *place), original_error=error)
        translate(located)
        return located


@dataclass(frozen=True)
class Operation:
    """An operation for one set of conditions."""

    #: The data, with null where a field predicts.
    constants: Mapping[str, Any]
    predicting: Sequence[PredictionField]

    @cached_property
    def products(self) -> frozenset[DataProduct]:
        return frozenset(field.product for field in self.predicting)

    def read(self, variables: Variables) -> list[Sequence[PredictionRequest]]:
        """Read the requests of each field that predicts. Raises NotEligible."""
        return [field.read(variables) for field in self.predicting]

    async def predict(
        self,
        requests: Sequence[Sequence[PredictionRequest]],
        dispatcher: PredictionDispatcher,
        gone: Callable[[], bool],
    ) -> "list[Sequence[Prediction | ExemplarError] | Exception]":
        """Predict all fields; the outcome of each is its predictions and refusals, or the error of the whole field.

        Raises: NotEligible and Overloaded, before anything is stored.
        """
        champions = self.pin_champions()
        self.check_size(requests, champions, dispatcher)
        validated = [
            await validate(dispatcher, field.product, field_requests)
            for field, field_requests in zip(self.predicting, requests, strict=True)
        ]
        outcomes = [
            predict_field(dispatcher, champions[field.product], field_requests, gone)
            for field, field_requests in zip(self.predicting, validated, strict=True)
        ]
        if len(outcomes) == 1:
            return [await outcomes[0]]
        return list(await asyncio.gather(*outcomes))

    def pin_champions(self) -> dict[DataProduct, Champion]:
        """Get one champion for all fields of a product, even if another is promoted meanwhile. Raises NotEligible."""
        champions = {product: find_champion(product) for product in self.products}
        if None in champions.values():
            raise NotEligible
        return champions  # type: ignore[return-value]

    def check_size(
        self,
        requests: Sequence[Sequence[PredictionRequest]],
        champions: Mapping[DataProduct, Champion],
        dispatcher: PredictionDispatcher,
    ) -> None:
        """Admit all fields or none. Raises Overloaded, and NotEligible if they can never wait together."""
        for product, champion in champions.items():
            size = sum(
                len(field_requests)
                for field, field_requests in zip(self.predicting, requests, strict=True)
                if field.product is product
            )
            if size > MOST_WAITING:  # the standard path takes one field after another
                raise NotEligible
            dispatcher.predictions.check(champion, size)

    def serialize(
        self, outcomes: "Sequence[Sequence[Prediction | ExemplarError] | Exception]"
    ) -> tuple[dict[str, Any], list[GraphQLError]]:
        """Serialize the data, and return it with the errors of the fields and items that are null."""
        errors: list[GraphQLError] = []
        data = {key: dict(value) if type(value) is dict else value for key, value in self.constants.items()}
        for field, outcome in zip(self.predicting, outcomes, strict=True):
            key, inner = field.path
            data[key][inner] = field.serialized(outcome, errors)
        return data, errors


async def validate(
    dispatcher: PredictionDispatcher, product: DataProduct, requests: Sequence[PredictionRequest]
) -> Sequence[ValidRequest | ExemplarError]:
    """Validate requests. Raises NotEligible if the database fails, so that the standard path reports it."""
    try:
        return await dispatcher.validate(product, requests)
    except Overloaded:
        raise
    except Exception:
        raise NotEligible from None


async def predict_field(
    dispatcher: PredictionDispatcher,
    champion: Champion,
    validated: Sequence[ValidRequest | ExemplarError],
    gone: Callable[[], bool],
) -> Sequence[Prediction | ExemplarError] | Exception:
    """Predict the requests of one field, or return the error of the whole field."""
    try:
        return await dispatcher.predict(champion, validated, gone)
    except Exception as error:
        return error


class OperationCompiler:
    """Compiles an operation of a valid document, for one set of conditions."""

    def __init__(
        self,
        schema: GraphQLSchema,
        products: Mapping[str, DataProduct],
        scope: Scope,
        defaults: Mapping[str, Any],
    ):
        self.schema, self.products, self.scope, self.defaults = schema, products, scope, defaults
        self.predicting: list[PredictionField] = []

    def operation(self, node: Any) -> Operation:
        """Compile the operation. Raises NotCompiled if it selects anything but predictions."""
        query: Any = self.schema.query_type
        constants = {
            key: query.name if nodes[0].name.value == "__typename" else self.product(key, nodes)
            for key, nodes in self.scope.collect(query, [node]).items()
        }
        read = variables_in([a for field in self.predicting for a in field.nodes[0].arguments or ()])
        declared = {definition.variable.name.value for definition in node.variable_definitions or ()}
        # GraphQL checks a variable even if no field reads it.
        if not self.predicting or declared - read - self.scope.conditions.keys():
            raise NotCompiled
        return Operation(constants, self.predicting)

    def product(self, key: str, nodes: Sequence[FieldNode]) -> dict[str, Any]:
        product = self.products.get(nodes[0].name.value)
        if product is None:
            raise NotCompiled
        type_: Any = self.schema.type_map[f"{names.prefix(product.name)}Product"]
        return {
            inner: self.field(product, type_, (key, inner), same)
            for inner, same in self.scope.collect(type_, nodes).items()
        }

    def field(
        self,
        product: DataProduct,
        type_: GraphQLObjectType,
        path: tuple[str, str],
        nodes: Sequence[FieldNode],
    ) -> Any:
        """Return a constant, or None for a field that predicts, which joins `predicting`. Raises NotCompiled."""
        name, reader = nodes[0].name.value, InputReader(self.schema, product)
        serializers = SerializerFactory(self.scope)
        reads: dict[str, Callable[[dict[str, Any]], Sequence[PredictionRequest]]] = {
            "predict": lambda arguments: [reader.request(**arguments)],
            "predictMany": lambda arguments: [
                reader.row(row, ("rows", place)) for place, row in enumerate(items(arguments["rows"]))
            ],
            "predictFor": lambda arguments: [entity_request(arguments["entity"], ("entity",))],
            "predictForMany": lambda arguments: [
                entity_request(key, ("entities", place))
                for place, key in enumerate(items(arguments["entities"]))
            ],
        }
        if name not in reads:
            return serializers.field(type_, nodes)(product)
        values, requests_of = values_of(nodes[0], self.defaults), reads[name]

        def read(variables: Variables) -> Sequence[PredictionRequest]:
            return requests_of({name: value(variables) for name, value in values.items()})

        prediction: Any = self.schema.type_map[f"{names.prefix(product.name)}Prediction"]
        serialize = serializers.object(prediction, nodes)
        self.predicting.append(PredictionField(product, path, nodes, read, serialize, "Many" in name))
        return None
