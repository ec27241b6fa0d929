"""What all pages of the admin have in common: a row that is shown, and acts that ask for a reason."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from learning.exceptions import ExemplarError

from ..access.actors import find_actor


@dataclass(frozen=True, kw_only=True)
class Act:
    """Something that may be done with a row, by whoever has the permission and gives a reason."""

    #: In the address.
    name: str
    #: On the button, as an imperative.
    title: str
    permission: str
    #: What will happen to the row, as a sentence.
    explained: Callable[[Any], str]
    possible: Callable[[Any], bool]
    #: `(row, reason, author, believed)`: does it, and returns what has happened as a sentence.
    done: Callable[[Any, str, str, str], str]
    #: What the page is based on, checked when it is done: a champion's key, for example.
    believed: Callable[[Any], str] = lambda row: ""


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60, "autofocus": True}),
        help_text="It stays with what is done.",
    )
    believed = forms.CharField(required=False, widget=forms.HiddenInput)


class Shown(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that are shown and not edited."""

    #: The template of what a row's page shows, with what `shown` gives.
    body: str
    acts: tuple[Act, ...] = ()
    change_form_template = "admin/store/shown.html"
    actions = None
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def shown(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What `body` needs."""
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
            **self.shown(request, row),
        }

    def _possible(self, request: HttpRequest, row: Any) -> Iterator[tuple[str, str]]:
        """Titles and addresses of what whoever asks may do now."""
        for act in self.acts:
            if request.user.has_perm(act.permission) and act.possible(row):
                yield act.title, reverse(f"admin:{self._name}_{act.name}", args=[row.pk])

    def _view_of(self, act: Act) -> Callable[[HttpRequest, str], HttpResponse]:
        def view(request: HttpRequest, key: str) -> HttpResponse:
            row = self.get_object(request, key)
            if row is None:
                raise Http404
            if not request.user.has_perm(act.permission):
                raise PermissionDenied
            return self._asked(request, act, row) or self._page(request, act, row)

        return view

    def _asked(self, request: HttpRequest, act: Act, row: Any) -> HttpResponse | None:
        """Do it where a reason was given; None where it was not, or it could not be done."""
        form = ReasonForm(request.POST)
        if request.method != "POST" or not form.is_valid():
            return None
        reason, believed = form.cleaned_data["reason"], form.cleaned_data["believed"]
        author = find_actor(request.session.session_key).author
        try:
            sentence = act.done(row, reason, author, believed)
        except ExemplarError as error:
            messages.error(request, str(error))
            return None
        self.log_change(request, row, f"{act.title}: {reason}")
        messages.success(request, sentence)
        return HttpResponseRedirect(reverse(f"admin:{self._name}_change", args=[row.pk]))

    def _page(self, request: HttpRequest, act: Act, row: Any) -> HttpResponse:
        given = request.POST if request.method == "POST" else None
        form = ReasonForm(given, initial={"believed": act.believed(row)})
        context = {
            **self.admin_site.each_context(request),
            "title": act.title,
            "opts": self.opts,
            "row": row,
            "form": form,
            "explained": act.explained(row),
            "back": reverse(f"admin:{self._name}_change", args=[row.pk]),
        }
        return TemplateResponse(request, "admin/store/act.html", context)

    @property
    def _name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"
