"""Proxies between a browser and Exemplar, with the configurations of the page about frontends."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.system import ROOT, System, free_port
from tests.test_access import log_in_to
from tests.waiting import PATIENCE, eventually

PAGE = (ROOT / "docs" / "how-to" / "frontends.md").read_text()
WHO = {"query": "{ viewer { name } }"}
#: Around the page's configuration.
FRAME = """
daemon off; error_log {folder}/error.log; pid {folder}/pid;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
    fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
    {page}
}}
"""


def blocks(language: str) -> list[str]:
    """The code of a language on the page."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_page_has_the_example_frontends_configuration() -> None:
    """The tests of the frontend run it in a browser: POST, server-sent events and WebSocket."""
    assert (ROOT / "examples" / "frontend" / "vite.config.ts").read_text() in blocks("ts")


@pytest.fixture(scope="module")
def nginx(exemplar: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of nginx before the running exemplar; its test is skipped where there is none."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        pytest.skip("nginx is missing: install it")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    (page,) = blocks("nginx")
    page = page.replace("listen 8080", f"listen 127.0.0.1:{port}")
    page = page.replace("http://127.0.0.1:8000", exemplar.url)
    (folder / "nginx.conf").write_text(FRAME.format(folder=folder, page=page))
    server = subprocess.Popen([program, "-p", str(folder), "-c", str(folder / "nginx.conf")])
    url = f"http://127.0.0.1:{port}"
    try:
        assert eventually(lambda: answers(url)), (folder / "error.log").read_text()
        yield url
    finally:
        server.terminate()
        server.wait(PATIENCE)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/graphql/", trust_env=False).status_code < 500
    except httpx.TransportError:
        return False


def test_through_nginx_a_page_asks_and_hears_over_each_transport(nginx: str) -> None:
    page = {"Origin": nginx}
    with httpx.Client(base_url=nginx, headers=page, trust_env=False, timeout=PATIENCE) as client:
        assert client.post("/graphql/", json=WHO).json()["data"]
        stream = client.stream("POST", "/graphql/", json=WHO, headers={"Accept": "text/event-stream"})
        with stream as events:
            assert "event: next" in events.iter_lines()
    options: dict[str, Any] = {"origin": nginx, "subprotocols": ["graphql-transport-ws"], "proxy": None}
    with connect(f"{nginx.replace('http', 'ws')}/graphql/", **options) as socket:
        socket.send('{"type": "connection_init"}')
        assert "connection_ack" in str(socket.recv(timeout=PATIENCE))


def test_through_nginx_a_session_needs_no_setting(nginx: str, exemplar: System) -> None:
    with httpx.Client(base_url=nginx, headers={"Origin": nginx}, trust_env=False, timeout=PATIENCE) as client:
        log_in_to(client, exemplar.folder)
        token = {"X-CSRFToken": client.cookies["csrftoken"]}
        assert client.post("/graphql/", json=WHO, headers=token).json()["data"]["viewer"]["name"] == "admin"
