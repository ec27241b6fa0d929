"""Command that removes a product's app and, on request, its rows."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from learning.exceptions import ExemplarError
from store.access import audit
from store.access.audit import Act
from store.management.confirmation import confirm
from store.scaffold import app


class Command(BaseCommand):
    help = (
        "Remove the folder of a product's app beside manage.py; its tables stay unless --drop-data is given."
    )
    # An app that does not pass the checks must be removable too.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the product's name")
        parser.add_argument(
            "--drop-data", action="store_true", help="drop its feature tables with all rows too"
        )
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")

    def handle(self, *, name: str, drop_data: bool, yes: bool, **options: object) -> None:
        try:
            files, tables = app.find_files(name), app.find_tables(name)
            if not files and not (tables and drop_data):
                raise CommandError(_describe_absence(name, tables))
            self.confirm(name, len(files), tables if drop_data else [], yes)
            with transaction.atomic():
                # Of an app that has made no tables, its migrations are all that is there: with their records, a later
                # app of this name would get no tables either.
                if drop_data or not tables:
                    app.drop_tables(name)
                if drop_data and tables:
                    audit.record(Act.DELETE, product=name, details={"tables": tables})
            app.remove_folder(name)
        except (ExemplarError, OSError) as error:
            raise CommandError(str(error)) from error
        self.print_rest(name, tables, drop_data)

    def confirm(self, name: str, files: int, tables: list[str], yes: bool) -> None:
        """List the things to delete and ask for confirmation. Raises CommandError without it."""
        subjects = [f"{name}/ with {files} files"] * bool(files)
        subjects += [f"{table} with all rows" for table in tables]
        self.stdout.write(f"This deletes {' and '.join(subjects)}.")
        if not yes:
            confirm("deleted")

    def print_rest(self, name: str, tables: list[str], dropped: bool) -> None:
        self.stdout.write(f"{name} was removed. Its builds and predictions stay in the database.")
        if tables and not dropped:
            self.stdout.write(
                f"So do its rows, in {', '.join(tables)}; ./dev rmproduct {name} --drop-data drops them."
            )


def _describe_absence(name: str, tables: list[str]) -> str:
    if tables:
        return f"{name}/ does not exist; drop its tables with ./dev rmproduct {name} --drop-data."
    return f"No product's app beside manage.py is called {name!r}."
