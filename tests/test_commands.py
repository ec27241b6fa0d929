"""Commands in forks: what they get and what they return is what a Python of their own gives."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import commands
from tests.waiting import PATIENCE

pytestmark = pytest.mark.engine

TELLING = """
import json, os, sys
print(json.dumps([sys.argv, os.getcwd(), os.environ["NAME"], sys.path[:2], sys.stdin.read(), sys.stdin.isatty()]))
print("errors", file=sys.stderr)
"""
ENDS = {
    "nothing": "",
    "a status": "import sys; sys.exit(3)",
    "a sentence": "import sys; sys.exit('no')",
    "a signal": "import os; os.kill(os.getpid(), 15)",
    "at exit": "import atexit; atexit.register(print, 'at exit')",
}


def run_both(folder: Path, *command: str, **options: str) -> list[tuple[int, str, str]]:
    """Run a command in a fork, and in a Python of its own."""
    environment = commands.outer_environment() | {"NAME": "value", "PYTHONPATH": str(folder / "library")}
    own = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        input=options.get("stdin", ""),
        capture_output=True,
        text=True,
        check=False,
    )
    forked = commands.run(*command, cwd=folder, environment=environment, **options)
    return [(ended.returncode, ended.stdout, ended.stderr) for ended in (own, forked)]


@pytest.mark.parametrize("command", [["{folder}/script.py", "a b"], ["script.py"], ["-m", "script", "x"]])
def test_a_fork_gets_what_a_python_of_its_own_gets(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "script.py").write_text(TELLING)
    own, forked = run_both(tmp_path, *(part.format(folder=tmp_path) for part in command), stdin="rows\n")
    assert forked == own
    assert "rows" in forked[1] and forked[2] == "errors\n"


@pytest.mark.parametrize("end", ENDS)
def test_a_fork_ends_as_a_python_of_its_own(tmp_path: Path, end: str) -> None:
    (tmp_path / "script.py").write_text(ENDS[end])
    own, forked = run_both(tmp_path, "script.py")
    assert forked == own


def test_an_error_is_printed_and_is_the_status(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("1 / 0")
    own, forked = run_both(tmp_path, "script.py")
    assert own[0] == forked[0] == 1
    assert own[2].splitlines()[-1] == forked[2].splitlines()[-1] == "ZeroDivisionError: division by zero"


def test_what_takes_too_long_is_killed(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import time; time.sleep(1000)")
    with pytest.raises(subprocess.TimeoutExpired):
        commands.run("script.py", cwd=tmp_path, environment=commands.outer_environment(), timeout=0.1)


def test_a_variable_that_matters_at_the_start_has_a_python_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import sys; print(sys.flags.optimize, 'numpy' in sys.modules)")
    environment = commands.outer_environment()
    for variables, printed in (({}, "0 True\n"), ({"PYTHONOPTIMIZE": "1"}, "1 False\n")):
        ended = commands.run("script.py", cwd=tmp_path, environment=environment | variables, timeout=PATIENCE)
        assert ended.stdout == printed, ended.stderr
