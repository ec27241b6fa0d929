"""Queries: objects by id, products, builds, model versions, and predictions of all products."""

from typing import Annotated, TypeAlias

import strawberry

from store import models
from store.entities import entities
from store.products import catalogue, limits
from store.products.product import DataProduct as DeclaredProduct

from .core import ids, names
from .core.context import Info
from .core.ids import NodeRoot
from .products.outputs import Order, prediction_page
from .types.builds import Build
from .types.nodes import UNSET, After, Connection, First, Node
from .types.prediction_interfaces import Prediction, PredictionFilter
from .types.products import DataProduct, Viewer
from .types.registry import ModelVersion

#: Rows with a number that are nodes.
NumberedRow: TypeAlias = (
    models.Build
    | models.Candidate
    | models.ModelVersion
    | models.Promotion
    | models.RetrainDecision
    | models.Scoring
    | models.Snapshot
)
#: Models of such rows by the names of their types.
TABLES: dict[str, type[NumberedRow]] = {
    model.__name__: model
    for model in (
        models.Build,
        models.Candidate,
        models.ModelVersion,
        models.Promotion,
        models.RetrainDecision,
        models.Scoring,
        models.Snapshot,
    )
}

#: Nodes of one request, at most, since each costs a query.
MAX_NODES = 1_000


@strawberry.type(description="All reads. Each declared data product has a field of its own.")
class Query:
    @strawberry.field(
        graphql_type=Node | None,
        description="An object by its id; null if it does not exist or its product is no longer declared.",
    )
    def node(
        self, id: Annotated[strawberry.ID, strawberry.argument(description="The object's id.")]
    ) -> NodeRoot | None:
        return find_node(id)

    @strawberry.field(
        graphql_type=list[Node | None],
        description="Objects by their ids. The list has one place for each id, in order; null as for `node`.",
    )
    def nodes(
        self,
        ids: Annotated[
            list[strawberry.ID], strawberry.argument(description="The objects' ids, at most 1,000.")
        ],
    ) -> list[NodeRoot | None]:
        limits.check_size(ids, "ids", most=MAX_NODES)
        return [find_node(id) for id in ids]

    @strawberry.field(description="The caller of this request.")
    def viewer(self, info: Info) -> Viewer:
        actor = info.context.actor
        return Viewer(id=ids.encode("Viewer", actor.author), name=actor.name, anonymous=actor.anonymous)

    @strawberry.field(graphql_type=list[DataProduct], description="All declared products.")
    def products(self) -> list[DeclaredProduct]:
        return catalogue.products()

    @strawberry.field(
        graphql_type=DataProduct | None,
        description="The product with this name; null if none is declared.",
    )
    def product(
        self,
        name: Annotated[str, strawberry.argument(description="The product's name in its declaration.")],
    ) -> DeclaredProduct | None:
        return catalogue.find(name)

    @strawberry.field(graphql_type=Build | None, description="The build with this id; null if there is none.")
    def build(
        self, id: Annotated[strawberry.ID, strawberry.argument(description="The build's id.")]
    ) -> NumberedRow | None:
        return find_row("Build", id)

    @strawberry.field(
        graphql_type=ModelVersion | None,
        description="The model version with this id; null if there is none.",
    )
    def model_version(
        self, id: Annotated[strawberry.ID, strawberry.argument(description="The version's id.")]
    ) -> NumberedRow | None:
        return find_row("ModelVersion", id)

    @strawberry.field(
        graphql_type=Connection[Prediction] | None,
        description="The stored predictions of all products that match the filter, newest first unless `orderBy` says "
        "otherwise.",
    )
    def predictions(
        self,
        first: First = 20,
        after: After = UNSET,
        filter: Annotated[
            PredictionFilter | None,
            strawberry.argument(description="The predictions to list. Leave it out for all."),
        ] = UNSET,
        order_by: Order = UNSET,
    ) -> object:
        # One queryset for each product, since the index begins with the product.
        parts = [models.Prediction.objects.matching(product) for product in catalogue.products()]
        return prediction_page([filter.rows()] if filter else parts, order_by, first, after)


def find_row(kind: str, id: str) -> NumberedRow | None:
    """Find a row by its id; None if there is none. Raises WrongKindOfId."""
    parts = ids.split(id)
    if parts is None:
        return None
    number = ids.key(id, kind)
    if not ids.is_number(number):
        return None
    return TABLES[kind]._default_manager.filter(pk=number).first()


def find_node(id: str) -> NodeRoot | None:
    """Find the object with this id; None if there is none or its product is no longer declared."""
    kind, key = ids.split(id) or ("", "")
    if kind in TABLES:
        row = find_row(kind, id)
        return row if row and catalogue.find(product_name(row)) else None
    nodes = (find_product_node(product, kind, key) for product in catalogue.products())
    return next((node for node in nodes if node), None)


def product_name(row: NumberedRow) -> str:
    """The name of the product that a row belongs to."""
    return row.build.product if isinstance(row, models.Candidate) else row.product


def find_product_node(product: DeclaredProduct, kind: str, key: str) -> NodeRoot | None:
    """Find a node of one product by the kind and the key of its id."""
    match kind.removeprefix(names.prefix(product.name)):
        case "Product":
            return product if key == product.name else None
        case "Entity":
            return entities.find(product, [key]).get(key)
        case "Feedback" if ids.is_number(key):
            return models.Feedback.objects.find(product, int(key))
        case "Prediction" if ids.is_digest(key):
            return models.Prediction.objects.filter(product=product.name, pk=key).first()
    return None
