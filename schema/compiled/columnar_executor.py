"""Columnar execution: a query's selections as functions that resolve each field for all objects of a level at once.

graphql-core looks up every field of every object in the document again. A compiled query does so once, and then works
column by column. It reports no errors: if anything raises, or is null where it must not be, it gives up, and the
standard execution starts over and reports what is wrong. So only queries that may be executed twice are compiled.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice, repeat
from math import isfinite
from operator import attrgetter
from types import NoneType
from typing import Any, TypeAlias, cast

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    DocumentNode,
    FieldNode,
    GraphQLAbstractType,
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    Undefined,
    get_argument_values,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution import Executor
from strawberry.schema.schema_converter import CustomGraphQLEnumType, GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from learning.exceptions import TimedOut
from store.db import deadlines

from .collect_fields import (
    MOST_CONDITIONS,
    NotCompiled,
    Scope,
    SelectionParent,
    conditions_of,
    fragments_of,
)

#: Forms of one document that are cached, at most: each combination of values in @skip and @include has one.
MAX_COMPILED = 32
#: The metadata of a field that writes rows: it must not be executed twice.
WRITES = {"writes": True}
#: In the metadata of a field: the function that returns its values for all objects at once.
COLUMN = "column"
#: In the metadata of a field whose resolver takes its object alone and queries nothing, so that the fast path may call
#: it on the event loop: True, or the function to call instead. Attributes need no mark.
LOCAL = "local"

Arguments: TypeAlias = Mapping[str, object]
CoreExecutor: TypeAlias = Executor[Any]
#: The values of one field for all objects of a level: objects of any type, or JSON.
Column: TypeAlias = list[Any]

#: Built-in scalars whose values are JSON already: the type that all values must have, and a further condition on them.
JSON_SCALARS: Mapping[str, tuple[type, Callable[[Column], bool] | None]] = {
    "String": (str, None),
    "ID": (str, None),
    "Boolean": (bool, None),
    "Float": (float, lambda values: all(map(isfinite, values))),
    "Int": (int, lambda values: min(values) >= GRAPHQL_MIN_INT and max(values) <= GRAPHQL_MAX_INT),
}


class GaveUp(Exception):
    """A value cannot be serialized here: the standard execution has to start over."""


@dataclass(frozen=True, eq=False)
class Selected:
    """A field of an object type, with the nodes that select it under one response key."""

    definition: GraphQLField
    nodes: list[FieldNode]
    parent: GraphQLObjectType


@dataclass
class Execution:
    """One execution of a compiled query."""

    #: graphql-core's executor, which has the variables and the context.
    executor: CoreExecutor
    #: The arguments of the resolvers, apart from the object.
    inputs: dict[Selected, tuple[GraphQLResolveInfo, Arguments]] = field(default_factory=dict)

    def input_of(self, selected: Selected) -> tuple[GraphQLResolveInfo, Arguments]:
        """The field's info, without a path, and its arguments."""
        if selected not in self.inputs:
            definition, nodes, executor = selected.definition, selected.nodes, self.executor
            info = executor.build_resolve_info(definition, nodes, selected.parent, cast(Any, None))
            arguments = get_argument_values(definition, nodes[0], executor.variable_values)
            self.inputs[selected] = info, arguments
        return self.inputs[selected]


#: Objects, or the values that a resolver returned for them, in; JSON for each of them out.
Serializer: TypeAlias = Callable[[Column, Execution], Column]


