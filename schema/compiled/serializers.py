"""Serializers of the fast path: functions from an object to the JSON of a selection, built from the types' resolvers.

The fast path takes a field if its resolver needs its object alone and queries nothing: it is marked `LOCAL`, or an
attribute. The JSON follows from the field's GraphQL type. So each field is described once, in its type.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from strawberry.schema.schema_converter import CustomGraphQLEnumType

from .collect_fields import NotCompiled, Scope
from .columnar_executor import LOCAL, reader, strawberry_field

#: From an object, or a field's value, to JSON.
Serialize = Callable[[Any], Any]

#: Python types whose values are JSON already, by scalar. The scalar coerces all other values.
JSON_TYPES: Mapping[str, type] = {"String": str, "ID": str, "Boolean": bool, "Float": float}


class SerializerFactory:
    """Builds the serializers of a valid document's selections, for one set of conditions."""

    def __init__(self, scope: Scope):
        self.scope = scope

    def object(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Serialize:
        """Build the serializer of objects of this type. Raises NotCompiled if a field is not local."""
        fields = [(key, self.field(type_, same)) for key, same in self.scope.collect(type_, nodes).items()]
        return lambda value: {key: serialize(value) for key, serialize in fields}

    def field(self, parent: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Serialize:
        """Build the serializer of one field, from its object to JSON. Raises NotCompiled if the field is not local."""
        name = nodes[0].name.value
        if name == "__typename":
            return lambda value: parent.name
        definition = parent.fields.get(name)
        if definition is None:
            raise NotCompiled
        read = local_reader(definition)
        if is_leaf_type(get_nullable_type(definition.type)):
            return leaf_field(read, definition.type)
        serialize = self.value(definition.type, nodes)
        return lambda value: serialize(read(value))

    def value(self, type_: Any, nodes: Sequence[FieldNode], nullable: bool = True) -> Serialize:
        """Build the serializer of a field's values."""
        if is_non_null_type(type_):
            return self.value(type_.of_type, nodes, nullable=False)
        if is_list_type(type_):
            item = self.value(type_.of_type, nodes)
            return optional(lambda values: [item(value) for value in values], nullable)
        if is_leaf_type(type_):
            return optional(type_.coerce_output_value, nullable)
        if is_object_type(type_):
            return optional(once_if_unchanging(self.object(type_, nodes)), nullable)
        raise NotCompiled


def leaf_field(read: Callable[[Any], Any], type_: Any) -> Serialize:
    """Build the serializer of a scalar or enum field, from its object to JSON.

    It is one closure, as a selection may have tens of them. It raises if the type does not accept the value.
    """
    leaf: Any = get_nullable_type(type_)
    coerce = optional(leaf.coerce_output_value, not is_non_null_type(type_))
    if isinstance(leaf, CustomGraphQLEnumType):
        members: Iterable[Any] = leaf.wrapped_cls
        # By identity: Python computes a member's hash anew each time.
        names = {id(member): leaf.coerce_output_value(member) for member in members}

        def serialize_member(value: Any) -> Any:
            member = read(value)
            return names.get(id(member)) or coerce(member)

        return serialize_member
    if leaf.name == "Int":

        def serialize_int(value: Any) -> Any:
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

    def serialize_json(value: Any) -> Any:
        json = read(value)
        return json if type(json) is json_type else coerce(json)

    return serialize_json


def local_reader(definition: GraphQLField) -> Callable[[Any], Any]:
    """Get the function that reads a local field from its object. Raises NotCompiled if the field is not local."""
    mark = strawberry_field(definition).metadata.get(LOCAL)
    if callable(mark):
        read: Callable[[Any], Any] = mark
        return read
    has_resolver = strawberry_field(definition).base_resolver is not None
    read_attribute = reader(definition)
    is_local = mark or (not has_resolver and is_leaf_type(get_named_type(definition.type)))
    if read_attribute is None or not is_local:
        raise NotCompiled
    return read_attribute


def optional(serialize: Serialize, nullable: bool) -> Serialize:
    """Serialize None as null, if the field may be null."""
    return (lambda value: None if value is None else serialize(value)) if nullable else serialize


def once_if_unchanging(serialize: Serialize) -> Serialize:
    """Reuse the JSON of the latest row, if rows of its table never change.

    Row and JSON are one pair, replaced as a whole: a thread and the event loop may serialize two rows at once.
    """
    latest: tuple[Any, Any] = (None, None)

    def serialize_once(value: Any) -> Any:
        nonlocal latest
        row, json = latest
        if row is not value:
            json = serialize(value)
            if getattr(value, "unchanging", False):
                latest = value, json
        return json

    return serialize_once
