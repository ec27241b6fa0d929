"""Input validation: the message, the code and the path of every value or literal that a field does not accept."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from math import isfinite
from typing import Any, TypeAlias, cast

from django.conf import settings
from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FloatValueNode,
    GraphQLError,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputField,
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
    TypeInfo,
    TypeInfoVisitor,
    ValidationRule,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    get_named_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    is_required_input_field,
    print_ast,
    type_from_ast,
    visit,
)
from graphql.pyutils import Undefined, did_you_mean, suggestion_list
from strawberry.schema.schema_converter import GraphQLCoreConverter

from learning.exceptions import ExemplarError
from learning.kinds import BEYOND_64_BITS, listed, one_of, registered
from store.exceptions import BadInput, NotFinite
from store.products.columns import TypedColumn
from store.products.features import Feature

#: Problems that are reported for one input, at most: a form has fewer, and of thousands of rows the first are enough.
MAX_REFUSALS = 200
#: In the metadata of an input field: the column that it is for.
INPUT_COLUMN = "input column"
#: The words for the values of scalars, for people.
WORDS = {kind.scalar: kind.expected for kind in reversed(registered()) if kind.scalar} | {"ID": "an id"}
#: By the names of scalars, the whole numbers that they take.
RANGES = {"Int": (GRAPHQL_MIN_INT, GRAPHQL_MAX_INT), "BigInt": (-BEYOND_64_BITS, BEYOND_64_BITS - 1)}

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


@dataclass(frozen=True)
class Place:
    """The place of a value in the client's input, and its name in messages."""

    path: Path
    #: The column that the value is for; None if it is for none.
    column: TypedColumn | None = field(default=None, compare=False)

    def below(self, part: str | int, definition: GraphQLInputField | None = None) -> "Place":
        """The place of an item, or of a field."""
        return Place((*self.path, part), column_of(definition) if definition else None)

    @property
    def name(self) -> str:
        """The column's title, or the last field of the path with the index of its row."""
        return self.column.title if self.column else named(self.path)

    def expected(self, type_: GraphQLInputType) -> str:
        """The words for what this place takes, for people."""
        leaf = get_named_type(type_)
        if self.column and not is_enum_type(leaf):
            return self.column.expected
        return expected(type_)


def column_of(definition: GraphQLInputField) -> TypedColumn | None:
    """The column that an input field is for; None if it is for none."""
    field_ = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return field_.metadata.get(INPUT_COLUMN) if field_ else None


def expected(type_: GraphQLInputType) -> str:
    """The words for a value of a type: an enum by its members, if they are few enough to read."""
    if is_non_null_type(type_):
        return expected(type_.of_type)
    if is_list_type(type_):
        return "a list"
    if is_input_object_type(type_):
        current = [name for name, field in type_.fields.items() if not field.deprecation_reason]
        return f"an object with the fields {listed(current)}"
    if is_enum_type(type_):
        return one_of([name for name, member in type_.values.items() if not member.deprecation_reason])
    return WORDS.get(cast(GraphQLLeafType, type_).name) or f"a value of {type_}"


def all_refusals(value: object, type_: GraphQLInputType, place: Place) -> list[ExemplarError]:
    """List everything that is wrong with an input, if its types are not right; else nothing.

    Where the types are right the operation is executed, and reports what is wrong with the values.
    """
    if next(refusals(value, type_, place), None) is None:
        return []
    return list(islice(refusals(value, type_, place, deep=True), MAX_REFUSALS))


def refusals(
    value: object, type_: GraphQLInputType, place: Place, deep: bool = False
) -> Iterator[ExemplarError]:
    """List what is wrong with an input: a value of JSON, or the node of a literal.

    Args:
        deep: List the values that their columns do not accept, too.
    """
    if isinstance(value, VariableNode):
        return
    if is_non_null_type(type_):
        if is_null(value):
            message = f"{place.name} is required: it must be {place.expected(type_)}."
            yield BadInput(message, argument=place.path)
        else:
            yield from refusals(value, type_.of_type, place, deep)
    elif is_null(value):
        return
    elif is_list_type(type_):
        yield from list_refusals(value, type_.of_type, place, deep)
    elif is_input_object_type(type_):
        yield from object_refusals(value, type_, place, deep)
    else:
        yield from leaf_refusals(value, cast(GraphQLLeafType, type_), place, deep)


