"""Who may ask, where strangers may not."""

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.system import System
from tests.waiting import PATIENCE, eventually

PROTOCOLS = [Subprotocol("graphql-transport-ws")]
WHO = {"query": "{ viewer { name anonymous } products { viewerPermissions } }"}


@pytest.fixture
def closed(closed_exemplar: System) -> System:
    """The system in which strangers may do nothing, asked by a stranger."""
    closed_exemplar.client.cookies.clear()
    return closed_exemplar


def test_strangers_are_asked_to_log_in(closed: System) -> None:
    refused = closed.client.post("/graphql/", json=WHO)
    assert refused.status_code == 401
    assert refused.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_the_administrator_may_do_everything_but_from_another_site(closed: System) -> None:
    log_in(closed)
    token = {"X-CSRFToken": closed.client.cookies["csrftoken"]}
    answer = closed.client.post("/graphql/", json=WHO, headers=token).json()["data"]
    assert answer["viewer"] == {"name": "admin", "anonymous": False}
    assert "ADMINISTER" in answer["products"][0]["viewerPermissions"]
    for forged in ({}, token | {"Origin": "http://elsewhere.example"}):
        refused = closed.client.post("/graphql/", json=WHO, headers=forged)
        assert refused.status_code == 403
        assert refused.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def log_in(system: System) -> None:
    log_in_to(system.client, system.folder)


def log_in_to(client: httpx.Client, folder: Path) -> None:
    """Log a client in as the administrator of the system in a folder."""
    page = client.get("/admin/login/")
    token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', page.text)
    assert token
    password = (folder / "admin-password").read_text().strip()
    form = {"username": "admin", "password": password, "csrfmiddlewaretoken": token[1]}
    done = client.post(
        "/admin/login/?next=/admin/", data=form, headers={"Referer": f"{client.base_url}admin/login/"}
    )
    assert done.headers["Location"] == "/admin/"


PREDICT = "query($of: TumorFeatures!) { tumor { predict(features: $of) { label model { number } } } }"
VERSIONS = "{ tumor { models { totalCount } } }"
FEATURES = '{ product(name: "tumor") { features { name minimum maximum } } }'


def create_token(system: System, name: str, may: str, *options: str) -> str:
    return system.call("token", "create", name, "--may", may, *options).split()[-1]


def ask(system: System, token: str, query: str, **variables: Any) -> Any:
    answer = system.client.post(
        "/graphql/",
        json={"query": query, "variables": variables},
        headers={"Authorization": f"Bearer {token}"},
    )
    return answer.json()


def features(system: System, token: str) -> dict[str, float]:
    listed = ask(system, token, FEATURES)["data"]["product"]["features"]
    return {feature["name"]: feature["minimum"] or 1.0 for feature in listed}


def code(answer: Any) -> str | None:
    return answer["errors"][0]["extensions"]["code"] if "errors" in answer else None


def test_a_token_does_what_it_is_for_and_no_more(closed: System) -> None:
    token = create_token(closed, "shop", "PREDICT", "--product", "tumor", "--expires", "90d")
    predicted = ask(closed, token, PREDICT, of=features(closed, token))
    assert predicted["data"]["tumor"]["predict"]["label"] in ("MALIGNANT", "BENIGN")
    assert code(ask(closed, token, VERSIONS)) == "FORBIDDEN"
    assert code(ask(closed, token, "{ wine { name } }")) == "FORBIDDEN"
    assert (
        code(ask(closed, token, 'mutation { requestBuild(input: {product: "tumor"}) { started } }'))
        == "FORBIDDEN"
    )
    listed = ask(closed, token, WHO["query"])["data"]
    assert listed["viewer"] == {"name": "shop", "anonymous": False}
    assert [product["viewerPermissions"] for product in listed["products"]] == [["PREDICT"]]


OWN = "{ predictions { totalCount } tumor { predictions { nodes: edges { node { id reference } } } } }"
NAMED = """query($of: TumorFeatures!, $name: String!) {
  tumor { predict(features: $of, reference: $name) { id label } } }"""


@pytest.mark.parametrize("path", ["fast", "standard"])
def test_whoever_may_not_view_reads_back_what_it_predicted(closed: System, path: str) -> None:
    ann, bob = (
        create_token(closed, f"{name}-{path}", "PREDICT", "--product", "tumor") for name in ("ann", "bob")
    )
    document = NAMED if path == "fast" else NAMED.replace("label", "label product { typePrefix }")
    of = features(closed, ann)
    for name, token in (("ann", ann), ("bob", bob), ("bob", ann)):
        done = ask(closed, token, document, of=of, name=f"{path}-{name}")
        assert "errors" not in done
    assert references(closed, ann) == {f"{path}-ann", f"{path}-bob"}
    assert references(closed, bob) == {f"{path}-bob"}
    theirs = ask(closed, ann, NAMED, of=of, name=f"{path}-ann")["data"]["tumor"]["predict"]["id"]
    node = "query($id: ID!) { node(id: $id) { id } }"
    assert ask(closed, ann, node, id=theirs)["data"]["node"] == {"id": theirs}
    assert code(ask(closed, bob, node, id=theirs)) == "FORBIDDEN"
    assert code(ask(closed, ann, "{ tumor { predictions { edges { node { truth } } } } }")) == "FORBIDDEN"


