"""Operations that select only predictions: read their variables, predict, and serialize the predictions."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, cast

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    NonNullTypeNode,
    OperationDefinitionNode,
    OperationType,
)

from learning.exceptions import ExemplarError
from store.access.actors import Actor
from store.exceptions import Overloaded
from store.predictions.predictions import Prediction
from store.predictions.upsert import ValidRequest
from store.products.product import DataProduct
from store.serving.champions import Champion, find_champion
from store.serving.dispatcher import PredictionDispatcher
from store.serving.micro_batching import MOST_WAITING
from store.serving.predict import PredictionRequest, find_asker, note_asker

from ..core import names
from ..core.errors import translate_all
from ..core.permissions import Need
from .arguments import Variables, values_of, variables_in
from .collect_fields import NotCompiled, Scope
from .input_coercion import InputReader, NotEligible
from .serializers import Serialize, SerializerFactory

#: The predictions and errors of one field, in order.
Items: TypeAlias = Sequence[Prediction | ExemplarError]
#: These, or the error of the whole field.
Outcome: TypeAlias = Items | Exception
#: A JSON value.
JSON: TypeAlias = Any
#: Serializes the items of a field; appends an error for each that is null.
SerializeItems: TypeAlias = Callable[[Items, list[GraphQLError]], JSON]
#: The response keys that lead to a field.
Keys: TypeAlias = tuple[str, ...]

#: The fields that predict: of a product in the query, and as the ends of the names of mutations.
PREDICTING = ("predict", "predictFor", "predictMany", "predictForMany")
#: The mutation that predicts of any product, whose features are JSON.
GENERIC = "predict"
#: The fields of a mutation's payload that have a place for each item.
LISTS = ("predictions", "predictionEdges")


@dataclass(frozen=True, eq=False)
class PredictionField:
    """A field that predicts."""

    product: DataProduct
    place: "ResponsePlace"
    #: Reads the requests from the variables. Raises NotEligible.
    read: Callable[[Variables], Sequence[PredictionRequest]]
    serialize: SerializeItems

    def serialized(self, outcome: Outcome, errors: list[GraphQLError]) -> JSON:
        """The field's JSON; null in the place of each error, which is appended to `errors`."""
        if isinstance(outcome, Exception):
            errors.append(self.place.error(outcome))
            return None
        return self.serialize(outcome, errors)


@dataclass(frozen=True, eq=False)
class ResponsePlace:
    """The place of a field in the response, and its nodes, which are merged."""

    keys: Keys
    nodes: Sequence[FieldNode]

    def error(self, error: Exception, *index: int) -> GraphQLError:
        """The error as the standard path locates it."""
        return GraphQLError(str(error), self.nodes, path=(*self.keys, *index), original_error=error)

    def only(self, serialize: Serialize) -> SerializeItems:
        """The serializer of a field that has one item."""

        def serialize_only(items: Items, errors: list[GraphQLError]) -> JSON:
            if isinstance(items[0], ExemplarError):
                errors.append(self.error(items[0]))
                return None
            return serialize(items[0])

        return serialize_only

    def each(self, serialize: Serialize) -> SerializeItems:
        """The serializer of a list with a place for each item."""

        def serialize_each(items: Items, errors: list[GraphQLError]) -> JSON:
            errors += [
                self.error(item, index) for index, item in enumerate(items) if isinstance(item, ExemplarError)
            ]
            return [None if isinstance(item, ExemplarError) else serialize(item) for item in items]

        return serialize_each


