"""Documents: parsed and validated once, within limits, and refused if another site could write rows through them.

The limits are checked in the order of their cost: characters before tokens, sizes before all rules. What one of them
refuses costs nothing more.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from weakref import WeakValueDictionary

from django.conf import settings
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLNamedType,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    ProvidedRequiredArgumentsRule,
    SelectionNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    ValuesOfCorrectTypeRule,
    Visitor,
    get_named_type,
    is_interface_type,
    parse,
    specified_rules,
    validate,
    visit,
)
from graphql.validation.rules import overlapping_fields_can_be_merged as overlapping_fields
from starlette.websockets import WebSocket
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.types.graphql import OperationType

from store.access.actors import Actor
from store.access.caller_limits import is_among, limits_of
from store.db import threads
from store.exceptions import Forbidden
from store.products.product import DataProduct
from store.telemetry import metrics, requests, tracing

from .. import compiled
from ..compiled import ColumnarQueries, DocumentCosts, Plan, compile_costs, operation_labels
from ..core import names
from ..core.errors import BadRequest, TooComplex
from ..core.inputs import InputLiterals, RequiredArguments
from ..core.permissions import Need, Rules, are_met
from .freshness import Freshness, freshness_of

#: Characters of a document, at most: as many as MAX_TOKENS need.
MAX_LENGTH = 200_000
#: Tokens of a document, at most: a hundred rows of thirty features as literals fit, and more belong into variables.
MAX_TOKENS = 20_000
#: Operations of a document, at most: some rules visit all fragments for each of them.
MAX_OPERATIONS = 20
#: Levels of selection sets, at most; the introspection of GraphiQL has 14.
MAX_DEPTH = 20
#: Fields and aliases with all fragments spread, at most: fragments in fragments multiply them.
MAX_FIELDS = 2_000
MAX_ALIASES = 200
#: Steps of comparing fields that have one name in the response, at most: graphql-core counts them.
MAX_COMPARISONS = 50_000
overlapping_fields.MAX_COMPLEXITY_BUDGET = MAX_COMPARISONS
#: Cached documents, and characters of one of them, at most: a few hundred megabytes in the worst case.
MAX_DOCUMENTS = 500
MAX_CACHED_LENGTH = 20_000


@dataclass(frozen=True)
class Size:
    """The size of a selection, with its fragments spread."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0

    def __add__(self, other: "Size") -> "Size":
        """The size of two selections next to each other."""
        return Size(max(self.depth, other.depth), self.fields + other.fields, self.aliases + other.aliases)


class SizeChecks:
    """The limits on depth and size of operations. Every fragment is measured once."""

    def __init__(self, node: DocumentNode):
        definitions = node.definitions
        self.operations = [each for each in definitions if isinstance(each, OperationDefinitionNode)]
        self.fragments = {
            each.name.value: each for each in definitions if isinstance(each, FragmentDefinitionNode)
        }
        self.sizes: dict[str, Size] = {}

    def errors(self) -> list[GraphQLError]:
        """The errors of the operations that are too deep or too large."""
        if len(self.operations) > MAX_OPERATIONS:
            return [
                too_complex(f"A document may have {MAX_OPERATIONS} operations; split it.", MAX_OPERATIONS)
            ]
        try:
            return [error for operation in self.operations for error in self.check(operation)]
        except RecursionError:  # a long chain of fragments
            pass
        return [too_complex(TOO_DEEP, MAX_DEPTH)]

    def check(self, operation: OperationDefinitionNode) -> Iterator[GraphQLError]:
        """Yield an error for each limit that an operation exceeds."""
        size = self.measure(operation.selection_set)
        for unit, value, maximum in (
            ("levels deep", size.depth, MAX_DEPTH),
            ("fields large", size.fields, MAX_FIELDS),
            ("aliases long", size.aliases, MAX_ALIASES),
        ):
            if value > maximum:
                yield too_complex(f"The operation may be {maximum} {unit}; split it.", maximum, operation)

    def measure(self, selections: SelectionSetNode | None) -> Size:
        """The size of a selection set."""
        size = Size()
        for selection in selections.selections if selections else ():
            size += self.measure_one(selection)
        return size

    def measure_one(self, selection: SelectionNode) -> Size:
        if isinstance(selection, FragmentSpreadNode):
            return self.measure_fragment(selection.name.value)
        if isinstance(selection, InlineFragmentNode):
            return self.measure(selection.selection_set)
        assert isinstance(selection, FieldNode)
        inner = self.measure(selection.selection_set)
        return Size(inner.depth + 1, inner.fields + 1, inner.aliases + bool(selection.alias))

    def measure_fragment(self, name: str) -> Size:
        if name not in self.sizes:
            self.sizes[name] = Size()  # a rule refuses a fragment that spreads itself
            if fragment := self.fragments.get(name):
                self.sizes[name] = self.measure(fragment.selection_set)
        return self.sizes[name]


