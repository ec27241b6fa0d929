"""Removes a product's app; its rows only where that is asked for."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from learning.exceptions import ExemplarError
from store.scaffold import app


class Command(BaseCommand):
    help = (
        "Removes the folder of a product's app beside manage.py; its tables stay unless --drop-data is said."
    )
    # What does not pass them must be removable too.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the product's name")
        parser.add_argument(
            "--drop-data", action="store_true", help="drop its feature tables with all rows, too"
        )
        parser.add_argument("--yes", action="store_true", help="go on without asking")

    def handle(self, *, name: str, drop_data: bool, yes: bool, **options: Any) -> None:
        try:
            files, tables = app.files(name), app.tables(name)
            if not files and not (tables and drop_data):
                raise CommandError(_nothing(name, tables))
            self.ask(name, len(files), tables if drop_data else [], yes)
            if drop_data:
                app.drop(name)
            app.remove(name)
        except (ExemplarError, OSError) as error:
            raise CommandError(str(error)) from error
        self.tell(name, tables, drop_data)

    def ask(self, name: str, files: int, tables: list[str], yes: bool) -> None:
        what = [f"{name}/ with {files} files"] * bool(files) + [f"{table} with all rows" for table in tables]
        self.stdout.write(f"This deletes {' and '.join(what)}.")
        if yes:
            return
        if not sys.stdin.isatty():
            raise CommandError("Nothing was deleted, because nobody can be asked here: say --yes.")
        if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was deleted.")

    def tell(self, name: str, tables: list[str], dropped: bool) -> None:
        self.stdout.write(f"{name} is gone. What it predicted and learned stays in the database.")
        if tables and not dropped:
            self.stdout.write(
                f"So do its rows, in {', '.join(tables)}; ./dev rmproduct {name} --drop-data drops them."
            )


def _nothing(name: str, tables: list[str]) -> str:
    if tables:
        return f"{name}/ is gone already; its tables are dropped with ./dev rmproduct {name} --drop-data."
    return f"No product's app beside manage.py is called {name!r}."