@dataclass(frozen=True)
class Operation:
    """An operation for one set of conditions."""

    #: The data, with null for the fields that predict.
    constants: Mapping[str, JSON]
    predicting: Sequence[PredictionField]
    #: True for a mutation, whose fields are executed one after the other.
    is_serial: bool
    #: The defaults of the variables whose types take no null, also where a field would; None where there is none.
    required: Mapping[str, JSON]
    #: What its fields need of the caller.
    needs: frozenset[Need] = frozenset()

    @cached_property
    def products(self) -> frozenset[DataProduct]:
        return frozenset(field.product for field in self.predicting)

    def read(self, variables: Variables) -> list[Sequence[PredictionRequest]]:
        """The requests of each predicting field. Raises NotEligible."""
        if any(variables.get(name, default) is None for name, default in self.required.items()):
            raise NotEligible
        return [field.read(variables) for field in self.predicting]

    async def predict(
        self,
        requests: Sequence[Sequence[PredictionRequest]],
        dispatcher: PredictionDispatcher,
        gone: Callable[[], bool],
        actor: Actor | None = None,
    ) -> list[Outcome]:
        """Predict and store the requests of each field. Raises NotEligible and Overloaded before anything is stored."""
        champions = self.pin_champions()
        self.check_size(requests, champions, dispatcher)
        validated = [
            note_asker(await validate(dispatcher, field.product, batch), find_asker(actor, field.product))
            for field, batch in zip(self.predicting, requests, strict=True)
        ]
        outcomes = [
            predict_field(dispatcher, champions[field.product], valid, gone)
            for field, valid in zip(self.predicting, validated, strict=True)
        ]
        if self.is_serial or len(outcomes) == 1:
            return [await outcome for outcome in outcomes]
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
            *outer, key = field.place.keys
            (data[outer[0]] if outer else data)[key] = field.serialized(outcome, errors)
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


def product_named(node: FieldNode, defaults: Variables, variables: Variables) -> str:
    """The name of the product that a generic field is about. Raises NotEligible."""
    values = values_of(node, defaults)["input"](variables)
    name = values.get("product") if type(values) is dict else None
    if type(name) is not str:
        raise NotEligible
    return name


def upper_first(name: str) -> str:
    """The name of a field as a part of another name."""
    return name[:1].upper() + name[1:]