def list_refusals(
    value: object, item_type: GraphQLInputType, place: Place, deep: bool
) -> Iterator[ExemplarError]:
    """List everything that is wrong with a list; GraphQL accepts a single item without brackets."""
    items = value.values if isinstance(value, ListValueNode) else value
    if not isinstance(items, list | tuple):
        yield from refusals(value, item_type, place, deep)
        return
    for index, item in enumerate(items):
        yield from refusals(item, item_type, place.below(index), deep)


def object_refusals(
    value: object, type_: GraphQLInputObjectType, place: Place, deep: bool
) -> Iterator[ExemplarError]:
    """List everything that is wrong with an input object and its fields."""
    values = fields_of(value)
    if values is None:
        yield BadInput(f"{place.name} must be {expected(type_)}, not {quoted(value)}.", argument=place.path)
        return
    for name in values:
        if name not in type_.fields:
            yield unknown_field(name, type_, place)
    for name, definition in type_.fields.items():
        inner = place.below(name, definition)
        if name in values:
            yield from refusals(values[name], definition.type, inner, deep)
        elif is_required_input_field(definition):
            message = f"{inner.name} is required: it must be {inner.expected(definition.type)}."
            yield BadInput(message, argument=inner.path)
    if is_one_of(type_) and (len(values) != 1 or any(map(is_null, values.values()))):
        yield BadInput(f"{place.name} takes exactly one of {', '.join(type_.fields)}.", argument=place.path)


def is_one_of(type_: GraphQLInputObjectType) -> bool:
    """Check if exactly one field must be given. Strawberry knows that and does not pass it to graphql-core."""
    return type_.is_one_of or getattr(type_.extensions.get("strawberry-definition"), "is_one_of", False)


def unknown_field(name: str, type_: GraphQLInputObjectType, place: Place) -> ExemplarError:
    """The error for a field that an input type does not have; it suggests similar names on an open server."""
    hint = did_you_mean(suggestion_list(name, list(type_.fields))) if settings.EXEMPLAR_OPEN else ""
    return BadInput(f"{place.name} has no field {quoted(name)}.{hint}", argument=(*place.path, name))


def leaf_refusals(value: object, type_: GraphQLLeafType, place: Place, deep: bool) -> Iterator[ExemplarError]:
    """The problem of a scalar's or an enum's value, if it has one."""
    if is_infinite(value):
        yield NotFinite(f"{place.name} must be a finite number, not {quoted(value)}.", argument=place.path)
        return
    try:
        coerced = coerce_leaf(value, type_)
    except ExemplarError as refusal:
        yield located(refusal, place)
    except (GraphQLError, ValueError, TypeError, ArithmeticError):
        yield wrong_type(value, type_, place)
    else:
        if coerced is Undefined:
            yield wrong_type(value, type_, place)
        elif deep and place.column and (isinstance(place.column, Feature) or not is_enum_type(type_)):
            # A label's enum has retired members, too, which feedback may name.
            value = coerced.value if isinstance(coerced, Enum) else coerced
            yield from column_refusals(value, place.column, place.path)


def wrong_type(value: object, type_: GraphQLLeafType, place: Place) -> ExemplarError:
    """The error for a value that a scalar or an enum does not accept."""
    words = place.expected(type_)
    if type_.name in RANGES and is_whole(value):
        low, high = RANGES[type_.name]
        words = f"a whole number from {low} to {high}"
    return BadInput(f"{place.name} must be {words}, not {quoted(value)}.", argument=place.path)


def column_refusals(value: object, column: TypedColumn, path: Path) -> Iterator[ExemplarError]:
    """The error for a value that its column does not accept, if it does not."""
    try:
        column.clean(value, path)
    except ExemplarError as refusal:
        yield refusal


def coerce_leaf(value: Any, type_: GraphQLLeafType) -> object:
    """The Python value of a scalar or an enum. Raises the errors of the scalar."""
    is_literal = isinstance(value, Node)
    if not is_literal:
        return type_.coerce_input_value(value)
    if type_.coerce_input_literal is not None:
        return type_.coerce_input_literal(value)
    return type_.parse_literal(value, None)


def located(refusal: ExemplarError, place: Place) -> ExemplarError:
    """Add the place of the input to a scalar's own error."""
    refusal.argument = tuple(map(str, place.path))
    refusal.args = (f"{place.name}: {refusal.message}",)
    return refusal


