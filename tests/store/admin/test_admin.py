"""The admin shows everything, edits nothing, and lets those act who may and say why."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from store.access.models import User
from store.builds.builds import Build
from store.models import ModelVersion, ProductState, Promotion
from store.products.product import DataProduct

from ..conftest import version

pytestmark = pytest.mark.django_db

#: The permissions that the pages' acts need.
ACTS = ("build_product", "promote_product")


@pytest.fixture
def two(stay: DataProduct) -> list[ModelVersion]:
    """Two versions; the first one serves."""
    versions = [version(stay), version(stay)]
    Promotion.objects.promote(versions[0], "The first.", by="ann")
    return versions


@pytest.fixture
def admin(db: None) -> Client:
    return logged_in(User.objects.create_superuser("boss", password="x"))


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("clerk", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_product", *permissions]))
    return logged_in(user)


def page(client: Client, name: str, *args: Any) -> str:
    answer = client.get(reverse(f"admin:store_{name}", args=args))
    assert answer.status_code == 200
    return answer.content.decode()


def act(client: Client, name: str, key: Any, reason: str = "Because.", **more: Any) -> Any:
    """Open the page of an act, and send what it asks for back."""
    address = reverse(f"admin:store_{name}", args=[key])
    opened = client.get(address)
    believed = re.search(r'name="believed"[^>]*value="([^"]*)"', opened.content.decode())
    given = {"reason": reason, "believed": believed.group(1) if believed else ""} | more
    return client.post(address, given, follow=True)


@pytest.mark.parametrize("name", ["build", "modelversion", "productstate"])
def test_a_list_asks_no_more_for_more_rows(admin: Client, stay: DataProduct, name: str) -> None:
    queries = []
    for _ in range(3):
        Promotion.objects.promote(version(stay), "Next.", by="ann")
        with CaptureQueriesContext(connection) as captured:
            page(admin, f"{name}_changelist")
        queries.append(len(captured))
    assert len(set(queries[1:])) == 1, queries


def test_every_admin_page_shows_its_rows(admin, two, stay):
    assert "serves" in page(admin, "productstate_changelist").lower()
    assert "version 1" in page(admin, "productstate_change", "stay")
    assert "stay 2" in page(admin, "modelversion_changelist")
    assert two[1].digest in page(admin, "modelversion_change", two[1].pk)
    assert "SUCCEEDED" in page(admin, "build_changelist")
    assert "Leaderboard" in page(admin, "build_change", two[1].build_id)


def test_pages_show_a_time_limit_and_an_early_version(admin, two, stay):
    build, _ = Build.objects.request(stay, by="ann", enqueue=False)
    build.set_time_limit(600)
    ModelVersion.objects.filter(pk=two[1].pk).update(early=True)
    assert "Ends by" in page(admin, "build_change", build.pk)
    assert "<dt>Early</dt>" in page(admin, "modelversion_change", two[1].pk)


def test_a_version_that_waits_shows_why_and_its_score_is_told_once(admin, two):
    version = two[1]
    ModelVersion.objects.filter(pk=version.pk).update(score=0.79, optimism=0.01)
    Build.objects.filter(pk=version.build_id).update(model=version, decision="It waits: too good to be true.")
    waiting = page(admin, "modelversion_change", version.pk)
    assert "<dt>Decision</dt><dd>It waits: too good to be true.</dd>" in waiting
    assert "0.7900, after 0.0100 was taken off for the luck of the best of many recipes</dd>" in waiting
    act(admin, "modelversion_promote", version.pk, "It is better.")
    assert "<dt>Decision</dt>" not in page(admin, "modelversion_change", version.pk)


def test_a_product_that_nothing_has_happened_to_is_shown_too(admin):
    assert "no version yet" in page(admin, "productstate_change", "relapse")


def test_a_build_is_requested_and_cancelled_with_a_reason(admin, stay):
    act(admin, "productstate_build", "stay", "New wards.")
    build = Build.objects.get(product="stay")
    assert (build.requested_by, build.reason) == ("boss", "New wards.")
    act(admin, "build_cancel", build.pk, "The wrong wards.")
    build.refresh_from_db()
    assert build.status == "CANCELLED"
    assert build.events.get(final=True).message == "Cancelled by boss: The wrong wards."
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == [
        "Request a build: New wards.",
        "Cancel this build: The wrong wards.",
    ]


def test_a_version_is_promoted_and_rolled_back_with_a_reason(admin, two):
    act(admin, "modelversion_promote", two[1].pk, "It is better.")
    assert ProductState.objects.get(product="stay").champion == two[1]
    act(admin, "productstate_rollback", "stay", "It is not.")
    state = ProductState.objects.get(product="stay")
    assert state.champion == two[0]
    assert state.hold == "Rolled back by boss: It is not."


def test_nothing_is_done_without_a_reason(admin, two):
    answer = act(admin, "modelversion_promote", two[1].pk, "  ")
    assert "This field is required" in answer.content.decode()
    assert ProductState.objects.get(product="stay").champion == two[0]


def test_a_concurrent_promotion_is_not_overwritten(admin, two, stay):
    third = version(stay)
    answer = act(admin, "modelversion_promote", two[1].pk, believed=str(third.pk))
    assert "Read the champion again" in answer.content.decode()
    assert ProductState.objects.get(product="stay").champion == two[0]


@pytest.mark.parametrize(
    "permission, name",
    [
        ("build_product", "productstate_build"),
        ("build_product", "build_cancel"),
        ("promote_product", "modelversion_promote"),
    ],
)
def test_each_act_needs_its_permission(two, stay, settings, permission, name):
    settings.EXEMPLAR_OPEN = False
    Build.objects.request(stay, by="ann", enqueue=False)
    keys = {"productstate_build": "stay", "modelversion_promote": two[1].pk}
    key = keys.get(name) or Build.objects.unfinished("stay").pk
    others = staff(*(other for other in ACTS if other != permission))
    address = reverse(f"admin:store_{name}", args=[key])
    assert others.get(address).status_code == 403
    assert others.post(address, {"reason": "I want to."}).status_code == 403
    kind = name.partition("_")[0]
    assert address not in page(others, f"{kind}_change", key)


def test_the_button_is_shown_to_authorised_users(two):
    clerk = staff("promote_product")
    address = reverse("admin:store_modelversion_promote", args=[two[1].pk])
    assert address in page(clerk, "modelversion_change", two[1].pk)
    act(clerk, "modelversion_promote", two[1].pk)
    assert Promotion.objects.order_by("-pk")[0].by == "clerk"


def test_tracebacks_are_shown_to_administrators_only(admin, stay):
    build, _ = Build.objects.request(stay, by="ann", enqueue=False)
    Build.objects.filter(pk=build.pk).update(traceback="in line 17 of secret.py")
    assert "secret.py" in page(admin, "build_change", build.pk)
    assert "secret.py" not in page(staff(), "build_change", build.pk)


def test_nothing_is_edited_and_strangers_stay_out(admin, two):
    address = reverse("admin:store_modelversion_change", args=[two[0].pk])
    assert admin.post(address, {"score": "1.0"}).status_code == 403
    assert admin.get(reverse("admin:store_modelversion_delete", args=[two[0].pk])).status_code == 403
    live = reverse("admin:store_build_live", args=[two[0].build_id])
    assert Client().get(live).status_code == 302
    assert admin.get(live).headers["Cache-Control"].startswith("no-store")