def references(system: System, token: str) -> set[str]:
    data = ask(system, token, OWN)["data"]
    nodes = [edge["node"]["reference"] for edge in data["tumor"]["predictions"]["nodes"]]
    assert data["predictions"]["totalCount"] == len(nodes)
    return set(nodes)


def test_a_grant_counts_within_two_seconds_and_so_does_its_end(closed: System) -> None:
    token = create_token(closed, "reader", "PREDICT")
    assert code(ask(closed, token, VERSIONS)) == "FORBIDDEN"
    closed.call("grant", "reader", "VIEW", "tumor")
    other = create_token(closed, "reader", "VIEW,PREDICT", "--product", "tumor")
    assert ask(closed, other, VERSIONS)["data"]["tumor"]["models"]["totalCount"] > 0
    closed.call("revoke", "reader", "VIEW", "tumor")
    assert eventually(lambda: code(ask(closed, other, VERSIONS)) == "FORBIDDEN")


def test_a_revoked_token_ends_open_sockets_and_streams(closed: System) -> None:
    token = create_token(closed, "watcher", "VIEW")
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    body = {"query": "subscription { promotions { id } }"}
    payload = {"Authorization": f"Bearer {token}"}
    with (
        closed.client.stream("POST", "/graphql/", json=body, headers=headers, timeout=PATIENCE) as stream,
        connect(
            closed.url.replace("http", "ws") + "/graphql/",
            subprotocols=PROTOCOLS,
            proxy=None,
        ) as socket,
    ):
        socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        assert json.loads(socket.recv(timeout=PATIENCE)) == {"type": "connection_ack"}
        socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": body}))
        assert stream.status_code == 200
        time.sleep(0.5)  # both have begun
        closed.call("token", "revoke", re.findall(r"ex_\w{8}", closed.call("token", "list"))[-1])
        refused = json.loads(socket.recv(timeout=PATIENCE))
        assert refused["type"] in ("error", "next")
        assert "UNAUTHENTICATED" in json.dumps(refused)
        assert "UNAUTHENTICATED" in "".join(stream.iter_text())
    assert code(ask(closed, token, VERSIONS)) == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "authorization", ["Bearer ex_aaaaaaaa_guess", "Bearer a.b.c", "Basic YTpi", "Bearer"]
)
def test_what_is_no_token_is_unauthenticated(closed: System, authorization: str) -> None:
    answer = closed.client.post("/graphql/", json=WHO, headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert code(answer.json()) == "UNAUTHENTICATED"


def test_a_token_in_the_url_or_beside_a_session_is_refused(closed: System) -> None:
    token = create_token(closed, "careless", "VIEW")
    assert (
        code(closed.client.post("/graphql/", params={"access_token": token}, json=WHO).json())
        == "UNAUTHENTICATED"
    )
    log_in(closed)
    assert code(ask(closed, token, VERSIONS)) == "UNAUTHENTICATED"


def test_a_socket_without_a_credential_is_closed(closed: System) -> None:
    url = closed.url.replace("http", "ws") + "/graphql/"
    with connect(url, subprotocols=PROTOCOLS, proxy=None) as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        with pytest.raises(ConnectionClosed) as closing:
            socket.recv(timeout=PATIENCE)
        assert closing.value.rcvd and closing.value.rcvd.code == 4403


def test_strangers_may_what_is_granted_to_anonymous(closed: System) -> None:
    closed.call("grant", "anonymous", "VIEW", "wine")
    query = {"query": "{ wine { models { totalCount } } products { name } }"}
    assert eventually(lambda: closed.client.post("/graphql/", json=query).status_code == 200)
    answer = closed.client.post("/graphql/", json=query).json()["data"]
    assert answer["products"] == [{"name": "wine"}]
    assert "wine" in closed.call("who", "wine")
    closed.call("revoke", "anonymous", "VIEW", "wine")
    assert eventually(lambda: closed.client.post("/graphql/", json=query).status_code == 401)


# -- Metrics --


def scrape(system: System, token: str = "") -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return system.client.get("/metrics", headers=headers).status_code


def test_a_stranger_reads_no_metrics_where_the_door_is_shut(closed: System) -> None:
    refused = closed.client.get("/metrics")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert "EXEMPLAR_METRICS" in refused.text
    assert "exemplar_" not in refused.text


def test_a_token_that_may_view_all_products_reads_metrics(closed: System) -> None:
    assert scrape(closed, create_token(closed, "prometheus", "VIEW")) == 200


def test_a_token_that_may_view_one_product_reads_none(closed: System) -> None:
    assert scrape(closed, create_token(closed, "nearsighted", "VIEW", "--product", "tumor")) == 403
    assert scrape(closed, "ex_invented") == 401


def test_another_host_or_method_is_refused(closed: System) -> None:
    assert closed.client.get("/metrics", headers={"Host": "evil.example"}).status_code == 400
    assert closed.client.post("/metrics").status_code == 405
