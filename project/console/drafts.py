"""Drafts of new products: uploaded files, what was understood of them, and the command that writes the app.

A draft is a folder in the state folder, so that each web process has the same ones. `manage.py newproduct` runs in a
process of its own: what it loads, and what a bad file does to it, stays out of the web process.
"""

import fcntl
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Thread
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from project import state

from .wishes import Wishes

TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
#: Characters that no name of a file has here: of control, and those that part folders.
UNNAMED = re.compile(r"[\x00-\x1f\x7f/\\]+")
#: Bytes of a file's name, at most: file systems have 255, and some are for what tells equal names apart.
LONGEST_NAME = 200
#: Seconds after which a draft is deleted that nobody has touched.
LIFETIME = 86_400
#: Seconds that reading the files, and writing the app, may take.
LONGEST_PLAN, LONGEST_WRITE = 900, 7_200
PLAN, WRITE = "plan", "write"


@dataclass(frozen=True)
class Draft:
    """A product that is being made."""

    folder: Path

    @property
    def token(self) -> str:
        """The name of the draft in URLs."""
        return self.folder.name

    @property
    def files(self) -> Path:
        """The folder of the uploaded files."""
        return self.folder / "files"

    @property
    def file_names(self) -> list[str]:
        """The names of the uploaded files."""
        return sorted(path.name for path in self.files.iterdir()) if self.files.is_dir() else []

    @property
    def wishes(self) -> Wishes:
        """The choices of the person so far."""
        return Wishes(**self._read("wishes"))

    @property
    def plan(self) -> dict[str, Any]:
        """The last description of the files; empty if there is none."""
        return self._read("plan")

    @property
    def outcome(self) -> dict[str, Any]:
        """The end of the last command: its step, and the problem if there was one; empty before its end."""
        return self._read("outcome")

    @property
    def step(self) -> str:
        """The last command: PLAN or WRITE."""
        return str(self._read("step").get("step", PLAN))

    @property
    def is_running(self) -> bool:
        """True while a command of this draft runs."""
        try:
            with (self.folder / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False

    def choose(self, wishes: Wishes) -> None:
        """Store what the person has chosen."""
        self._write("wishes", wishes.to_json())

    def run(self, step: str) -> bool:
        """Begin to run the command of a step; return False while another one runs."""
        lock = (self.folder / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        (self.folder / "outcome.json").unlink(missing_ok=True)
        self._write("step", {"step": step})
        # The process may end meanwhile, as for a restart: then the lock is free and there is no outcome.
        Thread(target=self._run, args=(step, lock), daemon=True).start()
        return True

    def _run(self, step: str, lock: IO[str]) -> None:
        with lock:
            if step == PLAN:
                self._note(step, self._execute("--plan", seconds=LONGEST_PLAN))
                return
            # One after the other: the end of the first starts this process anew, which would break the second off.
            with (self.folder.parent / "writing.lock").open("a") as writing:
                fcntl.flock(writing, fcntl.LOCK_EX)
                outcome = self._execute("--yes", seconds=LONGEST_WRITE)
                self._note(step, outcome)
                if outcome["problem"] is None:
                    shutil.rmtree(self.files, ignore_errors=True)
                    state.request_restart(settings.EXEMPLAR_STATE)

    def _execute(self, *options: str, seconds: float) -> dict[str, Any]:
        command = self.wishes.list_arguments(self.file_names, *options)
        try:
            ended = subprocess.run(
                [sys.executable, str(settings.BASE_DIR / "manage.py"), *command],
                cwd=self.files,
                env=build_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            minutes = round(seconds / 60)
            return {"output": "", "problem": f"This took longer than {minutes} minutes and was broken off."}
        except (OSError, ValueError) as error:  # as for an argument that is too long, or has a null byte
            return {"output": "", "problem": f"The command cannot be run with these choices: {error}."}
        problem = None if ended.returncode == 0 else find_sentence(ended.stderr)
        return {"output": ended.stdout, "problem": problem}

    def _note(self, step: str, outcome: dict[str, Any]) -> None:
        if step == PLAN and outcome["problem"] is None:
            self._write("plan", json.loads(outcome["output"]))
        self._write("outcome", {"step": step, "problem": outcome["problem"]})

    def discard(self) -> None:
        """Delete the draft with its files."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, name: str) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            content = json.loads((self.folder / f"{name}.json").read_text())
            return dict(content)
        return {}

    def _write(self, name: str, content: dict[str, Any]) -> None:
        draft = self.folder / f"{name}.{secrets.token_hex(4)}"
        with suppress(FileNotFoundError):  # it was discarded meanwhile
            draft.write_text(json.dumps(content))
            draft.replace(self.folder / f"{name}.json")


def get_drafts_folder() -> Path:
    """Get the folder of all drafts, closed to others."""
    return state.create_private_folder(settings.EXEMPLAR_STATE / "new")


def find_draft(token: str) -> Draft | None:
    """Find a draft by its token."""
    folder = settings.EXEMPLAR_STATE / "new" / token
    return Draft(folder) if TOKEN.fullmatch(token) and folder.is_dir() else None


def create_draft(uploads: Sequence[UploadedFile]) -> Draft:
    """Store uploaded files as a draft, all or none; delete drafts that nobody has touched for long."""
    parent = get_drafts_folder()
    part = parent / f".{secrets.token_urlsafe(16)}"
    try:
        (part / "files").mkdir(parents=True, mode=0o700)
        for name, upload in zip(name_files(upload.name or "" for upload in uploads), uploads, strict=True):
            with (part / "files" / name).open("wb") as file:
                for chunk in upload.chunks():
                    file.write(chunk)
        prune(parent, part.stat().st_mtime)
        folder = parent / secrets.token_urlsafe(16)
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return Draft(folder)


def name_files(names: Iterable[str]) -> Iterator[str]:
    """Yield a name for each file that is valid in a folder, and no other's."""
    used: set[str] = set()
    for sent in names:
        end = UNNAMED.sub("-", sent).strip(". -").encode(errors="ignore")[-LONGEST_NAME:]
        plain = name = end.decode(errors="ignore").lstrip(". -") or "file"
        for number in count(2):
            if name.casefold() not in used:
                break
            name = f"{number}-{plain}"
        used.add(name.casefold())
        yield name


def prune(parent: Path, now: float) -> None:
    """Delete the drafts that were not touched for LIFETIME before a moment of the same file system."""
    for folder in parent.iterdir():
        if folder.is_dir() and now - folder.stat().st_mtime > LIFETIME:
            shutil.rmtree(folder, ignore_errors=True)


def build_environment() -> dict[str, str]:
    """Build the environment of a command: this process's, with the state folder as an absolute path."""
    variables = dict(os.environ)
    variables["EXEMPLAR_STATE"] = str(settings.EXEMPLAR_STATE)  # the command runs in another folder
    return variables


def find_sentence(output: str) -> str:
    """Find the sentence that a command has refused with, in what it printed."""
    lines = output.strip().splitlines()
    last = lines[-1] if lines else "The command ended without a word."
    return last.removeprefix("CommandError: ").removeprefix("exemplar: ")
