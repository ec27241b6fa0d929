"""Operations that ask for nothing but predictions: how their variables are read, predicted and serialized."""

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
        """The field's JSON; what was refused is null, and adds to `errors`."""
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
        """The error as the standard path locates and translates it."""
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
        """The requests of each predicting field. Raises NotEligible."""
        return [field.read(variables) for field in self.predicting]

    async def predict(
        self,
        requests: Sequence[Sequence[PredictionRequest]],
        dispatcher: PredictionDispatcher,
        gone: Callable[[], bool],
    ) -> "list[Sequence[Prediction | ExemplarError] | Exception]":
        """What became of each predicting field: its predictions and refusals, or why there are none.

        Raises NotEligible and Overloaded, before anything is stored.
        """
        champions = self.pin_champions()
        self.check_size(requests, champions, dispatcher)
        validated = [
            await validate(dispatcher, field.product, asked)
            for field, asked in zip(self.predicting, requests, strict=True)
        ]
        outcomes = [
            outcome(dispatcher, champions[field.product], valid, gone)
            for field, valid in zip(self.predicting, validated, strict=True)
        ]
        if len(outcomes) == 1:
            return [await outcomes[0]]
        return list(await asyncio.gather(*outcomes))

    def pin_champions(self) -> dict[DataProduct, Champion]:
        """One champion for all fields of a product, whatever is promoted meanwhile. Raises NotEligible."""
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
        """Admit all fields or none. Raises Overloaded, and NotEligible where they can never wait together."""
        for product, champion in champions.items():
            size = sum(
                len(asked)
                for field, asked in zip(self.predicting, requests, strict=True)
                if field.product is product
            )
            if size > MOST_WAITING:  # the standard path takes one field after another
                raise NotEligible
            dispatcher.predictions.check(champion, size)

    def serialize(
        self, outcomes: "Sequence[Sequence[Prediction | ExemplarError] | Exception]"
    ) -> tuple[dict[str, Any], list[GraphQLError]]:
        """The data, and the errors where fields or items are null."""
        errors: list[GraphQLError] = []
        data = {key: dict(value) if type(value) is dict else value for key, value in self.constants.items()}
        for field, outcome in zip(self.predicting, outcomes, strict=True):
            key, inner = field.path
            data[key][inner] = field.serialized(outcome, errors)
        return data, errors


async def validate(
    dispatcher: PredictionDispatcher, product: DataProduct, requests: Sequence[PredictionRequest]
) -> Sequence[ValidRequest | ExemplarError]:
    """Raises NotEligible where the database fails: nothing is stored yet, so the standard path may say why."""
    try:
        return await dispatcher.validate(product, requests)
    except Overloaded:
        raise
    except Exception:
        raise NotEligible from None


async def outcome(
    dispatcher: PredictionDispatcher,
    champion: Champion,
    validated: Sequence[ValidRequest | ExemplarError],
    gone: Callable[[], bool],
) -> Sequence[Prediction | ExemplarError] | Exception:
    try:
        return await dispatcher.predict(champion, validated, gone)
    except Exception as error:
        return error


class Compiler:
    """Compiles an operation of a valid document."""

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
        """Raises NotCompiled where it asks for anything else."""
        query: Any = self.schema.query_type
        constants = {
            key: query.name if nodes[0].name.value == "__typename" else self.product(key, nodes)
            for key, nodes in self.scope.collect(query, [node]).items()
        }
        read = variables_in([a for field in self.predicting for a in field.nodes[0].arguments or ()])
        declared = {definition.variable.name.value for definition in node.variable_definitions or ()}
        # A variable that nothing here reads is checked all the same.
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
        """A constant's value; null for a field that predicts, which joins `predicting`. Raises NotCompiled."""
        name, reader = nodes[0].name.value, InputReader(self.schema, product)
        serializers = SerializerFactory(self.scope)
        reads: dict[str, Callable[[dict[str, Any]], Sequence[PredictionRequest]]] = {
            "predict": lambda given: [reader.request(**given)],
            "predictMany": lambda given: [
                reader.row(row, ("rows", place)) for place, row in enumerate(items(given["rows"]))
            ],
            "predictFor": lambda given: [entity_request(given["entity"], ("entity",))],
            "predictForMany": lambda given: [
                entity_request(key, ("entities", place)) for place, key in enumerate(items(given["entities"]))
            ],
        }
        if name not in reads:
            return serializers.field(type_, nodes)(product)
        arguments, take = values_of(nodes[0], self.defaults), reads[name]

        def read(variables: Variables) -> Sequence[PredictionRequest]:
            return take({name: value(variables) for name, value in arguments.items()})

        prediction: Any = self.schema.type_map[f"{names.prefix(product.name)}Prediction"]
        serialize = serializers.object(prediction, nodes)
        self.predicting.append(PredictionField(product, path, nodes, read, serialize, "Many" in name))
        return None
