"""The unmodified official clients and tools, against a running exemplar."""

import re

import pytest

from . import packages

#: What a check is called in the scripts of this folder.
CHECK = re.compile(r'^  (?:async )?"(.+?)"(?:: |\()', re.MULTILINE)


def checks() -> list[str]:
    """List the checks, by client, as the scripts name them."""
    clients = sorted(packages.CONTRACT.glob("clients/*.mjs"))
    named = [f"{file.stem}: {name}" for file in clients for name in CHECK.findall(file.read_text())]
    return [*named, *CHECK.findall((packages.CONTRACT / "tools.mjs").read_text())]


@pytest.mark.parametrize("check", checks())
def test_the_contract_holds(check: str, findings: dict[str, str | None]) -> None:
    assert findings[check] is None, findings[check]


def test_every_check_that_ran_is_named(findings: dict[str, str | None]) -> None:
    assert sorted(findings) == sorted(checks())
