"""Deliveries: every event reaches every receiver, signed, once or more, whatever happens on the way."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from standardwebhooks import Webhook, WebhookVerificationError

from store.access import acting, audit
from store.access.actors import Actor
from store.access.audit import Act
from store.builds.builds import Build
from store.exceptions import BadInput, Conflict, Forbidden, Unauthenticated, UnknownId
from store.notices import deliveries, sealing, sender, sending
from store.notices.deliveries import DELIVERED, FAILED, WAITING, Delivery
from store.notices.kinds import CHOICES, DESCRIPTIONS, EventKind
from store.notices.receivers import MOST_RECEIVERS, Receiver
from store.products.product import DataProduct
from store.registry.promotions import Promotion
from tests.system import free_port
from tests.waiting import PATIENCE

from ..conftest import at_once, version

pytestmark = pytest.mark.django_db


@dataclass
class Hook:
    """A web server that answers each request with the next status, and stores what it got."""

    url: str
    answers: list[int] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@pytest.fixture
def hook(settings: Any) -> Iterator[Hook]:
    settings.EXEMPLAR_WEBHOOK_NETWORKS = ["127.0.0.0/8"]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.requests.append((dict(self.headers), body))
            hook.paths.append(self.path)
            self.send_response(hook.answers.pop(0) if hook.answers else 204)
            self.send_header("Location", hook.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook = Hook(f"http://127.0.0.1:{server.server_port}/hook?a=b")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield hook
        finally:
            server.shutdown()


def webhook(hook: Hook, *kinds: EventKind, product: str | None = "stay") -> tuple[Receiver, str]:
    return Receiver.objects.create_webhook(product, hook.url, kinds or CHOICES, "ann")


def make_due() -> None:
    Delivery.objects.filter(status=WAITING).update(due_at=Now())


def rows() -> list[tuple[str, str, int]]:
    return list(Delivery.objects.order_by("pk").values_list("kind", "status", "attempts"))


def test_a_promotion_is_delivered_with_a_signature_that_the_library_verifies(
    hook: Hook, stay: DataProduct
) -> None:
    _, secret = webhook(hook)
    promotion = Promotion.objects.promote(version(stay), "Better.", "ann")
    assert sender.send_due() == 1
    [(headers, body)] = hook.requests
    event = Webhook(secret).verify(body, headers)
    assert event["type"] == "model.promoted"
    assert event["data"] == {
        "message": f"Version {promotion.model.number} of stay serves. Better.",
        "product": "stay",
        "version": promotion.model.number,
        "previous": None,
        "reason": "Better.",
        "by": "ann",
    }
    assert headers["webhook-id"].startswith("msg_")
    assert rows() == [("model.promoted", DELIVERED, 1)]
    assert sender.send_due() == 0
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body.replace(b"Better", b"Worse"), headers)


def test_a_rollback_and_the_end_of_a_build_are_delivered(hook: Hook, stay: DataProduct) -> None:
    webhook(hook)
    first, second = version(stay), version(stay)
    for model in (first, second):
        Promotion.objects.promote(model, "Better.", "ann")
    Promotion.objects.rollback("stay", second, "Worse.", "ann")
    build, _ = Build.objects.request(stay, "ann", enqueue=False)
    Build.objects.cancel(build.pk, "bob")
    assert sender.send_due() == 4
    events = sorted((json.loads(body) for _, body in hook.requests), key=lambda event: event["timestamp"])
    assert {event["type"] for event in events} == {"model.promoted", "model.rolled_back", "build.ended"}
    [ended] = [event["data"] for event in events if event["type"] == "build.ended"]
    assert (ended["build"], ended["status"], ended["requestedBy"]) == (build.number, "CANCELLED", "ann")
    assert "Cancelled by bob" in ended["message"]


def test_only_who_is_registered_hears_of_an_event(hook: Hook, stay: DataProduct) -> None:
    webhook(hook, EventKind.BUILD_ENDED)
    webhook(hook, EventKind.MODEL_PROMOTED, product="relapse")
    stopped, _ = webhook(hook)
    stopped.change(stopped=True, by="ann")
    deleted, _ = webhook(hook)
    deleted.remove()
    every, _ = webhook(hook, product=None)
    Promotion.objects.promote(version(stay), "Better.", "ann")
    assert list(Delivery.objects.values_list("receiver", flat=True)) == [every.pk]


def test_what_waits_for_a_stopped_receiver_waits_on_and_for_a_deleted_one_is_given_up(
    hook: Hook, stay: DataProduct
) -> None:
    receiver, _ = webhook(hook)
    Promotion.objects.promote(version(stay), "Better.", "ann")
    receiver.change(stopped=True, by="ann")
    assert sender.send_due() == 0
    receiver.change(stopped=False, by="ann")
    receiver.remove()
    assert (sender.send_due(), Delivery.objects.get().problem) == (0, "Its receiver was deleted.")
    assert rows() == [("model.promoted", FAILED, 0)]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_to_a_receiver_that_was_deleted_while_the_event_happened(
    hook: Hook, stay: DataProduct
) -> None:
    receiver, _ = webhook(hook)
    better = version(stay)
    has_happened, is_deleted = threading.Event(), threading.Event()

    def promote() -> None:
        with transaction.atomic():
            Promotion.objects.promote(better, "Better.", "ann")
            has_happened.set()
            assert is_deleted.wait(PATIENCE)

    def delete() -> None:
        assert has_happened.wait(PATIENCE)
        receiver.remove()
        is_deleted.set()

    at_once(promote, delete)
    assert sender.send_due() == 0
    assert rows() == [("model.promoted", FAILED, 0)] and not hook.requests


def test_an_event_that_is_rolled_back_is_not_sent(hook: Hook, stay: DataProduct) -> None:
    webhook(hook)
    with pytest.raises(BadInput):
        Promotion.objects.promote(version(stay), " ", "ann")
    assert rows() == []


def test_failed_attempts_are_repeated_later_and_later_with_the_same_id(hook: Hook, stay: DataProduct) -> None:
    webhook(hook)
    hook.answers = [500, 429, 301]
    Promotion.objects.promote(version(stay), "Better.", "ann")
    pauses = []
    for _ in range(3):
        assert sender.send_due() == 1
        row = Delivery.objects.annotate(pause=F("due_at") - Now()).get()
        pauses.append(row.pause)
        assert (row.status, sender.send_due()) == (WAITING, 0)
        make_due()
    assert [round(pause.total_seconds(), -1) for pause in pauses] == [0, 300, 1_800]
    assert Delivery.objects.get().answer == 301
    assert "Redirections are not followed" in Delivery.objects.get().problem
    sender.send_due()
    assert rows() == [("model.promoted", DELIVERED, 4)]
    assert len({headers["webhook-id"] for headers, _ in hook.requests}) == 1
    assert Delivery.objects.get().problem == ""


def test_after_the_last_attempt_it_has_failed_and_can_be_repeated(hook: Hook, stay: DataProduct) -> None:
    webhook(hook)
    attempts = len(deliveries.PAUSES) + 1
    hook.answers = [503] * attempts
    Promotion.objects.promote(version(stay), "Better.", "ann")
    for _ in range(attempts):
        make_due()
        assert sender.send_due() == 1
    failed = Delivery.objects.get()
    assert (failed.status, failed.answer, failed.ended_at is None) == (FAILED, 503, False)
    assert "503" in failed.problem
    repeated = failed.repeat()
    sender.send_due()
    repeated.refresh_from_db()
    assert (repeated.status, repeated.event) == (DELIVERED, failed.event)


def test_a_receiver_that_is_gone_gets_nothing_more(hook: Hook, stay: DataProduct) -> None:
    receiver, _ = webhook(hook)
    hook.answers = [410]
    Promotion.objects.promote(version(stay), "Better.", "ann")
    sender.send_due()
    receiver.refresh_from_db()
    assert (rows(), receiver.stopped[:20]) == ([("model.promoted", FAILED, 1)], "It answered with 410")
    Promotion.objects.promote(version(stay), "Better.", "ann")
    assert len(rows()) == 1
    Delivery.objects.record_test(receiver)
    sender.send_due()
    assert rows()[1:] == [("test", DELIVERED, 1)]
    receiver.change(stopped=False, by="ann")
    assert receiver.stopped == ""


def test_what_is_not_reached_says_why(hook: Hook, stay: DataProduct, settings: Any) -> None:
    receiver, _ = webhook(hook)
    Receiver.objects.filter(pk=receiver.pk).update(url=f"http://127.0.0.1:{free_port()}/")
    Delivery.objects.record_test(receiver)
    sender.send_due()
    assert "It is not reached: " in Delivery.objects.get().problem
    settings.EXEMPLAR_WEBHOOK_NETWORKS = []
    make_due()
    sender.send_due()
    assert "which is no public address" in Delivery.objects.get().problem
    assert rows() == [("test", WAITING, 2)]


def test_a_path_with_other_letters_is_percent_encoded(hook: Hook, stay: DataProduct) -> None:
    Receiver.objects.create_webhook("stay", hook.url.replace("/hook", "/höök/%C3%BC"), CHOICES, "ann")
    Promotion.objects.promote(version(stay), "Better.", "ann")
    assert sender.send_due() == 1
    assert rows() == [("model.promoted", DELIVERED, 1)]
    assert hook.paths == ["/h%C3%B6%C3%B6k/%C3%BC?a=b"]


def test_a_delivery_that_cannot_be_made_keeps_no_other_one_from_being_noted(
    hook: Hook, stay: DataProduct
) -> None:
    broken, _ = webhook(hook)
    sound, _ = webhook(hook)
    Receiver.objects.filter(pk=broken.pk).update(sealed_secret=sealing.seal("whsec_x"))
    Promotion.objects.promote(version(stay), "Better.", "ann")
    assert sender.send_due() == 2
    assert Delivery.objects.get(receiver=sound).status == DELIVERED
    waiting = Delivery.objects.get(receiver=broken)
    assert waiting.status == WAITING and waiting.problem


def test_an_answer_that_never_ends_is_ended(
    hook: Hook, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, _ = webhook(hook)
    monkeypatch.setattr(sending, "LIMIT", 0.3)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        Receiver.objects.filter(pk=receiver.pk).update(url=f"http://127.0.0.1:{silent.getsockname()[1]}/")
        Delivery.objects.record_test(receiver)
        sender.send_due()
    assert "It is not reached: " in Delivery.objects.get().problem


def test_an_attempt_that_died_is_made_again(hook: Hook, stay: DataProduct) -> None:
    webhook(hook)
    Promotion.objects.promote(version(stay), "Better.", "ann")
    [lost] = Delivery.objects.claim()
    assert Delivery.objects.claim() == []
    make_due()
    assert sender.send_due() == 1
    lost.fail("It came back late.")
    assert rows() == [("model.promoted", DELIVERED, 2)]


def test_a_secret_can_be_rotated_and_survives_a_change_of_keys(hook: Hook, settings: Any) -> None:
    receiver, old = webhook(hook)
    new = receiver.rotate_secret()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "x" * 50, [settings.SECRET_KEY]
    Delivery.objects.record_test(receiver)
    sender.send_due()
    [(headers, body)] = hook.requests
    assert Webhook(new).verify(body, headers)["type"] == "test"
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(body, headers)
    settings.SECRET_KEY_FALLBACKS = []
    Delivery.objects.record_test(receiver)
    sender.send_due()
    assert "sealed under a SECRET_KEY that is set no longer" in Delivery.objects.latest("pk").problem


def test_no_secret_is_stored_as_it_is(hook: Hook) -> None:
    receiver, secret = webhook(hook)
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(r)::text FROM store_receiver r")
        assert secret.removeprefix("whsec_") not in cursor.fetchone()[0]
    receiver.remove()
    assert Receiver.objects.get().sealed_secret == ""


class Mailbox:
    """What a mail server got."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        self.messages.append(envelope.content.decode())
        return "250 OK"


