"""The schema, composed from the fixed types and the types of the declared products."""

from collections.abc import Sequence
from typing import Any

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import create_type

from store.products.product import DataProduct

from . import products
from .core import names
from .core.scalars import SCALARS
from .execution.execution import Schema
from .mutations import Mutation
from .queries import Query
from .subscriptions import Subscription
from .types import diagnostics, events
from .types.builds import Candidate
from .types.jobs import Scoring
from .types.registry import Promotion
from .types.snapshots import Snapshot

#: Types of nodes that no field of a root type leads to.
NODES = [Snapshot, Candidate, Promotion, Scoring]


def compose(declared: Sequence[DataProduct]) -> Schema:
    """A schema of the fixed types and those of `declared`."""
    query_fields, mutation_fields, made = [], [], []
    for product in declared:
        t, mutations = products.make(product)
        query_fields.append(_field_of(product, t))
        mutation_fields += [_named(name, field) for name, field in mutations.items()]
        made += [type_ for type_ in t.made.values() if hasattr(type_, "__strawberry_definition__")]
    return Schema(
        query=_extended(Query, query_fields),
        mutation=_extended(Mutation, mutation_fields),
        subscription=Subscription,
        types=[*made, *events.KINDS, *diagnostics.SHAPES, *NODES],
        config=StrawberryConfig(scalar_map=SCALARS),
        products=declared,
    )


def _field_of(product: DataProduct, t: Any) -> Any:
    """The product's field in the query; its name is the resolver's, so that no two products are one field."""

    def resolver() -> Any:
        return product

    resolver.__name__ = product.name
    resolver.__annotations__ = {"return": t.Product}
    return strawberry.field(resolver, description=product.description or None)


def _named(name: str, field: Any) -> Any:
    field.python_name = name
    field.graphql_name = names.field(name)
    return field


def _extended(root: type, fields: list[Any]) -> type:
    """The root type with more fields."""
    if not fields:
        return root
    extension = create_type(f"{root.__name__}OfProducts", fields)
    description = root.__strawberry_definition__.description  # type: ignore[attr-defined]
    return strawberry.type(type(root.__name__, (root, extension), {}), description=description)
