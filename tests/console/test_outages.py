"""Pages while an engine is away."""

import re

from tests.console.test_account import log_in
from tests.console.test_errors import HTML, read
from tests.freezing import frozen
from tests.system import System
from tests.waiting import eventually


def test_pages_say_that_the_database_is_away_and_load_again(fragile: System) -> None:
    with log_in(fragile) as person:
        with frozen(fragile.process("postgres")):
            for client in (fragile.client, person):
                page = client.get("/products/tumor/builds/", headers=HTML)
                assert page.status_code == 503
                assert "cannot be reached" in read(page)
                assert read(page).count("The database cannot be reached") == 1
                assert re.search(r'http-equiv="refresh" content="\d+"', page.text)
        assert eventually(lambda: person.get("/products/tumor/builds/", headers=HTML).status_code == 200)


def test_pages_are_shown_while_valkey_is_away(fragile: System) -> None:
    with frozen(fragile.process("valkey")):
        for path in ("/", "/products/tumor/builds/", "/account/", "/new/"):
            assert fragile.client.get(path, headers=HTML).status_code == 200, path
    assert eventually(lambda: fragile.status("/ready") == 200)
