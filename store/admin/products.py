"""Products in the admin: the champion, running builds, and the decisions of retraining rules."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import path

from ..access.middleware import actor_of
from ..access.permissions import Permission
from ..builds import retraining
from ..builds.builds import Build
from ..builds.retraining import RetrainDecision
from ..db import pagination
from ..jobs.jobs import UNFINISHED
from ..products import catalogue
from ..registry.product_states import ProductState
from ..registry.promotions import Promotion
from ..registry.versions import ModelVersion
from . import access
from .pages import AdminAction, ReadOnlyAdmin, may

#: The newest builds, versions, promotions and decisions that the page shows.
LATEST = 10


def _request(state: ProductState, reason: str, author: str, believed: str) -> str:
    build, started = Build.objects.request(catalogue.get(state.product), author, reason=reason)
    return f"{build} was requested." if started else f"{build} is already running."


def _roll_back(state: ProductState, reason: str, author: str, believed: str) -> str:
    champion = ModelVersion.objects.find(int(believed), "champion")
    promotion = Promotion.objects.rollback(state.product, champion, reason, author)
    return f"Version {promotion.model.number} of {state.product} serves again. Winners of builds wait for a person."


@admin.register(ProductState)
class ProductAdmin(ReadOnlyAdmin):
    """Products, which may be built and rolled back."""

    body = "admin/store/product.html"
    list_display = ("title", "task", "serves", "score", "built_at", "running_build", "hold")
    acts = (
        AdminAction(
            name="build",
            title="Request a build",
            permission=Permission.BUILD,
            explanation=lambda state: (
                "A worker joins the feature tables and builds a model as soon as it is free."
            ),
            is_possible=lambda state: Build.objects.unfinished(state.product) is None,
            execute=_request,
        ),
        AdminAction(
            name="rollback",
            title="Roll back",
            permission=Permission.PROMOTE,
            explanation=lambda state: (
                f"The version that served before version {state.champion.number} serves again. Winners of later "
                "builds wait until somebody promotes one."
            ),
            is_possible=lambda state: Promotion.objects.can_roll_back(state.product),
            execute=_roll_back,
            believed=lambda state: str(state.champion_id or ""),
        ),
    )

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(access.grants_view)
        return [path("<path:key>/grants/", view, name="store_productstate_grants"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProductState]:
        """List every declared product; insert the row of a new one."""
        names = [product.name for product in catalogue.products()]
        ProductState.objects.bulk_create(
            [ProductState(product=name) for name in names], ignore_conflicts=True
        )
        builds = Build.objects.filter(product=OuterRef("product"), status__in=UNFINISHED).order_by("pk")
        states = super().get_queryset(request).filter(product__in=names).prefetch_related("champion")
        return states.annotate(
            building=Subquery(builds.values("number")[:1]), percent=Subquery(builds.values("percent")[:1])
        )

    @admin.display(description="product", ordering="product")
    def title(self, state: ProductState) -> str:
        return str(catalogue.get(state.product))

    @admin.display
    def task(self, state: ProductState) -> str:
        return catalogue.get(state.product).task.lower()

    @admin.display
    def serves(self, state: ProductState) -> str:
        return f"version {state.champion.number}: {state.champion.family}" if state.champion else "–"

    @admin.display
    def score(self, state: ProductState) -> str:
        return f"{state.champion.metric} {state.champion.score:.4f}" if state.champion else "–"

    @admin.display(description="built at")
    def built_at(self, state: ProductState) -> Any:
        return state.champion and state.champion.built_at

    @admin.display(description="running build")
    def running_build(self, state: Any) -> str:
        return f"build {state.building}: {state.percent:.0f} %" if state.building else "–"

    def body_context(self, request: HttpRequest, row: ProductState) -> dict[str, Any]:
        product = catalogue.get(row.product)
        return {
            "product": product,
            "administers": may(actor_of(request), Permission.ADMINISTER, row),
            "champion": ModelVersion.objects.champion_of(row.product),
            "due_at": retraining.due_at(product.retrain),
            "builds": Build.objects.filter(product=row.product).order_by("-pk")[:LATEST],
            "versions": pagination.share_lookups(
                list(ModelVersion.objects.filter(product=row.product).order_by("-pk")[:LATEST])
            ),
            "promotions": Promotion.objects.newest(row.product)[:LATEST],
            "decisions": RetrainDecision.objects.with_builds(row.product).order_by("-pk")[:LATEST],
        }
