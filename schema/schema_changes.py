"""Schema changes: what a schema breaks for clients of the one that was served last, and whether it may be served."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import GraphQLSchema, GraphQLSyntaxError, build_ast_schema, get_named_type, parse
from graphql.utilities import (
    BreakingChange,
    BreakingChangeType,
    DangerousChange,
    DangerousChangeType,
    find_schema_changes,
)

from store.products import catalogue
from store.registry import served_choices
from store.registry.deploy_checks import SCHEMA, DeployFinding, last_served_sdl
from store.registry.retired_features import RetiredFeature
from store.registry.served_schemas import AcceptedSchema, ServedSchema

from . import schema as served
from .composition import compose_served
from .core import names
from .products.inputs import MUST_BE_SAID
from .products.type_factory import NO_CHOICE, category_suffix

#: What follows from a change that breaks requests, and from one that does not.
REFUSED = "Requests that use it will be refused."
NOT_REFUSED = "No request is refused; generate typed clients again."
#: What follows from the changes that graphql-core finds, by their type.
CONSEQUENCES: Mapping[BreakingChangeType | DangerousChangeType, str] = {
    BreakingChangeType.TYPE_REMOVED: "Documents that name it will be refused.",
    BreakingChangeType.TYPE_CHANGED_KIND: REFUSED,
    BreakingChangeType.TYPE_REMOVED_FROM_UNION: "Fragments on it will be refused.",
    BreakingChangeType.VALUE_REMOVED_FROM_ENUM: REFUSED,
    BreakingChangeType.REQUIRED_INPUT_FIELD_ADDED: "Requests without it will be refused: let it be null at first.",
    BreakingChangeType.IMPLEMENTED_INTERFACE_REMOVED: "Fragments on the interface no longer select from it.",
    BreakingChangeType.FIELD_REMOVED: REFUSED,
    BreakingChangeType.FIELD_CHANGED_KIND: "Requests with a value of the former type, and clients that read one, fail.",
    BreakingChangeType.REQUIRED_ARG_ADDED: "Requests without it will be refused.",
    BreakingChangeType.ARG_REMOVED: REFUSED,
    BreakingChangeType.ARG_CHANGED_KIND: "Requests with a value of the former type will be refused.",
    DangerousChangeType.VALUE_ADDED_TO_ENUM: "No request is refused; clients need a branch for values that they do not "
    "know.",
    DangerousChangeType.TYPE_ADDED_TO_UNION: "No request is refused; clients need a branch for types that they do not "
    "know.",
    DangerousChangeType.ARG_DEFAULT_VALUE_CHANGE: "Requests without the argument mean something else from now on.",
    DangerousChangeType.INPUT_FIELD_DEFAULT_VALUE_CHANGE: "Requests without the field mean something else from now on.",
}
#: The part of a schema that a sentence of graphql-core is about: a type and a field or a value of it, else a type.
FIELD, TYPE = re.compile(r"\w+\.\w+"), re.compile(r"^\w+")
#: A definition of a type, with its description: its keyword and its name.
DEFINITION = re.compile(r'(?:"""(?:(?!""").)*"""\n)?(type|input|enum|union) (\w+)', re.DOTALL)
#: The root types that have fields of products, and the end of the name of the type of a product's field.
ROOTS, OBJECT = ("Query", "Mutation"), "Product"
#: The changes that the removal of a product consists of, and the sentence that stands for all of them.
PRODUCT_REMOVED = (
    "The product {} was removed, with its types and mutations; one that is renamed is a new one."
)
REMOVALS = (BreakingChangeType.TYPE_REMOVED, BreakingChangeType.FIELD_REMOVED)
#: The types whose fields are a product's features.
INPUTS = ("Features", "FeaturesPatch")
FEATURE_TYPES = (*INPUTS, "Instance", "FeatureFilter")
#: What follows from the removal of a feature.
KEEP_FEATURE = (
    "Requests that use it will be refused. Name it in retired_features, and it is accepted and ignored."
)


@dataclass(frozen=True)
class SchemaChange:
    """One difference between two schemas that clients may notice."""

    #: What changes and what follows from it, in sentences.
    text: str
    #: True if requests that are accepted now would be refused, or clients could not read the response.
    breaks: bool


def find_changes(
    old_sdl: str, new_sdl: str, retired: Mapping[str, RetiredFeature] | None = None
) -> list[SchemaChange]:
    """List the changes that clients of the old schema may notice, those that break them first.

    Both are read from SDL: only there Strawberry says of every input which of its fields exclude each other.

    Args:
        retired: by the parts of a schema that they stand for, as `StayFeatures.smokes`, the features that were retired.
    """
    return compare(*_read(old_sdl, new_sdl), retired or {}) if old_sdl != new_sdl else []


@lru_cache(1)
def _read(old_sdl: str, new_sdl: str) -> tuple[GraphQLSchema, GraphQLSchema]:
    """Read what two schemas differ in, with a stub of every type that both define alike.

    No change is one of these, most are, and a stub takes a tenth of the time.
    """
    olds, news = (list(_split(sdl)) for sdl in (old_sdl, new_sdl))
    alike = {*olds}.intersection(news)
    try:
        old, new = (
            parse("\n".join(_stub(text) if text in alike else text for text in texts))
            for texts in (olds, news)
        )
    except GraphQLSyntaxError:  # also of parts that only make sense together
        old, new = parse(old_sdl), parse(new_sdl)
    return build_ast_schema(old, assume_valid=True), build_ast_schema(new, assume_valid=True)


def _stub(definition: str) -> str:
    """Return a definition of the same name without its parts; of a root type, whose fields are read, its own."""
    match = DEFINITION.match(definition)
    if not match or match[2] in ROOTS:
        return definition
    # A scalar has any default value; a union has object types.
    return f"type {match[2]} {{ _: Int }}" if match[1] == "type" else f"scalar {match[2]}"


#: Give back the memory of the schemas that were compared last, which a comparison that is repeated does not read again.
forget = _read.cache_clear


def _split(sdl: str) -> Iterator[str]:
    """Split SDL at blank lines between definitions; those in a block string do not count."""
    part = ""
    for piece in sdl.split("\n\n"):
        part = f"{part}\n\n{piece}" if part else piece
        if part.count('"""') % 2 == 0:
            yield part
            part = ""
    if part:
        yield part


def compare(
    old: GraphQLSchema, new: GraphQLSchema, retired: Mapping[str, RetiredFeature]
) -> list[SchemaChange]:
    """List the changes between two schemas that were read from SDL, as `find_changes` does."""
    differences = find_schema_changes(old, new)
    removed = _removed_products(old, new)
    changes = [SchemaChange(f"{PRODUCT_REMOVED.format(name)} {REFUSED}", breaks=True) for name in removed]
    changes += [
        _describe(change, new, retired)
        for change in differences
        if isinstance(change, BreakingChange | DangerousChange)
        and (change.type not in REMOVALS or _product_of(_part(change), old) not in removed)
        and not _is_implied(change)
    ]
    changes += _removed_choices(old, new)
    changes += _newly_required(old, new)
    changes += _newly_exclusive(old, new)
    return sorted(changes, key=lambda change: not change.breaks)


def _is_implied(change: BreakingChange | DangerousChange) -> bool:
    """Return True for a type of conditions that is gone: with the last member of a filter that takes it."""
    return change.type is BreakingChangeType.TYPE_REMOVED and _part(change).endswith("Condition")


def _removed_products(old: GraphQLSchema, new: GraphQLSchema) -> list[str]:
    """List the fields of the products that are gone: each is one change, whatever belongs to it."""
    remaining = _products(new).values()
    return [field for field in _products(old).values() if field not in remaining]


def _products(schema: GraphQLSchema) -> dict[str, str]:
    """Map the beginning of the names of a product's types to its field, for each product."""
    fields = schema.query_type.fields if schema.query_type else {}
    types = {get_named_type(field.type).name: name for name, field in fields.items()}
    return {type_[: -len(OBJECT)]: name for type_, name in types.items() if type_.endswith(OBJECT)}


def _product_of(part: str, schema: GraphQLSchema) -> str | None:
    """Get the field of the product that a type, or a field of a root type, belongs to; None if it is none's."""
    root, _, field = part.partition(".")
    products = _products(schema)
    if root in ROOTS:
        return max((name for name in products.values() if field.startswith(name)), key=len, default=None)
    return products.get(max((prefix for prefix in products if root.startswith(prefix)), key=len, default=""))


def _part(change: BreakingChange | DangerousChange) -> str:
    """The part of the schema that a change is about: a type, or a field or a value of it; "" if it is about none."""
    match = FIELD.search(change.description) or TYPE.search(change.description)
    return match[0] if match else ""


def _describe(
    change: BreakingChange | DangerousChange,
    new: GraphQLSchema,
    retired: Mapping[str, RetiredFeature],
) -> SchemaChange:
    """Say what follows from a change that graphql-core has found."""
    part = _part(change)
    breaks = isinstance(change, BreakingChange)
    consequence = CONSEQUENCES.get(change.type, REFUSED if breaks else NOT_REFUSED)
    type_name, _, field = part.partition(".")
    if change.type is BreakingChangeType.FIELD_REMOVED and field and type_name.endswith(INPUTS):
        consequence = KEEP_FEATURE
    elif change.type is DangerousChangeType.OPTIONAL_INPUT_FIELD_ADDED and _must_be_said(new, part):
        breaks, consequence = True, "Requests without it will be refused: it may be null, and must be said."
    if feature := breaks and retired.get(part):
        breaks = not feature.may_be_removed
        consequence = f"It was retired, and {feature.use}. {REFUSED if breaks else NOT_REFUSED}"
    return SchemaChange(f"{change.description} {consequence}", breaks)


def _must_be_said(schema: GraphQLSchema, part: str) -> bool:
    """Return True for an optional input field that may not be left out, which only its description says."""
    type_name, _, field = part.partition(".")
    fields: Mapping[str, Any] = getattr(schema.type_map.get(type_name), "fields", {})
    return (getattr(fields.get(field), "description", None) or "").endswith(MUST_BE_SAID)


def _removed_choices(old: GraphQLSchema, new: GraphQLSchema) -> Iterator[SchemaChange]:
    """List the values that stay in their enums for older rows, and are accepted no more."""
    for name, member, value in _common(old, new, "values"):
        if value.deprecation_reason == NO_CHOICE != member.deprecation_reason:
            text = f"Enum value {name} is no choice any more. Requests that give it will be refused."
            yield SchemaChange(text, breaks=True)


def _newly_required(old: GraphQLSchema, new: GraphQLSchema) -> Iterator[SchemaChange]:
    """List the optional input fields that may not be left out from now on."""
    for name, _, _ in _common(old, new, "fields"):
        if _must_be_said(new, name) and not _must_be_said(old, name):
            text = f"Field {name} may be null, and must be said. Requests without it will be refused."
            yield SchemaChange(text, breaks=True)


def _newly_exclusive(old: GraphQLSchema, new: GraphQLSchema) -> Iterator[SchemaChange]:
    """List the inputs of which exactly one field must be given from now on."""
    for name, type_ in new.type_map.items():
        if getattr(type_, "is_one_of", False) and not getattr(
            old.type_map.get(name, type_), "is_one_of", False
        ):
            text = f"{name} takes exactly one of its fields. Requests with more of them will be refused."
            yield SchemaChange(text, breaks=True)


def _common(old: GraphQLSchema, new: GraphQLSchema, part: str) -> Iterator[tuple[str, Any, Any]]:
    """List the fields, or the values, that both schemas have, by the names of type and part."""
    for type_name, type_ in new.type_map.items():
        before = getattr(old.type_map.get(type_name), part, {})
        for name, value in getattr(type_, part, {}).items():
            if name in before:
                yield f"{type_name}.{name}", before[name], value


def compare_with_served(sdl: str) -> list[SchemaChange] | None:
    """List the changes since the schema that was served last; None if no schema was recorded yet."""
    served = last_served_sdl()
    return None if served is None else find_changes(served, sdl, _retired_parts())


def list_unaccepted(sdl: str) -> list[str]:
    """List what breaks clients of the schema that was served last, unless a person has accepted this one.

    A schema that was served before is accepted: a process of the older code may start again beside newer ones, and a
    deploy may be undone.
    """
    if ServedSchema.objects.has(sdl) or AcceptedSchema.objects.has(sdl):
        return []
    changes = compare_with_served(sdl) or []
    return [change.text for change in changes if change.breaks]


def compose_with_record() -> str:
    """Compose the schema of this code as a web process would serve it, as SDL, unless this process has it."""
    served_choices.load_record()
    has_it = served.schema.is_of(catalogue.products())
    return (served.schema if has_it else compose_served()).as_str()


def list_retired() -> list[str]:
    """Say of each retired feature whether it may be removed, in sentences."""
    retired = {(product.name, column.name) for product in catalogue.products() for column in product.retired}
    features = RetiredFeature.objects.list_known()
    return [feature.advice for feature in features if (feature.product, feature.name) in retired]


def _retired_parts() -> dict[str, RetiredFeature]:
    """Map the parts of a schema that stand for retired features to them."""
    return {part: feature for feature in RetiredFeature.objects.list_known() for part in _parts(feature)}


def _parts(feature: RetiredFeature) -> Iterator[str]:
    prefix = names.prefix(feature.product)
    yield from (f"{prefix}{suffix}.{names.field(feature.name)}" for suffix in FEATURE_TYPES)
    yield prefix + category_suffix(feature.name)


def check_schema() -> Iterator[DeployFinding]:
    """Compare the schema that was served last with the one of this code."""
    changes = compare_with_served(compose_with_record())
    if changes is None:
        text = (
            "No schema was recorded yet, so nothing can be compared: a web process records it when it starts."
        )
        yield DeployFinding(SCHEMA, text, breaks=False)
        return
    for change in changes:
        yield DeployFinding(SCHEMA, change.text, change.breaks)
    for text in list_retired():
        yield DeployFinding(SCHEMA, text, breaks=False)