def test_e_mail_is_sent_by_the_mail_server(stay: DataProduct, settings: Any) -> None:
    mailbox = Mailbox()
    settings.EXEMPLAR_MAIL = "smtp://mail.example"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    Receiver.objects.create_email_alert("stay", "ann@example.org", [EventKind.MODEL_PROMOTED], "ann")
    Promotion.objects.promote(version(stay), "Better,\nand quicker.", "ann")
    sender.send_due()
    assert "It is not reached: " in Delivery.objects.get().problem
    make_due()
    controller = Controller(mailbox, hostname=settings.EMAIL_HOST, port=settings.EMAIL_PORT)
    controller.start()
    try:
        sender.send_due()
    finally:
        controller.stop()
    [message] = mailbox.messages
    assert "To: ann@example.org" in message
    assert "Subject: [Exemplar] stay: A model version began to serve." in message
    assert "of stay serves. Better," in message
    assert rows() == [("model.promoted", DELIVERED, 2)]


def test_old_deliveries_are_deleted(hook: Hook, stay: DataProduct) -> None:
    webhook(hook)
    for _ in range(2):
        Promotion.objects.promote(version(stay), "Better.", "ann")
    sender.send_due()
    oldest = Delivery.objects.earliest("pk")
    Delivery.objects.filter(pk=oldest.pk).update(ended_at=Now() - timedelta(days=deliveries.KEEP_DAYS + 1))
    assert Delivery.objects.delete_old() == 1
    assert len(rows()) == 1


