"""Keys from the environment: what is accepted, and what could be guessed."""

import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from project import keys
from tests.commands import outer_environment
from tests.keys import KEYS
from tests.system import ROOT

STRONG = KEYS["SECRET_KEY"]
PRINT = """
from project import settings
print(settings.EXEMPLAR_SIGNING_KEY)
print([settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS])
"""


def read(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Read the settings in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", PRINT],
        cwd=ROOT,
        env=outer_environment() | {"EXEMPLAR_STATE": str(tmp_path / "state")} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("size", [16, 24, 32, 48])
def test_random_keys_are_accepted(size: int) -> None:
    for _ in range(200):
        assert keys.describe_weakness(secrets.token_hex(size)) is None
        if size > 16:
            assert keys.describe_weakness(secrets.token_urlsafe(size)) is None


@pytest.mark.parametrize(
    ("key", "weakness"),
    [
        ("secret", "has 6 characters, and needs 32"),
        (STRONG[:31], "has 31 characters"),
        ("django-insecure-" + STRONG, "stands in templates"),
        (STRONG + "-change-me", "stands in templates"),
        ("your_secret_key_goes_here_" + STRONG, "stands in templates"),
        ("a" * 64, "repeats few characters"),
        ("password" * 4, "repeats few characters"),
    ],
)
def test_a_key_that_could_be_guessed_is_refused_without_being_quoted(key: str, weakness: str) -> None:
    described = keys.describe_weakness(key)
    assert described and weakness in described
    assert key not in described


@pytest.mark.parametrize("name", ["SECRET_KEY", "EXEMPLAR_SIGNING_KEY"])
def test_a_start_with_a_weak_key_is_refused(tmp_path: Path, name: str) -> None:
    refused = read(tmp_path, **{name: "secret"})
    assert (
        refused.returncode == 1 and f"{name} has 6 characters, and needs 32. Generate one" in refused.stderr
    )
    second = read(tmp_path, **{name: f"{STRONG}, {'b' * 40}"})
    assert second.returncode == 1 and f"Key 2 of {name} repeats few characters" in second.stderr


@pytest.mark.parametrize("name", sorted(KEYS))
def test_a_missing_key_is_refused_where_several_processes_need_the_same(tmp_path: Path, name: str) -> None:
    others = {other: key for other, key in KEYS.items() if other != name}
    refused = read(tmp_path, DATABASE_URL="postgresql://db.example/exemplar", **others)
    assert refused.returncode == 1 and f"{name} must be set" in refused.stderr


def test_several_keys_are_separated_by_commas_or_blanks(tmp_path: Path) -> None:
    first, second, third = (secrets.token_urlsafe(48) for _ in range(3))
    done = read(
        tmp_path, SECRET_KEY=f"{first},{second}", EXEMPLAR_SIGNING_KEY=f" {third}\n{first} , {second}"
    )
    assert done.stdout.splitlines() == [str([third, first, second]), str([first, second])]


def test_a_generated_key_is_kept(tmp_path: Path) -> None:
    first, again = read(tmp_path), read(tmp_path)
    assert first.stdout == again.stdout
    assert len((tmp_path / "state" / "secret-key").read_text()) >= 50  # as Django's deploy check wants it
