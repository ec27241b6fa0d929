"""Inputs: the sentence, the code and the path for every value or literal that a field does not take."""

from collections.abc import Callable, Iterator
from itertools import islice
from math import isfinite
from typing import Any

from django.conf import settings
from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FloatValueNode,
    GraphQLError,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputType,
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

#: More than this about one request helps nobody.
MOST_REFUSALS = 20

Path = tuple[str | int, ...]


# What PostgreSQL cannot store and no model can learn from is refused by the built-in scalars themselves, so
# that no resolver can forget it. graphql-core has one object for each, shared by all schemas.


def storable(coerce: Any) -> Callable[..., str]:
    """`coerce`, refusing text that PostgreSQL cannot store."""

    def coerce_storable(*args: Any) -> str:
        text = coerce(*args)
        if "\x00" in text:
            raise BadInput("Text must not contain the NUL character.")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise BadInput("Text must be valid Unicode, without half of a surrogate pair.")
        return text

    return coerce_storable


def finite(value: Any) -> float:
    """A JSON number as a float. Raises NotFinite for what no float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise GraphQLError("Float cannot represent a non-numeric value.")
    try:
        number = float(value)
    except OverflowError:
        raise NotFinite from None
    if not isfinite(number):
        raise NotFinite
    return number


def finite_literal(node: Node, _variables: Any = None) -> float:
    """A number literal as a float. Raises NotFinite for `1e400` and the like."""
    if not isinstance(node, FloatValueNode | IntValueNode):
        raise GraphQLError("Float cannot represent a non-numeric value.", node)
    return finite(float(node.value))


GraphQLFloat.coerce_input_value = finite
GraphQLFloat.coerce_input_literal = finite_literal
for _scalar in (GraphQLString, GraphQLID):
    _scalar.coerce_input_value = storable(_scalar.coerce_input_value)
    _scalar.coerce_input_literal = storable(_scalar.coerce_input_literal)


def refusals(value: Any, type_: GraphQLInputType, path: Path) -> Iterator[ExemplarError]:
    """Everything that is wrong with `value`, JSON or a literal's node, as an input of `type_` at `path`."""
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
        yield from leaf_refusals(value, type_, path)


def list_refusals(value: Any, item_type: GraphQLInputType, path: Path) -> Iterator[ExemplarError]:
    items = value.values if isinstance(value, ListValueNode) else value
    if not isinstance(items, list | tuple):
        yield from refusals(value, item_type, path)  # a list of one may be written without brackets
        return
    for index, item in enumerate(items):
        yield from refusals(item, item_type, (*path, index))


def object_refusals(value: Any, type_: Any, path: Path) -> Iterator[ExemplarError]:
    given = fields_of(value)
    if given is None:
        yield BadInput(f"{named(path)} takes the fields of {type_}, not {shown(value)}.", argument=path)
        return
    for name in given.keys() - type_.fields.keys():
        yield unknown_field(name, type_, path)
    for name, field in type_.fields.items():
        if name in given:
            yield from refusals(given[name], field.type, (*path, name))
        elif is_required_input_field(field):
            yield BadInput(f"`{name}` is missing: {type_} needs a {field.type}.", argument=(*path, name))
    if takes_one(type_) and (len(given) != 1 or any(map(is_null, given.values()))):
        yield BadInput(f"{named(path)} takes exactly one of {', '.join(type_.fields)}.", argument=path)


def takes_one(type_: Any) -> bool:
    """Whether exactly one field must be given; Strawberry knows it, graphql-core is not told."""
    return type_.is_one_of or getattr(type_.extensions.get("strawberry-definition"), "is_one_of", False)


def unknown_field(name: str, type_: Any, path: Path) -> ExemplarError:
    hint = did_you_mean(suggestion_list(name, list(type_.fields))) if settings.EXEMPLAR_OPEN else ""
    return BadInput(f"{type_} has no field {shown(name)}.{hint}", argument=(*path, name))


def leaf_refusals(value: Any, type_: Any, path: Path) -> Iterator[ExemplarError]:
    if is_infinite(value):
        yield NotFinite(f"{named(path)} must be a finite number, not {shown(value)}.", argument=path)
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
    yield BadInput(f"{named(path)} takes {described(type_)}, not {shown(value)}{reason}.", argument=path)


def coerce_leaf(value: Any, type_: Any) -> Any:
    """`value` as a scalar or an enum holds it. Raises what the scalar raises."""
    if not isinstance(value, Node):
        return type_.coerce_input_value(value)
    if type_.coerce_input_literal is not None:
        return type_.coerce_input_literal(value)
    return type_.parse_literal(value, None)


