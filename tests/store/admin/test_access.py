"""Tokens and grants in the admin."""

import re

import pytest
from django.contrib.auth.models import Permission as DjangoPermission
from django.test import Client
from django.urls import reverse

from store.access import grants, resolver, tokens
from store.access.credentials import Credentials
from store.access.models import Token, User
from store.access.permissions import Permission
from store.exceptions import Unauthenticated
from store.registry.product_states import ProductState

pytestmark = pytest.mark.django_db
TOKENS = "admin:exemplar_token_changelist"


@pytest.fixture(autouse=True)
def closed(settings) -> None:
    settings.EXEMPLAR_OPEN = False


@pytest.fixture
def admin() -> Client:
    return logged_in(User.objects.create_superuser("root"))


@pytest.fixture
def steward() -> Client:
    """Administers one product."""
    user = User.objects.create_user("steward", is_staff=True)
    grants.grant(user, [Permission.ADMINISTER, Permission.VIEW], "tumor")
    return logged_in(user)


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return client


def make(client: Client, **values) -> str:
    form = {"name": "shop", "permissions": ["PREDICT"], "products": ["tumor"], "days": "90"} | values
    return client.post(reverse("admin:exemplar_token_add"), form).content.decode()


def test_a_token_is_made_shown_once_and_revoked(admin: Client) -> None:
    page = make(admin)
    secret = re.findall(r"<code>(ex_\w+?_[\w-]+)</code>", page)[0]
    assert resolver.resolve(Credentials(bearer=secret)).permissions_for("tumor") == (Permission.PREDICT,)
    listed = admin.get(reverse(TOKENS)).content.decode()
    assert secret not in listed and secret[:11] in listed
    chosen = {"action": "revoke_chosen", "_selected_action": [Token.objects.get().pk]}
    assert "is revoked" in admin.post(reverse(TOKENS), chosen, follow=True).content.decode()
    with pytest.raises(Unauthenticated):
        resolver.resolve(Credentials(bearer=secret))


def test_tokens_are_rotated(admin: Client) -> None:
    make(admin)
    chosen = {"action": "rotate_chosen", "_selected_action": [Token.objects.get().pk]}
    page = admin.post(reverse(TOKENS), chosen).content.decode()
    assert len(re.findall(r"<code>ex_", page)) == 1
    assert Token.objects.count() == 2
    tokens.revoke(Token.objects.order_by("pk")[0].prefix)
    chosen = {"action": "rotate_chosen", "_selected_action": [Token.objects.order_by("pk")[0].pk]}
    assert "is revoked or expired" in admin.post(reverse(TOKENS), chosen, follow=True).content.decode()


@pytest.mark.parametrize(
    "values",
    [{"name": ""}, {"permissions": []}, {"days": "0"}, {"products": ["nothing"]}, {"name": "a/b"}],
)
def test_a_form_that_makes_no_sense_is_refused_with_a_sentence(admin: Client, values) -> None:
    assert "errorlist" in make(admin, **values)
    assert not Token.objects.exists()


def test_whoever_administers_a_product_makes_and_sees_its_tokens_alone(steward: Client) -> None:
    assert "<code>ex_" in make(steward)
    assert "does not have the permission ADMINISTER" in make(steward, name="other", products=[])
    root = User.objects.create_user("cem")
    others = tokens.make(root, created_by="root").token
    assert others.prefix not in steward.get(reverse(TOKENS)).content.decode()
    chosen = {"action": "revoke_chosen", "_selected_action": [others.pk]}
    steward.post(reverse(TOKENS), chosen)
    others.refresh_from_db()
    assert others.revoked_at is None


def test_others_make_no_tokens() -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(DjangoPermission.objects.all())
    clerk.user_permissions.remove(DjangoPermission.objects.get(codename="administer_product"))
    client = logged_in(clerk)
    assert client.get(reverse("admin:exemplar_token_add")).status_code == 403
    assert client.get(reverse(TOKENS)).status_code == 403
    assert client.get(reverse("admin:store_productstate_grants", args=["tumor"])).status_code == 403


def test_grants_are_shown_and_changed_on_a_products_page(steward: Client) -> None:
    User.objects.create_user("ann")
    ProductState.objects.get_or_create(product="tumor")
    page = reverse("admin:store_productstate_grants", args=["tumor"])
    assert page in steward.get(reverse("admin:store_productstate_change", args=["tumor"])).content.decode()
    form = {"grantee": "ann", "permissions": ["VIEW", "PREDICT"]}
    assert steward.post(page, form | {"grant": "Grant"}).status_code == 302
    assert re.search(r"ann</th>.*?VIEW, PREDICT", steward.get(page).content.decode(), re.S)
    steward.post(page, form | {"permissions": ["VIEW"], "revoke": "Revoke"})
    assert grants.load_grants(User.objects.get(username="ann")).on("tumor") == {Permission.PREDICT}
    assert "no user, program or group" in steward.post(page, form | {"grantee": "nobody"}).content.decode()
    other = reverse("admin:store_productstate_grants", args=["wine"])
    assert steward.get(other).status_code == 403
