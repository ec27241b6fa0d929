"""Input validation: the message, the code and the path of every value or literal that a field does not accept."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from math import isfinite
from typing import Any, TypeAlias, cast

from django.conf import settings
from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FloatValueNode,
    GraphQLError,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLLeafType,
    GraphQLSchema,
    GraphQLString,
    IntValueNode,
    ListValueNode,
    Node,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    ProvidedRequiredArgumentsRule,
    ValidationRule,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    is_required_input_field,
    is_specified_scalar_type,
    print_ast,
    type_from_ast,
    visit,
)
from graphql.pyutils import Undefined, did_you_mean, suggestion_list

from learning.exceptions import ExemplarError
from store.exceptions import BadInput, NotFinite

#: Problems that are reported for one input, at most.
MAX_REFUSALS = 20

Path: TypeAlias = tuple[str | int, ...]


# The built-in scalars refuse text that PostgreSQL cannot store and numbers that models cannot learn from, so that no
# resolver can forget to. graphql-core has one object for each scalar, which all schemas share.


def storable(coerce: Callable[..., str] | None) -> Callable[..., str]:
    """Wrap the coercion of a text scalar, so that it refuses text that PostgreSQL cannot store."""
    assert coerce is not None

    def coerce_storable(*args: object) -> str:
        text = coerce(*args)
        if "\x00" in text:
            raise BadInput("Text must not contain the NUL character.")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise BadInput("Text must be valid Unicode, without half of a surrogate pair.")
        return text

    return coerce_storable


def finite(value: object) -> float:
    """A JSON number as a float. Raises NotFinite for numbers that no float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise GraphQLError("Float cannot represent a non-numeric value.")
    try:
        number = float(value)
    except OverflowError:
        raise NotFinite from None
    if not isfinite(number):
        raise NotFinite
    return number


def finite_literal(node: Node, _variables: object = None) -> float:
    """A number literal as a float. Raises NotFinite for literals such as `1e400`."""
    if not isinstance(node, FloatValueNode | IntValueNode):
        raise GraphQLError("Float cannot represent a non-numeric value.", node)
    return finite(float(node.value))


GraphQLFloat.coerce_input_value = finite
GraphQLFloat.coerce_input_literal = finite_literal
for _scalar in (GraphQLString, GraphQLID):
    _scalar.coerce_input_value = storable(_scalar.coerce_input_value)
    _scalar.coerce_input_literal = storable(_scalar.coerce_input_literal)


def refusals(value: object, type_: GraphQLInputType, path: Path) -> Iterator[ExemplarError]:
    """List everything that is wrong with an input at `path`: a JSON value or the node of a literal."""
    if isinstance(value, VariableNode):
        return
    if is_non_null_type(type_):
        if is_null(value):
            yield BadInput(f"{named(path)} must not be null; it takes {type_}.", argument=path)
        else:
            yield from refusals(value, type_.of_type, path)
    elif is_null(value):
        return
    elif is_list_type(type_):
        yield from list_refusals(value, type_.of_type, path)
    elif is_input_object_type(type_):
        yield from object_refusals(value, type_, path)
    else:
        yield from leaf_refusals(value, cast(GraphQLLeafType, type_), path)


def list_refusals(value: object, item_type: GraphQLInputType, path: Path) -> Iterator[ExemplarError]:
    """List everything that is wrong with a list; GraphQL accepts a single item without brackets."""
    items = value.values if isinstance(value, ListValueNode) else value
    if not isinstance(items, list | tuple):
        yield from refusals(value, item_type, path)
        return
    for index, item in enumerate(items):
        yield from refusals(item, item_type, (*path, index))


