"""Node.js with the official clients and tools, and what they find of the system that all tests share."""

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.system import ROOT, System
from tests.waiting import PATIENCE

from . import packages


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with copies of both packages; its test is skipped where there is no Node.js, except in CI."""
    folder = tmp_path_factory.mktemp("node")
    problem = packages.missing()
    if not problem:
        try:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda package: packages.copied(package, folder), packages.PACKAGES))
        except subprocess.CalledProcessError as error:
            problem = f"npm could not install the clients ({error.stderr.strip()}): connect to a registry"
    if problem:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(problem)
    return folder


@pytest.fixture(scope="session")
def token(exemplar: System) -> Iterator[str]:
    """The token of a program that may do what the clients do."""
    made = exemplar.run("token", "create", "clients", "--may", "VIEW,PREDICT,FEEDBACK,BUILD,DELETE")
    secret = made.split()[-1]
    yield secret
    exemplar.run("token", "revoke", "_".join(secret.split("_", 2)[:2]))


@pytest.fixture(scope="session")
def findings(exemplar: System, token: str, node: Path) -> dict[str, str | None]:
    """What each check of a client or a tool found; None: nothing. They run side by side, and once."""
    contract, asked = node / "contract", {"EXEMPLAR_URL": exemplar.url, "EXEMPLAR_TOKEN": token}
    files = [str(ROOT / "schema" / "schema.graphql"), str(packages.FRONTEND / "src" / "documents.ts")]
    programs = [
        packages.start(contract, "node", "clients/run.mjs", **asked),
        packages.start(contract, "node", "tools.mjs", *files, **asked),
    ]
    found: dict[str, str | None] = {}
    for program in programs:
        output, errors = program.communicate(timeout=PATIENCE)
        assert program.returncode == 0, errors
        found |= json.loads(output)
    return found
