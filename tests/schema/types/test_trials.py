"""Trials over the API: who may promote starts and ends them; refusals have codes; a page has no query for each."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from schema.core import ids
from store.access.actors import Actor
from store.access.permissions import Grants, Permission
from store.models import ModelVersion, Promotion, Trial
from store.products import catalogue
from store.products.product import DataProduct

from ...store.conftest import version
from .test_audit import BOSS, CLERK, ask

pytestmark = pytest.mark.django_db

SHADOW = """mutation($id: ID!, $reason: String!) { startShadow(input: {model: $id, reason: $reason}) {
    trial { id kind share by model { number status } champion { status } difference { n } }
    product { trial { kind } } } }"""
SPLIT = """mutation($id: ID!, $share: Float!) {
    startSplit(input: {product: "stay", model: $id, share: $share, reason: "To see."}) { trial { share kind } } }"""
END = """mutation { endTrial(input: {product: "stay", reason: "Seen."}) {
    trial { endedBy endReason endedAt model { status } } product { trial { id } trials { totalCount } } } }"""
PAGE = """{ stay { trials(first: %d) { nodes {
    id kind share reason by startedAt endedAt endedBy endReason problem failures predicted dropped
    model { number status } champion { number } product { name } } } } }"""
VIEWER = Actor(author="eve", name="eve", grants=Grants(frozenset({Permission.VIEW, Permission.PREDICT})))


@pytest.fixture
def stay(settings: Any) -> DataProduct:
    settings.EXEMPLAR_OPEN = False
    return catalogue.get("stay")


@pytest.fixture
def challenger(stay: DataProduct) -> ModelVersion:
    Promotion.objects.promote(version(stay), "The first.", "ann")
    return version(stay)


def code(actor: Actor, document: str, **variables: Any) -> Any:
    (error,) = ask(actor, document, **variables).errors
    return error.extensions["code"], error.extensions.get("argument")


def test_a_shadow_begins_and_ends(challenger: ModelVersion) -> None:
    begun = ask(CLERK, SHADOW, id=ids.node_id(challenger), reason="To see.")
    assert begun.errors is None
    assert begun.data["startShadow"] == {
        "trial": {
            "id": ids.node_id(Trial.objects.get()),
            "kind": "SHADOW",
            "share": None,
            "by": "clerk",
            "model": {"number": challenger.number, "status": "SHADOW"},
            "champion": {"status": "CHAMPION"},
            "difference": None,
        },
        "product": {"trial": {"kind": "SHADOW"}},
    }
    ended = ask(BOSS, END).data["endTrial"]
    assert ended["trial"]["endedAt"] is not None
    assert (ended["trial"]["endedBy"], ended["trial"]["endReason"]) == ("boss", "Seen.")
    assert ended["product"] == {"trial": None, "trials": {"totalCount": 1}}


def test_what_cannot_begin_has_a_code(challenger: ModelVersion) -> None:
    id = ids.node_id(challenger)
    assert code(VIEWER, SHADOW, id=id, reason="To see.") == ("FORBIDDEN", None)
    assert code(VIEWER, SPLIT, id=id, share=2.0)[0] == "FORBIDDEN"
    assert code(VIEWER, END)[0] == "FORBIDDEN"
    assert code(BOSS, SPLIT, id=id, share=2.0) == ("OUT_OF_RANGE", ["input", "share"])
    assert code(BOSS, SPLIT, id=id, share=0.0) == ("OUT_OF_RANGE", ["input", "share"])
    assert code(BOSS, SHADOW, id=id, reason=" ") == ("BAD_INPUT", ["input", "reason"])
    assert code(BOSS, SHADOW, id=ids.node_id(challenger.build), reason="x")[0] == "WRONG_KIND_OF_ID"
    assert code(BOSS, SHADOW, id=ids.encode("ModelVersion", "999"), reason="x")[0] == "UNKNOWN_ID"
    assert code(BOSS, END) == ("CONFLICT", ["input", "product"])
    foreign = version(catalogue.get("relapse"))
    assert code(BOSS, SPLIT, id=ids.node_id(foreign), share=0.5) == ("FOREIGN_MODEL", ["input", "model"])
    assert not ask(BOSS, SPLIT, id=id, share=0.5).errors
    assert code(BOSS, SHADOW, id=id, reason="Beside a split.")[0] == "CONFLICT"


def test_a_page_of_trials_has_no_query_for_each_node(challenger: ModelVersion) -> None:
    for share in range(1, 9):
        Trial.objects.start_split("stay", challenger, share / 10, "More.", "ann")

    def count(first: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            answer = ask(BOSS, PAGE % first)
        assert answer.errors is None
        assert len(answer.data["stay"]["trials"]["nodes"]) == first
        return len(captured)

    count(8)  # versions stay in memory
    assert count(2) == count(8)
