"""The committed contract is what the example products' schema says, and keeps what was settled."""

from pathlib import Path

from graphql import GraphQLSchema, build_schema

from schema.composition import compose
from store.products import catalogue

COMMITTED = Path(__file__).parents[2] / "schema" / "schema.graphql"
EXAMPLES = ("diabetes", "manual", "tumor", "wine")


def composed() -> str:
    return compose([catalogue.get(name) for name in EXAMPLES]).as_str()


def test_the_committed_contract_is_the_schema() -> None:
    # After a change that is meant: ./dev export_schema --path schema/schema.graphql
    assert COMMITTED.read_text() == composed()


def test_every_type_field_and_argument_that_people_see_is_described() -> None:
    schema = compose([catalogue.get(name) for name in EXAMPLES])._schema
    silent = [
        name for name, type_ in schema.type_map.items() if not type_.description and not name.startswith("__")
    ]
    assert silent == []
    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
    assert [
        f"{root}.{name}" for root in roots for name, field in root.fields.items() if not field.description
    ] == []


def test_two_schemas_of_the_same_products_are_equal() -> None:
    assert composed() == composed()


def test_tools_can_read_the_contract() -> None:
    assert isinstance(build_schema(COMMITTED.read_text()), GraphQLSchema)
