"""Nodes: whatever has an id is one, and is found by it, by whom it may be read."""

from typing import Any

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType

from schema.core import ids
from schema.core.context import Context
from schema.schema import schema
from store.access import grants, tokens
from store.access.actors import Actor
from store.access.models import User
from store.access.permissions import Grants, Permission
from store.builds.builds import Build, BuildEvent
from store.predictions.feedback import About, Feedback
from store.products import catalogue

from ..store.conftest import operate

pytestmark = pytest.mark.django_db

TYPES = {
    name: type_
    for name, type_ in schema._schema.type_map.items()
    if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
}


@pytest.fixture(autouse=True)
def closed(settings: Any) -> None:
    settings.EXEMPLAR_OPEN = False


def actor(name: str = "ann", **permissions: Any) -> Actor:
    by_product = {product: frozenset(allowed) for product, allowed in permissions.items()}
    return Actor(author=name, name=name, grants=Grants(frozenset(), by_product))


def ask(caller: Actor, query: str, **variables: Any) -> Any:
    context = Context(caller, None)  # type: ignore[arg-type]
    return schema.execute_sync(query, variable_values=variables, context_value=context)


def find(caller: Actor, id: str) -> Any:
    """The type of the object, or the code of the refusal; None where there is nothing."""
    result = ask(caller, "query($id: ID!) { node(id: $id) { __typename id } }", id=id)
    if result.errors:
        return result.errors[0].extensions["code"]
    node = result.data["node"]
    assert node is None or node["id"] == id
    return node and node["__typename"]


@pytest.mark.parametrize("name", sorted(name for name, type_ in TYPES.items() if "id" in type_.fields))
def test_whatever_has_an_id_is_a_node(name: str) -> None:
    assert name == "Node" or "Node" in {interface.name for interface in TYPES[name].interfaces}


def test_features_are_found_by_who_has_a_permission_on_the_product() -> None:
    product = catalogue.get("tumor")
    for column in product.columns:
        assert find(actor(tumor=[Permission.PREDICT]), ids.feature_id(product, column)) == "Feature"
    id = ids.feature_id(product, product.columns[0])
    assert find(actor(wine=[Permission.VIEW]), id) == "FORBIDDEN"
    assert find(actor(tumor=[Permission.VIEW]), ids.encode("Feature", "tumor.nothing")) is None
    assert find(actor(tumor=[Permission.VIEW]), ids.encode("Feature", "nothing.age")) is None


def test_events_are_found_by_who_may_see_the_build() -> None:
    build, _ = Build.objects.request(catalogue.get("tumor"), "ann", enqueue=False)
    Build.objects.cancel(build.pk, "ann")
    id = ids.node_id(BuildEvent.objects.get())
    assert find(actor(tumor=[Permission.BUILD]), id) == "BuildCancelled"
    assert find(actor(tumor=[Permission.PREDICT]), id) == "FORBIDDEN"
    for key in (f"{build.pk}.99", "1", "x.y", f"{build.pk}.", "9999999999.1", "١.1"):
        assert find(actor(tumor=[Permission.BUILD]), ids.encode("BuildEvent", key)) is None


def test_tokens_are_found_by_their_owner_and_who_administers() -> None:
    user = User.objects.create_user("ann")
    grants.grant(user, [Permission.VIEW], "tumor")
    token = tokens.make(user, created_by="root").token
    id = ids.encode("Token", token.prefix)
    assert find(actor("ann", tumor=[Permission.VIEW]), id) == "Token"
    assert find(actor("bob", tumor=[Permission.ADMINISTER]), id) == "FORBIDDEN"
    everywhere = Grants(frozenset({Permission.ADMINISTER}), {})
    assert find(Actor(author="root", name="root", grants=everywhere), id) == "Token"
    assert find(actor("ann", tumor=[Permission.VIEW]), ids.encode("Token", "ex_nothing")) is None


def test_a_viewer_is_found_by_itself_and_has_its_permissions_tokens_and_feedback() -> None:
    user = User.objects.create_user("ann")
    token = tokens.make(user, created_by="root").token
    ann = actor("ann", tumor=[Permission.VIEW, Permission.FEEDBACK], wine=[Permission.PREDICT])
    query = """{ viewer { id name anonymous permissions { product { name } permissions } tokens { nodes { prefix } }
        feedback { totalCount nodes { id } } } }"""
    viewer = ask(ann, query).data["viewer"]
    allowed = {each["product"]["name"]: each["permissions"] for each in viewer["permissions"]}
    assert allowed == {"tumor": ["VIEW", "FEEDBACK"], "wine": ["PREDICT"]}
    assert viewer["tokens"] == {"nodes": [{"prefix": token.prefix}]}
    assert viewer["feedback"] == {"totalCount": 0, "nodes": []}
    assert find(ann, viewer["id"]) == "Viewer"
    assert find(actor("bob", tumor=[Permission.VIEW]), viewer["id"]) is None


def test_feedback_of_a_viewer_is_its_own() -> None:
    stay, row = catalogue.get("stay"), About(entity=str(operate().pk))
    for author in ("ann", "bob", "anonymous"):
        Feedback.objects.give(stay, row, "True", author)
    query = "{ viewer { feedback { nodes { author } } } }"
    viewer = ask(actor("ann", tumor=[Permission.VIEW]), query).data["viewer"]
    assert viewer["feedback"]["nodes"] == [{"author": "ann"}]
    stranger = Actor(author="anonymous", grants=Grants(frozenset({Permission.VIEW}), {}))
    assert ask(stranger, query).data["viewer"]["feedback"]["nodes"] == []
