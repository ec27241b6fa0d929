"""Opening a file: from a path or the standard input, unpacked where it is compressed by gzip."""

import gzip
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import BinaryIO, cast

from ...exceptions import StoreError

GZIP = b"\x1f\x8b"
#: What packed files begin with that must be unpacked first.
PACKED = {
    b"PK\x03\x04": "a zip archive (as Excel's workbooks are)",
    b"BZh": "packed by bzip2",
    b"\xfd7zXZ": "packed by xz",
    b"\x28\xb5\x2f\xfd": "packed by Zstandard",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
}


class FileError(StoreError):
    """The file cannot be read."""

    code = "BAD_INPUT"


def at_hand(path: Path) -> Path:
    """A file that can be read more than once: `path`, or what stands on the standard input. Raises FileError."""
    if str(path) == "-":
        path = _standard_input()
    if path.is_dir():
        raise FileError(f"{path} is a directory: name the files in it.")
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}.") from error
    if not start:
        raise FileError(f"{path} is empty.")
    for magic, kind in PACKED.items():
        if start.startswith(magic):
            raise FileError(f"{path} is {kind}: save what is in it as CSV.")
    return path


@cache
def _standard_input() -> Path:
    """The standard input in a file, which ends with the process."""
    folder = _folder()
    path = Path(folder.name) / "standard-input"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="exemplar-")


def open_bytes(path: Path) -> BinaryIO:
    """The file's bytes, unpacked where gzip packed them."""
    return cast(BinaryIO, gzip.open(path)) if _is_packed(path) else path.open("rb")


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == GZIP


def starts_with(path: Path, start: bytes) -> bool:
    return sample(path, 64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(start)


def sample(path: Path, size: int) -> bytes:
    """The first bytes of the unpacked file. Raises FileError."""
    try:
        with open_bytes(path) as file:
            return file.read(size)
    except (OSError, EOFError) as error:
        raise FileError(f"{path} cannot be unpacked: {error}.") from error
