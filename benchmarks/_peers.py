"""Peers' environments: their pins contradict ours, so each has one of its own, made when it is missing."""

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


def _make(place: Path, wanted: Path, *commands: Sequence[str | Path]) -> None:
    made = place / "made"
    if made.exists() and made.read_text() == wanted.read_text():
        return
    print(f"Making the environment of {place.name} …", file=sys.stderr)
    for command in commands:
        subprocess.run(command, check=True)
    made.write_text(wanted.read_text())
