"""Collection of the selected fields: by response key, with fragments spread and conditions decided."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    Visitor,
    visit,
)

#: Variables in @skip and @include, at most: each doubles the number of forms in which an operation is compiled.
MOST_CONDITIONS = 4

#: A node with selections on an object.
SelectionParent: TypeAlias = OperationDefinitionNode | FieldNode


class NotCompiled(Exception):
    """The operation selects something that only the standard path can resolve."""


@dataclass(frozen=True)
class Scope:
    """The fragments and conditions under which the selections of a valid document are read."""

    fragments: Mapping[str, FragmentDefinitionNode]
    #: Values of the variables in @skip and @include.
    conditions: Mapping[str, bool]

    def collect(
        self, type_: GraphQLObjectType, parents: Sequence[SelectionParent]
    ) -> dict[str, list[FieldNode]]:
        """The fields of an object below these nodes, in order, by response key; equal keys are merged."""
        by_key: dict[str, list[FieldNode]] = {}
        for parent in parents:
            for node in self.fields(type_, parent.selection_set):
                by_key.setdefault((node.alias or node.name).value, []).append(node)
        return by_key

    def fields(self, type_: GraphQLObjectType, selections: SelectionSetNode | None) -> Iterator[FieldNode]:
        """The fields of a selection set on an object of this type."""
        for node in selections.selections if selections else ():
            if not all(map(self.includes, node.directives or ())):
                continue
            if isinstance(node, FieldNode):
                yield node
                continue
            fragment = self.fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
            assert isinstance(fragment, InlineFragmentNode | FragmentDefinitionNode)
            if applies(fragment, type_):
                yield from self.fields(type_, fragment.selection_set)

    def includes(self, directive: DirectiveNode) -> bool:
        """Check if a directive includes its node. Raises NotCompiled if it is neither @skip nor @include."""
        name = directive.name.value
        if name not in ("skip", "include"):
            raise NotCompiled
        condition = (directive.arguments or ())[0].value
        value = (
            condition.value
            if isinstance(condition, BooleanValueNode)
            else self.conditions[variable_name(condition)]
        )
        return value is (name == "include")


def applies(fragment: InlineFragmentNode | FragmentDefinitionNode, type_: GraphQLObjectType) -> bool:
    """Check if a fragment is for objects of this type."""
    condition = fragment.type_condition
    return condition is None or condition.name.value in {type_.name, *(i.name for i in type_.interfaces)}


def variable_name(node: Node) -> str:
    """The name of a variable. Raises NotCompiled for other nodes."""
    if not isinstance(node, VariableNode):
        raise NotCompiled
    return node.name.value


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """The fragments of a document by name."""
    return {
        node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }


def conditions_of(operation: OperationDefinitionNode, document: DocumentNode) -> tuple[str, ...]:
    """The variables of an operation that @skip and @include in its document use."""
    used: dict[str, None] = {}

    class Conditions(Visitor):
        def enter_directive(self, node: DirectiveNode, *_: object) -> None:
            used.update(
                {a.value.name.value: None for a in node.arguments or () if isinstance(a.value, VariableNode)}
            )

    visit(document, Conditions())
    declared = {definition.variable.name.value for definition in operation.variable_definitions or ()}
    return tuple(name for name in used if name in declared)
