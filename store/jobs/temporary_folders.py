"""Scratch: a build's temporary files, which go with it however it ends."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp

PREFIX = "exemplar-build-"
#: In each folder: locked by whoever uses it, for as long as that lives.
LOCK = "lock"


@contextmanager
def build_folder() -> Iterator[Path]:
    """A folder for one build."""
    hidden = Path(mkdtemp(prefix=f".{PREFIX}"))
    with (hidden / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        place = hidden.rename(hidden.with_name(hidden.name[1:]))  # only now others may try its lock
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


def delete_abandoned() -> None:
    """Remove what builds on this machine have left that were killed. Never raises: whoever sweeps has other work."""
    try:
        place = Path(gettempdir())
    except OSError:  # there is none, as where the disk is full
        return
    for path in place.glob(f"{PREFIX}*/{LOCK}"):
        with suppress(OSError), path.open() as lock:  # somebody else's, or in use, or just gone
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)
