"""The audit log in the admin: shown and filtered, never edited."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from ..access.audit import AuditEntry
from ..access.middleware import actor_of
from ..access.permissions import Permission
from .pages import ReadOnlyAdmin, may


@admin.register(AuditEntry)
class AuditAdmin(ReadOnlyAdmin):
    """Entries of the audit log."""

    body = "admin/store/audit.html"
    list_display = ("at", "act", "author", "kind", "product", "about", "reason", "address")
    list_filter = ("act", "kind", "product", "at")
    search_fields = ("author", "request_id", "address", "reason")
    ordering = ("-pk",)
    show_full_result_count = False

    @admin.display(description="about")
    def about(self, entry: AuditEntry) -> str:
        return ", ".join(entry.ids[:3]) + (", …" if len(entry.ids) > 3 else "")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(actor_of(request), Permission.ADMINISTER, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        """List the entries about the products that the user may administer, or all."""
        rows, actor = AuditEntry.objects.all(), actor_of(request)
        if actor.may(Permission.ADMINISTER, None):
            return rows
        return rows.filter(
            product__in=[
                name for name in actor.effective.by_product if actor.may(Permission.ADMINISTER, name)
            ]
        )

    def body_context(self, request: HttpRequest, row: AuditEntry) -> dict[str, Any]:
        return {}
