"""Read-only pages of the admin, with actions that ask for a reason."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from learning.exceptions import ExemplarError

from ..access.actors import Actor
from ..access.middleware import actor_of
from ..access.permissions import Permission


@dataclass(frozen=True, kw_only=True)
class AdminAction:
    """An action on a row that needs a permission and a reason."""

    #: Its part of the URL.
    name: str
    #: The button's text, an imperative.
    title: str
    permission: Permission
    #: Explains in a sentence what will happen to the row.
    explanation: Callable[[Any], str]
    #: True where the action can be executed on the row now.
    is_possible: Callable[[Any], bool]
    #: Executes it, from (row, reason, author, believed), and returns a sentence about the result.
    execute: Callable[[Any, str, str, str], str]
    #: The state that the page shows, checked on execution: a champion's key, for example.
    believed: Callable[[Any], str] = lambda row: ""


def may(actor: Actor, permission: Permission, row: Any = None) -> bool:
    """Return True if the actor has the permission on the product of a row; for None, on any product."""
    return actor.may_somewhere(permission) if row is None else actor.may(permission, row.product)


def limit(rows: QuerySet[Any], actor: Actor) -> QuerySet[Any]:
    """Limit rows with a product to those of products that the actor may view."""
    if actor.may(Permission.VIEW, None):
        return rows
    names = [name for name in actor.effective.by_product if actor.may(Permission.VIEW, name)]
    return rows.filter(product__in=names)


class ReasonForm(forms.Form):
    """The reason for an action, and the state that the page showed."""

    reason = forms.CharField(
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60, "autofocus": True}),
        help_text="It is stored with the action.",
    )
    believed = forms.CharField(required=False, widget=forms.HiddenInput)


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that are shown and never edited."""

    #: The template of a row's page; `body_context` gives its context.
    body: str
    acts: tuple[AdminAction, ...] = ()
    change_form_template = "admin/store/shown.html"
    actions = None
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(actor_of(request), Permission.VIEW, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """List the rows of the products that the user may view."""
        return limit(super().get_queryset(request), actor_of(request))

    def body_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Get the context of the template `body`."""
        raise NotImplementedError

    def get_urls(self) -> list[Any]:
        own = [
            path(
                f"<path:key>/{act.name}/",
                self.admin_site.admin_view(self._view_of(act)),
                name=f"{self._name}_{act.name}",
            )
            for act in self.acts
        ]
        return own + super().get_urls()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = self.context_of(request, row) if row is not None else {}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def context_of(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return {
            "body": self.body,
            "row": row,
            "acts": list(self._possible(request, row)),
            "links": True,
            **self.body_context(request, row),
        }

    def _possible(self, request: HttpRequest, row: Any) -> Iterator[tuple[str, str]]:
        """List titles and URLs of the actions that the user may execute now."""
        for act in self.acts:
            if may(actor_of(request), act.permission, row) and act.is_possible(row):
                yield act.title, reverse(f"admin:{self._name}_{act.name}", args=[row.pk])

    def _view_of(self, act: AdminAction) -> Callable[[HttpRequest, str], HttpResponse]:
        def view(request: HttpRequest, key: str) -> HttpResponse:
            row = self.get_object(request, key)
            if row is None:
                raise Http404
            if not may(actor_of(request), act.permission, row):
                raise PermissionDenied
            return self._execute(request, act, row) or self._page(request, act, row)

        return view

    def _execute(self, request: HttpRequest, act: AdminAction, row: Any) -> HttpResponse | None:
        """Execute a posted action. Returns: None where the reason is missing or the action was refused."""
        form = ReasonForm(request.POST)
        if request.method != "POST" or not form.is_valid():
            return None
        reason, believed = form.cleaned_data["reason"], form.cleaned_data["believed"]
        author = actor_of(request).author
        try:
            sentence = act.execute(row, reason, author, believed)
        except ExemplarError as error:
            messages.error(request, str(error))
            return None
        self.log_change(request, row, f"{act.title}: {reason}")
        messages.success(request, sentence)
        return HttpResponseRedirect(reverse(f"admin:{self._name}_change", args=[row.pk]))

    def _page(self, request: HttpRequest, act: AdminAction, row: Any) -> HttpResponse:
        posted = request.POST if request.method == "POST" else None
        form = ReasonForm(posted, initial={"believed": act.believed(row)})
        context = {
            **self.admin_site.each_context(request),
            "title": act.title,
            "opts": self.opts,
            "row": row,
            "form": form,
            "explanation": act.explanation(row),
            "back": reverse(f"admin:{self._name}_change", args=[row.pk]),
        }
        return TemplateResponse(request, "admin/store/act.html", context)

    @property
    def _name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"