def test_receivers_belong_to_who_administers_the_product(hook: Hook, stay: DataProduct) -> None:
    of_stay, _ = webhook(hook)
    of_all, _ = webhook(hook, product=None)
    delivery = Delivery.objects.record_test(of_all)
    with acting.acting_as(Actor(author="ann", name="ann")):
        assert list(Receiver.objects.visible()) == []
        for refused in (
            lambda: Receiver.objects.find(of_stay.pk),
            lambda: Delivery.objects.find(delivery.pk),
            lambda: webhook(hook),
        ):
            with pytest.raises(Forbidden):
                refused()
    with acting.acting_as(Actor(author="anonymous")), pytest.raises(Unauthenticated):
        webhook(hook)
    assert set(Receiver.objects.visible()) == {of_stay, of_all}


def test_each_change_of_a_receiver_is_in_the_audit_log(hook: Hook) -> None:
    receiver, secret = webhook(hook)
    receiver.change(kinds=[EventKind.BUILD_ENDED], note="For the team.", by="ann")
    receiver.rotate_secret()
    receiver.remove()
    acts = [Act.CREATE_RECEIVER, Act.CHANGE_RECEIVER, Act.CHANGE_RECEIVER, Act.DELETE_RECEIVER]
    entries = audit.AuditEntry.objects.filter(product="stay").order_by("pk")
    assert [entry.act for entry in entries] == acts
    assert secret not in str([entry.details for entry in entries])


