"""Bearer tokens of an identity provider: which are accepted, which are not, and what happens while it is away."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from store.access import oidc
from store.access.provider import Provider, Times
from store.exceptions import Unauthenticated, Unavailable
from tests import identity_provider
from tests.identity_provider import AUDIENCE, CLIENT_ID, IdentityProvider, SigningKey
from tests.waiting import PATIENCE, eventually

#: No pause between two fetches, and no limit that a slow machine reaches.
PATIENT = Times(fetch=PATIENCE, wait=PATIENCE, between=0)
#: Limits that a test waits for.
HASTY = Times(fetch=0.3, wait=0.3, between=0)


@pytest.fixture
def idp(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityProvider]:
    with identity_provider.running() as provider:
        provider.configure(settings)
        trust(provider, PATIENT, monkeypatch)
        yield provider


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return monkeypatch


def trust(idp: IdentityProvider, times: Times, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """Forget the keys that were fetched, and have other time limits from now on."""
    provider = Provider(idp.issuer, times)
    monkeypatch.setattr(oidc, "provider", lambda _: provider)
    return provider


def refused(token: str) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        oidc.verify(token)
    return refusal.value.message


def test_a_token_says_who_asks_and_until_when(idp: IdentityProvider) -> None:
    until = int(time.time()) + 300
    claims = oidc.verify(
        idp.token(exp=until, preferred_username="ada", email="ada@example.com", groups=["labellers", 7])
    )
    assert (claims.issuer, claims.subject, claims.name) == (idp.issuer, "ada-1", "ada")
    assert claims.groups == ("labellers",)
    assert claims.expires_at == datetime.fromtimestamp(until, UTC)
    assert not claims.is_program
    assert not claims.is_administrator


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA"])
def test_a_token_may_be_signed_by_each_kind_of_public_key(idp: IdentityProvider, algorithm: str) -> None:
    idp.keys = [SigningKey(algorithm)]
    assert oidc.verify(idp.token()).subject == "ada-1"


WRONG: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://elsewhere.example"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "another server"},
    "no audience": {"aud": None},
    "an audience that is no name": {"aud": 7},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that no row can hold": {"sub": "a\0b"},
    "a long subject": {"sub": "a" * 300},
    "a subject that is no text": {"sub": {"a": 1}},
    "no end": {"exp": None},
    "an end that is no time": {"exp": "soon"},
    "no beginning": {"iat": None},
    "made in the future": {"iat": int(time.time()) + 3_600},
    "not yet valid": {"nbf": int(time.time()) + 3_600},
    "an ID token of Keycloak": {"typ": "ID"},
    "a refresh token": {"typ": "Refresh"},
    "a logout token": {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
    "bound to a key": {"cnf": {"jkt": "x"}},
}


@pytest.mark.parametrize("claims", WRONG.values(), ids=WRONG)
def test_a_token_with_wrong_claims_is_refused_in_one_sentence(
    idp: IdentityProvider, claims: dict[str, Any]
) -> None:
    token = idp.keys[0].sign(idp.claims(**claims)) if claims.get("sub") != {"a": 1} else raw(idp, claims)
    assert refused(token) == oidc.REFUSED


def raw(idp: IdentityProvider, claims: dict[str, Any]) -> str:
    """A signed token with claims that PyJWT would not encode."""
    return jwt.api_jws.encode(
        json.dumps(idp.claims(**claims)).encode(),
        idp.keys[0].private,
        "RS256",
        headers={"kid": idp.keys[0].id},
    )


def test_a_token_with_a_number_that_is_none_is_refused(idp: IdentityProvider) -> None:
    assert refused(raw(idp, {"exp": float("inf")})) == oidc.REFUSED
    assert refused(raw(idp, {"iat": float("nan")})) == oidc.REFUSED


def test_an_end_beyond_all_calendars_is_the_last_day_that_there_is(idp: IdentityProvider) -> None:
    assert oidc.verify(raw(idp, {"exp": 10**18})).expires_at.year == 9999


def test_a_token_that_has_expired_says_so_and_clocks_may_differ_a_little(idp: IdentityProvider) -> None:
    now = int(time.time())
    assert refused(idp.token(exp=now - oidc.CLOCK_SKEW - 5)) == oidc.EXPIRED
    assert oidc.verify(idp.token(exp=now - oidc.CLOCK_SKEW + 30))
    assert oidc.verify(idp.token(iat=now + oidc.CLOCK_SKEW - 30, nbf=now + oidc.CLOCK_SKEW - 30))


def test_whether_a_foreign_token_has_expired_is_not_told(idp: IdentityProvider) -> None:
    forged = SigningKey()
    forged.id = idp.keys[0].id
    assert refused(forged.sign(idp.claims(exp=1))) == oidc.REFUSED


def test_an_unsigned_token_is_refused(idp: IdentityProvider) -> None:
    unsigned = jwt.encode(idp.claims(), None, "none", headers={"kid": idp.keys[0].id})
    assert refused(unsigned) == oidc.REFUSED
    head, claims, _ = idp.token().split(".")
    assert refused(f"{head}.{claims}.") == oidc.REFUSED
    for algorithm in ("None", "NONE", "nOnE"):
        header = encoded({"alg": algorithm, "kid": idp.keys[0].id})
        assert refused(f"{header}.{claims}.") == oidc.REFUSED


def test_the_public_key_is_no_secret_to_sign_with(idp: IdentityProvider) -> None:
    """A server that takes HS256 would verify it with the provider's public key, which everybody has."""
    public = idp.keys[0].private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, claims = encoded({"alg": "HS256", "kid": idp.keys[0].id, "typ": "JWT"}), encoded(idp.claims())
    seal = (
        base64.urlsafe_b64encode(hmac.digest(public, f"{head}.{claims}".encode(), "sha256"))
        .rstrip(b"=")
        .decode()
    )
    assert refused(f"{head}.{claims}.{seal}") == oidc.REFUSED


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def test_a_key_that_the_token_brings_along_is_not_believed(idp: IdentityProvider) -> None:
    own = SigningKey()
    assert refused(own.sign(idp.claims(), jwk=own.published)) == oidc.REFUSED
    assert refused(own.sign(idp.claims(), kid=idp.keys[0].id, jku=f"{idp.issuer}/mine")) == oidc.REFUSED
    assert not idp.requests["/mine"]