def object_refusals(value: object, type_: GraphQLInputObjectType, path: Path) -> Iterator[ExemplarError]:
    """List everything that is wrong with an input object and its fields."""
    values = fields_of(value)
    if values is None:
        yield BadInput(f"{named(path)} takes the fields of {type_}, not {quoted(value)}.", argument=path)
        return
    for name in values.keys() - type_.fields.keys():
        yield unknown_field(name, type_, path)
    for name, field in type_.fields.items():
        if name in values:
            yield from refusals(values[name], field.type, (*path, name))
        elif is_required_input_field(field):
            yield BadInput(f"`{name}` is missing: {type_} needs a {field.type}.", argument=(*path, name))
    if is_one_of(type_) and (len(values) != 1 or any(map(is_null, values.values()))):
        yield BadInput(f"{named(path)} takes exactly one of {', '.join(type_.fields)}.", argument=path)


def is_one_of(type_: GraphQLInputObjectType) -> bool:
    """Check if exactly one field must be given. Strawberry knows that and does not pass it to graphql-core."""
    return type_.is_one_of or getattr(type_.extensions.get("strawberry-definition"), "is_one_of", False)


def unknown_field(name: str, type_: GraphQLInputObjectType, path: Path) -> ExemplarError:
    """The error for a field that an input type does not have; it suggests similar names on an open server."""
    hint = did_you_mean(suggestion_list(name, list(type_.fields))) if settings.EXEMPLAR_OPEN else ""
    return BadInput(f"{type_} has no field {quoted(name)}.{hint}", argument=(*path, name))


def leaf_refusals(value: object, type_: GraphQLLeafType, path: Path) -> Iterator[ExemplarError]:
    """The problem of a scalar's or an enum's value, if it has one."""
    if is_infinite(value):
        yield NotFinite(f"{named(path)} must be a finite number, not {quoted(value)}.", argument=path)
        return
    reason = ""
    try:
        if coerce_leaf(value, type_) is not Undefined:
            return
    except ExemplarError as refusal:
        yield located(refusal, path)
        return
    except (GraphQLError, ValueError, TypeError, ArithmeticError) as error:
        if not is_specified_scalar_type(type_) and not is_enum_type(type_):
            reason = f": {error}".rstrip(".")
    yield BadInput(f"{named(path)} takes {described(type_)}, not {quoted(value)}{reason}.", argument=path)


def coerce_leaf(value: Any, type_: GraphQLLeafType) -> object:
    """The Python value of a scalar or an enum. Raises the errors of the scalar."""
    is_literal = isinstance(value, Node)
    if not is_literal:
        return type_.coerce_input_value(value)
    if type_.coerce_input_literal is not None:
        return type_.coerce_input_literal(value)
    return type_.parse_literal(value, None)


def located(refusal: ExemplarError, path: Path) -> ExemplarError:
    """Add the path of the input to a scalar's own error."""
    refusal.argument = tuple(map(str, path))
    refusal.args = (f"{named(path)}: {refusal.message}",)
    return refusal


def is_null(value: object) -> bool:
    """Check for null, as a JSON value or as a literal."""
    return value is None or isinstance(value, NullValueNode)


def is_infinite(value: object) -> bool:
    """Check for a number that is infinite as a float, or NaN."""
    number = float(value.value) if isinstance(value, FloatValueNode | IntValueNode) else value
    return isinstance(number, float) and not isfinite(number)


def fields_of(value: object) -> Mapping[str, object] | None:
    """The fields of an input object by name; None if the value is something else."""
    if isinstance(value, ObjectValueNode):
        return {field.name.value: field.value for field in value.fields}
    return value if isinstance(value, dict) else None


def described(type_: GraphQLLeafType) -> str:
    """A type as part of a message: an enum by its members, if they are few enough to read."""
    if is_enum_type(type_) and len(type_.values) <= 20:
        return f"one of {', '.join(type_.values)}"
    return f"a value of {type_}"


def named(path: Path) -> str:
    """The last field of a path, with the index of its row."""
    name = next((f"`{part}`" for part in reversed(path) if isinstance(part, str)), "The value")
    return f"{name}[{path[-1]}]" if path and isinstance(path[-1], int) else name


