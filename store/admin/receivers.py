"""Receivers of events in the admin: made, tested, stopped and deleted; and what was sent to them."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from learning.exceptions import ExemplarError

from ..access import acting
from ..access.middleware import actor_of
from ..access.permissions import Permission
from ..notices.deliveries import Delivery
from ..notices.kinds import CHOICES, DESCRIPTIONS, EventKind
from ..notices.receivers import Receiver
from .access import list_products
from .pages import ReadOnlyAdmin

LIST = "admin:store_receiver_changelist"
EVENTS = [(kind.value, f"{kind.value}: {DESCRIPTIONS[kind]}") for kind in CHOICES]
EVERY_PRODUCT = ("", "all products, later ones too")


class ReceiverForm(forms.Form):
    """A receiver to be made."""

    url = forms.CharField(
        required=False,
        label="URL",
        help_text="Of a webhook: events are posted to it, signed by Standard Webhooks.",
    )
    address = forms.CharField(required=False, help_text="Or the e-mail address of a person.")
    product = forms.ChoiceField(choices=lambda: [EVERY_PRODUCT, *list_products()], required=False)
    events = forms.MultipleChoiceField(choices=EVENTS, widget=forms.CheckboxSelectMultiple)
    note = forms.CharField(max_length=200, required=False, help_text="What it is for.")

    def clean(self) -> dict[str, Any]:
        """Check that it has one address."""
        values: dict[str, Any] = super().clean() or {}
        if bool(values.get("url")) == bool(values.get("address")):
            raise forms.ValidationError("Give a URL or an e-mail address.")
        return values


class AdministeredRows(ReadOnlyAdmin):
    """Rows that are shown to who administers their product."""

    ordering = ("-pk",)
    list_display_links = None
    actions: tuple[str, ...] = ()  # type: ignore[assignment]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return actor_of(request).may_somewhere(Permission.ADMINISTER)


@admin.register(Receiver)
class ReceiverAdmin(AdministeredRows):
    """Receivers, which are made, tested, stopped and deleted."""

    list_display = ("address", "product", "events", "note", "stopped", "created_by", "created_at")
    list_filter = ("product",)
    search_fields = ("url", "email", "note")
    actions = ("test", "stop", "start", "delete")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Receiver]:
        """List the receivers of products that the user administers."""
        with acting.acting_as(actor_of(request)):
            return Receiver.objects.visible().filter(deleted_at=None)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """List the actions without Django's own deletion."""
        return {name: action for name, action in super().get_actions(request).items() if name in self.actions}

    @admin.display
    def address(self, receiver: Receiver) -> str:
        return str(receiver)

    @admin.display
    def events(self, receiver: Receiver) -> str:
        return ", ".join(receiver.kinds)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the form of a receiver; after a webhook was sent, its secret."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ReceiverForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                return self._make(request, form)
            except ExemplarError as error:
                form.add_error(None, str(error))
        context = {"title": "Make a receiver", "form": form, "above": "Receivers", "back": reverse(LIST)}
        return TemplateResponse(
            request, "admin/store/form.html", {**self.admin_site.each_context(request), **context}
        )

    def _make(self, request: HttpRequest, form: ReceiverForm) -> HttpResponse:
        """Make the receiver of a valid form. Raises BadInput, Forbidden."""
        values, author = form.cleaned_data, actor_of(request).author
        kinds = [EventKind(value) for value in values["events"]]
        product, note = values["product"] or None, values["note"]
        if values["address"]:
            receiver = Receiver.objects.create_email_alert(product, values["address"], kinds, author, note)
            messages.success(request, f"Events are sent to {receiver} from now on.")
            return HttpResponseRedirect(reverse(LIST))
        receiver, secret = Receiver.objects.create_webhook(product, values["url"], kinds, author, note)
        context = {
            "title": "The secret is shown this once",
            "receiver": receiver,
            "secret": secret,
            "back": reverse(LIST),
        }
        return TemplateResponse(
            request, "admin/store/receiver_secret.html", {**self.admin_site.each_context(request), **context}
        )

    @admin.action(description="Send a test to the chosen receivers", permissions=["view"])
    def test(self, request: HttpRequest, rows: QuerySet[Receiver]) -> None:
        self._act(request, rows, Delivery.objects.record_test, "gets a test within seconds: see Deliveries")

    @admin.action(description="Stop the chosen receivers", permissions=["view"])
    def stop(self, request: HttpRequest, rows: QuerySet[Receiver]) -> None:
        author = actor_of(request).author
        self._act(request, rows, lambda row: row.change(stopped=True, by=author), "is stopped")

    @admin.action(description="Start the chosen receivers again", permissions=["view"])
    def start(self, request: HttpRequest, rows: QuerySet[Receiver]) -> None:
        author = actor_of(request).author
        self._act(request, rows, lambda row: row.change(stopped=False, by=author), "is told again")

    @admin.action(description="Delete the chosen receivers", permissions=["view"])
    def delete(self, request: HttpRequest, rows: QuerySet[Receiver]) -> None:
        self._act(request, rows, Receiver.remove, "is deleted")

    def _act(
        self, request: HttpRequest, rows: QuerySet[Receiver], act: Callable[[Receiver], object], result: str
    ) -> None:
        for row in rows:
            try:
                act(Receiver.objects.find(row.pk))
                messages.success(request, f"{row} {result}.")
            except ExemplarError as error:
                messages.error(request, str(error))


@admin.register(Delivery)
class DeliveryAdmin(AdministeredRows):
    """Deliveries, which are shown, and can be sent again."""

    list_display = ("created_at", "kind", "product", "receiver", "status", "attempts", "answer", "problem")
    list_filter = ("status", "kind", "product", "created_at")
    list_select_related = ("receiver",)
    show_full_result_count = False
    actions = ("resend",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        """List the deliveries to receivers of products that the user administers."""
        with acting.acting_as(actor_of(request)):
            return Delivery.objects.filter(receiver__in=Receiver.objects.visible())

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """List the actions without Django's own deletion."""
        return {name: action for name, action in super().get_actions(request).items() if name in self.actions}

    @admin.action(description="Send the chosen deliveries again", permissions=["view"])
    def resend(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        for row in rows:
            try:
                messages.success(request, f"{row.repeat()} is sent again.")
            except ExemplarError as error:
                messages.error(request, str(error))