class OperationCompiler:
    """Compiles an operation of a valid document."""

    def __init__(
        self,
        schema: GraphQLSchema,
        products: Mapping[str, DataProduct],
        scope: Scope,
        defaults: Variables,
        variables: Variables,
    ):
        self.schema, self.products, self.scope, self.defaults = schema, products, scope, defaults
        #: Those of the request for which the operation is compiled: they name the products of `predict`.
        self.variables = variables
        self.by_name = {product.name: product for product in products.values()}
        self.predicting: list[PredictionField] = []
        self.mutations = {
            f"{field}{upper_first(name)}": (product, name)
            for field, product in products.items()
            for name in PREDICTING
        }

    def operation(self, node: OperationDefinitionNode, needs: frozenset[Need]) -> Operation:
        """Compile a query or a mutation. Raises NotCompiled if it selects anything but predictions and constants."""
        is_mutation = node.operation is OperationType.MUTATION
        root = self.schema.get_root_type(node.operation)
        assert root is not None
        compile_field = self.mutation if is_mutation else self.product
        constants = {
            key: root.name if nodes[0].name.value == "__typename" else compile_field(key, nodes)
            for key, nodes in self.scope.collect(root, [node]).items()
        }
        used = variables_in([a for field in self.predicting for a in field.place.nodes[0].arguments or ()])
        declared = {definition.variable.name.value for definition in node.variable_definitions or ()}
        # GraphQL validates variables that are not used, and this path does not.
        if not self.predicting or declared - used - self.scope.conditions.keys():
            raise NotCompiled
        required = {
            name: self.defaults.get(name)
            for definition in node.variable_definitions or ()
            if isinstance(definition.type, NonNullTypeNode) and (name := definition.variable.name.value)
        }
        return Operation(constants, self.predicting, is_mutation, required, self.needs_of_products(needs))

    def needs_of_products(self, needs: frozenset[Need]) -> frozenset[Need]:
        """The needs of the document; those on whichever product it turns out to be are on the products here."""
        products = {field.product.name for field in self.predicting}
        return frozenset((any_of, name or each) for any_of, name in needs for each in products)

    def product(self, key: str, nodes: Sequence[FieldNode]) -> dict[str, JSON]:
        """Compile the selections on a product, and return its constants. Raises NotCompiled."""
        product = self.products.get(nodes[0].name.value)
        if product is None:
            raise NotCompiled
        type_ = self.type_of(product, "Product")
        return {
            inner: self.field(product, type_, ResponsePlace((key, inner), same))
            for inner, same in self.scope.collect(type_, nodes).items()
        }

    def type_of(self, product: DataProduct, suffix: str) -> GraphQLObjectType:
        """A type of a product by the end of its name."""
        return cast(GraphQLObjectType, self.schema.type_map[f"{names.prefix(product.name)}{suffix}"])

    def field(self, product: DataProduct, type_: GraphQLObjectType, place: ResponsePlace) -> JSON:
        """The value of a constant field; null for a field that predicts, which is appended to `predicting`.

        Raises NotCompiled.
        """
        node, serializers = place.nodes[0], SerializerFactory(self.scope)
        name = node.name.value
        if name not in PREDICTING:
            return serializers.field(type_, place.nodes)(product)
        arguments = values_of(node, self.defaults)
        serialize = serializers.object(self.type_of(product, "Prediction"), place.nodes)
        reader = InputReader(self.schema, product)

        def read(variables: Variables) -> Sequence[PredictionRequest]:
            return reader.requests(name, {name: value(variables) for name, value in arguments.items()}, ())

        items = place.each(serialize) if "Many" in name else place.only(serialize)
        self.predicting.append(PredictionField(product, place, read, items))
        return None

    def mutation(self, key: str, nodes: Sequence[FieldNode]) -> None:
        """Compile a mutation that predicts, and append it to `predicting`. Raises NotCompiled for all others."""
        name, place = nodes[0].name.value, ResponsePlace((key,), nodes)
        if name == GENERIC:
            return self.generic(place)
        product, field = self.mutations.get(name, (None, ""))
        if product is None:
            raise NotCompiled
        input_of = values_of(nodes[0], self.defaults)["input"]
        reader = InputReader(self.schema, product)
        payload = self.type_of(product, f"{upper_first(field)}Payload")
        if "Many" in field:
            serialize = self.payload_of_many(product, payload, place)
        else:
            serialize = place.only(SerializerFactory(self.scope).object(payload, nodes))

        def read(variables: Variables) -> Sequence[PredictionRequest]:
            return reader.requests(field, input_of(variables), ("input",))

        self.predicting.append(PredictionField(product, place, read, serialize))

    def generic(self, place: ResponsePlace) -> None:
        """Compile `predict` of the product that the variables name now. Raises NotCompiled."""
        node = place.nodes[0]
        product = self.by_name[product_named(node, self.defaults, self.variables)]
        concrete = {
            "Prediction": self.type_of(product, "Prediction"),
            "DataProduct": self.type_of(product, "Product"),
        }
        payload = cast(GraphQLObjectType, self.schema.type_map["PredictPayload"])
        serialize = SerializerFactory(self.scope, concrete).object(payload, place.nodes)
        reader, input_of = InputReader(self.schema, product), values_of(node, self.defaults)["input"]

        def read(variables: Variables) -> Sequence[PredictionRequest]:
            return [reader.item(input_of(variables), ("input",), product.name)]

        self.predicting.append(PredictionField(product, place, read, place.only(serialize)))

    def payload_of_many(
        self, product: DataProduct, payload: GraphQLObjectType, place: ResponsePlace
    ) -> SerializeItems:
        """The serializer of the payload of a mutation of many items. Raises NotCompiled."""
        fields = [
            (key, self.payload_field(product, payload, ResponsePlace((*place.keys, key), nodes)))
            for key, nodes in self.scope.collect(payload, place.nodes).items()
        ]
        return lambda items, errors: {key: serialize(items, errors) for key, serialize in fields}

    def payload_field(
        self, product: DataProduct, payload: GraphQLObjectType, place: ResponsePlace
    ) -> SerializeItems:
        """The serializer of one field of such a payload. Raises NotCompiled."""
        name, serializers = place.nodes[0].name.value, SerializerFactory(self.scope)
        if name not in LISTS:
            serialize = serializers.field(payload, place.nodes)
            return lambda items, errors: serialize(items)
        # An item is what the field of the payload of one item is.
        definition = self.type_of(product, "PredictPayload").fields[name.removesuffix("s")]
        return place.each(serializers.value_field(definition, place.nodes))
