"""Peers' environments: their pins contradict ours, so each has one of its own, made when it is missing."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
#: Where the environments are made, each from `peers/<environment>.txt`.
ENVIRONMENTS = PEERS.parent.parent / ".peers"


def python(environment: str) -> Path:
    """The Python of a peer's environment."""
    place, wanted = ENVIRONMENTS / environment, PEERS / f"{environment}.txt"
    executable = place / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    _make(
        place,
        wanted,
        [*uv, "venv", "--quiet", "--clear", place],
        [*uv, "pip", "install", "--quiet", "--python", executable, "-r", wanted],
    )
    return executable


def script(name: str) -> list[str | Path] | None:
    """What runs a peer that npm installs; None, with the reason on stderr, where that cannot be done."""
    place, wanted = ENVIRONMENTS / name, PEERS / f"{name}.json"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        print(f"{name} is left out: it needs node and npm.", file=sys.stderr)
        return None
    install: list[str | Path] = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", place]
    try:
        _make(place, wanted, ["mkdir", "-p", place], ["cp", wanted, place / "package.json"], install)
    except subprocess.CalledProcessError as error:
        print(f"{name} is left out: npm could not install it ({error}).", file=sys.stderr)
        return None
    return [node, place / "node_modules" / ".bin" / name]


def _make(place: Path, wanted: Path, *commands: Sequence[str | Path]) -> None:
    made = place / "made"
    if made.exists() and made.read_text() == wanted.read_text():
        return
    print(f"Making the environment of {place.name} …", file=sys.stderr)
    for command in commands:
        subprocess.run(command, check=True)
    made.write_text(wanted.read_text())
