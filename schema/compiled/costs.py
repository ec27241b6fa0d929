"""The cost of an operation before it is executed: the values that its answer may have, in one number.

A field costs one. A field with a page of `first` or `last` nodes, or with a list of rows, costs its selections so
often; a mutation whose input has rows costs one for each, and the lists of its payload are as long; any other list is
taken to have ten items. Aliases, breadth and depth are all in the number, as each selects more fields.
The selections of a document are walked once; the sizes that variables give are put in for each request.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInputType,
    GraphQLNamedType,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionSetNode,
    TypeMetaFieldDef,
    TypeNameMetaFieldDef,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
)

from store.db.pagination import DEFAULT_SIZE, MAX_SIZE
from store.products.limits import MAX_ROWS

from ..core.errors import TooComplex

#: The items that a list is taken to have whose size the document does not tell.
LIST_SIZE = 10

Variables: TypeAlias = Mapping[str, Any]
#: Fields that cost more than one value: another version predicts, or predictions are measured.
COSTS: Mapping[str, int] = {"wouldBe": 10, "genericWouldBe": 10, "quality": 100}

#: A number, or its computation from the variables of a request.
Cost: TypeAlias = int | Callable[[Variables], int]

META_FIELDS = {"__typename": TypeNameMetaFieldDef, "__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}


class CostCompiler:
    """Compiles the cost of the operations of one valid document. Every fragment is walked once."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode):
        self.schema = schema
        self.fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        #: True once a field of the schema's own was selected.
        self.introspects = False
        #: By name, and by the size of the lists of the fragment.
        self.costs: dict[tuple[str, Cost], Cost] = {}

    def operation(self, node: OperationDefinitionNode) -> Cost:
        """Compile the cost of an operation."""
        self.costs.clear()
        self.defaults = {
            definition.variable.name.value: definition.default_value
            for definition in node.variable_definitions or ()
        }
        root = self.schema.get_root_type(node.operation)
        return self.selections(node.selection_set, root, LIST_SIZE)

    def selections(
        self, selections: SelectionSetNode | None, type_: GraphQLNamedType | None, page: Cost
    ) -> Cost:
        """The cost of a selection set on a type, whose lists are of this size: of a page, or of a payload."""
        return added(self.one(node, type_, page) for node in (selections.selections if selections else ()))

    def one(self, node: object, type_: GraphQLNamedType | None, page: Cost) -> Cost:
        """The cost of a field or a fragment."""
        if isinstance(node, FragmentSpreadNode):
            return self.fragment(node.name.value, page)
        if isinstance(node, InlineFragmentNode):
            condition = node.type_condition
            inner = self.schema.get_type(condition.name.value) if condition else type_
            return self.selections(node.selection_set, inner, page)
        return self.field(cast(FieldNode, node), type_, page)

    def fragment(self, name: str, page: Cost) -> Cost:
        """The cost of a fragment."""
        if (name, page) not in self.costs:
            node = self.fragments[name]
            inner = self.schema.get_type(node.type_condition.name.value)
            self.costs[name, page] = self.selections(node.selection_set, inner, page)
        return self.costs[name, page]

    def field(self, node: FieldNode, type_: GraphQLNamedType | None, page: Cost) -> Cost:
        """The cost of a field: of one value, or of a list of them."""
        name = node.name.value
        definition = META_FIELDS.get(name) or getattr(type_, "fields", {}).get(name)
        if definition is None:
            return 1
        self.introspects = self.introspects or name in ("__schema", "__type")
        arguments = {argument.name.value: argument.value for argument in node.arguments or ()}
        rows_of_input = self.rows_of_input(definition, arguments)
        inner_page: Cost = LIST_SIZE if rows_of_input is None else rows_of_input
        if "first" in definition.args:
            inner_page = self.page_size(arguments)
        inner = self.selections(node.selection_set, get_named_type(definition.type), inner_page)
        if rows_of_input is not None:
            return added([1, rows_of_input, inner])
        rows = next((argument for argument in arguments if is_rows(definition, argument)), None)
        if rows is not None:
            return multiplied(self.length(arguments[rows]), added([1, inner]))
        if is_list(definition.type):
            return added([1, multiplied(page, inner)]) if node.selection_set else 1
        return added([COSTS.get(name, 1), inner])

    def page_size(self, arguments: Mapping[str, ValueNode]) -> Cost:
        """The number of nodes of a page, by the values of `first` and `last`."""
        sizes = [self.integer(arguments[name]) for name in ("first", "last") if name in arguments]
        if any(callable(size) for size in sizes):
            return lambda variables: page_of(size(variables) if callable(size) else size for size in sizes)
        return page_of(sizes)

    def integer(self, value: ValueNode) -> object:
        """The value of an argument, or its computation from the variables of a request; None if it is no integer."""
        if isinstance(value, VariableNode):
            name, default = value.name.value, self.defaults.get(value.name.value)
            usual = int(default.value) if isinstance(default, IntValueNode) else None
            return lambda variables: variables.get(name, usual)
        return int(value.value) if isinstance(value, IntValueNode) else None

    def rows_of_input(self, definition: GraphQLField, arguments: Mapping[str, ValueNode]) -> Cost | None:
        """The number of rows in the input object of a mutation; None if it takes no list of rows."""
        argument = definition.args.get("input")
        type_ = get_nullable_type(argument.type) if argument else None
        members = type_.fields if is_input_object_type(type_) else {}
        rows = next((name for name, member in members.items() if is_list_of_rows(member.type)), None)
        return None if rows is None else self.member_length(arguments.get("input"), rows)

    def member_length(self, value: ValueNode | None, member: str) -> Cost:
        """The number of items of a list that is a member of an input object."""
        if isinstance(value, VariableNode):
            name, default = value.name.value, self.defaults.get(value.name.value)
            usual = cast(int, self.member_length(default, member))
            return lambda variables: length_of(member_of(variables.get(name), member), usual)
        fields = value.fields if isinstance(value, ObjectValueNode) else ()
        return next((self.length(field.value) for field in fields if field.name.value == member), 0)

    def length(self, value: ValueNode | None) -> Cost:
        """The number of items of a list of rows."""
        if isinstance(value, VariableNode):
            name, default = value.name.value, self.defaults.get(value.name.value)
            usual = cast(int, self.length(default))
            return lambda variables: length_of(variables.get(name), usual)
        if isinstance(value, ListValueNode):
            return len(value.values)
        return 0 if value is None or isinstance(value, NullValueNode) else 1


