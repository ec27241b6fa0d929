"""Documents: parsed and validated once, within limits, and refused if another site could write rows through them."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakValueDictionary

from django.conf import settings
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLNamedType,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    ProvidedRequiredArgumentsRule,
    SelectionNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    ValidationContext,
    ValidationRule,
    ValuesOfCorrectTypeRule,
    Visitor,
    get_named_type,
    is_interface_type,
    parse,
    specified_rules,
    validate,
    visit,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule

from store.db import threads
from store.exceptions import Forbidden
from store.products.product import DataProduct

from .. import compiled
from ..compiled import ColumnarQueries, Plan
from ..core.errors import BadRequest, TooComplex
from ..core.inputs import InputLiterals, RequiredArguments

#: Tokens of a document, at most: a hundred rows of thirty features as literals fit, and more belong into variables.
MAX_TOKENS = 20_000
#: Levels of selection sets, at most; the introspection of GraphiQL has 14.
MAX_DEPTH = 20
#: Fields and aliases with all fragments spread, at most: fragments in fragments multiply them.
MAX_FIELDS = 2_000
MAX_ALIASES = 200
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


class WithinLimits(ValidationRule):
    """Limit the depth and the size of operations. Every fragment is measured once."""

    def __init__(self, context: ValidationContext):
        super().__init__(context)
        self.fragments: dict[str, Size] = {}

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: object) -> None:
        size = self.measure(node.selection_set)
        for unit, value, maximum in (
            ("levels deep", size.depth, MAX_DEPTH),
            ("fields large", size.fields, MAX_FIELDS),
            ("aliases long", size.aliases, MAX_ALIASES),
        ):
            if value > maximum:
                refusal = TooComplex(f"The operation may be {maximum} {unit}; split it.", maximum=maximum)
                self.report_error(GraphQLError(refusal.message, node, original_error=refusal))

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
        if name not in self.fragments:
            self.fragments[name] = Size()  # another rule refuses a fragment that spreads itself
            fragment = self.context.get_fragment(name)
            if fragment:
                self.fragments[name] = self.measure(fragment.selection_set)
        return self.fragments[name]


REPLACED = {ValuesOfCorrectTypeRule: InputLiterals, ProvidedRequiredArgumentsRule: RequiredArguments}
#: WithinLimits comes first, since the rules after it visit fragments repeatedly.
RULES = (WithinLimits, *(REPLACED.get(rule, rule) for rule in specified_rules), MaybeNullValidationRule)


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


class DocumentCache:
    """Documents and plans of one schema; the most recently used ones are cached."""

    def __init__(self, schema: GraphQLSchema, products: Sequence[DataProduct] = ()):
        self.schema = schema
        self.products = products
        self.get_cached = lru_cache(MAX_DOCUMENTS)(self.read)
        #: Documents in use, by the identity of their nodes.
        self.documents: WeakValueDictionary[int, Document] = WeakValueDictionary()
        #: Plans by text and operation; None if there is none. Only the event loop uses them.
        self.plans: dict[tuple[str, str | None], Plan | None] = {}

    def get(self, text: str) -> Document:
        """The document, from the cache if possible. Raises GraphQLSyntaxError."""
        return self.get_cached(text) if len(text) <= MAX_CACHED_LENGTH else self.read(text)

    def read(self, text: str) -> Document:
        """Parse and validate a document. Raises GraphQLSyntaxError."""
        node = parse(text, max_tokens=MAX_TOKENS)
        errors = tuple(validate(self.schema, node, RULES, hide_suggestions=not settings.EXEMPLAR_OPEN))
        operations = sum(isinstance(definition, OperationDefinitionNode) for definition in node.definitions)
        predicts = not errors and selects_predictions(self.schema, node)
        document = Document(node, errors, operations, predicts, ColumnarQueries(self.schema, node))
        self.documents[id(node)] = document
        return document

    def columnar_queries(self, node: DocumentNode) -> ColumnarQueries | None:
        """The columnar queries of a document; None if it was not read by this cache."""
        document = self.documents.get(id(node))
        return document.columnar if document else None

    async def plan(self, text: str, operation: str | None) -> Plan | None:
        """The plan of an operation for the fast path; None if it needs the standard path."""
        key = (text, operation)
        if key not in self.plans and len(text) <= MAX_CACHED_LENGTH:
            plan = await threads.run(self.make_plan, text, operation)
            while len(self.plans) >= MAX_DOCUMENTS:
                self.plans.pop(next(iter(self.plans)))
            self.plans[key] = plan
        return self.plans.get(key)

    def make_plan(self, text: str, operation: str | None) -> Plan | None:
        """Build the plan of an operation; None if its document is not valid or does not predict."""
        try:
            document = self.get(text)
        except GraphQLSyntaxError:
            return None
        predicts = document.predicts and not document.errors
        return compiled.plan(self.schema, self.products, document.node, operation) if predicts else None


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


class Documents(SchemaExtension):
    """Take documents from the cache of the schema instead of parsing and validating them for each request."""

    document: Document | None = None

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        context.parse_options = {"max_tokens": MAX_TOKENS}
        # The executor parses a document with a syntax error once more, and reports the error.
        with suppress(GraphQLSyntaxError):
            self.document = context.schema.document_cache.get(context.query or "")  # type: ignore[attr-defined]
            context.graphql_document = self.document.node
        yield

    def on_validate(self) -> Iterator[None]:
        if self.document:
            self.execution_context.pre_execution_errors = self.refusals(self.document)
        yield

    def refusals(self, document: Document) -> list[GraphQLError]:
        """The reasons why this request may not execute the document; empty if it may."""
        if document.errors:
            return list(document.errors)
        if document.operations > 1 and self.execution_context._provided_operation_name is None:
            return [
                as_graphql_error(
                    BadRequest("The document has several operations: name one by operationName.")
                )
            ]
        if document.predicts and getattr(self.execution_context.context, "cross_site", False):
            return [as_graphql_error(Forbidden(PREDICTING_GET))]
        return []


PREDICTING_GET = (
    "A GET that selects predictions stores them, and a page of another site could send it: use POST, or send the "
    "header X-Exemplar-Preflight: 1."
)


def as_graphql_error(refusal: Exception) -> GraphQLError:
    """The error as graphql-core collects it."""
    return GraphQLError(str(refusal), original_error=refusal)


extensions = [Documents]