TOO_MANY_COMPARISONS = "Too many fields have the same name in the response: select each of them once."
TOO_DEEP = f"The operation may be {MAX_DEPTH} levels deep; split it."


def too_complex(sentence: str, maximum: int, node: Node | None = None) -> GraphQLError:
    """The error of a document that exceeds a limit."""
    return GraphQLError(sentence, node, original_error=TooComplex(sentence, maximum=maximum))


REPLACED = {ValuesOfCorrectTypeRule: InputLiterals, ProvidedRequiredArgumentsRule: RequiredArguments}
RULES = (*(REPLACED.get(rule, rule) for rule in specified_rules), MaybeNullValidationRule)
#: How graphql-core ends its message when a document exceeds a limit of its parser, or of its rules.
ABORTED = "arsing aborted."


def parse_within_limits(text: str) -> DocumentNode:
    """Parse a document of limited length. Raises GraphQLError."""
    if len(text) > MAX_LENGTH:
        sentence = f"A document may have {MAX_LENGTH} characters; send values as variables."
        raise too_complex(sentence, MAX_LENGTH)
    try:
        return parse(text, max_tokens=MAX_TOKENS)
    except GraphQLSyntaxError as error:
        if not error.message.endswith(ABORTED):
            raise
        is_deep = "nested" in error.message
    if is_deep:
        raise too_complex(TOO_DEEP, MAX_DEPTH)
    raise too_complex(f"A document may have {MAX_TOKENS} tokens; send values as variables.", MAX_TOKENS)


@dataclass(frozen=True)
class Document:
    """A parsed document with the results of its validation."""

    node: DocumentNode
    #: The validation errors; empty if it is valid.
    errors: tuple[GraphQLError, ...]
    operations: int
    #: True if it selects predictions, which are stored when they are requested.
    predicts: bool
    columnar: ColumnarQueries
    #: What its fields need; the standard execution checks them one by one where they are not all met.
    needs: frozenset[Need]
    costs: DocumentCosts
    #: What each operation is called in metrics, by its own name; `INVALID` where there are errors.
    labels: Mapping[str | None, str]

    #: Validates it once more, with errors that suggest names.
    suggest: Callable[[], tuple[GraphQLError, ...]]

    #: How the answer to a GET may be kept.
    freshness: Freshness

    @cached_property
    def is_read(self) -> bool:
        """True if it has queries only, and none that predicts."""
        operations = (each for each in self.node.definitions if isinstance(each, OperationDefinitionNode))
        return not self.predicts and all(each.operation.value == "query" for each in operations)

    @cached_property
    def suggesting_errors(self) -> Sequence[GraphQLError]:
        """The validation errors, which name what is like a wrong name."""
        return self.suggest()

    def label(self, operation: str | None) -> str:
        """Get what the operation of this name, or the only one, is called in metrics."""
        if operation is None and len(self.labels) == 1:
            return next(iter(self.labels.values()))
        return self.labels.get(operation, operation_labels.INVALID)


