"""The committed SDL is that of the example products' schema, and everything in it is described."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from graphql import GraphQLSchema, build_schema

from schema.composition import compose
from schema.execution.execution import Schema
from store.products import catalogue

COMMITTED = Path(__file__).parents[2] / "schema" / "schema.graphql"
EXAMPLES = ("diabetes", "manual", "tumor", "wine")


def composed() -> Schema:
    return compose([catalogue.get(name) for name in EXAMPLES])


@cache
def examples_schema() -> Schema:
    """Compose the schema that the tests only read."""
    return composed()


def test_the_committed_contract_is_the_schema() -> None:
    # After a change that is meant: ./dev export_schema --path schema/schema.graphql
    assert COMMITTED.read_text() == examples_schema().as_str()


def undescribed(schema: GraphQLSchema) -> Iterator[str]:
    """Types, fields, arguments, input fields and enum values without a description."""
    for name, type_ in schema.type_map.items():
        if name.startswith("__"):
            continue
        parts: dict[str, Any] = {name: type_}
        for field_name, field in getattr(type_, "fields", {}).items():
            parts[f"{name}.{field_name}"] = field
            for argument_name, argument in getattr(field, "args", {}).items():
                parts[f"{name}.{field_name}({argument_name})"] = argument
        parts |= {f"{name}.{value}": part for value, part in getattr(type_, "values", {}).items()}
        yield from (part_name for part_name, part in parts.items() if not part.description)


def test_every_type_field_argument_and_enum_value_is_described() -> None:
    assert list(undescribed(examples_schema()._schema)) == []


def test_mutations_are_of_one_style() -> None:
    mutation = examples_schema()._schema.mutation_type
    assert mutation
    for name, field in mutation.fields.items():
        title = f"{name[:1].upper()}{name[1:]}"
        arguments = {argument: str(definition.type) for argument, definition in field.args.items()}
        assert (arguments, str(field.type)) == ({"input": f"{title}Input!"}, f"{title}Payload")


def test_two_schemas_of_the_same_products_are_equal() -> None:
    assert composed().as_str() == examples_schema().as_str()


def test_tools_can_read_the_contract() -> None:
    assert isinstance(build_schema(COMMITTED.read_text()), GraphQLSchema)
