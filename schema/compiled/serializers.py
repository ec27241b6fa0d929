"""Serializers of the fast path: a selection as a function from an object to JSON, built from the types' resolvers.

A field is compiled if its resolver needs its object alone and queries nothing (`LOCAL`, or an attribute). Its JSON
follows from its GraphQL type. So a field is described once, in its type.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    FieldNode,
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    get_named_type,
    get_nullable_type,
    is_interface_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from strawberry.schema.schema_converter import CustomGraphQLEnumType

from .collect_fields import NotCompiled, Scope
from .columnar_executor import LOCAL, names_by_identity, reader, strawberry_field

#: An object, or the value of a field.
Value: TypeAlias = Any
#: A JSON value.
JSON: TypeAlias = Any
#: Serializes an object, or the value of a field.
Serialize: TypeAlias = Callable[[Value], JSON]

#: By the scalar's name, the type of values that are JSON already. The GraphQL type coerces all others.
JSON_TYPES: Mapping[str, type] = {"String": str, "ID": str, "Boolean": bool, "Float": float}


class SerializerFactory:
    """Builds the serializers of a valid document's selections, for one set of conditions."""

    def __init__(self, scope: Scope, concrete: Mapping[str, GraphQLObjectType] | None = None):
        self.scope = scope
        #: The only types of the objects of interfaces, by the interfaces' names.
        self.concrete = concrete or {}

    def object(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Serialize:
        """The serializer of objects of this type. Raises NotCompiled if a field is not local."""
        fields = [(key, self.field(type_, same)) for key, same in self.scope.collect(type_, nodes).items()]
        return lambda value: {key: serialize(value) for key, serialize in fields}

    def field(self, parent: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Serialize:
        """The serializer of one field, which takes the object. Raises NotCompiled if the field is not local."""
        name = nodes[0].name.value
        if name == "__typename":
            return lambda value: parent.name
        definition = parent.fields.get(name)
        if definition is None:
            raise NotCompiled
        return self.value_field(definition, nodes)

    def value_field(self, definition: GraphQLField, nodes: Sequence[FieldNode]) -> Serialize:
        """The serializer of a field with this definition, as `field` does it."""
        read = local_reader(definition)
        if is_leaf_type(get_nullable_type(definition.type)):
            return leaf_field(read, definition.type)
        serialize = self.value(definition.type, nodes)
        if is_relation(definition):
            serialize = once_if_unchanging(serialize)
        return lambda value: serialize(read(value))

    def value(self, type_: GraphQLOutputType, nodes: Sequence[FieldNode], nullable: bool = True) -> Serialize:
        """The serializer of a field's values."""
        if is_non_null_type(type_):
            return self.value(type_.of_type, nodes, nullable=False)
        if is_list_type(type_):
            item = self.value(type_.of_type, nodes)
            return optional(lambda values: [item(value) for value in values], nullable)
        if is_leaf_type(type_):
            return optional(type_.coerce_output_value, nullable)
        object_type = self.concrete.get(type_.name, type_) if is_interface_type(type_) else type_
        if is_object_type(object_type):
            return optional(self.object(object_type, nodes), nullable)
        raise NotCompiled


def leaf_field(read: Callable[[Value], Value], type_: GraphQLOutputType) -> Serialize:
    """The serializer of a field of a scalar or an enum, which takes the object; it raises what the type raises.

    Reading and coercing are one call, since a prediction may have tens of such fields.
    """
    leaf = cast(GraphQLLeafType, get_nullable_type(type_))
    coerce = optional(leaf.coerce_output_value, not is_non_null_type(type_))
    if isinstance(leaf, CustomGraphQLEnumType):
        names = names_by_identity(leaf)

        def serialize_member(value: Value) -> JSON:
            member = read(value)
            return names.get(id(member)) or coerce(member)

        return serialize_member
    if leaf.name == "Int":

        def serialize_int(value: Value) -> JSON:
            number = read(value)
            return (
                number
                if type(number) is int and GRAPHQL_MIN_INT <= number <= GRAPHQL_MAX_INT
                else coerce(number)
            )

        return serialize_int
    json_type = JSON_TYPES.get(leaf.name)
    if json_type is None:
        return lambda value: coerce(read(value))

    def serialize_json(value: Value) -> JSON:
        json = read(value)
        return json if type(json) is json_type else coerce(json)

    return serialize_json


def local_reader(definition: GraphQLField) -> Callable[[Value], Value]:
    """The function that reads a local field from its object. Raises NotCompiled if the field is not local."""
    mark = strawberry_field(definition).metadata.get(LOCAL)
    if callable(mark):
        return cast(Callable[[Value], Value], mark)
    has_resolver = strawberry_field(definition).base_resolver is not None
    read = reader(definition)
    if read is None or (has_resolver and not mark) or (mark is None and not is_leaf(definition)):
        raise NotCompiled
    return read


def is_relation(definition: GraphQLField) -> bool:
    """Check if a local field reads a related row."""
    return callable(strawberry_field(definition).metadata.get(LOCAL))


def is_leaf(definition: GraphQLField) -> bool:
    """Check if a field, or the items of its lists, are of a scalar or an enum."""
    return is_leaf_type(get_named_type(definition.type))


def optional(serialize: Serialize, nullable: bool) -> Serialize:
    """The serializer, which leaves null as it is if the value is nullable."""
    return (lambda value: None if value is None else serialize(value)) if nullable else serialize


def once_if_unchanging(serialize: Serialize) -> Serialize:
    """Serialize a row that never changes once, and store its JSON until another row is serialized.

    Row and JSON are one pair that is replaced as a whole: a thread and the event loop may serialize two rows at once.
    """
    latest: tuple[Value, JSON] = (None, None)

    def serialize_once(value: Value) -> JSON:
        nonlocal latest
        row, json = latest
        if row is not value:
            json = serialize(value)
            if getattr(value, "unchanging", False):
                latest = value, json
        return json

    return serialize_once
