"""Environments of peers. Their packages conflict with ours, so each has its own, created when it is missing."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
#: The folder of the environments, each created from `peers/<environment>.txt`.
ENVIRONMENTS = PEERS.parent.parent / ".peers"


def get_python(environment: str) -> Path:
    """Get the Python of a peer's environment, which is created where it is missing."""
    folder, requirements = ENVIRONMENTS / environment, PEERS / f"{environment}.txt"
    executable = folder / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    _create(
        folder,
        requirements,
        [*uv, "venv", "--quiet", "--clear", folder],
        [*uv, "pip", "install", "--quiet", "--python", executable, "-r", requirements],
    )
    return executable


def get_npm_command(name: str) -> list[str | Path] | None:
    """Get the command of a peer that npm installs; None, with the reason on stderr, where npm cannot install it."""
    folder, package = ENVIRONMENTS / name, PEERS / f"{name}.json"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        print(f"{name} is left out: it needs node and npm.", file=sys.stderr)
        return None
    install: list[str | Path] = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder]
    try:
        _create(folder, package, ["mkdir", "-p", folder], ["cp", package, folder / "package.json"], install)
    except subprocess.CalledProcessError as error:
        print(f"{name} is left out: npm could not install it ({error}).", file=sys.stderr)
        return None
    return [node, folder / "node_modules" / ".bin" / name]


def _create(folder: Path, requirements: Path, *commands: Sequence[str | Path]) -> None:
    """Run the commands that create an environment, unless it was created from the same requirements."""
    installed = folder / "made"
    if installed.exists() and installed.read_text() == requirements.read_text():
        return
    print(f"Creating the environment of {folder.name} …", file=sys.stderr)
    for command in commands:
        subprocess.run(command, check=True)
    installed.write_text(requirements.read_text())
