"""Queries of lists over all products: models, builds, jobs and feedback of those on which the caller may read them."""

import strawberry

import store.models
from store.access.actors import Actor
from store.access.permissions import Permission
from store.db import pagination
from store.db.pagination import Page, PageRequest
from store.jobs.jobs import Job as JobRow
from store.products import catalogue
from store.products.product import DataProduct

from .core.context import Info
from .core.permissions import BUILD, VIEW
from .types.builds import Build
from .types.jobs import Job, job_page
from .types.list_filters import (
    BuildFilter,
    BuildOrder,
    FeedbackFilter,
    FeedbackOrder,
    Filter,
    JobFilter,
    JobOrder,
    ModelFilter,
    ModelOrder,
    OrderBy,
    columns_of,
    select,
)
from .types.nodes import UNSET, list_field
from .types.prediction_interfaces import Feedback, feedback_page
from .types.registry import ModelVersion


@strawberry.type
class ListsQuery:
    """Query fields of lists over all products."""

    @list_field(
        ModelVersion,
        description="The model versions of all products, newest first unless `orderBy` says otherwise.",
    )
    def models(
        self,
        info: Info,
        page: PageRequest,
        filter: Filter[ModelFilter] = UNSET,
        order_by: OrderBy[ModelOrder] = UNSET,
    ) -> Page[store.models.ModelVersion]:
        names = names_of(products_of(info.context.actor, VIEW))
        rows = select(store.models.ModelVersion.objects.with_roles().filter(product__in=names), filter)
        return pagination.page(rows, columns_of(order_by), page)

    @list_field(
        Build, description="The builds of all products, newest first unless `orderBy` says otherwise."
    )
    def builds(
        self,
        info: Info,
        page: PageRequest,
        filter: Filter[BuildFilter] = UNSET,
        order_by: OrderBy[BuildOrder] = UNSET,
    ) -> Page[store.models.Build]:
        names = names_of(products_of(info.context.actor, VIEW, BUILD))
        return pagination.page(
            select(store.models.Build.objects.filter(product__in=names), filter), columns_of(order_by), page
        )

    @list_field(
        Job,
        description="The jobs of all products, of all kinds, newest first unless `orderBy` says otherwise.",
    )
    def jobs(
        self,
        info: Info,
        page: PageRequest,
        filter: Filter[JobFilter] = UNSET,
        order_by: OrderBy[JobOrder] = UNSET,
    ) -> Page[JobRow]:
        return job_page(info.context.actor, catalogue.products(), filter, order_by, page)

    @list_field(
        Feedback, description="The feedback on all products, newest first unless `orderBy` says otherwise."
    )
    def feedback(
        self,
        info: Info,
        page: PageRequest,
        filter: Filter[FeedbackFilter] = UNSET,
        order_by: OrderBy[FeedbackOrder] = UNSET,
    ) -> Page[store.models.Feedback]:
        return feedback_page(products_of(info.context.actor, VIEW), filter, order_by, page)


def products_of(actor: Actor, *permissions: Permission) -> list[DataProduct]:
    """The products on which an actor has one of these permissions."""
    return [p for p in catalogue.products() if any(actor.may(each, p.name) for each in permissions)]


def names_of(products: list[DataProduct]) -> list[str]:
    """The names of products."""
    return [product.name for product in products]
