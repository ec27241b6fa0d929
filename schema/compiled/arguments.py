"""Arguments: what a literal with its variables stands for, as the JSON that a client could have sent instead."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphql import (
    EnumValueNode,
    FieldNode,
    FloatValueNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)

Variables = Mapping[str, Any]
#: An argument's value for a request's variables.
Value = Callable[[Variables], Any]

#: Stands for a value that was not given.
ABSENT: Any = object()


def values_of(node: FieldNode, defaults: Variables) -> dict[str, Value]:
    """The field's arguments by name."""
    return {argument.name.value: value_of(argument.value, defaults) for argument in node.arguments or ()}


def value_of(node: Any, defaults: Variables) -> Value:
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
    fields = [(field.name.value, value_of(field.value, defaults)) for field in node.fields]
    return lambda variables: {
        name: value for name, read in fields if (value := read(variables)) is not ABSENT
    }


def constant_of(node: Any) -> Any:
    """A literal without variables as JSON; an enum's member is its name."""
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
        case EnumValueNode():
            return node.value
    return node.value  # text, or a truth value


def defaults_of(operation: OperationDefinitionNode) -> dict[str, Any]:
    """The variables' default values."""
    return {
        definition.variable.name.value: constant_of(definition.default_value)
        for definition in operation.variable_definitions or ()
        if definition.default_value is not None
    }


def variables_in(nodes: Sequence[Any]) -> set[str]:
    """The variables that stand in these nodes."""
    found: set[str] = set()

    class Names(Visitor):
        def enter_variable(self, node: VariableNode, *_args: Any) -> None:
            found.add(node.name.value)

    for node in nodes:
        visit(node, Names())
    return found
