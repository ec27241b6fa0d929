"""Documents: parsed and validated once, within limits, and refused where another site could write rows."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from weakref import WeakValueDictionary

from django.conf import settings
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    ProvidedRequiredArgumentsRule,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
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

from ..compiled import ColumnarQueries, Plan, plan
from ..core.errors import BadRequest, TooComplex
from ..core.inputs import InputLiterals, RequiredArguments

#: Tokens of a document. A hundred rows of thirty features as literals fit; more belong into variables.
MAX_TOKENS = 20_000
#: Levels of selection sets; introspection as GraphiQL asks for it needs 14.
MAX_DEPTH = 20
#: Fields and aliases after fragments were spread: a fragment in a fragment multiplies them.
MAX_FIELDS = 2_000
MAX_ALIASES = 200
#: Documents that are kept, and how long one of them may be: some hundred megabytes at the very worst.
MOST_DOCUMENTS = 500
LONGEST_DOCUMENT = 20_000


@dataclass(frozen=True)
class Size:
    """How much a selection asks for, its fragments spread."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0

    def beside(self, other: "Size") -> "Size":
        return Size(max(self.depth, other.depth), self.fields + other.fields, self.aliases + other.aliases)


class WithinLimits(ValidationRule):
    """An operation is no deeper and no larger than allowed. Every fragment is measured once."""

    def __init__(self, context: Any):
        super().__init__(context)
        self.fragments: dict[str, Size] = {}

    def enter_operation_definition(self, node: OperationDefinitionNode, *_args: Any) -> None:
        size = self.measure(node.selection_set)
        for what, is_, most in (
            ("levels deep", size.depth, MAX_DEPTH),
            ("fields large", size.fields, MAX_FIELDS),
            ("aliases long", size.aliases, MAX_ALIASES),
        ):
            if is_ > most:
                refusal = TooComplex(f"The operation may be {most} {what}; split it.", maximum=most)
                self.report_error(GraphQLError(refusal.message, node, original_error=refusal))

    def measure(self, selections: SelectionSetNode | None) -> Size:
        size = Size()
        for selection in selections.selections if selections else ():
            size = size.beside(self.measure_one(selection))
        return size

    def measure_one(self, selection: Any) -> Size:
        if isinstance(selection, FragmentSpreadNode):
            return self.measure_fragment(selection.name.value)
        inner = self.measure(selection.selection_set)
        if not isinstance(selection, FieldNode):
            return inner
        return Size(inner.depth + 1, inner.fields + 1, inner.aliases + bool(selection.alias))

    def measure_fragment(self, name: str) -> Size:
        if name not in self.fragments:
            self.fragments[name] = Size()  # another rule refuses a fragment that spreads itself
            fragment = self.context.get_fragment(name)
            if fragment:
                self.fragments[name] = self.measure(fragment.selection_set)
        return self.fragments[name]


REPLACED = {ValuesOfCorrectTypeRule: InputLiterals, ProvidedRequiredArgumentsRule: RequiredArguments}
#: WithinLimits comes first: what follows it walks fragments again and again.
RULES = (WithinLimits, *(REPLACED.get(rule, rule) for rule in specified_rules), MaybeNullValidationRule)


@dataclass(frozen=True)
class Document:
    """A document that parses, and what is known about it."""

    node: DocumentNode
    #: Why it is not valid; empty if it is.
    errors: tuple[GraphQLError, ...]
    operations: int
    #: Whether it selects predictions, which are stored when they are asked for.
    predicts: bool
    walks: ColumnarQueries


