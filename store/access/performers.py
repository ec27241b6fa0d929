"""Performers: who acts, as the audit log names them, also where no caller does: commands, workers, rules."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from . import acting


@dataclass(frozen=True)
class Performer:
    """The author of an act, as an entry names him."""

    author: str
    #: PERSON, PROGRAM, ANONYMOUS, COMMAND, WORKER, RULE or SERVER.
    kind: str
    #: What identified him, as "session".
    credential: str = ""


#: Who acts in this process where nothing else is known.
_process = Performer("server", "SERVER")
#: Who acts in this thread, in place of its caller.
_performer: ContextVar[Performer | None] = ContextVar("performer", default=None)


def identify_process(author: str, kind: str) -> None:
    """Say who acts in this process where no caller does."""
    global _process
    _process = Performer(author, kind)


def identify_command() -> None:
    """Say that this process is a command, run by a user of the operating system."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    identify_process(f"command {user}", "COMMAND")


@contextmanager
def performing(who: Performer) -> Iterator[None]:
    """Have what this thread does be done by a rule, or by who has just logged in."""
    token = _performer.set(who)
    try:
        yield
    finally:
        _performer.reset(token)


def find() -> Performer:
    """Find who acts: whom the code has named, else the caller, else this process."""
    if performer := _performer.get():
        return performer
    if actor := acting.current():
        return Performer(actor.author, actor.kind, actor.credential)
    return _process