class ColumnarCompiler:
    """Compiles the selections of a valid query, for one set of conditions."""

    def __init__(self, schema: GraphQLSchema, scope: Scope):
        self.schema, self.scope = schema, scope

    def operation(self, node: OperationDefinitionNode) -> Serializer:
        """Compile a query. Raises NotCompiled if it selects introspection or fields that write rows."""
        assert self.schema.query_type is not None
        return self.objects(self.schema.query_type, [node])

    def objects(self, type_: GraphQLObjectType, parents: Sequence[SelectionParent]) -> Serializer:
        """Compile the selections on an object type."""
        collected = self.scope.collect(type_, parents)
        keys, serializers = list(collected), [self.field(type_, nodes) for nodes in collected.values()]

        def serialize(objects: Column, execution: Execution) -> Column:
            deadlines.check()
            if not objects or not serializers:
                return [{} for _ in objects]
            columns = [serialize_field(objects, execution) for serialize_field in serializers]
            # Without a Python loop, as a page has hundreds of objects.
            return list(map(dict, map(zip, repeat(keys), zip(*columns, strict=True))))

        return serialize

    def field(self, parent: GraphQLObjectType, nodes: list[FieldNode]) -> Serializer:
        """Compile one field of an object type."""
        name = nodes[0].name.value
        if name == "__typename":
            return lambda objects, execution: [parent.name] * len(objects)
        definition = parent.fields.get(name)
        if definition is None or writes_rows(definition):
            raise NotCompiled
        selected = Selected(definition, nodes, parent)
        serialize = self.value(definition.type, selected)
        if (column := strawberry_field(definition).metadata.get(COLUMN)) is not None:
            serialize = serialize if is_leaf_type(get_named_type(definition.type)) else distinct(serialize)
            return lambda objects, execution: serialize(column(objects), execution)
        if (read := reader(definition)) is None:
            return resolving(selected, serialize)
        return lambda objects, execution: serialize(list(map(read, objects)), execution)

    def value(self, type_: GraphQLOutputType, selected: Selected, required: bool = False) -> Serializer:
        """Compile values of a type, which a field returned or a list contains; `required` ones must not be null."""
        if is_non_null_type(type_):
            return self.value(type_.of_type, selected, required=True)
        if is_list_type(type_):
            return nullable(flattened(self.value(type_.of_type, selected)), required)
        if is_leaf_type(type_):
            return leaf(type_, required)
        if is_abstract_type(type_):
            return nullable(self.abstract(type_, selected), required)
        return nullable(self.concrete(cast(GraphQLObjectType, type_), selected), required)

    def concrete(self, type_: GraphQLObjectType, selected: Selected) -> Serializer:
        """Compile objects of one type."""
        serialize, is_type_of = self.objects(type_, selected.nodes), type_.is_type_of
        if is_type_of is None:
            return serialize

        def checked(objects: Column, execution: Execution) -> Column:
            info = execution.input_of(selected)[0]
            if not all(is_type_of(value, info) for value in objects):
                raise GaveUp
            return serialize(objects, execution)

        return checked

    def abstract(self, type_: GraphQLAbstractType, selected: Selected) -> Serializer:
        """Compile objects of an interface; each type's selections are compiled when its first object comes.

        Nested interfaces have as many combinations of types as the product of their numbers of types.
        """
        serializers: dict[str, Serializer] = {}
        resolve_type = cast(Callable[..., str], type_.resolve_type)

        def serialize(objects: Column, execution: Execution) -> Column:
            info = execution.input_of(selected)[0]
            names = [resolve_type(value, info, type_) for value in objects]
            by_type = {}
            for name in dict.fromkeys(names):
                if name not in serializers:
                    concrete = cast(GraphQLObjectType, self.schema.get_type(name))
                    serializers[name] = self.concrete(concrete, selected)
                members = [value for value, its_name in zip(objects, names, strict=True) if its_name == name]
                by_type[name] = iter(serializers[name](members, execution))
            return [next(by_type[name]) for name in names]

        return serialize


def writes_rows(definition: GraphQLField) -> bool:
    """Check if a field is marked with WRITES."""
    return strawberry_field(definition).metadata.items() >= WRITES.items()


def strawberry_field(definition: GraphQLField) -> StrawberryField:
    """Strawberry's definition of a field. Raises NotCompiled if it has none."""
    field_ = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if field_ is None:
        raise NotCompiled
    return cast(StrawberryField, field_)


def reader(definition: GraphQLField) -> Callable[[Any], object] | None:
    """The function that reads a field from its object alone; None if its resolver takes more."""
    field_ = strawberry_field(definition)
    if field_.extensions or field_.is_async:
        return None
    resolver = field_.base_resolver
    if resolver is None and (field_.is_basic_field or is_leaf_type(get_named_type(definition.type))):
        return attrgetter(field_.python_name)
    if resolver is None or definition.args or not resolver.self_parameter or resolver.info_parameter:
        return None
    return cast(Callable[[Any], object], resolver.wrapped_func)


def resolving(selected: Selected, serialize: Serializer) -> Serializer:
    """Call the field's resolver for each object, and serialize the results."""
    resolve = cast(Callable[..., object], selected.definition.resolve)

    def serialize_results(objects: Column, execution: Execution) -> Column:
        info, arguments = execution.input_of(selected)
        return serialize([resolve(value, info, **arguments) for value in objects], execution)

    return serialize_results


def distinct(serialize: Serializer) -> Serializer:
    """Serialize each object once, however often it occurs."""

    def serialize_distinct(objects: Column, execution: Execution) -> Column:
        by_id = {id(value): value for value in objects}
        serialized = dict(zip(by_id, serialize(list(by_id.values()), execution), strict=True))
        return [serialized[id(value)] for value in objects]

    return serialize_distinct


def nullable(serialize: Serializer, required: bool) -> Serializer:
    """Serialize the values that are not null; give up at errors, and at nulls if a value is required."""

    def serialize_present(values: Column, execution: Execution) -> Column:
        if any(issubclass(kind, Exception) for kind in set(map(type, values))):
            raise GaveUp
        present = [value for value in values if value is not None]
        if len(present) == len(values):
            return serialize(values, execution)
        if required:
            raise GaveUp
        serialized = iter(serialize(present, execution))
        return [None if value is None else next(serialized) for value in values]

    return serialize_present


