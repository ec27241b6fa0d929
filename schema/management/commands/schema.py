"""Print the schema, compare it with the one that clients were served last, accept what breaks them."""

import os
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from graphql import GraphQLError

from store.exceptions import BadInput
from store.registry.served_schemas import AcceptedSchema

from ...schema_changes import (
    SchemaChange,
    compare_with_served,
    compose_with_record,
    find_changes,
    list_retired,
)


class Command(BaseCommand):
    help = (
        "Prints the schema that this code serves, as SDL. With --check it compares it with the one that clients were "
        "served last, and the exit status is 1 if something breaks them. With --accept web processes may serve it all "
        "the same."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        task = parser.add_mutually_exclusive_group()
        task.add_argument("--check", action="store_true", help="say what changes for clients")
        task.add_argument(
            "--accept", metavar="REASON", help="let web processes serve what breaks clients, and record why"
        )
        parser.add_argument(
            "--against", type=Path, metavar="FILE", help="with --check: an SDL file to compare with instead"
        )

    def handle(self, *, check: bool, accept: str | None, against: Path | None, **options: object) -> None:
        if against and not check:
            raise CommandError("--against names a file for --check: give both.")
        sdl = compose_with_record()
        if accept is not None:
            self.accept(sdl, accept)
        elif check:
            self.check_changes(compare_with_file(against, sdl) if against else compare_with_served(sdl))
        else:
            self.stdout.write(sdl)

    def check_changes(self, changes: Sequence[SchemaChange] | None) -> None:
        """Print the changes, and the state of retired features. Raises CommandError if a change breaks clients."""
        for text in list_retired():
            self.stdout.write(f"note    {text}")
        if changes is None:
            self.stdout.write(
                "No schema was recorded yet, so nothing can be compared: a web process records it when it starts."
            )
            return
        for change in changes:
            self.stdout.write(f"{'BREAKS' if change.breaks else 'note':6}  {change.text}")
        if breaking := sum(change.breaks for change in changes):
            raise CommandError(
                f"{breaking} of the changes {'breaks' if breaking == 1 else 'break'} clients. Undo them, or accept "
                'them by ./dev schema --accept "reason" once clients are ready.'
            )
        self.stdout.write("No change breaks clients.")

    def accept(self, sdl: str, reason: str) -> None:
        """Record that this schema may be served. Raises CommandError without a reason."""
        breaking = [change.text for change in compare_with_served(sdl) or () if change.breaks]
        if not breaking:
            self.stdout.write("No change breaks clients, so there is nothing to accept.")
            return
        try:
            AcceptedSchema.objects.accept(sdl, breaking, reason, get_user())
        except BadInput as error:
            raise CommandError(str(error)) from error
        for text in breaking:
            self.stdout.write(f"accepted  {text}")
        self.stdout.write("Web processes that wait for it serve the schema within seconds.")


def compare_with_file(path: Path, sdl: str) -> list[SchemaChange]:
    """List the changes since the schema in a file. Raises CommandError if it cannot be read."""
    try:
        return find_changes(path.read_text(), sdl)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
    except GraphQLError as error:
        raise CommandError(f"{path} is no schema: {error.message} Write one by ./dev schema.") from error


def get_user() -> str:
    """Name the person at the terminal."""
    return f"manage.py ({os.environ.get('USER') or os.getuid()})"
