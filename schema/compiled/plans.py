"""Plans: the operations of a document, compiled for each set of its conditions when that is first requested."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
)

from store.products.product import DataProduct
from store.telemetry import metrics, tracing
from store.telemetry.requests import RequestRecord

from ..core import names
from ..core.inputs import find_operation
from ..core.permissions import Need
from . import costs, operation_labels
from .arguments import ABSENT, Variables, defaults_of
from .collect_fields import MOST_CONDITIONS, NotCompiled, Scope, conditions_of, fragments_of
from .input_coercion import NotEligible
from .operation_labels import root_fields
from .operations import GENERIC, Operation, OperationCompiler, product_named

#: Forms of one operation that are cached, at most: by its conditions and by the products that variables name.
MOST_FORMS = 64


class PlanMetrics(NamedTuple):
    """The metrics of the requests of one operation on the fast path."""

    request: metrics.Distribution
    document: metrics.Distribution
    read: metrics.Distribution
    predict: metrics.Distribution
    serialize: metrics.Distribution

    @classmethod
    def of(cls, label: str) -> "PlanMetrics":
        """Get the metrics of the operation of this label."""
        stages = (metrics.STAGE_SECONDS.of("fast", stage, label) for stage in cls._fields[1:])
        return cls(metrics.REQUEST_SECONDS.of("fast", label), *stages)

    def observe(
        self, record: RequestRecord, planned: float, read: float, predicted: float, ended: float
    ) -> None:
        """Count a request by the times at which its stages ended."""
        started = record.started
        self.document.observe(planned - started)
        self.read.observe(read - planned)
        self.predict.observe(predicted - read)
        self.serialize.observe(ended - predicted)
        self.request.observe(ended - started)
        if record.span is not None:
            tracing.add_stages(
                record, started, document=planned, read=read, predict=predicted, serialize=ended
            )


@dataclass(frozen=True)
class Plan:
    """A query or mutation that may be compiled, and its compiled operations."""

    schema: GraphQLSchema
    #: By the names of their fields in the query.
    products: Mapping[str, DataProduct]
    document: DocumentNode
    node: OperationDefinitionNode
    #: What the operation is called in metrics.
    label: str
    #: The variables of @skip and @include.
    conditions: tuple[str, ...]
    #: Default values of the variables.
    defaults: Variables
    #: What the document's fields need of the caller.
    needs: frozenset[Need]
    #: What the operation costs.
    cost: costs.Cost
    #: The fields about a product that the variables name.
    generic: tuple[FieldNode, ...] = ()
    #: By the values of the conditions and those products; None where the operation cannot be compiled.
    operations: dict[tuple[bool | str, ...], Operation | None] = field(default_factory=dict)

    @property
    def is_mutation(self) -> bool:
        """True for an operation that no GET may execute."""
        return self.node.operation is OperationType.MUTATION

    @cached_property
    def metrics(self) -> "PlanMetrics":
        """The metrics of its requests."""
        return PlanMetrics.of(self.label)

    def operation(self, variables: Variables) -> Operation:
        """Get the operation for these variables. Raises NotEligible if only the standard path can execute it."""
        values = tuple(self._condition(name, variables) for name in self.conditions)
        products = tuple(self._product(node, variables) for node in self.generic)
        key = values + products
        if key not in self.operations:
            if len(self.operations) >= MOST_FORMS:
                self.operations.clear()
            self.operations[key] = self._compile(values, variables)
        operation = self.operations[key]
        if operation is None:
            raise NotEligible
        return operation

    def _condition(self, name: str, variables: Variables) -> bool:
        value = variables.get(name, self.defaults.get(name, ABSENT))
        if type(value) is not bool:
            raise NotEligible
        return value

    def _product(self, node: FieldNode, variables: Variables) -> str:
        name = product_named(node, self.defaults, variables)
        if all(product.name != name for product in self.products.values()):
            raise NotEligible
        return name

    def _compile(self, values: Sequence[bool], variables: Variables) -> Operation | None:
        scope = Scope(fragments_of(self.document), dict(zip(self.conditions, values, strict=True)))
        compiler = OperationCompiler(self.schema, self.products, scope, self.defaults, variables)
        try:
            operation = compiler.operation(self.node, self.needs)
        except NotCompiled:
            return None
        # Requests of several actors share a batch, which reads rows for nobody in particular.
        is_shared = all(product.join.visible_to is None for product in operation.products)
        return operation if is_shared else None


def plan(
    schema: GraphQLSchema,
    products: Sequence[DataProduct],
    document: DocumentNode,
    name: str | None,
    needs: frozenset[Need],
    cost: costs.Cost,
) -> Plan | None:
    """Plan the operation called `name` of a valid document, or its only one; None if the fast path cannot take it."""
    operation = find_operation(document, name)
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    if operation is None or operation.operation is OperationType.SUBSCRIPTION or operation.directives:
        return None
    if name is None and len(operations) > 1:
        return None
    conditions = conditions_of(operation, document)
    if len(conditions) > MOST_CONDITIONS:
        return None
    by_field = {names.field(product.name): product for product in products}
    label = operation_labels.label(document, operation, by_field)
    defaults = defaults_of(operation)
    generic = generic_fields(operation, fragments_of(document))
    if any(map(has_literal_features, generic)):
        return None
    return Plan(schema, by_field, document, operation, label, conditions, defaults, needs, cost, generic)


def generic_fields(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> tuple[FieldNode, ...]:
    """The fields of a mutation that predict of any product."""
    if operation.operation is not OperationType.MUTATION:
        return ()
    roots = root_fields(operation.selection_set, fragments)
    return tuple(node for node in roots if node.name.value == GENERIC)


def has_literal_features(node: FieldNode) -> bool:
    """Check if features stand in the document: what such a literal is in JSON depends on the scalar."""
    literal = (node.arguments or ())[0].value
    fields = literal.fields if isinstance(literal, ObjectValueNode) else ()
    return any(
        field.name.value == "features" and not isinstance(field.value, VariableNode) for field in fields
    )