def quoted(value: object) -> str:
    """A value as part of a message: short, and in ASCII since it may hold any character."""
    text = ascii(print_ast(value))[1:-1] if isinstance(value, Node) else ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


class InputLiterals(ValidationRule):
    """Validate literals, with the path of each one that is refused."""

    def enter_argument(self, node: ArgumentNode, *_: object) -> None:
        argument = self.context.get_argument()
        if argument:
            self.refuse(node.value, argument.type, (node.name.value,))

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: object) -> None:
        type_ = cast(GraphQLInputType | None, type_from_ast(self.context.schema, node.type))
        if node.default_value and type_:
            self.refuse(node.default_value, type_, (node.variable.name.value,))

    def refuse(self, node: Node, type_: GraphQLInputType, path: Path) -> None:
        """Report everything that is wrong with a literal."""
        for refusal in islice(refusals(node, type_, path), MAX_REFUSALS):
            self.report_error(GraphQLError(refusal.message, node, original_error=refusal))


class RequiredArguments(ProvidedRequiredArgumentsRule):
    """Validate that each field has its required arguments, with the name of the missing one."""

    def leave_field(self, node: FieldNode, *_: object) -> None:
        field = self.context.get_field_def()
        names = {argument.name.value for argument in node.arguments or ()}
        for name, argument in field.args.items() if field else ():
            if name not in names and is_required_argument(argument):
                message = f"`{node.name.value}` needs the argument `{name}`, a {argument.type}."
                refusal = BadInput(message, argument=(name,))
                self.report_error(GraphQLError(refusal.message, node, original_error=refusal))


def variable_refusals(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation_name: str | None,
    variables: Mapping[str, object],
) -> list[GraphQLError]:
    """List everything that is wrong with the variables of an operation, with the paths of the inputs."""
    operation = find_operation(document, operation_name)
    paths = variable_paths(document)
    return [
        GraphQLError(refusal.message, definition, original_error=refusal)
        for definition in (operation and operation.variable_definitions) or ()
        for refusal in islice(definition_refusals(schema, definition, variables, paths), MAX_REFUSALS)
    ]


def find_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    """Find the operation called `name`; without a name, the first one."""
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode) and (
            name is None or (definition.name and definition.name.value == name)
        ):
            return definition
    return None


def definition_refusals(
    schema: GraphQLSchema,
    definition: VariableDefinitionNode,
    variables: Mapping[str, object],
    paths: Mapping[str, set[Path]],
) -> Iterator[ExemplarError]:
    """List everything that is wrong with one variable."""
    name = definition.variable.name.value
    # A document that was validated names only input types.
    type_ = cast(GraphQLInputType, type_from_ast(schema, definition.type))
    uses = paths.get(name, set())
    path: Path = next(iter(uses)) if len(uses) == 1 else (name,)
    if name in variables:
        yield from refusals(variables[name], type_, path)
    elif is_non_null_type(type_) and definition.default_value is None:
        yield BadInput(f"The variable ${name} is missing; it takes {type_}.", argument=path)


def variable_paths(document: DocumentNode) -> dict[str, set[Path]]:
    """Find the paths, within the arguments of fields, at which each variable is used."""
    paths: dict[str, set[Path]] = {}

    class Arguments(Visitor):
        def enter_argument(self, node: ArgumentNode, *_: object) -> None:
            for name, path in variables_in(node.value, (node.name.value,)):
                paths.setdefault(name, set()).add(path)

    visit(document, Arguments())
    return paths


def variables_in(node: Node, path: Path) -> Iterator[tuple[str, Path]]:
    """The variables in a literal, each with its path."""
    if isinstance(node, VariableNode):
        yield node.name.value, path
    elif isinstance(node, ListValueNode):
        for index, item in enumerate(node.values):
            yield from variables_in(item, (*path, index))
    elif isinstance(node, ObjectValueNode):
        for field in node.fields:
            yield from variables_in(field.value, (*path, field.name.value))
