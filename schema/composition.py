"""Composition of the schema from the fixed types and the types of the declared products."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import cast

import strawberry
from graphql import GraphQLEnumType, GraphQLSchema
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import create_type
from strawberry.types.field import StrawberryField

from learning import kinds
from store.products import catalogue
from store.products.product import DataProduct

from . import products
from .core import names
from .core.scalars import SCALARS
from .execution.execution import Schema
from .mutations import Mutation
from .products import name_checks
from .products.type_factory import ProductTypes
from .queries import Query
from .subscriptions import Subscription
from .types import diagnostics, events
from .types.builds import Candidate
from .types.comparisons import Comparison
from .types.jobs import Import, Scoring
from .types.registry import Promotion
from .types.snapshots import Snapshot
from .types.trials import Trial

#: Types of nodes that no field of a root type leads to.
NODES = [Snapshot, Candidate, Promotion, Scoring, Import, Comparison, Trial]


def compose_served() -> Schema:
    """Build the schema of all products that can be served; `catalogue.refusals` has the others, with the reasons."""
    for product in catalogue.products():
        if problems := list(name_checks.name_problems(product)):
            catalogue.refuse(product, catalogue.Refusal(product.name, problems))
    try:
        return compose(catalogue.products())
    except Exception:  # of which product, and why, is found by composing one after the other
        return compose(list(_composable(catalogue.products())))


def _composable(declared: Sequence[DataProduct]) -> Iterator[DataProduct]:
    """Yield the products that can be composed with those before them, and refuse the others."""
    composed: list[DataProduct] = []
    for product in declared:
        if refusal := find_obstacle(product, composed):
            catalogue.refuse(product, refusal)
            continue
        composed.append(product)
        yield product


def find_obstacle(product: DataProduct, others: Sequence[DataProduct]) -> catalogue.Refusal | None:
    """Find why the product cannot be composed with the others; None where it can."""
    if problems := [*name_checks.name_problems(product), *shared_names([*others, product])]:
        return catalogue.Refusal(product.name, problems)
    try:
        compose([*others, product])
    except Exception as error:  # of any library: the others are served all the same
        return catalogue.explain(product.name, error, "its types cannot be composed")
    return None


def shared_names(declared: Sequence[DataProduct]) -> Iterator[str]:
    """List the names of types and root fields that two products, or a product and the API itself, share."""
    return name_checks.shared_names(declared, _fixed_schema())


@cache
def _fixed_schema() -> GraphQLSchema:
    """Build the schema without products."""
    return compose([])._schema


def compose(declared: Sequence[DataProduct]) -> Schema:
    """Build a schema of the fixed types and those of the products."""
    query_fields: list[StrawberryField] = []
    mutation_fields: list[StrawberryField] = []
    types: list[type] = []
    for product in declared:
        t, mutations = products.make(product)
        query_fields.append(_product_field(product, t))
        mutation_fields += [_named(name, cast(StrawberryField, field)) for name, field in mutations.items()]
        types += [type_ for type_ in t.types.values() if hasattr(type_, "__strawberry_definition__")]
    _check_fields(Query, query_fields)
    _check_fields(Mutation, mutation_fields)
    schema = Schema(
        query=_extended(Query, query_fields),
        mutation=_extended(Mutation, mutation_fields),
        subscription=Subscription,
        types=[*types, *events.KINDS, *diagnostics.SHAPES, *NODES],
        config=StrawberryConfig(scalar_map=SCALARS),
        products=declared,
    )
    _remove_unused_kinds(schema, declared)
    return schema


def _remove_unused_kinds(schema: Schema, declared: Sequence[DataProduct]) -> None:
    """Leave kinds that are not `in_every_schema` out of `FeatureKind` unless a feature of `declared` is one."""
    enum = schema._schema.type_map["FeatureKind"]
    assert isinstance(enum, GraphQLEnumType)
    used = {column.learning_column().kind for product in declared for column in product.columns}
    for kind in kinds.registered():
        if kind in enum.values and not kind.in_every_schema and kind not in used:
            del enum.values[kind]


def _check_fields(root: type, fields: Sequence[StrawberryField]) -> None:
    """Raise ValueError where two fields of a root type have one name: Strawberry would keep the last of them."""
    fixed = root.__strawberry_definition__.fields  # type: ignore[attr-defined]
    if shared := names.duplicates(names.field(field.python_name) for field in (*fixed, *fields)):
        raise ValueError(f"{root.__name__} would have two fields called {', '.join(sorted(shared))}.")


def _product_field(product: DataProduct, t: ProductTypes) -> StrawberryField:
    """Build the product's field of the query. It has the resolver's name, which must be unique."""

    def resolver() -> DataProduct:
        return product

    resolver.__name__ = product.name
    description = product.description or f"The data product {product}."
    return strawberry.field(resolver, graphql_type=t.Product, description=description)


def _named(name: str, field: StrawberryField) -> StrawberryField:
    field.python_name = name
    field.graphql_name = names.field(name)
    return field


def _extended(root: type, fields: list[StrawberryField]) -> type:
    """The root type with more fields."""
    if not fields:
        return root
    extension = create_type(f"{root.__name__}OfProducts", fields)
    description = root.__strawberry_definition__.description  # type: ignore[attr-defined]
    return strawberry.type(type(root.__name__, (root, extension), {}), description=description)
