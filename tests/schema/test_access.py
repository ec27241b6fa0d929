"""Tokens and grants in the API, and what each permission lets a caller do."""

from dataclasses import replace
from typing import Any

import pytest

from schema.core.context import Context
from schema.core.permissions import FIELDS, MUTATION, QUERY, SUBSCRIPTION, Rules
from schema.schema import schema
from store.access import grants, resolver, tokens
from store.access.actors import Actor
from store.access.credentials import Credentials
from store.access.models import Token, User
from store.access.permissions import Grants, Permission
from store.products import catalogue

pytestmark = pytest.mark.django_db

ADMINISTER, BUILD, FEEDBACK, PREDICT, VIEW = (
    Permission.ADMINISTER,
    Permission.BUILD,
    Permission.FEEDBACK,
    Permission.PREDICT,
    Permission.VIEW,
)
CREATE = """mutation($name: String!, $may: [Permission!]!, $on: [String!], $days: Int) {
  createToken(input: {name: $name, permissions: $may, products: $on, days: $days}) {
    secret token { prefix owner permissions products createdBy expiresAt } } }"""


@pytest.fixture(autouse=True)
def closed(settings) -> None:
    settings.EXEMPLAR_OPEN = False


def actor(name: str = "ann", *, everywhere: Any = (), **by_product: Any) -> Actor:
    products = {product: frozenset(permissions) for product, permissions in by_product.items()}
    return Actor(author=name, name=name, grants=Grants(frozenset(everywhere), products))


def ask(caller: Actor, query: str, **variables: Any) -> Any:
    context = Context(caller, None)  # type: ignore[arg-type]
    return schema.execute_sync(query, variable_values=variables, context_value=context)


def codes(result: Any) -> list[str]:
    return [error.extensions["code"] for error in result.errors or ()]


def test_a_token_is_made_shown_once_rotated_and_revoked() -> None:
    admin = actor("admin", everywhere=[ADMINISTER])
    created = ask(admin, CREATE, name="shop", may=["PREDICT"], on=["tumor"], days=90).data["createToken"]
    assert created["token"]["owner"] == "shop" and created["token"]["createdBy"] == "admin"
    assert resolver.resolve(Credentials(bearer=created["secret"])).permissions_for("tumor") == (PREDICT,)
    rotate = """mutation($prefix: String!) { rotateToken(input: {prefix: $prefix}) {
        secret token { prefix permissions } } }"""
    rotated = ask(admin, rotate, prefix=created["token"]["prefix"]).data["rotateToken"]
    assert rotated["secret"] != created["secret"] and rotated["token"]["permissions"] == ["PREDICT"]
    revoke = "mutation($prefix: String!) { revokeToken(input: {prefix: $prefix}) { token { revokedAt } } }"
    assert ask(admin, revoke, prefix=created["token"]["prefix"]).data["revokeToken"]["token"]["revokedAt"]
    listed = ask(admin, "{ tokens { nodes { prefix revokedAt } totalCount } }").data["tokens"]
    assert [bool(token["revokedAt"]) for token in listed["nodes"]] == [False, True]
    assert listed["totalCount"] == 2


def test_whoever_administers_one_product_makes_tokens_for_it_alone() -> None:
    some = actor("bea", tumor=[ADMINISTER])
    assert ask(some, CREATE, name="shop", may=["VIEW"], on=["tumor"]).data["createToken"]
    for products in (["wine"], ["tumor", "wine"], None):
        assert codes(ask(some, CREATE, name="other", may=["VIEW"], on=products)) == ["FORBIDDEN"]
    assert codes(ask(some, "{ tokens { nodes { prefix } } }")) == ["FORBIDDEN"]
    assert not User.objects.filter(username="other").exists()


def test_tokens_are_listed_by_product_owner_and_validity_in_pages() -> None:
    shop, other = (User.objects.create_user(name, kind="PROGRAM") for name in ("shop", "other"))
    of_tumor = tokens.make(shop, created_by="bea", products=["tumor"]).token
    tokens.make(shop, created_by="bea", products=["tumor", "wine"])
    revoked = tokens.make(other, created_by="bea", products=["tumor"]).token
    tokens.revoke(revoked.prefix)
    some = actor("bea", tumor=[ADMINISTER])
    query = """query($filter: TokenFilter, $after: String) { tokens(first: 1, filter: $filter, after: $after) {
        nodes { prefix } pageInfo { hasNextPage endCursor } } }"""
    first = ask(some, query, filter={"product": "tumor"}).data["tokens"]
    assert [node["prefix"] for node in first["nodes"]] == [revoked.prefix]
    assert first["pageInfo"]["hasNextPage"]
    after = first["pageInfo"]["endCursor"]
    rest = ask(some, query, filter={"product": "tumor"}, after=after).data["tokens"]
    assert ([node["prefix"] for node in rest["nodes"]], rest["pageInfo"]["hasNextPage"]) == (
        [of_tumor.prefix],
        False,
    )
    valid = ask(some, query, filter={"product": "tumor", "valid": True, "owner": "shop"}).data["tokens"]
    assert [node["prefix"] for node in valid["nodes"]] == [of_tumor.prefix]
    gone = ask(some, query, filter={"product": "tumor", "valid": False}).data["tokens"]
    assert [node["prefix"] for node in gone["nodes"]] == [revoked.prefix]
    assert codes(ask(some, query, filter={"product": "wine"})) == ["FORBIDDEN"]


