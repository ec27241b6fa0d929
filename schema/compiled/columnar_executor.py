"""Walking: a query's selections as closures over its resolvers, which show each field of all objects of a level at
once, column by column, so that not every field of every object is looked up again in the document.

A walk knows no errors. Where anything raises, or is null where that must not be, it gives up, and the ordinary
execution begins anew and says what is wrong, and where: so it takes only what may be executed twice.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, repeat
from math import isfinite
from operator import attrgetter
from types import NoneType
from typing import Any

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    DocumentNode,
    FieldNode,
    GraphQLAbstractType,
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
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
from strawberry.schema.schema_converter import CustomGraphQLEnumType, GraphQLCoreConverter

from .collect_fields import MOST_CONDITIONS, NotCompiled, Scope, conditions_of, fragments_of

#: In the metadata of a field that writes rows: what it is asked once must not be asked twice.
WRITES = {"writes": True}
#: In the metadata of a field: what gives its values for all objects at once; what is no leaf is shown once.
COLUMN = "column"
#: What graphql-core's own scalars tell as it is: of what type values must be, and what must hold for all of them.
AS_THEY_ARE: Mapping[str, tuple[type, Callable[[list[Any]], bool] | None]] = {
    "String": (str, None),
    "ID": (str, None),
    "Boolean": (bool, None),
    "Float": (float, lambda values: all(map(isfinite, values))),
    "Int": (int, lambda values: min(values) >= GRAPHQL_MIN_INT and max(values) <= GRAPHQL_MAX_INT),
}


class GaveUp(Exception):
    """The walk met what it does not know how to tell."""


@dataclass(frozen=True, eq=False)
class Selected:
    """A field of an object type, with the nodes that select it under one response key."""

    definition: GraphQLField
    nodes: list[FieldNode]
    parent: GraphQLObjectType


@dataclass
class Run:
    """One execution of a walk."""

    #: graphql-core's, which knows variables and context.
    executor: Any
    #: What the resolvers take, beside the object.
    given: dict[Selected, tuple[Any, dict[str, Any]]] = field(default_factory=dict)

    def of(self, selected: Selected) -> tuple[Any, dict[str, Any]]:
        """The field's info, without a path, and its arguments."""
        if selected not in self.given:
            definition, nodes, executor = selected.definition, selected.nodes, self.executor
            info = executor.build_resolve_info(definition, nodes, selected.parent, None)
            arguments = get_argument_values(definition, nodes[0], executor.variable_values)
            self.given[selected] = info, arguments
        return self.given[selected]


#: From objects, or from what a resolver returned for each of them, to JSON for each.
Show = Callable[[list[Any], Run], list[Any]]


