"""Node.js, and the packages that the tests run by it: installed from their lock, once, beside those of Python."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.system import ROOT

#: Node.js and npm, as older ones cannot run the tools.
OLDEST = (20, 19)
CONTRACT = ROOT / "tests" / "contract"
FRONTEND = ROOT / "examples" / "frontend"
PACKAGES = (FRONTEND, CONTRACT)
#: Where packages are installed, by the hash of their lock.
INSTALLED = ROOT / ".venv" / "node"
NODE, NPM = shutil.which("node"), shutil.which("npm")


def missing() -> str:
    """Return what has to be installed first; nothing if Node.js can run the tools."""
    if not (NODE and NPM):
        return "Node.js or npm is missing: install nodejs and npm"
    version = subprocess.check_output([NODE, "--version"], text=True)
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST:
        return f"Node.js {version.strip()} is too old: install {'.'.join(map(str, OLDEST))} or newer"
    return ""


def install(folder: Path) -> Path:
    """Return the `node_modules` of a package, installed unless it was with the same lock. Raises CalledProcessError."""
    lock = (folder / "package-lock.json").read_bytes()
    installed = INSTALLED / f"{folder.name}-{hashlib.sha256(lock).hexdigest()[:16]}"
    INSTALLED.mkdir(parents=True, exist_ok=True)
    with (INSTALLED / f"{folder.name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (installed / "complete").exists():
            for older in INSTALLED.glob(f"{folder.name}-*"):
                shutil.rmtree(older)
            installed.mkdir()
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(folder / name, installed)
            # No package's own script is run.
            subprocess.run(
                [str(NPM), "ci", "--ignore-scripts", "--no-progress", "--loglevel=error"],
                cwd=installed,
                check=True,
                capture_output=True,
                text=True,
            )
            (installed / "complete").touch()
    return installed / "node_modules"


def copied(folder: Path, into: Path) -> Path:
    """Return a copy of a package's own files, beside the packages that it needs."""
    copy = into / folder.name
    shutil.copytree(
        folder, copy, ignore=shutil.ignore_patterns("node_modules", "dist", "gql", "*.py", "__pycache__")
    )
    (copy / "node_modules").symlink_to(install(folder))
    return copy


def start(folder: Path, *command: str, **environment: str) -> subprocess.Popen[str]:
    """Start a program of a package, or `node`, in its folder."""
    program = folder / "node_modules" / ".bin" / command[0]
    return subprocess.Popen(
        [str(NODE if command[0] == "node" else program), *command[1:]],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    with ThreadPoolExecutor(len(PACKAGES)) as pool:
        list(pool.map(install, PACKAGES))