def is_null(value: object) -> bool:
    """Check for null, as a JSON value or as a literal."""
    return value is None or isinstance(value, NullValueNode)


def is_whole(value: object) -> bool:
    """Check for a whole number, as a JSON value or as a literal."""
    return isinstance(value, IntValueNode) or (isinstance(value, int) and not isinstance(value, bool))


def is_infinite(value: object) -> bool:
    """Check for a number that is infinite as a float, or NaN."""
    number = float(value.value) if isinstance(value, FloatValueNode | IntValueNode) else value
    return isinstance(number, float) and not isfinite(number)


def fields_of(value: object) -> Mapping[str, object] | None:
    """The fields of an input object by name; None if the value is something else."""
    if isinstance(value, ObjectValueNode):
        return {field.name.value: field.value for field in value.fields}
    return value if isinstance(value, dict) else None


def named(path: Path) -> str:
    """The last field of a path, with the index of its row."""
    name = next((f"`{part}`" for part in reversed(path) if isinstance(part, str)), "The value")
    return f"{name}[{path[-1]}]" if path and isinstance(path[-1], int) else name


def quoted(value: object) -> str:
    """A value as part of a message: short, with escapes for characters that cannot be printed."""
    text = repr(print_ast(value))[1:-1] if isinstance(value, Node) else repr(value)
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
        for refusal in all_refusals(node, type_, Place(path)):
            self.report_error(GraphQLError(refusal.message, node, original_error=refusal))


class RequiredArguments(ProvidedRequiredArgumentsRule):
    """Validate that each field has its required arguments, with the name of the missing one."""

    def leave_field(self, node: FieldNode, *_: object) -> None:
        field = self.context.get_field_def()
        names = {argument.name.value for argument in node.arguments or ()}
        for name, argument in field.args.items() if field else ():
            if name not in names and is_required_argument(argument):
                message = f"`{node.name.value}` needs the argument `{name}`: {expected(argument.type)}."
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
    places = variable_places(schema, document)
    return [
        GraphQLError(refusal.message, definition, original_error=refusal)
        for definition in (operation and operation.variable_definitions) or ()
        for refusal in definition_refusals(schema, definition, variables, places)
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
    places: Mapping[str, set[Place]],
) -> list[ExemplarError]:
    """List everything that is wrong with one variable."""
    name = definition.variable.name.value
    # A document that was validated names only input types.
    type_ = cast(GraphQLInputType, type_from_ast(schema, definition.type))
    uses = places.get(name, set())
    place = next(iter(uses)) if len(uses) == 1 else Place((name,))
    if name in variables:
        return list(islice(refusals(variables[name], type_, place, deep=True), MAX_REFUSALS))
    if is_non_null_type(type_) and definition.default_value is None:
        message = f"The variable ${name} is missing: it must be {place.expected(type_)}."
        return [BadInput(message, argument=place.path)]
    return []


def variable_places(schema: GraphQLSchema, document: DocumentNode) -> dict[str, set[Place]]:
    """Find the places, within the arguments of fields, at which each variable is used."""
    places: dict[str, set[Place]] = {}
    types = TypeInfo(schema)

    class Arguments(Visitor):
        def enter_argument(self, node: ArgumentNode, *_: object) -> None:
            argument = types.get_argument()
            type_ = argument.type if argument else None
            for name, place in variables_in(node.value, type_, Place((node.name.value,))):
                places.setdefault(name, set()).add(place)

    visit(document, TypeInfoVisitor(types, Arguments()))
    return places


def variables_in(node: Node, type_: GraphQLInputType | None, place: Place) -> Iterator[tuple[str, Place]]:
    """The variables in a literal, each with its place."""
    if is_non_null_type(type_):
        type_ = type_.of_type
    if isinstance(node, VariableNode):
        yield node.name.value, place
    elif isinstance(node, ListValueNode):
        for index, item in enumerate(node.values):
            yield from variables_in(item, type_.of_type if is_list_type(type_) else type_, place.below(index))
    elif isinstance(node, ObjectValueNode):
        if is_list_type(type_):  # a single item without brackets
            type_ = cast(GraphQLInputType, get_named_type(type_))
        definitions = type_.fields if is_input_object_type(type_) else {}
        for each in node.fields:
            definition = definitions.get(each.name.value)
            inner = place.below(each.name.value, definition)
            yield from variables_in(each.value, definition and definition.type, inner)