class ColumnarCompiler:
    """What the selections of a valid query show, for one set of conditions."""

    def __init__(self, schema: GraphQLSchema, scope: Scope):
        self.schema, self.scope = schema, scope

    def operation(self, node: OperationDefinitionNode) -> Show:
        """Raises NotCompiled where it asks for the schema itself, or for what writes."""
        query: Any = self.schema.query_type
        return self.objects(query, [node])

    def objects(self, type_: GraphQLObjectType, parents: Sequence[Any]) -> Show:
        collected = self.scope.collect(type_, parents)
        keys, shows = list(collected), [self.field(type_, nodes) for nodes in collected.values()]

        def shown(values: list[Any], run: Run) -> list[Any]:
            if not values or not shows:
                return [{} for _ in values]
            columns = [show(values, run) for show in shows]
            # Without bytecode, as there are hundreds of them a page.
            return list(map(dict, map(zip, repeat(keys), zip(*columns, strict=True))))

        return shown

    def field(self, parent: GraphQLObjectType, nodes: list[FieldNode]) -> Show:
        name = nodes[0].name.value
        if name == "__typename":
            return lambda values, run: [parent.name] * len(values)
        definition = parent.fields.get(name)
        if definition is None or writes(definition):
            raise NotCompiled
        selected = Selected(definition, nodes, parent)
        show = self.value(definition.type, selected)
        if (column := declared(definition).metadata.get(COLUMN)) is not None:
            show = show if is_leaf_type(get_named_type(definition.type)) else once(show)
            return lambda values, run: show(column(values), run)
        if (read := reader(definition)) is None:
            return calling(selected, show)
        return lambda values, run: show(list(map(read, values)), run)

    def value(self, type_: Any, selected: Selected, needed: bool = False) -> Show:
        """What shows values of this type, which the field returned or which stand in its lists; they are `needed`
        where they must not be null.
        """
        if is_non_null_type(type_):
            return self.value(type_.of_type, selected, needed=True)
        if is_list_type(type_):
            return present(listing(self.value(type_.of_type, selected)), needed)
        if is_leaf_type(type_):
            return leaf(type_, needed)
        show = self.abstract(type_, selected) if is_abstract_type(type_) else self.concrete(type_, selected)
        return present(show, needed)

    def concrete(self, type_: GraphQLObjectType, selected: Selected) -> Show:
        """Shows what are objects of this type."""
        show, is_type_of = self.objects(type_, selected.nodes), type_.is_type_of
        if is_type_of is None:
            return show

        def shown(values: list[Any], run: Run) -> list[Any]:
            info = run.of(selected)[0]
            if not all(is_type_of(value, info) for value in values):
                raise GaveUp
            return show(values, run)

        return shown

    def abstract(self, type_: GraphQLAbstractType, selected: Selected) -> Show:
        """Each type's selection is made when the first object of it comes: of those below each other there are as many
        as all their numbers multiplied.
        """
        shows: dict[str, Show] = {}
        resolve_type: Any = type_.resolve_type

        def shown(values: list[Any], run: Run) -> list[Any]:
            info = run.of(selected)[0]
            names = [resolve_type(value, info, type_) for value in values]
            of_type = {}
            for name in dict.fromkeys(names):
                if name not in shows:
                    found: Any = self.schema.get_type(name)
                    shows[name] = self.concrete(found, selected)
                mine = [value for value, its_name in zip(values, names, strict=True) if its_name == name]
                of_type[name] = iter(shows[name](mine, run))
            return [next(of_type[name]) for name in names]

        return shown


def writes(definition: GraphQLField) -> bool:
    return declared(definition).metadata.items() >= WRITES.items()


def declared(definition: GraphQLField) -> Any:
    """Strawberry's field. Raises NotCompiled where it is none."""
    found = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if found is None:
        raise NotCompiled
    return found


def reader(definition: GraphQLField) -> Callable[[Any], Any] | None:
    """What reads a field from its object and nothing else; None where its resolver takes more."""
    found = declared(definition)
    if found.extensions or found.is_async:
        return None
    resolver = found.base_resolver
    if resolver is None and (found.is_basic_field or is_leaf_type(get_named_type(definition.type))):
        return attrgetter(getattr(found, "django_name", None) or found.python_name)
    if resolver is None or definition.args or not resolver.self_parameter or resolver.info_parameter:
        return None
    function: Callable[[Any], Any] = resolver.wrapped_func
    return function


def calling(selected: Selected, show: Show) -> Show:
    resolve: Any = selected.definition.resolve

    def shown(values: list[Any], run: Run) -> list[Any]:
        info, arguments = run.of(selected)
        return show([resolve(value, info, **arguments) for value in values], run)

    return shown


def once(show: Show) -> Show:
    """Shows each object once, however often it comes."""

    def shown(values: list[Any], run: Run) -> list[Any]:
        objects = {id(value): value for value in values}
        told = dict(zip(objects, show(list(objects.values()), run), strict=True))
        return [told[id(value)] for value in values]

    return shown


def present(show: Show, needed: bool) -> Show:
    """Shows what is not null; a refusal may have come in a value's stead."""

    def shown(values: list[Any], run: Run) -> list[Any]:
        if any(issubclass(kind, Exception) for kind in set(map(type, values))):
            raise GaveUp
        there = [value for value in values if value is not None]
        if len(there) == len(values):
            return show(values, run)
        if needed:
            raise GaveUp
        told = iter(show(there, run))
        return [None if value is None else next(told) for value in values]

    return shown


