"""Reading: everything by its id, the products, builds, versions, and predictions over all products."""

from typing import Any

import strawberry
from strawberry.types import Info

from store import models
from store.entities import entities
from store.products import catalogue, limits
from store.products.product import DataProduct as Declared

from .core import ids, names
from .products.outputs import prediction_page
from .types import prediction_interfaces
from .types.builds import Build
from .types.nodes import UNSET, Connection, Node
from .types.products import DataProduct, Viewer
from .types.registry import ModelVersion

#: Node types that are rows with a number, with their tables.
TABLES: dict[str, Any] = {
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

#: Nodes of one request, at most: each is looked up by itself.
MOST_NODES = 1_000


@strawberry.type(description="What can be read. A data product is a field of its own.")
class Query:
    @strawberry.field(description="Anything by its id; null where nothing is there.")
    def node(self, id: strawberry.ID) -> Node | None:
        return find(id)

    @strawberry.field(description="As `node`, in the order of the ids. 1,000 at most.")
    def nodes(self, ids: list[strawberry.ID]) -> list[Node | None]:
        limits.check_size(ids, "ids", most=MOST_NODES)
        return [find(id) for id in ids]

    @strawberry.field(description="Who asks.")
    def viewer(self, info: Info) -> Viewer:
        actor = info.context.actor
        return Viewer(id=ids.encode("Viewer", actor.author), name=actor.name, anonymous=actor.anonymous)

    @strawberry.field(description="Every declared product.")
    def products(self) -> list[DataProduct]:
        return catalogue.products()

    @strawberry.field(description="One product by its name; null where none is called so.")
    def product(self, name: str) -> DataProduct | None:
        return catalogue.find(name)

    @strawberry.field(description="Null where nothing is there.")
    def build(self, id: strawberry.ID) -> Build | None:
        return row("Build", id)

    @strawberry.field(description="Null where nothing is there.")
    def model_version(self, id: strawberry.ID) -> ModelVersion | None:
        return row("ModelVersion", id)

    @strawberry.field(description="Of all products, newest first.")
    def predictions(
        self,
        first: int | None = 20,
        after: str | None = UNSET,
        filter: prediction_interfaces.PredictionFilter | None = UNSET,
        order_by: prediction_interfaces.PredictionOrder | None = UNSET,
    ) -> Connection[prediction_interfaces.Prediction] | None:
        # Product by product, as the index has them.
        all_ = [models.Prediction.objects.matching(product) for product in catalogue.products()]
        return prediction_page([filter.rows()] if filter else all_, order_by, first, after)


def row(kind: str, id: str) -> Any:
    """A row by its id, None where nothing is there. Raises WrongKindOfId."""
    found = ids.split(id)
    if found is None:
        return None
    ids.key(id, kind)
    number = found[1]
    rows = TABLES[kind].objects.filter(pk=number) if ids.is_number(number) else ()
    return next(iter(rows), None)


def find(id: str) -> Any:
    """Whatever has this id; None where nothing is there, or its product is gone."""
    kind, key = ids.split(id) or ("", "")
    if kind in TABLES:
        found = row(kind, id)
        product = getattr(found, "product", None) or (
            found and found.build.product if kind == "Candidate" else None
        )
        return found if product and catalogue.find(product) else None
    return next(
        (found for product in catalogue.products() if (found := _of_product(product, kind, key))), None
    )


def _of_product(product: Declared, kind: str, key: str) -> Any:
    match kind.removeprefix(names.prefix(product.name)):
        case "Product":
            return product if key == product.name else None
        case "Entity":
            return entities.find(product, [key]).get(key)
        case "Feedback" if ids.is_number(key):
            return models.Feedback.objects.filter(product=product.name, pk=key, answer__isnull=False).first()
        case "Prediction" if ids.is_digest(key):
            return models.Prediction.objects.filter(product=product.name, pk=key).first()
    return None