def test_what_is_no_receiver_is_refused_with_all_its_faults(hook: Hook, settings: Any) -> None:
    with pytest.raises(BadInput) as refused:
        Receiver.objects.create_webhook("stay", "ftp://x", [], "ann")
    assert "It must be a URL" in str(refused.value)
    assert "Name at least one event" in str(refused.value)
    receiver, _ = webhook(hook)
    with pytest.raises(BadInput, match="Name at least one event"):
        receiver.change(kinds=[EventKind.TEST], by="ann")
    settings.EXEMPLAR_MAIL = "smtp://mail.example"
    alert = Receiver.objects.create_email_alert("stay", "ann@example.org", CHOICES, "ann")
    with pytest.raises(BadInput, match="Only webhooks have a secret"):
        alert.rotate_secret()
    for wrong in (Receiver.objects.find, Delivery.objects.find):
        with pytest.raises(UnknownId):
            wrong(123_456)
    delivery = Delivery.objects.record_test(receiver)
    receiver.remove()
    with pytest.raises(Conflict):
        Delivery.objects.find(delivery.pk).repeat()
    with pytest.raises(UnknownId):
        Receiver.objects.find(receiver.pk)


def test_a_product_has_no_more_than_so_many_receivers(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.notices.receivers.MOST_RECEIVERS", 2)
    for _ in range(2):
        webhook(hook)
    with pytest.raises(BadInput, match="delete one first"):
        webhook(hook)
    webhook(hook, product=None)
    assert MOST_RECEIVERS > 2


def test_each_kind_is_described() -> None:
    assert set(DESCRIPTIONS) == set(EventKind)
