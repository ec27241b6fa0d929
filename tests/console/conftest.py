"""Fixtures of the console's tests: a page in a browser, and people with single permissions."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from selenium.webdriver import Chrome

from tests.console.inspection import Page
from tests.system import System
from tests.test_lifecycle import champion
from tests.waiting import PATIENCE

#: What people may do with the product tumor, by their names. Nobody else is in the group `readers`.
PEOPLE = {
    "may-view": "VIEW",
    "may-predict": "PREDICT",
    "may-label": "FEEDBACK",
    "may-erase": "ERASE",
    "lab": "VIEW,FEEDBACK",
    "changes-password": "VIEW,FEEDBACK",
    "in-readers": "",
}
#: The password of who changes it; the others have none, as hashes take time.
PASSWORD = "a quiet lighthouse"
#: Run in the system: creates the people, and prints the keys of their sessions.
MAKE_PEOPLE = f"""
import json
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group
from django.core.management import call_command
from store.access.models import User
keys = {{}}
for name, permissions in {PEOPLE}.items():
    user = User.objects.create_user(name, password={PASSWORD!r} if name == "changes-password" else None)
    if permissions:
        call_command("grant", name, permissions, "tumor")
    else:
        user.groups.add(Group.objects.get(name="readers"))
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session.save()
    keys[name] = session.session_key
print(json.dumps(keys))
"""

LogIn = Callable[[str], httpx.Client]


@pytest.fixture
def page(exemplar: System, browser: Chrome, tmp_path: Path) -> Iterator[Page]:
    """Pages of a system whose products serve; what is on the screen at the end is kept."""
    champion(exemplar)
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["https://*", "wss://*"]})
    page = Page(browser, exemplar)
    yield page
    page.shoot(tmp_path / "page.png")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.fixture(scope="session")
def log_in_as(closed_exemplar: System) -> Iterator[LogIn]:
    """Return what makes a client that one of the people is logged in to."""
    keys = json.loads(closed_exemplar.run("shell", "-c", MAKE_PEOPLE).splitlines()[-1])
    with ExitStack() as clients:

        def enter(name: str) -> httpx.Client:
            client = clients.enter_context(
                httpx.Client(base_url=closed_exemplar.url, trust_env=False, timeout=PATIENCE)
            )
            client.get("/login/")  # for its token of forms
            client.cookies.set("sessionid", keys[name], domain="127.0.0.1")
            return client

        yield enter
