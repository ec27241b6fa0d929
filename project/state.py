"""The state folder: data of the embedded engines, generated secrets, locks."""

import fcntl
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

#: Mode that lets others pass through a folder: `nobody` must reach the PostgreSQL that root starts.
PASSABLE = 0o001

#: A disk with fewer bytes left counts as full: PostgreSQL's log grows by so many at a time.
FULL_BYTES = 16 << 20


class Unusable(Exception):
    """The state folder, or an engine in it, cannot be used."""


class InUse(Unusable):
    """Another process holds the lock of the state folder."""


def default_folder(root: Path) -> Path:
    """Return `.exemplar/` in `root`; if that is unusable, a folder of the user's that is named after `root`."""
    beside = root / ".exemplar"
    return beside if _is_usable(beside) else _user_folder() / f"{root.name}-{_digest(root)}"


def _is_usable(folder: Path) -> bool:
    if os.geteuid() == 0:
        return all(parent.stat().st_mode & PASSABLE for parent in folder.parents)
    return os.access(folder if folder.exists() else folder.parent, os.W_OK | os.X_OK)


def _user_folder() -> Path:
    """Return the platform's folder for a user's state; root's own home is closed to `nobody`, who runs PostgreSQL."""
    return platformdirs.user_state_path("exemplar", use_site_for_root=True)


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]


def create_folder(folder: Path) -> Path:
    """Create the state folder, closed to others; others may pass through root's folder, but not list it."""
    folder.mkdir(parents=True, exist_ok=True)
    mode = 0o711 if os.geteuid() == 0 else 0o700
    if folder.stat().st_mode & 0o777 != mode:
        folder.chmod(mode)
    return folder


def free_bytes(folder: Path) -> int:
    """Return how many bytes can still be written to the disk of a folder; 0 if it can have no more files."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return FULL_BYTES * 2  # unknown, which is no reason for an alarm
    # Some file systems do not count files.
    return 0 if disk.f_files and not disk.f_favail else disk.f_bavail * disk.f_frsize


def describe_full_disk(folder: Path) -> str:
    """Return a sentence if the disk of a folder is full, else nothing."""
    free = free_bytes(folder)
    return f"There is no room on the disk of {folder} ({free >> 20} MB left)." if free < FULL_BYTES else ""


def get_secret(folder: Path, name: str, size: int = 32) -> str:
    """Return the secret `name` of the state folder; the first call generates it from `size` random bytes."""
    path = create_folder(folder) / name
    if not path.exists():
        _write_once(path, secrets.token_urlsafe(size))
    return path.read_text()


def _write_once(path: Path, text: str) -> None:
    """Write a file that only its owner may read, atomically, unless another process has written it already."""
    handle, draft = tempfile.mkstemp(dir=path.parent)  # 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)


def socket_folder(folder: Path, engine: str) -> Path:
    """Return the folder for an engine's socket: in the state folder, or under the temporary one.

    A socket's path must be short, and clients parse it: they take a space for its end.
    """
    inside = folder / "sockets" / engine
    if len(os.fsencode(inside)) <= 60 and all(
        c.isascii() and (c.isalnum() or c in "_./+-") for c in str(inside)
    ):
        return inside
    return Path(tempfile.gettempdir()) / f"exemplar-{os.geteuid()}-{_digest(folder)}" / engine


def create_private_folder(folder: Path, owner: tuple[int, int] | None = None) -> Path:
    """Create a folder that only `owner` may read: user and group id, None: this process's.

    Raises Unusable if its parent folder belongs to another user.
    """
    create_folder(folder.parent)
    if folder.parent.is_symlink() or folder.parent.stat().st_uid != os.geteuid():
        raise Unusable(f"{folder.parent} belongs to another user: remove it.")
    folder.mkdir(mode=0o700, exist_ok=True)
    if owner:
        os.chown(folder, *owner)
    return folder


def request_restart(folder: Path) -> None:
    """Request that the supervisor of a state folder starts its web processes and workers anew."""
    (folder / "restart").touch()


def take_restart_request(folder: Path) -> bool:
    """Return True once for each request to start processes anew."""
    try:
        (folder / "restart").unlink()
    except OSError:
        return False
    return True


def is_supervised(folder: Path) -> bool:
    """Return True while `./dev up` holds the lock of a state folder."""
    try:
        with (folder / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return (folder / "lock").read_text().startswith("./dev up")
    except OSError:
        return False
    return False


@contextmanager
def hold(folder: Path, holder: str) -> Iterator[None]:
    """Hold the lock of the state folder in the name of `holder`; the process's end releases it in any case.

    Raises InUse, with the name of the process that holds it.
    """
    with (create_folder(folder) / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise InUse(f"{file.read().strip() or 'another process'} uses {folder}") from None
        file.truncate(0)
        file.write(f"{holder} (process {os.getpid()})")
        file.flush()
        yield


@contextmanager
def join(folder: Path) -> Iterator[None]:
    """Use the engines of the process that holds the lock, which does not stop them meanwhile."""
    with (folder / "joined").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def wait_for_joiners(folder: Path) -> None:
    """Return when no other process uses the engines."""
    with (folder / "joined").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
