"""Who may ask, where strangers may not."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import System, copied

WHO = {"query": "{ viewer { name anonymous } products { viewerPermissions } }"}


@pytest.fixture(scope="module")
def closed(grown: Path) -> Iterator[System]:
    system = System(copied(grown), EXEMPLAR_OPEN="off")
    try:
        yield system.start()
    finally:
        system.stop()


def test_strangers_are_asked_to_log_in(closed: System) -> None:
    closed.client.cookies.clear()
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
    page = system.client.get("/admin/login/")
    token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', page.text)
    assert token
    password = (system.folder / "admin-password").read_text().strip()
    form = {"username": "admin", "password": password, "csrfmiddlewaretoken": token[1]}
    done = system.client.post(
        "/admin/login/?next=/admin/", data=form, headers={"Referer": f"{system.url}/admin/login/"}
    )
    assert done.headers["Location"] == "/admin/"
