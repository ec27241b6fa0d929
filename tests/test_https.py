"""HTTPS behind a proxy: what browsers and pages of other origins are told, and who is refused."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.system import System
from tests.test_under_load import FEATURES
from tests.waiting import PATIENCE, eventually

#: The first is one of EXEMPLAR_ORIGINS.
SHOP, OTHER = "https://shop.example", "https://evil.example"
#: What a proxy adds that has ended TLS.
PROXY = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
PAGE = {"Accept": "text/html"}
HELLO = {"query": "{ products { name } }"}
PREDICT = {
    "query": "query($features: DiabetesFeatures!) { diabetes { predict(features: $features) { id } } }",
    "variables": {"features": FEATURES},
}


@pytest.fixture
def plain(deployed: System) -> Iterator[httpx.Client]:
    """A client that comes to the system without a proxy."""
    with httpx.Client(base_url=deployed.url, trust_env=False, timeout=PATIENCE) as client:
        yield client


def test_the_deploy_check_of_django_finds_nothing(deployed: System) -> None:
    # Those checks that only a deployment runs: the others are run by ./dev check.
    tags = [f"--tag={tag}" for tag in ("security", "caches", "async_support")]
    done = deployed.run(
        "check", "--deploy", "--fail-level=WARNING", *tags, EXEMPLAR_ALLOWED_HOSTS="api.example"
    )
    assert "no issues" in done


def test_a_page_without_https_is_redirected_and_a_request_refused(
    deployed: System, plain: httpx.Client
) -> None:
    redirected = plain.get("/admin/login/", headers=PAGE)
    assert redirected.status_code == 301
    assert redirected.headers["Location"] == deployed.url.replace("http:", "https:") + "/admin/login/"
    for sent in (HELLO, PREDICT):
        refused = plain.post("/graphql/", json=sent)
        assert refused.status_code == 403 and "HTTPS" in refused.json()["errors"][0]["message"]
    with pytest.raises(InvalidStatus):
        open_socket(deployed)


def test_probes_come_without_https(plain: httpx.Client) -> None:
    for path in ("/health", "/ready"):
        response = plain.get(path)
        assert response.status_code == 200
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_behind_a_proxy_with_https_cookies_are_secure_and_browsers_remember(deployed: System) -> None:
    page = deployed.client.get("/graphql/", headers=PAGE | PROXY)
    cookies = page.headers.get_list("Set-Cookie")
    assert cookies and all("Secure" in cookie for cookie in cookies)
    for response in (page, deployed.client.post("/graphql/", json=HELLO, headers=PROXY)):
        assert response.status_code == 200
        assert response.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("sent", [HELLO, PREDICT], ids=["standard path", "fast path"])
def test_pages_of_named_origins_may_read_answers(deployed: System, sent: Any) -> None:
    for origin, allowed in ((SHOP, SHOP), (OTHER, None), ("null", None)):
        response = deployed.client.post("/graphql/", json=sent, headers=PROXY | {"Origin": origin})
        assert response.status_code == 200
        assert response.headers.get("Access-Control-Allow-Origin") == allowed
        assert "Origin" in response.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in response.headers


def test_a_preflight_is_answered(deployed: System) -> None:
    wanted = {
        "Origin": SHOP,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    assert deployed.client.options("/graphql/", headers=PROXY | wanted).status_code == 200
    refused = deployed.client.options("/graphql/", headers=PROXY | wanted | {"Origin": OTHER})
    assert refused.status_code == 403
    is_named(OTHER, refused.json()["errors"][0]["message"], deployed)


def is_named(origin: str, sentence: str, system: System) -> None:
    """Check that a refusal names the origin and the setting, and that the log has the same sentence."""
    assert origin in sentence and "EXEMPLAR_ORIGINS" in sentence
    assert eventually(lambda: sentence in system.output)


def test_a_socket_is_opened_for_named_origins_and_never_with_a_foreign_session(deployed: System) -> None:
    own = {"Origin": deployed.url.replace("http:", "https:")}
    for headers in ({}, {"Origin": SHOP}, own):
        for cookie in ({}, {"Cookie": "sessionid=x"}):
            assert "EXEMPLAR_ORIGINS" not in reason_of_close(deployed, **PROXY, **headers, **cookie)
    for headers in ({"Origin": OTHER}, {"Origin": OTHER, "Cookie": "sessionid=x"}):
        is_named(OTHER, reason_of_close(deployed, **PROXY, **headers), deployed)
    assert "without an origin" in reason_of_close(deployed, **PROXY, Origin="null")


def test_a_page_of_another_origin_reads_no_answer_and_hears_why(deployed: System) -> None:
    page = {"Origin": OTHER, "Sec-Fetch-Site": "cross-site"}
    refused = deployed.client.get("/graphql/", params=HELLO, headers=PROXY | page)
    assert refused.status_code == 403
    is_named(OTHER, refused.json()["errors"][0]["message"], deployed)


def test_a_session_is_for_pages_of_named_origins(deployed: System) -> None:
    with httpx.Client(base_url=deployed.url, trust_env=False) as client:
        client.get("/graphql/", headers=PAGE | PROXY)
        # The client itself would not send a secure cookie without HTTPS.
        token = next(cookie.value or "" for cookie in client.cookies.jar if cookie.name == "csrftoken")
        cookies = {"Cookie": f"csrftoken={token}; sessionid={'s' * 32}", "X-CSRFToken": token}
        named = client.post("/graphql/", json=HELLO, headers=PROXY | cookies | {"Origin": SHOP})
        assert "EXEMPLAR_ORIGINS" not in named.text and "csrftoken" not in named.text
        refused = client.post("/graphql/", json=HELLO, headers=PROXY | cookies | {"Origin": OTHER})
    assert refused.status_code == 403
    is_named(OTHER, refused.json()["errors"][0]["message"], deployed)


def open_socket(system: System, **headers: str) -> ClientConnection:
    """Open a socket. Raises InvalidStatus where it is refused."""
    url = f"ws{system.url.removeprefix('http')}/graphql/"
    options: dict[str, Any] = {"proxy": None, "subprotocols": ["graphql-transport-ws"]}
    return connect(url, additional_headers=headers, **options)


def reason_of_close(system: System, **headers: str) -> str:
    """Begin over a socket, and return the reason with which it is closed; empty where it is acknowledged."""
    with open_socket(system, **headers) as socket:
        try:
            socket.send('{"type": "connection_init"}')
            assert "connection_ack" in str(socket.recv(timeout=PATIENCE))
        except ConnectionClosed as closed:
            assert closed.rcvd
            return closed.rcvd.reason
    return ""
