#!/usr/bin/env python3
"""Runs a management command, with the embedded engines for as long as it takes."""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from project import engines, state
from project.management.commands import up

WITHOUT_ENGINES = {"help", "version", "--help", "-h", "--version"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    try:
        run(command)
    except (state.Unusable, ImproperlyConfigured) as error:
        sys.exit(f"exemplar: {error}")


def run(command: str) -> None:
    if command == "up":
        # Not through Django, which would first load everything: the supervisor stays small and starts others at once.
        up.Command().run_from_argv(sys.argv)
    elif command in WITHOUT_ENGINES:
        execute_from_command_line(sys.argv)
    else:
        with engines.running(settings.EXEMPLAR_STATE, engines.embedded(settings), f"manage.py {command}"):
            from project.commands import execute  # loads what the supervisor does without

            execute(sys.argv)


if __name__ == "__main__":
    main()
