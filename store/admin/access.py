"""Tokens and grants in the admin: made, rotated and revoked; granted and revoked on a product."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache

from learning.exceptions import ExemplarError

from ..access import grants, programs, tokens
from ..access.middleware import actor_of
from ..access.models import Token
from ..access.permissions import TITLES, Permission
from ..access.tokens import MadeToken
from ..products import catalogue

#: Time for which the old token of a rotation holds, too.
OVERLAP = timedelta(days=1)

PERMISSIONS = [(permission.value, f"{permission}: {title}") for permission, title in TITLES.items()]


def list_products() -> list[tuple[str, str]]:
    """List the declared products as choices."""
    return [(product.name, str(product)) for product in catalogue.products()]


class PermissionsForm(forms.Form):
    """Permissions to choose from."""

    permissions = forms.MultipleChoiceField(choices=PERMISSIONS, widget=forms.CheckboxSelectMultiple)

    def chosen(self) -> list[Permission]:
        """The permissions that were chosen."""
        return [Permission(name) for name in self.cleaned_data["permissions"]]


class TokenForm(PermissionsForm):
    """A token to be made."""

    name = forms.CharField(
        max_length=150, help_text="The program, which is made if there is none of this name; or a user."
    )
    products = forms.MultipleChoiceField(
        choices=list_products,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: all products, later ones too.",
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=tokens.MOST_DAYS,
        required=False,
        initial=90,
        help_text="After which it ends; empty: never.",
    )
    note = forms.CharField(max_length=200, required=False, help_text="What it is for.")
    field_order = ("name", "permissions", "products", "days", "note")


class GrantForm(PermissionsForm):
    """Permissions to be granted on a product, or revoked."""

    grantee = forms.CharField(
        max_length=160,
        help_text="A user or program, group:NAME, or anonymous for callers without a credential.",
    )
    field_order = ("grantee", "permissions")


@admin.register(Token)
class TokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Tokens, which are made, rotated and revoked, and whose secrets are shown once."""

    list_display = ("prefix", "user", "may", "on", "note", "expires_at", "last_used_at", "revoked_at")
    list_filter = ("user",)
    list_select_related = ("user",)
    search_fields = ("prefix", "user__username", "note")
    ordering = ("-pk",)
    actions = ("revoke_chosen", "rotate_chosen")
    list_display_links = None

    def has_module_permission(self, request: HttpRequest) -> bool:
        return actor_of(request).may_somewhere(Permission.ADMINISTER)

    def has_view_permission(self, request: HttpRequest, obj: Token | None = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Token | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Token | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Token]:
        """List the tokens of products that the user administers."""
        rows: QuerySet[Token] = super().get_queryset(request)
        actor = actor_of(request)
        if actor.may(Permission.ADMINISTER, None):
            return rows
        names = [name for name in actor.effective.by_product if actor.may(Permission.ADMINISTER, name)]
        return rows.filter(products__contained_by=names)

    @admin.display
    def may(self, token: Token) -> str:
        return ", ".join(token.permissions or ["all that its user may"])

    @admin.display
    def on(self, token: Token) -> str:
        return ", ".join(token.products or ["all products"])

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the form of a token; after it was sent, the secret."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = TokenForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                return self._show_secrets(request, [_make(form, actor_of(request).author)])
            except ExemplarError as error:
                form.add_error(None, str(error))
        context = {
            "title": "Make a token",
            "form": form,
            "above": "Tokens",
            "back": reverse("admin:exemplar_token_changelist"),
        }
        return TemplateResponse(
            request, "admin/store/form.html", {**self.admin_site.each_context(request), **context}
        )

    @admin.action(description="Revoke the chosen tokens at once", permissions=["view"])
    def revoke_chosen(self, request: HttpRequest, rows: QuerySet[Token]) -> None:
        try:
            for token in rows:
                tokens.revoke(token.prefix)
                messages.success(request, f"{token} is revoked.")
        except ExemplarError as error:
            messages.error(request, str(error))

    @admin.action(
        description="Rotate the chosen tokens: new ones, the old ones hold for a day", permissions=["view"]
    )
    def rotate_chosen(self, request: HttpRequest, rows: QuerySet[Token]) -> HttpResponse | None:
        author = actor_of(request).author
        successors = []
        for token in rows:
            try:
                successors.append(tokens.rotate(token, created_by=author, overlap=OVERLAP))
            except ExemplarError as error:
                messages.error(request, str(error))
        return self._show_secrets(request, successors) if successors else None

    def _show_secrets(self, request: HttpRequest, new: Iterable[MadeToken]) -> HttpResponse:
        """Show secrets on a page that no cache keeps; it is the only time."""
        context = {
            "title": "The secret is shown this once",
            "tokens": list(new),
            "back": reverse("admin:exemplar_token_changelist"),
        }
        return TemplateResponse(
            request, "admin/store/secrets.html", {**self.admin_site.each_context(request), **context}
        )


def _make(form: TokenForm, author: str) -> MadeToken:
    """Make the token of a valid form. Raises BadInput, Forbidden."""
    values = form.cleaned_data
    return programs.make_token(
        values["name"],
        created_by=author,
        permissions=form.chosen(),
        products=values["products"] or None,
        expires_in=timedelta(days=values["days"]) if values["days"] else None,
        note=values["note"],
    )


@never_cache
def grants_view(request: HttpRequest, key: str) -> HttpResponse:
    """Show who may do what on a product, and grant and revoke. Raises PermissionDenied."""
    product = catalogue.get(key)
    if not actor_of(request).may(Permission.ADMINISTER, product.name):
        raise PermissionDenied
    form = GrantForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        change = grants.revoke if "revoke" in request.POST else grants.grant
        try:
            change(grants.find_grantee(form.cleaned_data["grantee"]), form.chosen(), product.name)
            return HttpResponseRedirect(request.path)
        except ExemplarError as error:
            form.add_error(None, str(error))
    rows = [row for row in grants.list_grants() if row.product in (None, product.name)]
    context = {
        "title": f"Who may do what on {product}",
        "rows": rows,
        "form": form,
        "above": str(product),
        "back": reverse("admin:store_productstate_change", args=[key]),
    }
    return TemplateResponse(
        request, "admin/store/grants.html", {**admin.site.each_context(request), **context}
    )
