"""Confirmation of what a command is about to do, by whoever runs it in a terminal."""

import sys
from collections.abc import Collection

from django.core.management.base import CommandError

YES = ("y", "yes")


def confirm(done: str, question: str = "Go on? [y/N] ", accepted: Collection[str] = YES) -> None:
    """Ask for confirmation. Raises CommandError without it: nothing was `done`."""
    if not sys.stdin.isatty():
        raise CommandError(f"Nothing was {done}: without a terminal for the confirmation, add --yes.")
    if input(question).strip().lower() not in accepted:
        raise CommandError(f"Nothing was {done}.")
