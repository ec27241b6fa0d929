"""Open a file from a path or the standard input, decompressed where it is gzip."""

import gzip
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import BinaryIO, cast

from ...exceptions import StoreError

GZIP = b"\x1f\x8b"
#: The first bytes of formats that cannot be read, and how they are named.
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


def get_local_file(path: Path) -> Path:
    """Get a file that can be read repeatedly: `path`, or a copy of the standard input for `-`. Raises FileError."""
    if str(path) == "-":
        path = _copy_standard_input()
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
def _copy_standard_input() -> Path:
    """Copy the standard input into a file that is deleted when the process ends."""
    folder = _get_temporary_folder()
    path = Path(folder.name) / "standard-input"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path


@cache
def _get_temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="exemplar-")


def open_bytes(path: Path) -> BinaryIO:
    """Open the file's bytes, decompressed where it is gzip."""
    return cast(BinaryIO, gzip.open(path)) if _is_gzip(path) else path.open("rb")


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == GZIP


def starts_with(path: Path, start: bytes) -> bool:
    """Return True where the decompressed file starts so, after a byte order mark and white space."""
    return read_start(path, 64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(start)


def read_start(path: Path, size: int) -> bytes:
    """Read the first `size` bytes of the decompressed file. Raises FileError."""
    try:
        with open_bytes(path) as file:
            return file.read(size)
    except (OSError, EOFError) as error:
        raise FileError(f"{path} cannot be decompressed: {error}.") from error