def page_of(sizes: Iterable[object]) -> int:
    """The number of nodes of a page: the largest of these sizes as far as a list takes it, or the usual one."""
    numbers = [size for size in sizes if type(size) is int]
    return min(max(*numbers, 1), MAX_SIZE) if numbers else DEFAULT_SIZE


def length_of(value: object, usual: int) -> int:
    """The number of rows in the value of a variable: a single one stands for a list of it."""
    if isinstance(value, list):
        return min(len(value), MAX_ROWS)
    return usual if value is None else 1


def member_of(value: object, member: str) -> object:
    """A member of an input object; None if there is none."""
    return value.get(member) if isinstance(value, dict) else None


def is_list(type_: GraphQLOutputType) -> bool:
    """Check if a field's values are lists."""
    return is_list_type(get_nullable_type(type_))


def is_rows(definition: GraphQLField, argument: str) -> bool:
    """Check if an argument is a list that may not be null: of rows, one after the other."""
    return argument in definition.args and is_list_of_rows(definition.args[argument].type)


def is_list_of_rows(type_: GraphQLInputType) -> bool:
    """Check if a type is that of a list that may not be null."""
    return is_non_null_type(type_) and is_list_type(get_nullable_type(type_))


def added(costs: Iterable[Cost]) -> Cost:
    """The sum of costs, computed now as far as it depends on no variable."""
    constant, computed = 0, []
    for cost in costs:
        if isinstance(cost, int):
            constant += cost
        else:
            computed.append(cost)
    if not computed:
        return constant
    return lambda variables: constant + sum(cost(variables) for cost in computed)


def multiplied(first: Cost, second: Cost) -> Cost:
    """The product of two costs, computed now if it depends on no variable."""
    if isinstance(first, int) and isinstance(second, int):
        return first * second
    return lambda variables: evaluated(first, variables) * evaluated(second, variables)


def evaluated(cost: Cost, variables: Variables) -> int:
    """The number that a cost is for these variables."""
    return cost if isinstance(cost, int) else cost(variables)


class DocumentCosts(NamedTuple):
    """The costs of a document's operations."""

    #: By the name of the operation, and under None for the only one.
    by_operation: Mapping[str | None, Cost] = {}
    #: True if an operation reads the schema itself.
    introspects: bool = False


def compile_costs(schema: GraphQLSchema, document: DocumentNode) -> DocumentCosts:
    """Compile the costs of a valid document's operations."""
    compiler = CostCompiler(schema, document)
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    costs: dict[str | None, Cost] = {
        node.name.value if node.name else None: compiler.operation(node) for node in operations
    }
    if len(operations) == 1:
        costs[None] = next(iter(costs.values()))
    return DocumentCosts(costs, compiler.introspects)


def check_cost(cost: Cost, variables: Variables, most: int) -> None:
    """Check that an operation costs no more than its caller may ask for. Raises TooComplex."""
    number = evaluated(cost, variables)
    if number > most:
        raise TooComplex(
            f"The operation costs {number:,} and may cost {most:,}: ask for fewer rows, smaller pages or fewer fields.",
            maximum=most,
        )
