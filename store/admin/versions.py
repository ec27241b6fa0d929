"""Model versions in the admin: scores, diagnostics, and promotion."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from ..access.permissions import Permission
from ..builds import leaderboard
from ..builds.diagnostics import Diagnostic
from ..registry.product_states import ProductState
from ..registry.promotions import Promotion
from ..registry.versions import CHAMPION, ModelVersion, Status
from .pages import AdminAction, ReadOnlyAdmin


def _champion_key(version: ModelVersion) -> str:
    """Get the primary key of the champion; empty without one."""
    champion = ModelVersion.objects.champion_of(version.product)
    return str(champion.pk) if champion else ""


def _promote(version: ModelVersion, reason: str, author: str, believed: str) -> str:
    champion = ModelVersion.objects.find(int(believed), "champion") if believed.isdecimal() else None
    Promotion.objects.promote(version, reason, author, champion)
    return f"Version {version.number} of {version.product} serves."


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """Model versions, which may be promoted."""

    body = "admin/store/version.html"
    list_display = ("name", "status", "family", "metric", "rounded", "built_at", "size")
    list_filter = ("product", "family")
    ordering = ("-pk",)
    acts = (
        AdminAction(
            name="promote",
            title="Let this version serve",
            permission=Permission.PROMOTE,
            explanation=lambda version: (
                f"Version {version.number} of {version.product} replaces the version that serves. "
                "Winners of builds are promoted automatically again."
            ),
            is_possible=lambda version: version.status != CHAMPION and version.dropped_at is None,
            execute=_promote,
            believed=_champion_key,
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

    def body_context(self, request: HttpRequest, row: ModelVersion) -> dict[str, Any]:
        return {
            "hyperparameters": sorted(row.hyperparameters.items()),
            "by_fold": leaderboard.by_fold(row),
            "by_class": leaderboard.by_class(row),
            "diagnostics": Diagnostic.objects.of_version(row.pk),
            "promotions": Promotion.objects.filter(model=row).order_by("-pk"),
            "state": ProductState.objects.filter(product=row.product).first(),
        }