def test_a_key_is_used_only_with_its_own_algorithm(idp: IdentityProvider) -> None:
    token = jwt.encode(idp.claims(), idp.keys[0].private, "RS512", headers={"kid": idp.keys[0].id})
    assert refused(token) == oidc.REFUSED
    del idp.keys[0].published["alg"]
    oidc.provider("")._state = None
    assert oidc.verify(token)


@pytest.mark.parametrize("kind", ["logout+jwt", "dpop+jwt", 7])
def test_a_token_of_another_type_is_refused(idp: IdentityProvider, kind: Any) -> None:
    assert refused(idp.keys[0].sign(idp.claims(), typ=kind)) == oidc.REFUSED


@pytest.mark.parametrize("kind", ["JWT", "at+jwt", "application/at+jwt", "AT+JWT"])
def test_an_access_token_may_say_that_it_is_one(idp: IdentityProvider, kind: str) -> None:
    assert oidc.verify(idp.keys[0].sign(idp.claims(), typ=kind))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a",
        "a.b",
        "a.b.c",
        "....",
        "é.é.é",
        "e30.e30.e30",
        "\0",
        "a" * 9_000,
        encoded({"alg": "RS256"}) + ".e30.e30",
    ],
)
def test_what_is_no_token_is_refused(idp: IdentityProvider, token: str) -> None:
    assert refused(token) == oidc.REFUSED


def test_a_deeply_nested_header_is_refused(idp: IdentityProvider) -> None:
    deep = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 5_000).rstrip(b"=").decode()
    assert refused(f"{deep}.e30.e30") == oidc.REFUSED