class DocumentCache:
    """Documents and plans of one schema; the most recently used ones are cached."""

    def __init__(
        self, schema: GraphQLSchema, products: Sequence[DataProduct] = (), rules: Rules | None = None
    ):
        self.schema = schema
        self.products = products
        self.rules = rules or Rules(schema, products)
        self.product_fields = {names.field(product.name): product for product in products}
        self.get_cached = lru_cache(MAX_DOCUMENTS)(self.read)
        #: Documents in use, by the identity of their nodes.
        self.documents: WeakValueDictionary[int, Document] = WeakValueDictionary()
        #: Plans by text and operation; None if there is none. Only the event loop uses them.
        self.plans: dict[tuple[str, str | None], Plan | None] = {}

    def get(self, text: str) -> Document:
        """The document, from the cache if possible. Raises GraphQLError where there is none to validate."""
        return self.get_cached(text) if len(text) <= MAX_CACHED_LENGTH else self.read(text)

    def read(self, text: str) -> Document:
        """Parse and validate a document. Raises GraphQLError where it cannot be parsed, or is too large to be."""
        node = parse_within_limits(text)
        sizes = SizeChecks(node)
        if too_large := tuple(sizes.errors()):
            errors, suggest = too_large, lambda: too_large
        else:
            errors, suggest = self.validate(node), partial(self.validate, node, hide_suggestions=False)
        predicts = not errors and selects_predictions(self.schema, node)
        operations = len(sizes.operations)
        needs = frozenset[Need]() if errors else self.rules.needs_of(node)
        costs = DocumentCosts() if errors else compile_costs(self.schema, node)
        labels = {} if errors else operation_labels.labels(node, self.product_fields)
        columnar = ColumnarQueries(self.schema, node)
        freshness = Freshness.NOT_STORED if errors else freshness_of(self.schema, node)
        document = Document(
            node, errors, operations, predicts, columnar, needs, costs, labels, suggest, freshness
        )
        self.documents[id(node)] = document
        return document

    def validate(self, node: DocumentNode, hide_suggestions: bool = True) -> tuple[GraphQLError, ...]:
        """The validation errors of a document that is within the limits of size."""
        errors = validate(self.schema, node, RULES, hide_suggestions=hide_suggestions)
        if errors and errors[-1].message == "Validation aborted.":
            return (too_complex(TOO_MANY_COMPARISONS, MAX_COMPARISONS),)
        return tuple(errors)

    def columnar_queries(self, node: DocumentNode, actor: Actor | None) -> ColumnarQueries | None:
        """The columnar queries of a document.

        None if the actor does not meet all of its needs, or it was not read by this cache.
        """
        document = self.documents.get(id(node))
        if document is None or (actor is not None and not are_met(document.needs, actor)):
            return None
        return document.columnar

    async def plan(self, text: str, operation: str | None) -> Plan | None:
        """The plan of an operation for the fast path; None if it needs the standard path."""
        key = (text, operation)
        if key not in self.plans and len(text) + len(operation or "") <= MAX_CACHED_LENGTH:
            plan = await threads.run(self.make_plan, text, operation)
            while len(self.plans) >= MAX_DOCUMENTS:
                self.plans.pop(next(iter(self.plans)))
            self.plans[key] = plan
        return self.plans.get(key)

    def make_plan(self, text: str, operation: str | None) -> Plan | None:
        """Build the plan of an operation; None if its document is not valid or does not predict."""
        try:
            document = self.get(text)
        except GraphQLError:
            return None
        predicts = document.predicts and not document.errors
        if not predicts:
            return None
        cost = document.costs.by_operation.get(operation, 0)
        return compiled.plan(self.schema, self.products, document.node, operation, document.needs, cost)


def selects_predictions(schema: GraphQLSchema, node: DocumentNode) -> bool:
    """Check if a valid document selects predictions or a connection of them."""
    types = TypeInfo(schema)
    selected: list[bool] = []

    class Selections(Visitor):
        def enter_selection_set(self, *_: object) -> None:
            selected.append(is_prediction(schema, types.get_parent_type()))

    visit(node, TypeInfoVisitor(types, Selections()))
    return any(selected)


def is_prediction(schema: GraphQLSchema, type_: object) -> bool:
    """Check if a type is the interface `Prediction`, implements it, or is a connection of such a type."""
    prediction = schema.get_type("Prediction")
    edge = field_type(type_, "edges")
    return is_interface_type(prediction) and any(
        candidate is prediction or prediction in getattr(candidate, "interfaces", ())
        for candidate in (type_, field_type(type_, "node"), field_type(edge, "node"))
    )


def field_type(type_: object, name: str) -> GraphQLNamedType | None:
    """The named type of a field; None if the type has no such field."""
    field = getattr(type_, "fields", {}).get(name)
    return get_named_type(field.type) if field else None


#: The document that was read for the operation of this task, with its text.
prepared: ContextVar[tuple[str, Document] | None] = ContextVar("prepared", default=None)


