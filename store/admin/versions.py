"""Versions in the admin: the registry with scores, pictures, and the way to let one serve."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from ..builds import leaderboard
from ..builds.diagnostics import Diagnostic
from ..registry.product_states import ProductState
from ..registry.promotions import Promotion
from ..registry.versions import CHAMPION, ModelVersion, Status
from .pages import Act, Shown


def _serving(version: ModelVersion) -> str:
    """The key of the version that serves now; empty where none does."""
    champion = ModelVersion.objects.champion_of(version.product)
    return str(champion.pk) if champion else ""


def _promoted(version: ModelVersion, reason: str, author: str, believed: str) -> str:
    champion = ModelVersion.objects.find(int(believed), "champion") if believed.isdecimal() else None
    Promotion.objects.promote(version, reason, author, champion)
    return f"Version {version.number} of {version.product} serves."


@admin.register(ModelVersion)
class ModelVersionAdmin(Shown):
    body = "admin/store/version.html"
    list_display = ("name", "status", "family", "metric", "rounded", "built_at", "size")
    list_filter = ("product", "family")
    ordering = ("-pk",)
    acts = (
        Act(
            name="promote",
            title="Let this version serve",
            permission="store.promote_modelversion",
            explained=lambda version: (
                f"Version {version.number} of {version.product} serves from now on, instead of the one that does. "
                "Builds promote their winners again by themselves."
            ),
            possible=lambda version: version.status != CHAMPION and version.dropped_at is None,
            done=_promoted,
            believed=_serving,
        ),
    )

    @admin.display(description="version", ordering="pk")
    def name(self, version: ModelVersion) -> str:
        return f"{version.product} {version.number}"

    @admin.display(description="status")
    def status(self, version: Any) -> str:
        return str(version.derived)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        return super().get_queryset(request).annotate(derived=Status("pk"))

    @admin.display(description="score", ordering="score")
    def rounded(self, version: ModelVersion) -> str:
        return f"{version.score:.4f}"

    def shown(self, request: HttpRequest, row: ModelVersion) -> dict[str, Any]:
        return {
            "hyperparameters": sorted(row.hyperparameters.items()),
            "by_fold": leaderboard.by_fold(row),
            "by_class": leaderboard.by_class(row),
            "diagnostics": Diagnostic.objects.of_version(row.pk),
            "promotions": Promotion.objects.filter(model=row).order_by("-pk"),
            "state": ProductState.objects.filter(product=row.product).first(),
        }