class DocumentCache:
    """The documents of one schema, the most recently used ones kept."""

    def __init__(self, schema: GraphQLSchema, products: Sequence[DataProduct] = ()):
        self.schema = schema
        self.products = products
        self.kept = lru_cache(MOST_DOCUMENTS)(self.read)
        #: Those that live, by what identifies their nodes while they do.
        self.documents: WeakValueDictionary[int, Document] = WeakValueDictionary()
        #: By text and operation; None where there is none. The event loop's alone.
        self.plans: dict[tuple[str, str | None], Plan | None] = {}

    def get(self, text: str) -> Document:
        """The document, from memory if it was asked for before. Raises GraphQLSyntaxError."""
        return self.kept(text) if len(text) <= LONGEST_DOCUMENT else self.read(text)

    def read(self, text: str) -> Document:
        node = parse(text, max_tokens=MAX_TOKENS)
        errors = tuple(validate(self.schema, node, RULES, hide_suggestions=not settings.EXEMPLAR_OPEN))
        operations = sum(isinstance(definition, OperationDefinitionNode) for definition in node.definitions)
        predicts = not errors and selects_predictions(self.schema, node)
        document = Document(node, errors, operations, predicts, ColumnarQueries(self.schema, node))
        self.documents[id(node)] = document
        return document

    def walks(self, node: DocumentNode) -> ColumnarQueries | None:
        """Of a document that was read here."""
        document = self.documents.get(id(node))
        return document.walks if document else None

    async def plan(self, text: str, operation: str | None) -> Plan | None:
        """How the operation is answered without being executed; None where it is not."""
        key = (text, operation)
        if key not in self.plans and len(text) <= LONGEST_DOCUMENT:
            found = await threads.run(self.make_plan, text, operation)
            while len(self.plans) >= MOST_DOCUMENTS:
                self.plans.pop(next(iter(self.plans)))
            self.plans[key] = found
        return self.plans.get(key)

    def make_plan(self, text: str, operation: str | None) -> Plan | None:
        try:
            document = self.get(text)
        except GraphQLSyntaxError:
            return None
        predicts = document.predicts and not document.errors
        return plan(self.schema, self.products, document.node, operation) if predicts else None


def selects_predictions(schema: GraphQLSchema, node: DocumentNode) -> bool:
    """Whether a selection set of a valid document is one of predictions or of their connection."""
    types = TypeInfo(schema)
    found = []

    class Selections(Visitor):
        def enter_selection_set(self, *_args: Any) -> None:
            found.append(is_prediction(schema, types.get_parent_type()))

    visit(node, TypeInfoVisitor(types, Selections()))
    return any(found)


def is_prediction(schema: GraphQLSchema, type_: Any) -> bool:
    """Whether a type is the interface `Prediction`, implements it, or is a connection of one that does."""
    prediction = schema.get_type("Prediction")
    edge = field_type(type_, "edges")
    return is_interface_type(prediction) and any(
        candidate is prediction or prediction in getattr(candidate, "interfaces", ())
        for candidate in (type_, field_type(type_, "node"), field_type(edge, "node"))
    )


def field_type(type_: Any, name: str) -> Any:
    """The named type of a field; None where there is no such field."""
    field = getattr(type_, "fields", {}).get(name)
    return get_named_type(field.type) if field else None


class Documents(SchemaExtension):
    """Takes documents from the schema's library instead of parsing and validating them for each request."""

    document: Document | None = None

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        context.parse_options = {"max_tokens": MAX_TOKENS}
        # What does not parse is parsed once more by the executor, which reports the error.
        with suppress(GraphQLSyntaxError):
            self.document = context.schema.library.get(context.query or "")  # type: ignore[attr-defined]
            context.graphql_document = self.document.node
        yield

    def on_validate(self) -> Iterator[None]:
        if self.document:
            self.execution_context.pre_execution_errors = self.refusals(self.document)
        yield

    def refusals(self, document: Document) -> list[GraphQLError]:
        """Why this request may not execute the document; empty if it may."""
        if document.errors:
            return list(document.errors)
        if document.operations > 1 and self.execution_context._provided_operation_name is None:
            return [refused(BadRequest("The document has several operations: say which by operationName."))]
        if document.predicts and getattr(self.execution_context.context, "cross_site", False):
            return [refused(Forbidden(PREDICTING_GET))]
        return []


PREDICTING_GET = (
    "A GET that selects predictions writes them, and a page of another site could send it: "
    "send POST, or the header X-Exemplar-Preflight: 1."
)


def refused(refusal: Exception) -> GraphQLError:
    return GraphQLError(str(refusal), original_error=refusal)


extensions = [Documents]