class Documents(SchemaExtension):
    """Take documents from the cache of the schema instead of parsing and validating them for each request."""

    document: Document | None = None
    #: When parsing began, by `time.perf_counter`.
    started = 0.0

    @property
    def path(self) -> str:
        """Name of the transport in metrics."""
        context = self.execution_context.context
        return "socket" if isinstance(getattr(context, "request", None), WebSocket) else "standard"

    @property
    def label(self) -> str:
        """Name of the operation in metrics."""
        name = self.execution_context._provided_operation_name
        return self.document.label(name) if self.document else operation_labels.INVALID

    @property
    def is_stream(self) -> bool:
        """True for a subscription, which lasts as long as its client listens."""
        try:
            return self.execution_context.operation_type is OperationType.SUBSCRIPTION
        except (RuntimeError, CannotGetOperationTypeError):
            return False

    def on_operation(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        if self.path == "socket" and not self.is_stream:
            metrics.REQUEST_SECONDS.of("socket", self.label).observe(time.perf_counter() - started)

    def on_parse(self) -> Iterator[None]:
        self.started = time.perf_counter()
        context = self.execution_context
        if context.query:
            self.document = self.find(context.query)
            context.graphql_document = self.document.node
        yield

    def find(self, text: str) -> Document:
        """The document that was prepared, or that the cache has or reads. Raises GraphQLError."""
        text_and_document = prepared.get()
        if text_and_document and text_and_document[0] == text:
            return text_and_document[1]
        cache: DocumentCache = self.execution_context.schema.document_cache  # type: ignore[attr-defined]
        return cache.get(text)

    def on_validate(self) -> Iterator[None]:
        if self.document:
            self.execution_context.pre_execution_errors = self.refusals(self.document)
        yield
        self.describe()

    def describe(self) -> None:
        """Record which operation is requested, and how long its document took."""
        if record := requests.current.get():
            record.operation = self.label
            record.name = self.execution_context._provided_operation_name or ""
        self.observe("document", self.started)

    def observe(self, stage: str, started: float) -> None:
        """Count a stage that ends now."""
        ended = time.perf_counter()
        metrics.STAGE_SECONDS.of(self.path, stage, self.label).observe(ended - started)
        if (span := tracing.current_span()) is not None:
            tracing.add(span, stage, started, ended)

    def on_execute(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        if not self.is_stream:
            self.observe("execute", started)

    def refusals(self, document: Document) -> list[GraphQLError]:
        """The reasons why this request may not execute the document; empty if it may."""
        if document.errors:
            actor = getattr(self.execution_context.context, "actor", None)
            suggests = actor is None or is_among(actor, settings.EXEMPLAR_INTROSPECTION)
            return list(document.suggesting_errors if suggests else document.errors)
        if document.operations > 1 and self.execution_context._provided_operation_name is None:
            return [
                as_graphql_error(
                    BadRequest("The document has several operations: name one by operationName.")
                )
            ]
        if document.predicts and getattr(self.execution_context.context, "cross_site", False):
            return [as_graphql_error(Forbidden(PREDICTING_GET))]
        try:
            self.check_limits(document)
        except (Forbidden, TooComplex) as refusal:
            return [as_graphql_error(refusal)]
        return []

    def check_limits(self, document: Document) -> None:
        """Check what the caller may ask for. Raises Forbidden, TooComplex."""
        context = self.execution_context
        if (actor := getattr(context.context, "actor", None)) is None:
            return
        if document.costs.introspects and not is_among(actor, settings.EXEMPLAR_INTROSPECTION):
            raise Forbidden(NO_INTROSPECTION)
        cost = document.costs.by_operation.get(context._provided_operation_name, 0)
        compiled.check_cost(cost, context.variables or {}, limits_of(actor).cost)


PREDICTING_GET = (
    "A GET that selects predictions stores them, and a page of another site could send it: use POST, or send the "
    "header X-Exemplar-Preflight: 1."
)
NO_INTROSPECTION = "Introspection is not for this caller: send a credential, or ask an administrator."


def as_graphql_error(refusal: Exception) -> GraphQLError:
    """The error as graphql-core collects it."""
    return GraphQLError(str(refusal), original_error=refusal)


extensions = [Documents]
