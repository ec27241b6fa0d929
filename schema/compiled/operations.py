"""Operations that ask for nothing but predictions: how their variables are read, answered and shown."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graphql import FieldNode, GraphQLError, GraphQLSchema

from store.exceptions import Overloaded
from store.predictions.predictions import Question
from store.products.product import DataProduct
from store.serving.champions import Champion, find_champion
from store.serving.dispatcher import Answered, PredictionDispatcher
from store.serving.micro_batching import MOST_WAITING

from ..core import ids, names
from ..core.errors import translate
from .arguments import Variables, values_of, variables_in
from .collect_fields import NotCompiled, Scope
from .input_coercion import InputReader, NotEligible, listed, text
from .serializers import SerializerFactory, Show, leaf


@dataclass(frozen=True, eq=False)
class Predicting:
    """A field that predicts."""

    product: DataProduct
    #: The response keys that lead to it, and the nodes that were merged into it.
    path: tuple[str, str]
    nodes: Sequence[FieldNode]
    #: What it asks about: questions, or the keys of entities. Raises Unusual.
    read: Callable[[Variables], Sequence[Any]]
    show: Show
    many: bool
    by_key: bool

    @property
    def looks_up(self) -> bool:
        """Whether it takes the database to know that its entities are there."""
        return self.by_key or not self.product.writable

    def shown(self, answers: Sequence[Answered]) -> Any:
        return [self.show(answered) for answered in answers] if self.many else self.show(answers[0])


#: What a field asked for, or what became of it.
Asked = Sequence[Any]
Outcome = Sequence[Answered] | Exception


@dataclass(frozen=True)
class Operation:
    """An operation for one set of conditions."""

    #: By response key: a constant, or a product's fields, each a constant or predicting.
    fields: Mapping[str, Any]
    predicting: Sequence[Predicting]

    @cached_property
    def products(self) -> frozenset[DataProduct]:
        """Of the predicting fields."""
        return frozenset(field.product for field in self.predicting)

    def read(self, variables: Variables) -> list[Asked]:
        """What each predicting field asks. Raises Unusual."""
        return [field.read(variables) for field in self.predicting]

    async def answer(
        self, asked: Sequence[Asked], desk: PredictionDispatcher, gone: Callable[[], bool]
    ) -> list[Outcome]:
        """What became of each predicting field. Raises Unusual and Overloaded, before anything is stored."""
        # One for all fields of a product, whatever is promoted meanwhile.
        serving = {product: champion(product) for product in self.products}
        champions = [serving[field.product] for field in self.predicting]
        for product, of in serving.items():
            size = sum(
                len(what)
                for field, what in zip(self.predicting, asked, strict=True)
                if field.product is product
            )
            if size > MOST_WAITING:  # never let in together; the ordinary way takes one field after another
                raise NotEligible
            desk.predictions.check(of, size)
        questions = [
            await complete(field, what, desk) if field.looks_up else what
            for field, what in zip(self.predicting, asked, strict=True)
        ]
        if len(questions) == 1:
            return [await outcome(desk, champions[0], questions[0], gone)]
        outcomes = (outcome(desk, of, what, gone) for of, what in zip(champions, questions, strict=True))
        return list(await asyncio.gather(*outcomes))

    def shown(self, outcomes: Sequence[Outcome]) -> tuple[dict[str, Any], list[GraphQLError]]:
        """The data, and the errors where fields are null."""
        became = dict(zip(self.predicting, outcomes, strict=True))
        errors: list[GraphQLError] = []
        data = {
            key: {inner: value(field, became, errors) for inner, field in found.items()}
            if isinstance(found, dict)
            else found
            for key, found in self.fields.items()
        }
        return data, errors


def value(field: Any, became: Mapping[Any, Outcome], errors: list[GraphQLError]) -> Any:
    """What a field shows; null, and one error more, where it was refused."""
    if not isinstance(field, Predicting):
        return field
    outcome = became[field]
    if not isinstance(outcome, Exception):
        return field.shown(outcome)
    errors.append(refused(field, outcome))
    return None


def champion(product: DataProduct) -> Champion:
    found = find_champion(product)
    if found is None:
        raise NotEligible
    return found


async def complete(field: Predicting, asked: Asked, desk: PredictionDispatcher) -> Sequence[Question]:
    """The questions of a field that looks up. Raises Unusual where an entity is not there, or not complete."""
    if field.by_key:
        questions = await looked_up(desk.entities.ask(field.product, asked))
    else:
        questions = asked
        keys = [question.entity for question in asked if question.entity is not None]
        if keys:
            questions = asked if all(await looked_up(desk.existing.ask(field.product, keys))) else ()
    if len(questions) != len(asked) or not all(isinstance(question, Question) for question in questions):
        raise NotEligible
    return questions


async def looked_up(asked: Any) -> Any:
    """What was found. Nothing is stored yet, so the ordinary way may tell why nothing could be."""
    try:
        return await asked
    except Overloaded:
        raise
    except Exception:
        raise NotEligible from None


async def outcome(
    desk: PredictionDispatcher, of: Champion, questions: Sequence[Question], gone: Callable[[], bool]
) -> Outcome:
    try:
        return await desk.predictions.ask(of, questions, gone) if questions else ()
    except Exception as error:
        return error


def refused(field: Predicting, error: Exception) -> GraphQLError:
    """The error that the ordinary way would locate so."""
    located = GraphQLError(str(error), field.nodes, path=field.path, original_error=error)
    translate(located)
    return located


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
        self.predicting: list[Predicting] = []

    def operation(self, node: Any) -> Operation:
        """Raises NotCompiled where it asks for anything else."""
        query: Any = self.schema.query_type
        fields = {
            key: query.name if nodes[0].name.value == "__typename" else self.product(key, nodes)
            for key, nodes in self.scope.collect(query, [node]).items()
        }
        read = variables_in([a for field in self.predicting for a in field.nodes[0].arguments or ()])
        declared = {definition.variable.name.value for definition in node.variable_definitions or ()}
        # A variable that nothing here reads is checked all the same.
        if not self.predicting or declared - read - self.scope.conditions.keys():
            raise NotCompiled
        return Operation(fields, self.predicting)

    def product(self, key: str, nodes: Sequence[FieldNode]) -> dict[str, Any]:
        product = self.products.get(nodes[0].name.value)
        if product is None:
            raise NotCompiled
        type_: Any = self.schema.type_map[f"{names.prefix(product.name)}Product"]
        return {
            inner: self.field(product, (key, inner), same)
            for inner, same in self.scope.collect(type_, nodes).items()
        }

    def field(self, product: DataProduct, path: tuple[str, str], nodes: Sequence[FieldNode]) -> Any:
        """A constant, or a field that predicts. Raises NotCompiled."""
        name, reader = nodes[0].name.value, InputReader(self.schema, product)
        reads = {
            "predict": lambda given: [reader.question(**given)],
            "predictMany": lambda given: listed(given["rows"], reader.row),
            "predictFor": lambda given: [text(given["entity"])],
            "predictForMany": lambda given: listed(given["entities"], text),
        }
        if name not in reads:
            return leaf(PRODUCT, name)(product)
        arguments, take = values_of(nodes[0], self.defaults), reads[name]

        def read(variables: Variables) -> Sequence[Any]:
            return take({name: value(variables) for name, value in arguments.items()})

        show = SerializerFactory(self.schema, self.scope, product).prediction(nodes)
        field = Predicting(product, path, nodes, read, show, "Many" in name, "For" in name)
        self.predicting.append(field)
        return field


#: What a product is, whoever asks and whenever.
PRODUCT: dict[str, Callable[[DataProduct], Any]] = {
    "__typename": lambda product: f"{names.prefix(product.name)}Product",
    "id": ids.node_id,
    "name": lambda product: product.name,
    "title": str,
    "description": lambda product: product.description,
    "metric": lambda product: product.metric,
    "typePrefix": lambda product: names.prefix(product.name),
    "writable": lambda product: product.writable,
}