def test_a_client_that_is_not_listed_is_refused(idp: IdentityProvider, settings: Any) -> None:
    settings.EXEMPLAR_OIDC_CLIENTS = ["frontend"]
    assert oidc.verify(idp.token(azp="frontend"))
    assert oidc.verify(idp.token(client_id="frontend"))
    assert refused(idp.token(azp="other")) == oidc.REFUSED
    assert refused(idp.token()) == oidc.REFUSED


def test_without_an_audience_no_token_is_accepted(idp: IdentityProvider, settings: Any) -> None:
    settings.EXEMPLAR_OIDC_AUDIENCE = []
    assert refused(idp.token()) == oidc.REFUSED
    assert not idp.requests


@pytest.mark.parametrize(
    ("claim", "claims", "groups"),
    [
        ("groups", {"groups": "readers"}, ("readers",)),
        ("realm_access.roles", {"realm_access": {"roles": ["readers"]}}, ("readers",)),
        ("https://a.example/groups", {"https://a.example/groups": ["readers"]}, ("readers",)),
        ("groups", {"groups": {"readers": True}}, ()),
        ("realm_access.roles", {"realm_access": ["roles"]}, ()),
        ("groups", {"groups": ["", "a\0b", None, "readers"]}, ("readers",)),
    ],
)
def test_groups_stand_in_the_claim_that_is_set(
    idp: IdentityProvider, settings: Any, claim: str, claims: dict[str, Any], groups: tuple[str, ...]
) -> None:
    settings.EXEMPLAR_OIDC_GROUPS_CLAIM = claim
    assert oidc.verify(idp.token(**claims)).groups == groups


def test_members_of_the_named_group_alone_are_administrators(idp: IdentityProvider, settings: Any) -> None:
    token = idp.token(groups=["exemplar-admins", "superusers"])
    assert not oidc.verify(token).is_administrator
    settings.EXEMPLAR_OIDC_ADMINISTRATORS = "exemplar-admins"
    assert oidc.verify(token).is_administrator
    assert not oidc.verify(idp.token(groups=["superusers"])).is_administrator


@pytest.mark.parametrize(
    "claims",
    [
        {"gty": "client-credentials"},
        {"idtyp": "app"},
        {"sub": "batch", "client_id": "batch"},
        {"sub": "batch@clients", "azp": "batch"},
        {"azp": "Batch", "preferred_username": "service-account-batch"},
    ],
)
def test_a_program_is_known_by_what_its_provider_marks_it_with(
    idp: IdentityProvider, claims: dict[str, Any]
) -> None:
    assert oidc.verify(idp.token(**claims)).is_program


def test_an_id_token_belongs_to_one_sign_in_of_one_client(idp: IdentityProvider) -> None:
    good = {"aud": CLIENT_ID, "nonce": "n"}
    assert oidc.verify_id_token(idp.token(**good), "n").subject == "ada-1"
    for wrong in ({"nonce": "m"}, {"nonce": None}, {"nonce": 7}, {"aud": AUDIENCE}, {"azp": "other"}):
        with pytest.raises(Unauthenticated):
            oidc.verify_id_token(idp.token(**{**good, **wrong}), "n")


# -- Keys --


def test_keys_are_fetched_once_for_many_tokens(idp: IdentityProvider, patch: pytest.MonkeyPatch) -> None:
    trust(idp, replace(PATIENT, between=600), patch)
    tokens = [idp.token(sub=f"user-{i}") for i in range(20)]
    with ThreadPoolExecutor(20) as pool:
        assert len({claims.subject for claims in pool.map(oidc.verify, tokens)}) == 20
    assert idp.requests["/keys"] == 1


def test_a_rotation_needs_no_restart(idp: IdentityProvider) -> None:
    old = idp.token()
    assert oidc.verify(old)
    former = idp.keys[0]
    idp.rotate(former)
    assert oidc.verify(idp.token())
    assert oidc.verify(old)
    idp.rotate()
    assert oidc.verify(idp.token())
    assert refused(old) == oidc.REFUSED


