"""Receivers and deliveries in the admin."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from store.access import grants
from store.access.models import User
from store.access.permissions import Permission
from store.notices.deliveries import Delivery
from store.notices.kinds import EventKind
from store.notices.receivers import Receiver

pytestmark = pytest.mark.django_db
RECEIVERS, DELIVERIES = "admin:store_receiver_changelist", "admin:store_delivery_changelist"


@pytest.fixture(autouse=True)
def closed(settings: Any) -> None:
    settings.EXEMPLAR_OPEN = False
    settings.EXEMPLAR_MAIL = "smtp://mail.example"
    settings.EXEMPLAR_WEBHOOK_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def steward() -> Client:
    """Administers one product."""
    user = User.objects.create_user("steward", is_staff=True)
    grants.grant(user, [Permission.ADMINISTER], "tumor")
    client = Client()
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return client


def make(client: Client, **values: Any) -> str:
    form = {"url": "http://127.0.0.1:9/", "product": "tumor", "events": ["build.ended"], **values}
    return client.post(reverse("admin:store_receiver_add"), form, follow=True).content.decode()


def act(client: Client, page: str, action: str, *rows: Any) -> str:
    form = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(reverse(page), form, follow=True).content.decode()


def test_a_webhook_is_made_and_its_secret_shown_once(steward: Client) -> None:
    assert "Of a webhook" in steward.get(reverse("admin:store_receiver_add")).content.decode()
    [secret] = re.findall(r"whsec_[\w+/=]+", make(steward, note="For the chat."))
    page = steward.get(reverse(RECEIVERS)).content.decode()
    assert "For the chat." in page
    assert secret not in page


def test_a_receiver_of_e_mail_is_tested_stopped_started_and_deleted(steward: Client) -> None:
    assert "Events are sent to ann@example.org from now on." in make(
        steward, url="", address="ann@example.org"
    )
    receiver = Receiver.objects.get()
    assert "gets a test within seconds" in act(steward, RECEIVERS, "test", receiver)
    assert "Stopped by steward." in act(steward, RECEIVERS, "stop", receiver)
    assert "Stopped by steward." not in act(steward, RECEIVERS, "start", receiver)
    assert "is sent again" in act(steward, DELIVERIES, "resend", Delivery.objects.get())
    assert "is deleted" in act(steward, RECEIVERS, "delete", receiver)
    assert "its receiver was deleted" in act(steward, DELIVERIES, "resend", *Delivery.objects.all()).lower()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"url": ""}, "Give a URL or an e-mail address."),
        ({"address": "ann@example.org"}, "Give a URL or an e-mail address."),
        ({"url": "http://10.0.0.1/"}, "which is no public address"),
        ({"events": []}, "This field is required."),
        ({"product": ""}, "ADMINISTER"),
    ],
)
def test_a_receiver_that_is_wrong_is_refused_with_a_sentence(
    steward: Client, values: dict[str, Any], sentence: str
) -> None:
    assert sentence in make(steward, **values)
    assert not Receiver.objects.exists()


def test_receivers_of_other_products_are_not_shown(steward: Client) -> None:
    receiver, _ = Receiver.objects.create_webhook(
        "wine", "http://127.0.0.1:9/", [EventKind.BUILD_ENDED], "ann"
    )
    Delivery.objects.record_test(receiver)
    for page in (RECEIVERS, DELIVERIES):
        assert "127.0.0.1:9" not in steward.get(reverse(page)).content.decode()
    assert "is deleted" not in act(steward, RECEIVERS, "delete", receiver)
    receiver.refresh_from_db()
    assert receiver.deleted_at is None
    clerk = Client()
    clerk.force_login(User.objects.create_user("clerk", is_staff=True))
    assert {clerk.get(reverse(page)).status_code for page in (RECEIVERS, DELIVERIES)} == {403}
    assert clerk.get(reverse("admin:store_receiver_add")).status_code == 403
