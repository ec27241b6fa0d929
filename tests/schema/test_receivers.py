"""Receivers and deliveries in the API."""

import json
from typing import Any

import pytest
from standardwebhooks import Webhook

from schema.core import ids
from schema.core.context import Context
from schema.schema import schema
from store.access.actors import Actor
from store.access.permissions import Grants, Permission
from store.notices.deliveries import Delivery
from store.notices.kinds import EventKind
from store.notices.receivers import Receiver

pytestmark = pytest.mark.django_db

URL = "http://127.0.0.1:9/"
CREATE = """mutation($url: String!, $product: String, $events: [EventKind!]!) {
  createWebhook(input: { url: $url, product: $product, events: $events, note: "For the chat." }) {
    secret receiver { id url email productName events note stopped createdBy } } }"""
LIST = "{ receivers { totalCount nodes { id url deliveries { nodes { id event eventId status problem data } } } } }"


@pytest.fixture(autouse=True)
def closed(settings: Any) -> None:
    settings.EXEMPLAR_OPEN = False
    settings.EXEMPLAR_WEBHOOK_NETWORKS = ["127.0.0.0/8"]


def steward(*products: str) -> Actor:
    """Who administers these products; all of them if none is named."""
    administer = frozenset({Permission.ADMINISTER})
    everywhere = frozenset() if products else administer
    return Actor(author="ann", name="ann", grants=Grants(everywhere, dict.fromkeys(products, administer)))


def ask(caller: Actor, query: str, **variables: Any) -> Any:
    context = Context(caller, None)  # type: ignore[arg-type]
    return schema.execute_sync(query, variable_values=variables, context_value=context)


def act(caller: Actor, name: str, **values: Any) -> Any:
    """The result of a mutation whose input has ids alone, or booleans."""
    fields = {"testReceiver": "delivery { id status }", "resendDelivery": "delivery { id eventId }"}
    fields |= {"deleteReceiver": "deletedId", "rotateReceiverSecret": "secret"}
    rendered = ", ".join(f"{key}: {literal(value)}" for key, value in values.items())
    selection = fields.get(name, "receiver { id stopped events }")
    return ask(caller, f"mutation {{ {name}(input: {{ {rendered} }}) {{ {selection} }} }}")


def literal(value: object) -> str:
    """A value in a document: an id, a boolean, or a list of enum members."""
    if isinstance(value, list):
        return f"[{', '.join(value)}]"
    return json.dumps(value)


def codes(result: Any) -> list[tuple[str, list[str]]]:
    return [(error.extensions["code"], error.extensions.get("argument")) for error in result.errors or ()]


def create(caller: Actor, product: str | None = "tumor", **values: Any) -> Any:
    variables = {"url": URL, "product": product, "events": ["BUILD_ENDED"], **values}
    return ask(caller, CREATE, **variables)