def listing(show: Show) -> Show:
    """Shows lists, all their items together."""

    def shown(values: list[Any], run: Run) -> list[Any]:
        if not all(isinstance(value, list | tuple) for value in values):
            raise GaveUp
        told = iter(show([item for value in values for item in value], run))
        return [list(islice(told, len(value))) for value in values]

    return shown


def leaf(type_: GraphQLLeafType, needed: bool) -> Show:
    tell, tell_one = teller(type_), type_.coerce_output_value

    def told(value: Any) -> Any:
        found = None if value is None else tell_one(value)
        if found is Undefined or (found is None and (needed or value is not None)):
            raise GaveUp
        return found

    def shown(values: list[Any], run: Run) -> list[Any]:
        found = tell(values, not needed)
        return list(map(told, values)) if found is None else found

    return shown


def teller(type_: GraphQLLeafType) -> Callable[[list[Any], bool], list[Any] | None]:
    """What coerces values to JSON all at once, where it can; None stands for itself where it may."""
    if isinstance(type_, CustomGraphQLEnumType):
        return member_teller(type_)
    kind, holds = AS_THEY_ARE.get(type_.name, (None, None))

    def tell(values: list[Any], nullable: bool) -> list[Any] | None:
        kinds = set(map(type, values))
        there = values
        if nullable and NoneType in kinds:
            kinds.remove(NoneType)
            there = [value for value in values if value is not None]
        return values if kinds <= {kind} and (not there or holds is None or holds(there)) else None

    return tell


def member_teller(type_: CustomGraphQLEnumType) -> Callable[[list[Any], bool], list[Any] | None]:
    """By identity: a member's hash is computed by Python each time, and its name is looked for among all of them."""
    members: Iterable[Any] = type_.wrapped_cls
    names = {id(member): type_.coerce_output_value(member) for member in members}
    nullable_names = names | {id(None): None}

    def tell(values: list[Any], nullable: bool) -> list[Any] | None:
        try:
            return list(map((nullable_names if nullable else names).__getitem__, map(id, values)))
        except KeyError:
            return None

    return tell


@dataclass(frozen=True)
class ColumnarQueries:
    """The walks of a valid document's queries, each made when it is first asked for."""

    schema: GraphQLSchema
    document: DocumentNode
    #: By the operation's name: what @skip and @include of it look at.
    conditions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: By name and what the conditions were; None where there is no walk.
    made: dict[tuple[str, tuple[bool, ...]], Show | None] = field(default_factory=dict)

    def data(self, executor: Any) -> dict[str, Any] | None:
        """What an operation's execution finds; None where it must be executed the ordinary way.

        `executor` is graphql-core's, of one operation of this document.
        """
        operation: OperationDefinitionNode = executor.operation
        if operation.operation is not OperationType.QUERY or executor.middleware_manager.middlewares:
            return None
        name = operation.name.value if operation.name else ""
        if name not in self.conditions:
            self.conditions[name] = conditions_of(operation, self.document)
        variables = executor.variable_values.coerced
        decided = {condition: variables.get(condition) for condition in self.conditions[name]}
        key = (name, tuple(decided.values()))
        if key not in self.made:
            self.made[key] = self.walk(operation, decided)
        walk = self.made[key]
        try:
            return None if walk is None else walk([executor.root_value], Run(executor))[0]
        except NotCompiled:
            self.made[key] = None
        except Exception:  # what it was will be said by the ordinary way, which meets it, too
            pass
        return None

    def walk(self, operation: OperationDefinitionNode, decided: Mapping[str, Any]) -> Show | None:
        if len(decided) > MOST_CONDITIONS or None in decided.values() or operation.directives:
            return None
        try:
            return ColumnarCompiler(self.schema, Scope(fragments_of(self.document), decided)).operation(
                operation
            )
        except NotCompiled:
            return None
