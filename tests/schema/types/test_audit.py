"""The audit log over the API: for who may administer, in pages, and refused to everybody else."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import Request

from schema.core import ids
from schema.core.context import Context
from schema.schema import schema
from store.access.actors import Actor
from store.access.audit import AuditEntry
from store.access.permissions import Grants, Permission
from store.models import Promotion
from store.products import catalogue
from store.products.product import DataProduct

from ...store.conftest import version

pytestmark = pytest.mark.django_db

BOSS = Actor(author="boss", name="boss", superuser=True, credential="session")
CLERK = Actor(author="clerk", name="clerk", grants=Grants(frozenset(Permission) - {Permission.ADMINISTER}))
OWNER = Actor(
    author="owner", name="owner", grants=Grants(by_product={"stay": frozenset({Permission.ADMINISTER})})
)
STRANGER = Actor(author="anonymous")

LOG = """
query Log($first: Int, $after: String, $filter: AuditFilter) {
  auditLog(first: $first, after: $after, filter: $filter) {
    totalCount
    edges { node { id at act author kind credential address operation requestId productName reason subjects
      details { name value } } }
    pageInfo { hasNextPage endCursor }
  }
}
"""
PROMOTE = (
    'mutation Promote($id: ID!) { promote(input: {model: $id, reason: "Better."}) { promotion { id } } }'
)


@pytest.fixture
def product(settings: Any) -> DataProduct:
    settings.EXEMPLAR_OPEN = False
    return catalogue.get("stay")


def ask(actor: Actor, document: str, **variables: Any) -> Any:
    client = SimpleNamespace(client=SimpleNamespace(host="192.0.2.7"))
    return schema.execute_sync(document, variables, Context(actor, cast(Request, client)))


def entries(actor: Actor, **variables: Any) -> list[dict[str, Any]]:
    answer = ask(actor, LOG, **variables)
    assert not answer.errors, answer.errors
    return [edge["node"] for edge in answer.data["auditLog"]["edges"]]


def code(actor: Actor, document: str = LOG, **variables: Any) -> Any:
    (error,) = ask(actor, document, **variables).errors
    return error.extensions["code"]


def test_a_promotion_is_read_back_with_who_from_where_and_why(product: DataProduct) -> None:
    promoted = version(product)
    assert not ask(BOSS, PROMOTE, id=ids.node_id(promoted)).errors
    (entry,) = entries(BOSS, filter={"acts": ["PROMOTE"], "authors": ["boss"], "product": "stay"})
    told = {
        name: entry[name]
        for name in ("act", "author", "kind", "credential", "address", "operation", "reason")
    }
    assert told == {
        "act": "PROMOTE",
        "author": "boss",
        "kind": "PERSON",
        "credential": "session",
        "address": "192.0.2.7",
        "operation": "Promote",
        "reason": "Better.",
    }
    assert entry["productName"] == "stay"
    assert entry["subjects"] == [ids.node_id(promoted), ids.node_id(Promotion.objects.get())]


def test_pages_are_newest_first_and_go_on(product: DataProduct) -> None:
    for _ in range(3):
        Promotion.objects.promote(version(product), "Next.", "ann")
    first = ask(BOSS, LOG, first=2).data["auditLog"]
    assert first["totalCount"] == AuditEntry.objects.count() == 6
    second = ask(BOSS, LOG, first=2, after=first["pageInfo"]["endCursor"]).data["auditLog"]
    keys = [int(ids.key(edge["node"]["id"], "AuditEntry")) for edge in first["edges"] + second["edges"]]
    assert keys == sorted(keys, reverse=True) and len(keys) == 4


def test_whoever_may_not_administer_gets_an_error_and_no_empty_list(product: DataProduct) -> None:
    Promotion.objects.promote(version(product), "Next.", "ann")
    node = "query($id: ID!) { node(id: $id) { id } }"
    for filter in (None, {"product": "stay"}, {"product": "elsewhere"}):
        assert code(CLERK, filter=filter) == "FORBIDDEN"
        assert code(STRANGER, filter=filter) == "UNAUTHENTICATED"
    entry = ids.node_id(AuditEntry.objects.latest("pk"))
    for actor in (CLERK, STRANGER):
        assert code(actor, node, id=entry) in ("FORBIDDEN", "UNAUTHENTICATED")
    assert ask(BOSS, node, id=entry).data == {"node": {"id": entry}}


def test_whoever_administers_one_product_reads_of_that_one(product: DataProduct) -> None:
    Promotion.objects.promote(version(product), "Next.", "ann")
    assert {entry["productName"] for entry in entries(OWNER, filter={"product": "stay"})} == {"stay"}
    assert code(OWNER) == "FORBIDDEN"
    assert code(OWNER, filter={"product": "elsewhere"}) == "FORBIDDEN"
