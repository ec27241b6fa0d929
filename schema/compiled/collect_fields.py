"""Collecting: what a selection asks for by response key, its fragments spread and its conditions decided."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    Visitor,
    visit,
)

#: Variables in @skip and @include; each doubles how many ways there are to compile an operation.
MOST_CONDITIONS = 4


class NotCompiled(Exception):
    """The operation asks for what only the ordinary way can answer."""


@dataclass(frozen=True)
class Scope:
    """What a valid document's selections mean, for one set of conditions."""

    fragments: Mapping[str, FragmentDefinitionNode]
    #: The variables of @skip and @include.
    conditions: Mapping[str, bool]

    def collect(self, type_: GraphQLObjectType, parents: Sequence[Any]) -> dict[str, list[FieldNode]]:
        """The fields of an object below these nodes, in order; those of one response key are merged."""
        found: dict[str, list[FieldNode]] = {}
        for parent in parents:
            for node in self.fields(type_, parent.selection_set):
                found.setdefault((node.alias or node.name).value, []).append(node)
        return found

    def fields(self, type_: GraphQLObjectType, selections: SelectionSetNode | None) -> Iterator[FieldNode]:
        for node in selections.selections if selections else ():
            if not all(map(self.holds, node.directives or ())):
                continue
            if isinstance(node, FieldNode):
                yield node
                continue
            fragment: Any = node
            if isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
            if applies(fragment, type_):
                yield from self.fields(type_, fragment.selection_set)

    def holds(self, directive: DirectiveNode) -> bool:
        """Whether what carries this directive is asked for. Raises NotCompiled."""
        name = directive.name.value
        if name not in ("skip", "include"):
            raise NotCompiled
        told = (directive.arguments or ())[0].value
        value = told.value if isinstance(told, BooleanValueNode) else self.conditions[variable(told)]
        return value is (name == "include")


def applies(fragment: Any, type_: GraphQLObjectType) -> bool:
    condition = fragment.type_condition
    return condition is None or condition.name.value in {type_.name, *(i.name for i in type_.interfaces)}


def variable(node: Any) -> str:
    if not isinstance(node, VariableNode):
        raise NotCompiled
    return node.name.value


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {
        node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }


def conditions_of(operation: OperationDefinitionNode, document: DocumentNode) -> tuple[str, ...]:
    """The variables that @skip and @include of the document look at."""
    found: dict[str, None] = {}

    class Conditions(Visitor):
        def enter_directive(self, node: DirectiveNode, *_args: Any) -> None:
            found.update(
                {a.value.name.value: None for a in node.arguments or () if isinstance(a.value, VariableNode)}
            )

    visit(document, Conditions())
    declared = {definition.variable.name.value for definition in operation.variable_definitions or ()}
    return tuple(name for name in found if name in declared)
