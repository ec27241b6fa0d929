"""Plans: the operations of a document, compiled for each set of its conditions when that is first requested."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graphql import DocumentNode, GraphQLSchema, OperationDefinitionNode, OperationType

from store.products.product import DataProduct

from ..core import names
from ..core.inputs import find_operation
from .arguments import ABSENT, Variables, defaults_of
from .collect_fields import MOST_CONDITIONS, NotCompiled, Scope, conditions_of, fragments_of
from .input_coercion import NotEligible
from .operations import Operation, OperationCompiler


@dataclass(frozen=True)
class Plan:
    """A query that may be compiled, and its compiled operations."""

    schema: GraphQLSchema
    #: By the names of their fields in the query.
    products: Mapping[str, DataProduct]
    document: DocumentNode
    node: OperationDefinitionNode
    #: The variables of @skip and @include.
    conditions: tuple[str, ...]
    #: Default values of the variables.
    defaults: Variables
    #: By the values of the conditions; None where the operation cannot be compiled.
    operations: dict[tuple[bool, ...], Operation | None] = field(default_factory=dict)

    def operation(self, variables: Variables) -> Operation:
        """Get the operation for these variables. Raises NotEligible if only the standard path can execute it."""
        values = tuple(self._condition(name, variables) for name in self.conditions)
        if values not in self.operations:
            self.operations[values] = self._compile(values)
        operation = self.operations[values]
        if operation is None:
            raise NotEligible
        return operation

    def _condition(self, name: str, variables: Variables) -> bool:
        value = variables.get(name, self.defaults.get(name, ABSENT))
        if type(value) is not bool:
            raise NotEligible
        return value

    def _compile(self, values: Sequence[bool]) -> Operation | None:
        scope = Scope(fragments_of(self.document), dict(zip(self.conditions, values, strict=True)))
        try:
            operation = OperationCompiler(self.schema, self.products, scope, self.defaults).operation(
                self.node
            )
        except NotCompiled:
            return None
        # Requests of several actors share a batch, which reads rows for nobody in particular.
        is_shared = all(product.join.visible_to is None for product in operation.products)
        return operation if is_shared else None


def plan(
    schema: GraphQLSchema, products: Sequence[DataProduct], document: DocumentNode, name: str | None
) -> Plan | None:
    """Plan the operation called `name` of a valid document, or its only one; None if the fast path cannot take it."""
    operation = find_operation(document, name)
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    if operation is None or operation.operation is not OperationType.QUERY or operation.directives:
        return None
    if name is None and len(operations) > 1:
        return None
    conditions = conditions_of(operation, document)
    if len(conditions) > MOST_CONDITIONS:
        return None
    by_field = {names.field(product.name): product for product in products}
    return Plan(schema, by_field, document, operation, conditions, defaults_of(operation))