def test_unknown_keys_fetch_the_set_once_in_a_while(idp: IdentityProvider, patch: pytest.MonkeyPatch) -> None:
    trust(idp, replace(PATIENT, between=600), patch)
    assert oidc.verify(idp.token())
    for _ in range(20):
        assert refused(SigningKey("ES256").sign(idp.claims())) == oidc.REFUSED
    assert idp.requests["/keys"] == 1


@pytest.mark.parametrize(
    "broken", ["503", "hangs", "trickles", "is not JSON", "is a list", "redirects", "is huge"]
)
def test_a_provider_that_gives_no_keys_makes_nobody_wait(
    idp: IdentityProvider, patch: pytest.MonkeyPatch, broken: str
) -> None:
    token = idp.token()
    trust(idp, replace(HASTY, between=600), patch)
    idp.broken = broken
    for _ in range(3):
        with pytest.raises(Unavailable) as refusal:
            oidc.verify(token)
        assert refusal.value.retry_after == 600
    assert idp.requests["/.well-known/openid-configuration"] == 1
    assert not idp.requests["/elsewhere"]


def test_the_last_known_keys_serve_while_the_provider_is_away(
    idp: IdentityProvider, patch: pytest.MonkeyPatch
) -> None:
    provider = trust(idp, PATIENT, patch)
    assert oidc.verify(idp.token())
    idp.broken = "hangs"
    provider.times = replace(HASTY, fresh=0)
    assert oidc.verify(idp.token())
    with pytest.raises(Unavailable):  # a new key cannot be told from a wrong one now
        oidc.verify(SigningKey("ES256").sign(idp.claims()))
    provider.times = replace(HASTY, usable=0)
    with pytest.raises(Unavailable):
        oidc.verify(idp.token())


def test_keys_that_are_old_are_fetched_again_in_the_background(
    idp: IdentityProvider, patch: pytest.MonkeyPatch
) -> None:
    trust(idp, Times(fresh=0, between=0), patch)
    old = idp.token()
    assert oidc.verify(old)
    idp.rotate()
    assert oidc.verify(old)
    assert eventually(lambda: is_refused(old))


def is_refused(token: str) -> bool:
    try:
        oidc.verify(token)
    except Unauthenticated:
        return True
    return False


def test_a_document_of_another_issuer_is_not_believed(idp: IdentityProvider) -> None:
    idp.document["issuer"] = "https://elsewhere.example"
    with pytest.raises(Unavailable):
        oidc.verify(idp.token())


@pytest.mark.parametrize("address", ["http://keys.example/keys", "file:///etc/passwd", 7, None])
def test_keys_come_only_over_an_encrypted_connection(idp: IdentityProvider, address: Any) -> None:
    idp.document["jwks_uri"] = address
    with pytest.raises(Unavailable):
        oidc.verify(idp.token())


def test_keys_that_are_secret_short_or_for_encryption_are_left_out(idp: IdentityProvider) -> None:
    short = SigningKey()
    short.private = rsa.generate_private_key(65537, 1024)
    short.published |= jwt.get_algorithm_by_name("RS256").to_jwk(short.private.public_key(), as_dict=True)
    shared = SigningKey()
    shared.published = {"kty": "oct", "k": "c2VjcmV0", "kid": shared.id, "alg": "HS256"}
    others = [SigningKey(use="enc"), shared]
    idp.keys += [short, *others]
    for key in others:
        assert refused(key.sign(idp.claims())) == oidc.REFUSED
    weak = jwt.PyJWT().encode(idp.claims(), idp.keys[0].private, "RS256", headers={"kid": short.id})
    assert refused(weak) == oidc.REFUSED


def test_a_token_without_the_name_of_a_key_is_verified_by_the_only_one(idp: IdentityProvider) -> None:
    token = jwt.encode(idp.claims(), idp.keys[0].private, "RS256")
    assert oidc.verify(token)
    idp.keys.append(SigningKey())
    oidc.provider("")._state = None
    assert refused(token) == oidc.REFUSED
