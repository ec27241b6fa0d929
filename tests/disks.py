"""A disk that becomes full: a file system of a few megabytes, which only root can mount."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a file system of this size below a folder; the test is skipped where that is not allowed."""
    disk = folder / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m,mode=711", "tmpfs"]
    mounted = subprocess.run(["mount", *options, disk], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"NOT TESTED ON A FULL DISK, as none can be mounted: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Leave no room on a disk within the block, nor what others free meanwhile."""
    ended = threading.Event()

    def fill() -> None:
        with (disk / "filler").open("wb", buffering=0) as file:
            while not ended.wait(0.02):
                with suppress(OSError):
                    while file.write(bytes(1 << 16)):
                        pass

    filler = threading.Thread(target=fill)
    filler.start()
    try:
        yield
    finally:
        ended.set()
        filler.join()
        (disk / "filler").unlink()