def flattened(serialize: Serializer) -> Serializer:
    """Serialize the items of all lists together."""

    def serialize_items(lists: Column, execution: Execution) -> Column:
        if not all(isinstance(value, list | tuple) for value in lists):
            raise GaveUp
        serialized = iter(serialize([item for value in lists for item in value], execution))
        return [list(islice(serialized, len(value))) for value in lists]

    return serialize_items


def leaf(type_: GraphQLLeafType, required: bool) -> Serializer:
    """Serialize the values of a scalar or an enum."""
    coerce_all, coerce = column_coercion(type_), type_.coerce_output_value

    def coerce_one(value: object) -> object:
        coerced = None if value is None else coerce(value)
        if coerced is Undefined or (coerced is None and (required or value is not None)):
            raise GaveUp
        return coerced

    def serialize(values: Column, execution: Execution) -> Column:
        coerced = coerce_all(values, not required)
        return list(map(coerce_one, values)) if coerced is None else coerced

    return serialize


#: Coerces a column of values, which may contain None if the second argument is true; None if it cannot.
ColumnCoercion: TypeAlias = Callable[[Column, bool], Column | None]


def column_coercion(type_: GraphQLLeafType) -> ColumnCoercion:
    """The coercion of a whole column of a scalar or an enum to JSON."""
    if isinstance(type_, CustomGraphQLEnumType):
        return enum_coercion(type_)
    kind, condition = JSON_SCALARS.get(type_.name, (None, None))

    def coerce(values: Column, may_be_null: bool) -> Column | None:
        kinds = set(map(type, values))
        present = values
        if may_be_null and NoneType in kinds:
            kinds.remove(NoneType)
            present = [value for value in values if value is not None]
        is_json = kinds <= {kind} and (not present or condition is None or condition(present))
        return values if is_json else None

    return coerce


def names_by_identity(type_: CustomGraphQLEnumType) -> dict[int, str | None]:
    """The names of an enum's members, by `id`: Python computes a member's hash anew each time.

    A schema may leave members out which its products do not use.
    """
    names_by_value = {value.value: name for name, value in type_.values.items()}
    members = cast(Iterable[Enum], type_.wrapped_cls)
    return {id(member): names_by_value[member.value] for member in members if member.value in names_by_value}


def enum_coercion(type_: CustomGraphQLEnumType) -> ColumnCoercion:
    """The coercion of a column of an enum's members."""
    names = names_by_identity(type_)
    nullable_names = names | {id(None): None}

    def coerce(values: Column, may_be_null: bool) -> Column | None:
        try:
            return list(map((nullable_names if may_be_null else names).__getitem__, map(id, values)))
        except KeyError:
            return None

    return coerce


@dataclass(frozen=True)
class ColumnarQueries:
    """The compiled queries of a valid document, each compiled when it is first executed."""

    schema: GraphQLSchema
    document: DocumentNode
    #: By the name of the operation, the variables of its @skip and @include.
    conditions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: By the name of the operation and the values of its conditions; None if it cannot be compiled.
    compiled: dict[tuple[str, tuple[object, ...]], Serializer | None] = field(default_factory=dict)

    def data(self, executor: CoreExecutor) -> dict[str, Any] | None:
        """The data of an operation of this document; None if the standard execution has to produce it."""
        operation = executor.operation
        if operation.operation is not OperationType.QUERY or has_middleware(executor):
            return None
        name = operation.name.value if operation.name else ""
        if name not in self.conditions:
            self.conditions[name] = conditions_of(operation, self.document)
        variables = executor.variable_values.coerced
        decisions = {condition: variables.get(condition) for condition in self.conditions[name]}
        key = (name, tuple(decisions.values()))
        if key not in self.compiled:
            if len(self.compiled) >= MAX_COMPILED:
                self.compiled.clear()
            self.compiled[key] = self.compile(operation, decisions)
        serialize = self.compiled[key]
        try:
            return None if serialize is None else serialize([executor.root_value], Execution(executor))[0]
        except NotCompiled:
            self.compiled[key] = None
        except TimedOut:
            raise
        except Exception:  # the standard execution meets the same error and reports it
            pass
        return None

    def compile(self, operation: OperationDefinitionNode, decisions: Mapping[str, Any]) -> Serializer | None:
        """Compile an operation for these values of its conditions; None if that is not possible."""
        if len(decisions) > MOST_CONDITIONS or None in decisions.values() or operation.directives:
            return None
        scope = Scope(fragments_of(self.document), decisions)
        try:
            return ColumnarCompiler(self.schema, scope).operation(operation)
        except NotCompiled:
            return None


def has_middleware(executor: CoreExecutor) -> bool:
    """Check if resolvers are wrapped for this execution."""
    manager = executor.middleware_manager
    return manager is not None and bool(manager.middlewares)
