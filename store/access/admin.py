"""Exemplar's users and groups in the admin; what is changed there is in the audit log."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from . import audit
from .audit import Act
from .models import Identity, User


class AuditedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A page whose changes are in the audit log beside Django's own log of the admin."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        record_change([obj], "added")
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        record_change([obj], "changed")
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        record_change(list(queryset), "deleted")
        return super().log_deletions(request, queryset)


def record_change(accounts: list[Any], change: str) -> None:
    """Record what happened to users or groups, and who is a superuser since then."""
    superusers = [str(account) for account in accounts if getattr(account, "is_superuser", False)]
    details = {"change": change, "names": [str(account) for account in accounts], "superusers": superusers}
    with transaction.atomic():  # the page of a password has none
        audit.record(Act.CHANGE_ACCOUNT, ids=accounts, details=details)


@admin.register(User)
class GranteeAdmin(AuditedAdmin, UserAdmin):
    """Django's pages of users, with the limits of each."""

    fieldsets = (*(UserAdmin.fieldsets or ()), ("Limits", {"fields": ("rate", "quota")}))


admin.site.unregister(Group)


@admin.register(Group)
class AuditedGroupAdmin(AuditedAdmin, GroupAdmin):
    """Groups."""


@admin.register(Identity)
class IdentityAdmin(AuditedAdmin):
    """Subjects of the identity provider. Which user one is may be changed; they come by themselves."""

    list_display = ("user", "subject", "issuer", "created_at")
    list_select_related = ("user",)
    search_fields = ("subject", "user__username")
    readonly_fields = ("subject", "issuer", "created_at")
    raw_id_fields = ("user",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
