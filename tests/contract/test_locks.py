"""The locks of the packages of Node.js serve behind every registry, and name what the pages name."""

import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.system import ROOT

from . import packages

PAGE = ROOT / "docs" / "how-to" / "typed-clients.md"


@pytest.mark.parametrize("folder", packages.PACKAGES, ids=lambda folder: folder.name)
def test_a_lock_has_hashes_and_no_address_of_a_registry(folder: Path) -> None:
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]
    locked.pop("")
    assert len(locked) > 50
    assert [name for name, package in locked.items() if "resolved" in package] == []
    assert [name for name, package in locked.items() if "integrity" not in package] == []


def test_the_page_of_clients_names_the_versions_that_are_tested() -> None:
    rows = dict(re.findall(r"^\| ([@\w/-]+) \| `([\d.]+)` \|", PAGE.read_text(), re.MULTILINE))
    locked = {"gql": version("gql")}
    for folder in packages.PACKAGES:
        locks = json.loads((folder / "package-lock.json").read_text())["packages"]
        locked |= {
            name.removeprefix("node_modules/"): lock["version"] for name, lock in locks.items() if name
        }
    assert len(rows) > 10
    assert rows == {name: locked[name] for name in rows}
