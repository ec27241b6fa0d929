"""The state folder: where embedded engines keep their data, and where generated secrets are kept."""

import fcntl
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

#: `nobody` must be able to pass through a folder that PostgreSQL lives in when root starts it.
PASSABLE = 0o001


class Unusable(Exception):
    """The state folder, or an engine in it, cannot be used."""


class InUse(Unusable):
    """Another process holds the state folder."""


def default(root: Path) -> Path:
    """Return `.exemplar/` in `root`, or a folder of the user's own, named by `root`, where that cannot serve."""
    beside = root / ".exemplar"
    return beside if _serves(beside) else _user_folder() / f"{root.name}-{_digest(root)}"


def _serves(folder: Path) -> bool:
    if os.geteuid() == 0:
        return all(parent.stat().st_mode & PASSABLE for parent in folder.parents)
    return os.access(folder if folder.exists() else folder.parent, os.W_OK | os.X_OK)


def _user_folder() -> Path:
    """Return the platform's folder for a user's state; root's own home is closed to `nobody`, who runs PostgreSQL."""
    return platformdirs.user_state_path("exemplar", use_site_for_root=True)


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]


def make(folder: Path) -> Path:
    """Make the state folder, closed to others; as root it can be passed through, but not listed."""
    folder.mkdir(parents=True, exist_ok=True)
    mode = 0o711 if os.geteuid() == 0 else 0o700
    if folder.stat().st_mode & 0o777 != mode:
        folder.chmod(mode)
    return folder


def secret(folder: Path, name: str, size: int = 32) -> str:
    """Return the secret kept in `folder` under `name`; the first to ask generates it, from `size` random bytes."""
    path = make(folder) / name
    if not path.exists():
        _write_once(path, secrets.token_urlsafe(size))
    return path.read_text()


def _write_once(path: Path, text: str) -> None:
    """Write `text` for the owner's eyes only, unless another process was first; readers never see half of it."""
    handle, draft = tempfile.mkstemp(dir=path.parent)  # 0600
    with os.fdopen(handle, "w") as file:
        file.write(text)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)


def sockets(folder: Path, engine: str) -> Path:
    """Return the folder for the socket of `engine`: in the state folder, or under the temporary one.

    A socket's path must be short, and clients parse it: a space in it is taken for its end.
    """
    inside = folder / "sockets" / engine
    if len(os.fsencode(inside)) <= 60 and all(
        c.isascii() and (c.isalnum() or c in "_./+-") for c in str(inside)
    ):
        return inside
    return Path(tempfile.gettempdir()) / f"exemplar-{os.geteuid()}-{_digest(folder)}" / engine


def private(folder: Path, owner: tuple[int, int] | None = None) -> Path:
    """Make `folder` in one of ours, for the eyes of `owner` (user and group id; None: ourselves) alone."""
    make(folder.parent)
    if folder.parent.is_symlink() or folder.parent.stat().st_uid != os.geteuid():
        raise Unusable(f"{folder.parent} belongs to somebody else: remove it.")
    folder.mkdir(mode=0o700, exist_ok=True)
    if owner:
        os.chown(folder, *owner)
    return folder


@contextmanager
def held(folder: Path, holder: str) -> Iterator[None]:
    """Hold the state folder, in the name of `holder`; raises `InUse`, which names who does already.

    The lock ends with the process, however that ends.
    """
    with (make(folder) / "lock").open("a+") as file:
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
def joined(folder: Path) -> Iterator[None]:
    """Keep whoever started the engines for a while from stopping them meanwhile."""
    with (folder / "joined").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def wait_for_joined(folder: Path) -> None:
    """Return when nobody has joined."""
    with (folder / "joined").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