def test_people_make_tokens_of_their_own_that_do_no_more_than_they_may() -> None:
    ann = User.objects.create_user("ann")
    grants.grant(ann, [VIEW, PREDICT], "tumor")
    her = actor("ann", tumor=[VIEW, PREDICT])
    made = ask(her, CREATE, name="ann", may=["PREDICT"], on=["tumor"], days=30).data["createToken"]
    bearer = resolver.resolve(Credentials(bearer=made["secret"]))
    assert bearer.permissions_for("tumor") == (PREDICT,)
    assert codes(ask(her, CREATE, name="ann", may=["BUILD"], on=["tumor"], days=30)) == ["FORBIDDEN"]
    assert codes(ask(her, CREATE, name="ann", may=["VIEW"], on=["wine"], days=30)) == ["FORBIDDEN"]
    assert codes(ask(her, CREATE, name="ann", may=["VIEW"], on=None, days=30)) == ["FORBIDDEN"]
    assert codes(ask(her, CREATE, name="bob", may=["VIEW"], on=["tumor"], days=30)) == ["FORBIDDEN"]
    for endless in (None, 366):
        assert codes(ask(her, CREATE, name="ann", may=["VIEW"], on=["tumor"], days=endless)) == ["BAD_INPUT"]
    grants.revoke(ann, [PREDICT], "tumor")
    resolver.cache.entries.clear()
    assert resolver.resolve(Credentials(bearer=made["secret"])).permissions_for("tumor") == ()


def test_a_token_makes_no_token_and_a_program_none_for_itself() -> None:
    ann = User.objects.create_user("ann")
    grants.grant(ann, [VIEW], "tumor")
    by_token = replace(actor("ann", tumor=[VIEW]), token=7)
    assert codes(ask(by_token, CREATE, name="ann", may=["VIEW"], on=["tumor"], days=30)) == ["FORBIDDEN"]
    program = replace(actor("shop", tumor=[VIEW]), program=True)
    assert codes(ask(program, CREATE, name="shop", may=["VIEW"], on=["tumor"], days=30)) == ["FORBIDDEN"]
    stranger = Actor(author="anonymous", grants=Grants(frozenset({VIEW}), {}))
    assert codes(ask(stranger, CREATE, name="x", may=["VIEW"], on=None, days=30)) == ["UNAUTHENTICATED"]
    assert not Token.objects.exists()


def test_a_persons_token_adds_nothing_to_what_the_person_may() -> None:
    ann = User.objects.create_user("ann")
    grants.grant(ann, [VIEW], "tumor")
    admin = actor("admin", everywhere=[ADMINISTER])
    assert codes(ask(admin, CREATE, name="ann", may=["BUILD"], on=["tumor"])) == ["BAD_INPUT"]
    assert ask(admin, CREATE, name="ann", may=["VIEW"], on=["tumor"]).data["createToken"]


def test_whoever_owns_a_token_may_end_it() -> None:
    ann = User.objects.create_user("ann")
    token = tokens.make(ann, created_by="admin").token
    revoke = "mutation($prefix: String!) { revokeToken(input: {prefix: $prefix}) { token { revokedAt } } }"
    assert codes(ask(actor("bob", tumor=[VIEW]), revoke, prefix=token.prefix)) == ["FORBIDDEN"]
    assert not Token.objects.get().revoked_at
    assert ask(actor("ann", tumor=[VIEW]), revoke, prefix=token.prefix).data["revokeToken"]


