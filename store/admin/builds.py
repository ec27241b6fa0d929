"""Builds in the admin: live progress, then the decision and its reason."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.html import format_html

from ..access.middleware import actor_of
from ..access.permissions import Permission
from ..builds.builds import Build
from ..builds.leaderboard import leaderboard
from ..jobs.jobs import SUCCEEDED, UNFINISHED
from .pages import AdminAction, ReadOnlyAdmin, may

#: The newest events that the page shows.
EVENTS = 200


def _cancel(build: Build, reason: str, author: str, believed: str) -> str:
    Build.objects.cancel(build.pk, author, reason)
    return f"{build} was cancelled."


@admin.register(Build)
class BuildAdmin(ReadOnlyAdmin):
    """Builds, which may be cancelled."""

    body = "admin/store/build.html"
    list_display = ("name", "status", "progress", "requested_by", "requested_at", "took", "outcome")
    list_filter = ("product", "status")
    ordering = ("-pk",)
    list_select_related = ("snapshot",)
    acts = (
        AdminAction(
            name="cancel",
            title="Cancel this build",
            permission=Permission.BUILD,
            explanation=lambda build: (
                f"{build} ends at once. Its scores stay, and so does the version that serves."
            ),
            is_possible=lambda build: not build.ended,
            execute=_cancel,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Build]:
        return super().get_queryset(request).prefetch_related("model")

    @admin.display(description="build", ordering="pk")
    def name(self, build: Build) -> str:
        return f"{build.product} {build.number}"

    @admin.display(description="progress", ordering="percent")
    def progress(self, build: Build) -> str:
        return format_html(
            '<progress max="100" value="{}"></progress> {} %', build.percent, int(build.percent)
        )

    @admin.display(description="seconds")
    def took(self, build: Build) -> str:
        if build.started_at is None or build.ended_at is None:
            return "–"
        return f"{(build.ended_at - build.started_at).total_seconds():.0f}"

    @admin.display
    def outcome(self, build: Build) -> str:
        if build.model is None:
            return build.problem_code or ("champion kept" if build.status == SUCCEEDED else "–")
        return f"version {build.model.number} {'promoted' if build.promoted else 'held for a person'}"

    def get_urls(self) -> list[Any]:
        live = path("<path:key>/live/", self.admin_site.admin_view(self.live), name="store_build_live")
        return [live, *super().get_urls()]

    def live(self, request: HttpRequest, key: str) -> HttpResponse:
        """Render the body of the page alone; the page reloads it every second while the build runs."""
        build = self.get_object(request, key)
        if build is None or not self.has_view_permission(request, build):
            raise Http404
        response = render(request, self.body, self.context_of(request, build))
        response["Cache-Control"] = "no-store"
        return response

    def body_context(self, request: HttpRequest, row: Build) -> dict[str, Any]:
        return {
            "live": reverse("admin:store_build_live", args=[row.pk]),
            "unfinished": row.status in UNFINISHED,
            "events": list(row.events.order_by("-sequence")[:EVENTS])[::-1],
            "leaderboard": leaderboard(row),
            "trace": row.traceback if may(actor_of(request), Permission.ADMINISTER, row) else "",
        }
