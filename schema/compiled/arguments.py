"""Arguments: literals with variables, as the JSON that a client could have sent instead."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphql import (
    BooleanValueNode,
    EnumValueNode,
    FieldNode,
    FloatValueNode,
    IntValueNode,
    ListValueNode,
    Node,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    StringValueNode,
    VariableNode,
    Visitor,
    visit,
)

Variables = Mapping[str, Any]
#: Computes the value of an argument from the variables of a request.
Value = Callable[[Variables], Any]

#: The value of an argument or a variable that was left out.
ABSENT: Any = object()


def values_of(node: FieldNode, defaults: Variables) -> dict[str, Value]:
    """The values of a field's arguments by name."""
    return {argument.name.value: value_of(argument.value, defaults) for argument in node.arguments or ()}


def value_of(node: Node, defaults: Variables) -> Value:
    """The value of a literal that may contain variables."""
    if isinstance(node, VariableNode):
        name = node.name.value
        default = defaults.get(name, ABSENT)
        return lambda variables: variables.get(name, default)
    if not variables_in([node]):
        constant = constant_of(node)
        return lambda _: constant
    if isinstance(node, ListValueNode):
        items = [value_of(item, defaults) for item in node.values]
        return lambda variables: [item(variables) for item in items]
    assert isinstance(node, ObjectValueNode)
    fields = [(field.name.value, value_of(field.value, defaults)) for field in node.fields]
    return lambda variables: {
        name: value for name, read in fields if (value := read(variables)) is not ABSENT
    }


def constant_of(node: Node) -> Any:
    """A literal without variables as JSON; a member of an enum is its name."""
    match node:
        case NullValueNode():
            return None
        case IntValueNode():
            return int(node.value)
        case FloatValueNode():
            return float(node.value)
        case ListValueNode():
            return [constant_of(item) for item in node.values]
        case ObjectValueNode():
            return {field.name.value: constant_of(field.value) for field in node.fields}
        case EnumValueNode() | StringValueNode() | BooleanValueNode():
            return node.value
    raise TypeError(f"{node.kind} is not a literal.")


def defaults_of(operation: OperationDefinitionNode) -> dict[str, Any]:
    """The default values of the variables."""
    return {
        definition.variable.name.value: constant_of(definition.default_value)
        for definition in operation.variable_definitions or ()
        if definition.default_value is not None
    }


def variables_in(nodes: Sequence[Node]) -> set[str]:
    """The names of the variables in these nodes."""
    names: set[str] = set()

    class Names(Visitor):
        def enter_variable(self, node: VariableNode, *_: object) -> None:
            names.add(node.name.value)

    for node in nodes:
        visit(node, Names())
    return names