def test_a_webhook_is_created_tested_changed_rotated_and_deleted() -> None:
    ann = steward("tumor")
    created = create(ann).data["createWebhook"]
    receiver = created["receiver"]
    assert Webhook(created["secret"])
    assert receiver | {"id": ""} == {
        "id": "",
        "url": URL,
        "email": None,
        "productName": "tumor",
        "events": ["BUILD_ENDED"],
        "note": "For the chat.",
        "stopped": None,
        "createdBy": "ann",
    }
    tried = act(ann, "testReceiver", receiver=receiver["id"]).data["testReceiver"]["delivery"]
    assert tried["status"] == "WAITING"
    again = act(ann, "resendDelivery", delivery=tried["id"]).data["resendDelivery"]["delivery"]
    [listed] = ask(ann, LIST).data["receivers"]["nodes"]
    assert [(each["event"], each["eventId"]) for each in listed["deliveries"]["nodes"]] == [
        ("TEST", again["eventId"])
    ] * 2
    changed = act(ann, "changeReceiver", receiver=receiver["id"], stopped=True, events=["MODEL_HELD"]).data
    assert changed["changeReceiver"]["receiver"]["stopped"] == "Stopped by ann."
    assert changed["changeReceiver"]["receiver"]["events"] == ["MODEL_HELD"]
    rotated = act(ann, "rotateReceiverSecret", receiver=receiver["id"]).data["rotateReceiverSecret"]
    assert rotated["secret"] != created["secret"]
    node = ask(
        ann, "query($id: ID!) { node(id: $id) { id ... on Delivery { receiver { id } } } }", id=tried["id"]
    )
    assert node.data["node"]["receiver"]["id"] == receiver["id"]
    assert (
        act(ann, "deleteReceiver", receiver=receiver["id"]).data["deleteReceiver"]["deletedId"]
        == receiver["id"]
    )
    assert ask(ann, LIST).data["receivers"] == {"totalCount": 0, "nodes": []}
    assert codes(act(ann, "deleteReceiver", receiver=receiver["id"])) == [
        ("UNKNOWN_ID", ["input", "receiver"])
    ]
    assert codes(act(ann, "resendDelivery", delivery=tried["id"])) == [("CONFLICT", ["input", "delivery"])]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"url": "ftp://x"}, ("BAD_INPUT", ["input", "url"])),
        ({"url": "https://169.254.169.254/"}, ("BAD_INPUT", ["input", "url"])),
        ({"events": []}, ("BAD_INPUT", ["input", "events"])),
        ({"events": ["TEST"]}, ("BAD_INPUT", ["input", "events"])),
        ({"product": "nothing"}, ("UNKNOWN_PRODUCT", ["input", "product"])),
    ],
)
def test_a_webhook_that_makes_no_sense_is_refused(values: Any, code: Any) -> None:
    assert codes(create(steward(), **values)) == [code]
    assert not Receiver.objects.exists()


def test_all_faults_come_at_once() -> None:
    refused = create(steward(), url="ftp://x", events=[], product="nothing")
    assert sorted(fault[0] for fault in codes(refused)) == ["BAD_INPUT", "BAD_INPUT", "UNKNOWN_PRODUCT"]


def test_e_mail_needs_a_mail_server(settings: Any) -> None:
    query = """mutation { createEmailAlert(input: { address: "ann@example.org", events: [MODEL_HELD] }) {
        receiver { email url } } }"""
    settings.EXEMPLAR_MAIL = ""
    assert codes(ask(steward(), query)) == [("BAD_INPUT", ["input", "address"])]
    settings.EXEMPLAR_MAIL = "smtp://mail.example"
    receiver = ask(steward(), query).data["createEmailAlert"]["receiver"]
    assert receiver == {"email": "ann@example.org", "url": None}


def test_receivers_are_for_who_administers_their_product() -> None:
    of_all = create(steward(), product=None).data["createWebhook"]["receiver"]["id"]
    delivery = Delivery.objects.record_test(Receiver.objects.get())
    Delivery.objects.record(EventKind.BUILD_ENDED, "tumor", {})
    ann = steward("tumor")
    assert ask(ann, LIST).data["receivers"]["nodes"] == []
    for name, values in (
        ("testReceiver", {"receiver": of_all}),
        ("deleteReceiver", {"receiver": of_all}),
        ("rotateReceiverSecret", {"receiver": of_all}),
        ("changeReceiver", {"receiver": of_all, "stopped": True}),
    ):
        assert codes(act(ann, name, **values))[0][0] == "FORBIDDEN"
    for row in (delivery, Delivery.objects.latest("pk"), Receiver.objects.get()):
        result = ask(ann, "query($id: ID!) { node(id: $id) { id } }", id=ids.node_id(row))
        assert codes(result)[0][0] == "FORBIDDEN"
    assert codes(create(steward("wine")))[0][0] == "FORBIDDEN"
    assert codes(ask(Actor(author="anonymous"), LIST))[0][0] == "UNAUTHENTICATED"


def test_ids_of_other_objects_are_refused() -> None:
    ann = steward()
    create(ann)
    wrong = ids.encode("Delivery", "1")
    assert codes(act(ann, "testReceiver", receiver=wrong)) == [("WRONG_KIND_OF_ID", ["input", "receiver"])]
    assert codes(act(ann, "testReceiver", receiver="x")) == [("UNKNOWN_ID", ["input", "receiver"])]
