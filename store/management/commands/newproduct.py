"""Writes a product's app: from files, whose rows it loads, or over tables of the database."""

import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from learning.exceptions import ExemplarError
from store import scaffold
from store.ingest import files
from store.scaffold import existing, joining, unmanaged
from store.scaffold.inference import InferredTable, Wishes
from store.scaffold.inference.showing import grid

#: Columns of output that nobody looks at in a terminal.
WIDTH = 130


class Command(BaseCommand):
    help = (
        "Writes a product beside manage.py: from files, whose rows it loads, or over tables of the database."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="of the product and its app, as heart_attack")
        parser.add_argument(
            "files",
            nargs="*",
            type=Path,
            metavar="FILE",
            help="CSV, TSV, JSON lines or Parquet, each of one feature table; - is the standard input",
        )
        parser.add_argument(
            "--table",
            nargs="+",
            default=[],
            metavar="TABLE",
            help="tables or views of the database instead of files; the first has the label",
        )
        parser.add_argument("--label", metavar="COLUMN", help="what is predicted; without it: clustering")
        parser.add_argument(
            "--entity", metavar="COLUMN", help="names a row; shared by all files where they are several"
        )
        parser.add_argument(
            "--time", metavar="COLUMN", help="when it happened: no feature may come from after it"
        )
        parser.add_argument(
            "--leave-out",
            nargs="+",
            action="extend",
            default=[],
            metavar="COLUMN",
            help="is not learned from",
        )
        parser.add_argument(
            "--task",
            choices=["classification", "regression", "clustering"],
            help="what is learned; default: what fits the label",
        )
        parser.add_argument("--no-header", action="store_true", help="the columns are column_0, column_1, …")
        order = parser.add_mutually_exclusive_group()
        order.add_argument("--day-first", action="store_true", default=None, help="03/04/2024 is in April")
        order.add_argument(
            "--month-first", action="store_false", dest="day_first", help="03/04/2024 is in March"
        )
        parser.add_argument("--yes", action="store_true", help="go on without asking")

    def handle(self, *, name: str, yes: bool, **options: Any) -> None:
        if bool(options["files"]) == bool(options["table"]):
            raise CommandError("Name the files that the product is made of, or the tables with --table.")
        try:
            scaffold.check_name(name)
            (self.from_tables if options["table"] else self.from_files)(name, yes, options)
        except (ExemplarError, OSError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted: nothing was written.") from None

    def from_files(self, name: str, yes: bool, options: dict[str, Any]) -> None:
        layouts = [files.sniff(path, no_header=options["no_header"]) for path in options["files"]]
        with Console(stderr=True).status("Reading every row, to see what the columns hold …"):
            tables = joining.tables(layouts, _wishes(options))
        # Before the plan, which may refuse: here stands why a column was left out.
        self.show(tables)
        app = scaffold.plan(name, tables, options["task"])
        again = _again(name, tables, options)
        self.ask(app, yes)
        with scaffold.undone_on_failure(name):
            scaffold.write(name, scaffold.sources(app, _command(), again))
            scaffold.install(name)
            call_command(
                "ingest",
                name,
                *(str(table.layout.path) for table in tables),
                no_header=options["no_header"],
                day_first=_day_first(tables),
                stdout=self.stdout,
            )
        self.welcome(name)

    def from_tables(self, name: str, yes: bool, options: dict[str, Any]) -> None:
        found = unmanaged.plan(name, existing.find(options["table"]), _wishes(options), options["task"])
        self.show([table for _, table in found.tables.values()])
        self.ask(found.app, yes)
        with scaffold.undone_on_failure(name):
            scaffold.write(name, unmanaged.sources(found, _command()))
            scaffold.install(name)
        self.welcome(name)

    def show(self, tables: Sequence[InferredTable]) -> None:
        console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else WIDTH)
        for table in tables:
            console.print(grid(table))
            for remark in table.remarks:
                self.stdout.write(remark)

    def ask(self, app: scaffold.PlannedApp, yes: bool) -> None:
        label = app.base.table.label
        of = f" of {label.header}" if label else ""
        self.stdout.write(f"A {app.problem.task.lower()}{of} from {len(app.features)} features.")
        if yes:
            return
        if not sys.stdin.isatty():
            raise CommandError("Nothing was written, because nobody can be asked here: say --yes.")
        if input(f"Write {app.name}/ beside manage.py? [Y/n] ").strip().lower() not in (
            "",
            "y",
            "yes",
        ):
            raise CommandError("Nothing was written.")

    def welcome(self, name: str) -> None:
        self.stdout.write(f"{name}/ is yours to edit; begin with {name}/products.py.")
        if _is_up():
            self.stdout.write("Stop ./dev up with Ctrl-C and start it again: then it learns and serves it.")
        else:
            self.stdout.write("./dev up learns and serves it.")


def _wishes(options: dict[str, Any]) -> Wishes:
    return Wishes(
        label=options["label"],
        entity=options["entity"],
        time=options["time"],
        leave_out=tuple(options["leave_out"]),
        day_first=options["day_first"],
    )


def _command() -> str:
    return shlex.join(["./dev", *sys.argv[1:]])


def _again(name: str, tables: Sequence[InferredTable], options: dict[str, Any]) -> str:
    """The command that loads the same files again, with what it must be told."""
    order = {None: [], True: ["--day-first"], False: ["--month-first"]}[_day_first(tables)]
    header = ["--no-header"] if options["no_header"] else []
    return shlex.join(["./dev", "ingest", name, *map(str, options["files"]), *header, *order])


def _day_first(tables: Sequence[InferredTable]) -> bool | None:
    return next((table.day_first for table in tables if table.day_first is not None), None)


def _is_up() -> bool:
    """Whether `./dev up` holds the state folder: this process would, if it had found it free."""
    lock = Path(settings.EXEMPLAR_STATE) / "lock"
    return lock.exists() and lock.read_text().startswith("./dev up")