@pytest.mark.parametrize(
    "name, may, products, days, code",
    [
        ("", ["VIEW"], None, None, "BAD_INPUT"),
        ("no such/name!", ["VIEW"], None, None, "BAD_INPUT"),
        ("anonymous", ["VIEW"], None, None, "BAD_INPUT"),
        ("shop", [], None, None, "BAD_INPUT"),
        ("shop", ["VIEW"], [], None, "BAD_INPUT"),
        ("shop", ["VIEW"], ["nothing"], None, "UNKNOWN_PRODUCT"),
        ("shop", ["VIEW"], None, 0, "BAD_INPUT"),
        ("shop", ["VIEW"], None, 10_000_000, "BAD_INPUT"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(name, may, products, days, code) -> None:
    User.objects.get_or_create(username="anonymous", defaults={"kind": "STRANGERS"})
    admin = actor("admin", everywhere=[ADMINISTER])
    assert codes(ask(admin, CREATE, name=name, may=may, on=products, days=days)) == [code]
    assert not Token.objects.exists()


def test_grants_are_changed_by_who_administers_the_product() -> None:
    User.objects.create_user("cem")
    grant = """mutation($may: [Permission!]!, $on: String) {
      grant(input: {grantee: "cem", permissions: $may, product: $on}) { permissions } }"""
    admin = actor("bea", tumor=[ADMINISTER])
    assert ask(admin, grant, may=["VIEW", "BUILD"], on="tumor").data["grant"]["permissions"] == [
        "VIEW",
        "BUILD",
    ]
    for product in ("wine", None):
        assert codes(ask(admin, grant, may=["VIEW"], on=product)) == ["FORBIDDEN"]
    assert codes(ask(actor(everywhere=[VIEW, BUILD]), grant, may=["VIEW"], on="tumor")) == ["FORBIDDEN"]
    revoke = (
        'mutation { revoke(input: {grantee: "cem", permissions: [BUILD], product: "tumor"}) { permissions } }'
    )
    assert ask(admin, revoke).data["revoke"]["permissions"] == ["VIEW"]


def test_nobody_administers_unnamed() -> None:
    User.objects.get_or_create(username="anonymous", defaults={"kind": "STRANGERS"})
    grant = 'mutation { grant(input: {grantee: "anonymous", permissions: [ADMINISTER]}) { permissions } }'
    assert codes(ask(actor(everywhere=[ADMINISTER]), grant)) == ["BAD_INPUT"]


def test_every_root_field_has_a_rule() -> None:
    rules = Rules(schema._schema, catalogue.products())
    core = schema._schema
    for root, fixed in (
        (core.query_type, QUERY),
        (core.mutation_type, MUTATION),
        (core.subscription_type, SUBSCRIPTION),
    ):
        missing = [name for name in root.fields if rules.find(root.name, name) is None]
        assert missing == []
        assert set(fixed) <= set(root.fields)


def test_every_rule_is_of_a_field_that_there_is() -> None:
    types = schema._schema.type_map
    for kind, fields in FIELDS.items():
        of_kind = [
            types[name] for name in (kind, f"Tumor{kind}", f"Wine{kind}", f"Diabetes{kind}") if name in types
        ]
        for field in fields:
            assert any(field in type_.fields for type_ in of_kind), (kind, field)


READS = {
    "{ tumor { models { totalCount } } }": VIEW,
    "{ tumor { predictions { totalCount } } }": VIEW,
    "{ tumor { entities { totalCount } } }": VIEW,
    "{ tumor { champion { number } } }": VIEW,
    '{ tumor { entity(key: "1") { key } } }': VIEW,
    "{ predictions { totalCount } }": VIEW,
    '{ product(name: "tumor") { retraining { dueAt } } }': VIEW,
}


@pytest.mark.parametrize("query", READS)
@pytest.mark.parametrize("columnar", [True, False])
def test_what_a_viewer_reads_nobody_else_does(query: str, columnar: bool, monkeypatch) -> None:
    if not columnar:
        monkeypatch.setattr("schema.compiled.ColumnarQueries.data", lambda *_: None)
    assert codes(ask(actor(tumor=[FEEDBACK, BUILD], wine=[FEEDBACK]), query)) == ["FORBIDDEN"]
    assert codes(ask(Actor(author="anonymous"), query)) == ["UNAUTHENTICATED"]
    assert not codes(ask(actor(tumor=[VIEW]), query))


def test_products_are_listed_with_what_the_caller_may() -> None:
    query = "{ products { name viewerPermissions } }"
    listed = ask(actor(tumor=[PREDICT], wine=[VIEW, BUILD]), query).data["products"]
    assert {product["name"]: product["viewerPermissions"] for product in listed} == {
        "tumor": ["PREDICT"],
        "wine": ["VIEW", "BUILD"],
    }
    assert codes(ask(actor(tumor=[PREDICT]), '{ product(name: "wine") { name } }')) == ["FORBIDDEN"]
    assert ask(actor(tumor=[PREDICT]), '{ product(name: "nothing") { name } }').data == {"product": None}


def test_feedback_in_anothers_name_needs_the_permission_to_administer() -> None:
    ann = actor(tumor=[FEEDBACK])
    give = """mutation { tumorFeedback(input: { about: { reference: "r" }, label: BENIGN, author: "bob" }) {
      created } }"""
    assert "FORBIDDEN" in codes(ask(ann, give))
    assert codes(ask(actor(tumor=[FEEDBACK, ADMINISTER]), give)) == ["UNKNOWN_ID"]  # nothing was predicted
