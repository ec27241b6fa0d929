"""Temporary folders of builds, deleted however the build ends."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp

PREFIX = "exemplar-build-"
#: The file in each folder that its process keeps locked.
LOCK = "lock"


@contextmanager
def build_folder() -> Iterator[Path]:
    """Create a folder for one build and delete it at the end of the block."""
    hidden = Path(mkdtemp(prefix=f".{PREFIX}"))
    with (hidden / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        place = hidden.rename(
            hidden.with_name(hidden.name[1:])
        )  # visible to delete_abandoned only once the lock is held
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


def delete_abandoned() -> None:
    """Delete the folders of killed builds on this machine. Errors of the file system are ignored."""
    try:
        place = Path(gettempdir())
    except OSError:  # no temporary folder, as on a full disk
        return
    for path in place.glob(f"{PREFIX}*/{LOCK}"):
        with suppress(OSError), path.open() as lock:  # another user's, locked, or just deleted
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)
