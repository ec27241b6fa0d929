"""Grants: of users, groups and strangers, on all products or on one."""

import pytest
from django.contrib.auth.models import Group

from store.access import grants
from store.access.grants import find_grantee, load_grants
from store.access.models import User
from store.access.permissions import ALL, Grants, Permission
from store.exceptions import BadInput

pytestmark = pytest.mark.django_db

VIEW, PREDICT, BUILD = Permission.VIEW, Permission.PREDICT, Permission.BUILD


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann")


def test_a_grant_on_one_product_holds_there_alone(ann: User) -> None:
    grants.grant(ann, [VIEW, PREDICT], "tumor")
    found = load_grants(ann)
    assert found.on("tumor") == {VIEW, PREDICT}
    assert not found.on("wine")
    assert found.allow(VIEW, "tumor") and not found.allow(VIEW, None)
    assert found.allow_somewhere(PREDICT) and not found.allow_somewhere(BUILD)


def test_a_grant_on_all_products_holds_on_each(ann: User) -> None:
    grants.grant(ann, [BUILD])
    found = load_grants(ann)
    assert found.allow(BUILD, None) and found.allow(BUILD, "wine")


def test_what_is_revoked_is_gone_and_the_rest_stays(ann: User) -> None:
    grants.grant(ann, [VIEW, PREDICT], "tumor")
    grants.grant(ann, [VIEW])
    grants.revoke(ann, [VIEW], "tumor")
    grants.revoke(ann, [BUILD], "tumor")  # was never granted
    assert load_grants(ann).by_product == {"tumor": {PREDICT}}
    assert load_grants(ann).everywhere == {VIEW}


def test_a_users_groups_grant_what_they_have(ann: User) -> None:
    team = Group.objects.create(name="team")
    grants.grant(team, [BUILD], "wine")
    ann.groups.add(team)
    ann.groups.add(Group.objects.get_or_create(name="readers")[0])
    grants.grant(Group.objects.get(name="readers"), [VIEW])
    found = load_grants(ann)
    assert found.on("wine") == {BUILD, VIEW}
    assert load_grants(None, ["team"]).by_product == {"wine": {BUILD}}
    assert load_grants(None, ["nobody"]).is_empty


def test_grantees_are_found_by_name(ann: User) -> None:
    Group.objects.create(name="ann")
    with pytest.raises(BadInput, match="user:ann or group:ann"):
        find_grantee("ann")
    assert find_grantee("user:ann") == ann
    assert find_grantee("group:ann") == Group.objects.get(name="ann")
    with pytest.raises(BadInput, match="no user, program or group"):
        find_grantee("bob")


def test_a_scope_narrows_and_never_adds() -> None:
    own = Grants(frozenset({VIEW}), {"tumor": frozenset({PREDICT, BUILD})})
    narrowed = own.within({PREDICT, Permission.ERASE}, None)
    assert narrowed.by_product == {"tumor": {PREDICT}} and not narrowed.everywhere
    assert own.within(None, ["wine"]).by_product == {"wine": {VIEW}}
    assert not own.within(None, ["wine"]).everywhere
    assert ALL.within({VIEW}, ["wine"]).by_product == {"wine": {VIEW}}
    assert own.within(None, []).is_empty


def test_two_grants_join() -> None:
    one, other = Grants(frozenset({VIEW})), Grants(frozenset(), {"wine": frozenset({BUILD})})
    assert (one | other).on("wine") == {VIEW, BUILD}
