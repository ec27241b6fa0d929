#!/usr/bin/env python3
"""Run a management command, with the embedded engines for as long as it takes."""

import gc
import os
import sys
from typing import TYPE_CHECKING

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from learning.lazy_imports import LazyModule
from project import engines, state
from store.db import full_disks

if TYPE_CHECKING:
    from project import commands
    from project.management.commands import up
else:
    # `up` does not need the first, and all other commands do not need the second.
    commands, up = LazyModule("project.commands"), LazyModule("project.management.commands.up")

#: Commands that run nothing.
HELP = {"help", "version", "--help", "-h", "--version"}
#: Commands that need no database.
WITHOUT_ENGINES = HELP | {"check", "export_schema"}


def main() -> None:
    """Run the command of the command line; print what stands outside and prevents it in one line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    try:
        run(command)
    except (state.Unusable, ImproperlyConfigured) as error:
        sys.exit(f"exemplar: {error}")
    except OSError as error:
        if not (sentence := full_disks.describe(error)):
            raise
        sys.exit(f"exemplar: {sentence}")


def run(command: str) -> None:
    """Run one command of the command line; `up` starts engines itself."""
    if command == "up":
        # Not through Django, which would load all apps first: the supervisor stays small and starts others at once.
        up.Command().run_from_argv(sys.argv)
        return
    gc.disable()  # importing allocates much, and nearly all of it stays
    if command in HELP:
        commands.execute_from_command_line(sys.argv)
    elif is_without_engines(sys.argv):
        commands.execute(sys.argv)
    else:
        chosen = engines.embedded(settings)
        with engines.starting(settings.EXEMPLAR_STATE, chosen, f"manage.py {command}") as wait_until_ready:
            django.setup()  # while the engines start
            gc.freeze()
            gc.enable()
            wait_until_ready()
            commands.execute(sys.argv)


def is_without_engines(arguments: list[str]) -> bool:
    """Return whether the command needs no database: `check` needs one only if it is told which."""
    asks_database = any(argument.startswith("--database") for argument in arguments)
    return len(arguments) < 2 or (arguments[1] in WITHOUT_ENGINES and not asks_database)


if __name__ == "__main__":
    main()
