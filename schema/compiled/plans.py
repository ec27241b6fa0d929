"""Plans: an operation of a document, compiled for each set of its conditions when that is first asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import DocumentNode, GraphQLSchema, OperationDefinitionNode, OperationType

from store.products.product import DataProduct

from ..core import names
from ..core.inputs import find_operation
from .arguments import ABSENT, Variables, defaults_of
from .collect_fields import MOST_CONDITIONS, NotCompiled, Scope, conditions_of, fragments_of
from .input_coercion import NotEligible
from .operations import Compiler, Operation


@dataclass(frozen=True)
class Plan:
    """A query that may be compiled."""

    schema: GraphQLSchema
    #: By the fields that are theirs.
    products: Mapping[str, DataProduct]
    document: DocumentNode
    node: OperationDefinitionNode
    conditions: tuple[str, ...]
    defaults: Mapping[str, Any]
    compiled: dict[tuple[bool, ...], Operation | None] = field(default_factory=dict)

    def operation(self, variables: Variables) -> Operation:
        """The operation for these variables. Raises Unusual where only the ordinary way can execute it."""
        decided = tuple(self.decided(name, variables) for name in self.conditions)
        if decided not in self.compiled:
            self.compiled[decided] = self.compile(decided)
        operation = self.compiled[decided]
        if operation is None:
            raise NotEligible
        return operation

    def decided(self, name: str, variables: Variables) -> bool:
        value = variables.get(name, self.defaults.get(name, ABSENT))
        if type(value) is not bool:
            raise NotEligible
        return value

    def compile(self, decided: Sequence[bool]) -> Operation | None:
        scope = Scope(fragments_of(self.document), dict(zip(self.conditions, decided, strict=True)))
        try:
            return Compiler(self.schema, self.products, scope, self.defaults).operation(self.node)
        except NotCompiled:
            return None


def plan(
    schema: GraphQLSchema, products: Sequence[DataProduct], document: DocumentNode, name: str | None
) -> Plan | None:
    """The plan for the operation called `name` of a valid document, or for the only one; None if there is none."""
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
