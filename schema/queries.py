"""Queries: objects by id, products, builds, model versions, and predictions of all products."""

from typing import Annotated

import strawberry

from store import models
from store.access import acting
from store.access.audit import Conditions
from store.db import pagination
from store.db.pagination import Page, PageRequest
from store.products import catalogue, limits
from store.products.product import DataProduct as DeclaredProduct

from .access import AccessQuery
from .core.context import Info
from .core.permissions import ANY, PREDICT, VIEW, check, rule
from .node_lookup import AnyNode, find_job, find_node_or_refuse, find_row, find_visible_node, visible
from .products.outputs import Order, prediction_page, readable
from .receivers import ReceiverQuery
from .root_lists import ListsQuery
from .types.audit import AuditEntry, AuditFilter
from .types.builds import Build
from .types.jobs import Job
from .types.nodes import UNSET, Node, list_field
from .types.prediction_filters import PredictionFilter
from .types.prediction_interfaces import Prediction
from .types.product_settings import RefusedProduct
from .types.products import DataProduct
from .types.registry import ModelVersion
from .types.viewer import Viewer

#: Nodes of one request, at most, since each costs a query.
MAX_NODES = 1_000


@strawberry.type(description="All reads. Each declared data product has a field of its own.")
class Query(AccessQuery, ReceiverQuery, ListsQuery):
    @strawberry.field(
        graphql_type=Node | None,
        description="An object by its id; null if it does not exist or its product is no longer declared.",
    )
    def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The object's id.")]
    ) -> AnyNode | None:
        return find_visible_node(id, info.context.actor)

    @strawberry.field(
        graphql_type=list[Node | None],
        description="Objects by their ids. The list has one place for each id, in order; null as for `node`.",
    )
    def nodes(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID], strawberry.argument(description="The objects' ids, at most 1,000.")
        ],
    ) -> object:
        limits.check_size(ids, "ids", most=MAX_NODES)
        return [find_node_or_refuse(id, info.context.actor) for id in ids]

    @strawberry.field(description="The caller of this request.")
    def viewer(self, info: Info) -> Viewer:
        return Viewer.from_actor(info.context.actor)

    @strawberry.field(
        graphql_type=list[DataProduct],
        description="All declared products on which the caller has a permission.",
    )
    def products(self, info: Info) -> list[DeclaredProduct]:
        actor = info.context.actor
        return [product for product in catalogue.products() if actor.permissions_for(product.name)]

    @strawberry.field(
        graphql_type=DataProduct | None,
        description="The product with this name; null if none is declared.",
    )
    def product(
        self,
        info: Info,
        name: Annotated[str, strawberry.argument(description="The product's name in its declaration.")],
    ) -> DeclaredProduct | None:
        product = catalogue.find(name)
        if product:
            check(ANY, info.context.actor, product.name)
        return product

    @strawberry.field(
        description="What is declared as a product and not served, with the reasons. Needs VIEW on all products."
    )
    def refused_products(self) -> list[RefusedProduct] | None:
        acting.require(VIEW, None)
        return [RefusedProduct.of(refusal) for refusal in catalogue.refusals()]

    @strawberry.field(graphql_type=Build | None, description="The build with this id; null if there is none.")
    def build(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The build's id.")]
    ) -> object:
        return visible(find_row("Build", id), info.context.actor)

    @strawberry.field(
        graphql_type=ModelVersion | None,
        description="The model version with this id; null if there is none.",
    )
    def model_version(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The version's id.")]
    ) -> object:
        return visible(find_row("ModelVersion", id), info.context.actor)

    @strawberry.field(
        graphql_type=Job | None,
        description="The build, batch scoring, comparison or import with this id; null if there is none.",
    )
    def job(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The job's id.")]
    ) -> object:
        return visible(find_job(id), info.context.actor)

    @list_field(
        Prediction,
        description="The stored predictions of all products that match the filter, newest first unless `orderBy` says "
        "otherwise.",
    )
    def predictions(
        self,
        info: Info,
        page: PageRequest,
        filter: Annotated[
            PredictionFilter | None,
            strawberry.argument(description="The predictions to list. Leave it out for all."),
        ] = UNSET,
        order_by: Order = UNSET,
    ) -> Page[models.Prediction]:
        # One queryset for each product, since the indexes begin with the product.
        actor, filter = info.context.actor, filter or PredictionFilter()
        product = filter.declared_product()
        if product:
            check(rule(VIEW, PREDICT), actor, product.name)
        readables = [
            each
            for each in ([product] if product else catalogue.products())
            if actor.may(VIEW, each.name) or actor.may(PREDICT, each.name)
        ]
        parts = [readable(filter.rows(each), actor, each.name) for each in readables]
        return prediction_page(parts, order_by, page)

    @list_field(
        AuditEntry,
        description="The audit log, newest first: who did what, from where and why. It needs the permission "
        "ADMINISTER, for the product of the filter or for all.",
    )
    def audit_log(
        self,
        page: PageRequest,
        filter: Annotated[
            AuditFilter | None,
            strawberry.argument(description="The entries to list. Leave it out for all."),
        ] = UNSET,
    ) -> Page[models.AuditEntry]:
        conditions = filter.conditions() if filter else Conditions()
        entries = models.AuditEntry.objects.matching(conditions)
        return pagination.page(entries, ("-pk",), page)