def located(refusal: ExemplarError, path: Path) -> ExemplarError:
    """A scalar's own refusal, with the place that the scalar cannot know."""
    refusal.argument = tuple(map(str, path))
    refusal.args = (f"{named(path)}: {refusal.message}",)
    return refusal


def is_null(value: Any) -> bool:
    return value is None or isinstance(value, NullValueNode)


def is_infinite(value: Any) -> bool:
    number = float(value.value) if isinstance(value, FloatValueNode | IntValueNode) else value
    return isinstance(number, float) and not isfinite(number)


def fields_of(value: Any) -> dict[str, Any] | None:
    if isinstance(value, ObjectValueNode):
        return {field.name.value: field.value for field in value.fields}
    return value if isinstance(value, dict) else None


def described(type_: Any) -> str:
    """A type in a sentence: an enum by its members, as far as somebody would read them."""
    if is_enum_type(type_) and len(type_.values) <= 20:
        return f"one of {', '.join(type_.values)}"
    return f"a value of {type_}"


def named(path: Path) -> str:
    """The field that a path ends in, and the row it is in."""
    name = next((f"`{part}`" for part in reversed(path) if isinstance(part, str)), "The value")
    return f"{name}[{path[-1]}]" if path and isinstance(path[-1], int) else name


def shown(value: Any) -> str:
    """A value as part of a sentence: in ASCII, because it may hold anything, and short."""
    text = ascii(print_ast(value))[1:-1] if isinstance(value, Node) else ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


class InputLiterals(ValidationRule):
    """Literals are what their arguments take; the path of what is not is told."""

    def enter_argument(self, node: ArgumentNode, *_args: Any) -> None:
        argument = self.context.get_argument()
        if argument:
            self.refuse(node.value, argument.type, (node.name.value,))

    def enter_variable_definition(self, node: VariableDefinitionNode, *_args: Any) -> None:
        type_ = type_from_ast(self.context.schema, node.type)
        if node.default_value and type_:
            self.refuse(node.default_value, type_, (node.variable.name.value,))  # type: ignore[arg-type]

    def refuse(self, node: Node, type_: GraphQLInputType, path: Path) -> None:
        for refusal in islice(refusals(node, type_, path), MOST_REFUSALS):
            self.report_error(GraphQLError(refusal.message, node, original_error=refusal))


class RequiredArguments(ProvidedRequiredArgumentsRule):
    """A field has the arguments that it needs; the one that it lacks is told."""

    def leave_field(self, node: FieldNode, *_args: Any) -> None:
        field = self.context.get_field_def()
        given = {argument.name.value for argument in node.arguments or ()}
        for name, argument in field.args.items() if field else ():
            if name not in given and is_required_argument(argument):
                sentence = f"`{node.name.value}` needs the argument `{name}`, a {argument.type}."
                refusal = BadInput(sentence, argument=(name,))
                self.report_error(GraphQLError(refusal.message, node, original_error=refusal))


def variable_refusals(
    schema: GraphQLSchema, document: DocumentNode, operation_name: str | None, variables: dict[str, Any]
) -> list[GraphQLError]:
    """Why the variables of an operation were not accepted, with the paths that they are for."""
    operation = find_operation(document, operation_name)
    places = places_of_variables(document)
    return [
        GraphQLError(refusal.message, definition, original_error=refusal)
        for definition in (operation and operation.variable_definitions) or ()
        for refusal in islice(definition_refusals(schema, definition, variables, places), MOST_REFUSALS)
    ]


def find_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    """The operation called `name`, or the only one."""
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode) and (
            name is None or (definition.name and definition.name.value == name)
        ):
            return definition
    return None


def definition_refusals(
    schema: GraphQLSchema,
    definition: VariableDefinitionNode,
    variables: dict[str, Any],
    places: dict[str, set[Path]],
) -> Iterator[ExemplarError]:
    name = definition.variable.name.value
    type_: Any = type_from_ast(schema, definition.type)
    found = places.get(name, set())
    path: Path = next(iter(found)) if len(found) == 1 else (name,)
    if name in variables:
        yield from refusals(variables[name], type_, path)
    elif is_non_null_type(type_) and definition.default_value is None:
        yield BadInput(f"The variable ${name} is missing; it takes {type_}.", argument=path)


def places_of_variables(document: DocumentNode) -> dict[str, set[Path]]:
    """The paths, within fields' arguments, at which each variable is used."""
    places: dict[str, set[Path]] = {}

    class Places(Visitor):
        def enter_argument(self, node: ArgumentNode, *_args: Any) -> None:
            for name, path in variables_in(node.value, (node.name.value,)):
                places.setdefault(name, set()).add(path)

    visit(document, Places())
    return places


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
