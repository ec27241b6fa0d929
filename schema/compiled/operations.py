"""Operations that select only predictions: read their variables, predict, and serialize the predictions."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, cast

from graphql import FieldNode, GraphQLError, GraphQLObjectType, GraphQLSchema, OperationDefinitionNode

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
from ..core.errors import translate_all
from .arguments import Variables, values_of, variables_in
from .collect_fields import NotCompiled, Scope
from .input_coercion import InputReader, NotEligible, entity_request, items
from .serializers import Serialize, SerializerFactory

#: The predictions and errors of one field, in order; or the error of the whole field.
Outcome: TypeAlias = Sequence[Prediction | ExemplarError] | Exception
#: A JSON value.
JSON: TypeAlias = Any


@dataclass(frozen=True, eq=False)
class PredictionField:
    """A field that predicts."""

    product: DataProduct
    #: The response keys that lead to it, and its nodes, which are merged.
    path: tuple[str, str]
    nodes: Sequence[FieldNode]
    #: Reads the requests from the variables. Raises NotEligible.
    read: Callable[[Variables], Sequence[PredictionRequest]]
    serialize: Serialize
    many: bool

    def serialized(self, outcome: Outcome, errors: list[GraphQLError]) -> JSON:
        """The field's JSON; null in the place of each error, which is appended to `errors`."""
        if isinstance(outcome, Exception):
            errors.append(self.error(outcome))
            return None
        if not self.many:
            return self._serialized_item(outcome[0], (), errors)
        return [self._serialized_item(item, (place,), errors) for place, item in enumerate(outcome)]

    def _serialized_item(
        self, item: Prediction | ExemplarError, place: tuple[int, ...], errors: list[GraphQLError]
    ) -> JSON:
        if isinstance(item, ExemplarError):
            errors.append(self.error(item, place))
            return None
        return self.serialize(item)

    def error(self, error: Exception, place: tuple[int, ...] = ()) -> GraphQLError:
        """The error as the standard path locates it."""
        return GraphQLError(str(error), self.nodes, path=(*self.path, *place), original_error=error)


@dataclass(frozen=True)
class Operation:
    """An operation for one set of conditions."""

    #: The data, with null for the fields that predict.
    constants: Mapping[str, JSON]
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
    ) -> list[Outcome]:
        """Predict and store the requests of each field. Raises NotEligible and Overloaded before anything is stored."""
        champions = self.pin_champions()
        self.check_size(requests, champions, dispatcher)
        validated = [
            await validate(dispatcher, field.product, batch)
            for field, batch in zip(self.predicting, requests, strict=True)
        ]
        outcomes = [
            predict_field(dispatcher, champions[field.product], valid, gone)
            for field, valid in zip(self.predicting, validated, strict=True)
        ]
        if len(outcomes) == 1:
            return [await outcomes[0]]
        return list(await asyncio.gather(*outcomes))

    def pin_champions(self) -> dict[DataProduct, Champion]:
        """Find one champion for all fields of each product. Raises NotEligible."""
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
        """Admit all fields or none. Raises Overloaded; NotEligible if all of them together can never be admitted."""
        for product, champion in champions.items():
            size = sum(
                len(batch)
                for field, batch in zip(self.predicting, requests, strict=True)
                if field.product is product
            )
            if size > MOST_WAITING:  # the standard path executes one field after the other
                raise NotEligible
            dispatcher.predictions.check(champion, size)

    def serialize(self, outcomes: Sequence[Outcome]) -> tuple[dict[str, JSON], list[GraphQLError]]:
        """The data, and the errors of the fields and items that are null."""
        errors: list[GraphQLError] = []
        data = {key: dict(value) if type(value) is dict else value for key, value in self.constants.items()}
        for field, outcome in zip(self.predicting, outcomes, strict=True):
            key, inner = field.path
            data[key][inner] = field.serialized(outcome, errors)
        if errors:
            translate_all(errors)
        return data, errors


async def validate(
    dispatcher: PredictionDispatcher, product: DataProduct, requests: Sequence[PredictionRequest]
) -> Sequence[ValidRequest | ExemplarError]:
    """Validate the requests of one field. Raises Overloaded; NotEligible if the database fails.

    Nothing is stored yet, so that the standard path can start over and report the error.
    """
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
) -> Outcome:
    """Predict and store the requests of one field; an error is its outcome."""
    try:
        return await dispatcher.predict(champion, validated, gone)
    except Exception as error:
        return error


class OperationCompiler:
    """Compiles an operation of a valid document."""

    def __init__(
        self,
        schema: GraphQLSchema,
        products: Mapping[str, DataProduct],
        scope: Scope,
        defaults: Mapping[str, JSON],
    ):
        self.schema, self.products, self.scope, self.defaults = schema, products, scope, defaults
        self.predicting: list[PredictionField] = []

    def operation(self, node: OperationDefinitionNode) -> Operation:
        """Compile a query. Raises NotCompiled if it selects anything but predictions and constants."""
        query = self.schema.query_type
        assert query is not None
        constants = {
            key: query.name if nodes[0].name.value == "__typename" else self.product(key, nodes)
            for key, nodes in self.scope.collect(query, [node]).items()
        }
        used = variables_in([a for field in self.predicting for a in field.nodes[0].arguments or ()])
        declared = {definition.variable.name.value for definition in node.variable_definitions or ()}
        # GraphQL validates variables that are not used, and this path does not.
        if not self.predicting or declared - used - self.scope.conditions.keys():
            raise NotCompiled
        return Operation(constants, self.predicting)

    def product(self, key: str, nodes: Sequence[FieldNode]) -> dict[str, JSON]:
        """Compile the selections on a product, and return its constants. Raises NotCompiled."""
        product = self.products.get(nodes[0].name.value)
        if product is None:
            raise NotCompiled
        type_ = cast(GraphQLObjectType, self.schema.type_map[f"{names.prefix(product.name)}Product"])
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
    ) -> JSON:
        """The value of a constant field; null for a field that predicts, which is appended to `predicting`.

        Raises NotCompiled.
        """
        name, reader = nodes[0].name.value, InputReader(self.schema, product)
        serializers = SerializerFactory(self.scope)
        readers: dict[str, Callable[[dict[str, JSON]], Sequence[PredictionRequest]]] = {
            "predict": lambda values: [reader.request(**values)],
            "predictMany": lambda values: [
                reader.row(row, ("rows", place)) for place, row in enumerate(items(values["rows"]))
            ],
            "predictFor": lambda values: [entity_request(values["entity"], ("entity",))],
            "predictForMany": lambda values: [
                entity_request(key, ("entities", place))
                for place, key in enumerate(items(values["entities"]))
            ],
        }
        if name not in readers:
            return serializers.field(type_, nodes)(product)
        arguments, read_values = values_of(nodes[0], self.defaults), readers[name]

        def read(variables: Variables) -> Sequence[PredictionRequest]:
            return read_values({name: value(variables) for name, value in arguments.items()})

        prediction = self.schema.type_map[f"{names.prefix(product.name)}Prediction"]
        serialize = serializers.object(cast(GraphQLObjectType, prediction), nodes)
        self.predicting.append(PredictionField(product, path, nodes, read, serialize, "Many" in name))
        return None
