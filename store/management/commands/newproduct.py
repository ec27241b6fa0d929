"""Command that writes a product's app, from files or over existing tables."""

import json
import shlex
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from learning.exceptions import ExemplarError
from learning.kinds import Kind, registered
from store import scaffold
from store.ingest import files
from store.ingest.progress import show_progress
from store.management.confirmation import YES, confirm
from store.products.system_checks import OF_PRODUCTS
from store.scaffold import inspection, joining, linking, unmanaged
from store.scaffold.inference import ColumnOptions, InferredTable
from store.scaffold.inference.overview import render_overview

from .ingest import FILES_HELP, add_file_arguments

#: Characters of a line of output that is no terminal's.
WIDTH = 130


class Options(TypedDict):
    """Options of the command besides the name and --yes."""

    files: list[Path]
    table: list[str]
    label: str | None
    entity: list[str]
    time: str | None
    leave_out: list[str]
    use: list[str]
    kind: list[tuple[str, Kind]]
    title: str
    plan: bool
    task: str | None
    sheet: list[str]
    no_header: bool
    day_first: bool | None


class Command(BaseCommand):
    help = "Write a product's app beside manage.py, from files, which are loaded, or over tables of the database."
    requires_system_checks = OF_PRODUCTS

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the name of the product and its app, as heart_attack")
        parser.add_argument(
            "files",
            nargs="*",
            type=Path,
            metavar="FILE",
            help=FILES_HELP,
        )
        parser.add_argument(
            "--table",
            nargs="+",
            default=[],
            metavar="TABLE",
            help="tables or views of the database instead of files; the first has the label",
        )
        self.add_column_arguments(parser)
        parser.add_argument(
            "--task",
            choices=["classification", "regression", "clustering"],
            help="the task of the product; default: the one that fits the label",
        )
        add_file_arguments(parser)
        parser.add_argument("--title", default="", help="the product's title; default: its name as words")
        parser.add_argument(
            "--plan", action="store_true", help="write nothing, and print as JSON what would be written"
        )
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")

    def add_column_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--label", metavar="COLUMN", help="the column to predict; default: clustering")
        parser.add_argument(
            "--entity",
            action="append",
            default=[],
            metavar="COLUMN",
            help="the column that identifies a row; shared by all files. With --table also TABLE.COLUMN, once for each "
            "other table: its column with that key",
        )
        parser.add_argument(
            "--time",
            metavar="COLUMN",
            help="the time of the event: no feature may come from after it, and scores are of later rows",
        )
        parser.add_argument(
            "--leave-out",
            nargs="+",
            action="extend",
            default=[],
            metavar="COLUMN",
            help="columns that are no features",
        )
        parser.add_argument(
            "--use",
            nargs="+",
            action="extend",
            default=[],
            metavar="COLUMN",
            help="columns that are features although they look like identifiers, or like copies of the label",
        )
        parser.add_argument(
            "--kind",
            action="append",
            type=_read_kind,
            default=[],
            metavar="COLUMN=KIND",
            help="the kind of a column's values, where the inferred one is not meant, as code=text; once for each",
        )

    def handle(self, *, name: str, yes: bool, **options: Unpack[Options]) -> None:
        if bool(options["files"]) == bool(options["table"]):
            raise CommandError("Name the files with the product's rows, or its tables with --table.")
        try:
            if options["plan"]:
                self.print_plan(name, options)
                return
            scaffold.check_name(name)
            (self.from_tables if options["table"] else self.from_files)(name, yes, options)
        except (ExemplarError, OSError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted: nothing was written.") from None

    def print_plan(self, name: str, options: Options) -> None:
        """Print the plan of an app over files. Raises CommandError for tables of the database."""
        if options["table"]:
            raise CommandError(
                "--plan is for files: the overview of --table is printed before its confirmation."
            )
        layouts = files.sniff_all(options["files"], options["sheet"], no_header=options["no_header"])
        tables = joining.infer_tables(layouts, _column_options(options, _get_entity(options)))
        self.stdout.write(json.dumps(scaffold.describe(name, tables, options["task"])))

    def from_files(self, name: str, yes: bool, options: Options) -> None:
        layouts = files.sniff_all(options["files"], options["sheet"], no_header=options["no_header"])
        tables = infer_tables(layouts, options)
        if not yes and sys.stdin.isatty() and (unclear := _find_unclear_date(tables)):
            options["day_first"] = ask_day_order(unclear)
            tables = infer_tables(layouts, options)
        # Print it before the plan: a refusal is understood from the reasons why columns are left out.
        self.print_overview(tables)
        app = replace(scaffold.plan_app(name, tables, options["task"]), title=options["title"].strip())
        load_command = _render_load_command(name, tables, options)
        self.confirm(app, yes)
        with scaffold.undo_on_failure(name):
            scaffold.write_files(name, scaffold.render_files(app, _own_command(), load_command))
            scaffold.install(name)
            call_command(
                "ingest",
                name,
                *dict.fromkeys(str(layout.path) for layout in layouts),
                sheet=options["sheet"],
                no_header=options["no_header"],
                day_first=_find_day_order(tables),
                stdout=self.stdout,
            )
            self.print_snapshot(name)
        self.print_next_steps(name)

    def from_tables(self, name: str, yes: bool, options: Options) -> None:
        tables = inspection.find_tables(options["table"])
        key, keys = linking.split_keys(tables, options["entity"])
        app = unmanaged.plan_app(name, tables, _column_options(options, key), options["task"], keys)
        self.print_overview([table for _, table in app.tables.values()])
        self.confirm(app.plan, yes)
        with scaffold.undo_on_failure(name):
            scaffold.write_files(name, unmanaged.render_files(app, _own_command()))
            scaffold.install(name)
            self.print_snapshot(name)
        self.print_next_steps(name)

    def print_overview(self, tables: Sequence[InferredTable]) -> None:
        console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else WIDTH)
        for table in tables:
            console.print(render_overview(table))
            for remark in table.remarks:
                self.stdout.write(remark)

    def confirm(self, app: scaffold.PlannedApp, yes: bool) -> None:
        """Describe the app and ask for confirmation. Raises CommandError without it."""
        label = app.base.table.label
        positive = f" (positive: {app.positive})" if app.positive else ""
        subject = f" of {label.header}{positive}" if label else ""
        self.stdout.write(f"A {app.problem.task.lower()}{subject} from {len(app.features)} features.")
        if not yes:
            confirm("written", f"Write {app.name}/ beside manage.py? [Y/n] ", accepted=("", *YES))

    def print_snapshot(self, name: str) -> None:
        """Preview the product's snapshot and print its counts. Raises InvalidApp."""
        joined = scaffold.check_snapshot(name)
        unlabelled = f", {joined.unlabelled:,} without a label" if joined.unlabelled else ""
        self.stdout.write(f"Its snapshot would have {joined.rows_out:,} rows{unlabelled}.")

    def print_next_steps(self, name: str) -> None:
        self.stdout.write(f"{name}/ is yours to edit; begin with {name}/products.py.")
        if _is_up():
            self.stdout.write("Stop ./dev up with Ctrl-C and start it again to build and serve the product.")
        else:
            self.stdout.write("./dev up builds and serves the product.")


def _read_kind(text: str) -> tuple[str, Kind]:
    """Read a column and the kind of its values. Raises ArgumentTypeError."""
    column, _, code = text.rpartition("=")
    kind = next((kind for kind in registered() if kind.lower() == code.strip().lower()), None)
    if not column or kind is None:
        names = ", ".join(kind.lower() for kind in registered())
        raise ArgumentTypeError(f"{text!r} is not COLUMN=KIND, where KIND is one of {names}")
    return column, kind


def infer_tables(layouts: Sequence[files.Layout], options: Options) -> list[InferredTable]:
    """Infer the tables of the files, and show meanwhile how far they are read."""
    with show_progress(sys.stderr.isatty()) as progress:
        return joining.infer_tables(layouts, _column_options(options, _get_entity(options)), progress)


def _get_entity(options: Options) -> str | None:
    """Get the column that all files share. Raises CommandError where several are named."""
    if len(options["entity"]) > 1:
        raise CommandError("--entity names the one column that all files share: name it once.")
    return next(iter(options["entity"]), None)


def ask_day_order(date: str) -> bool:
    """Ask whether the day or the month comes first in dates such as this one."""
    answer = ""
    while answer[:1] not in ("d", "m"):
        answer = input(f"Dates as {date}: is the day first, or the month? [d/m] ").strip().lower()
    return answer[:1] == "d"


def _find_unclear_date(tables: Sequence[InferredTable]) -> str:
    return next((table.unclear_date for table in tables if table.unclear_date), "")


def _column_options(options: Options, entity: str | None) -> ColumnOptions:
    return ColumnOptions(
        label=options["label"],
        entity=entity,
        time=options["time"],
        leave_out=tuple(options["leave_out"]),
        use=tuple(options["use"]),
        kinds=dict(options["kind"]),
        day_first=options["day_first"],
    )


def _own_command() -> str:
    return shlex.join(["./dev", *sys.argv[1:]])


def _render_load_command(name: str, tables: Sequence[InferredTable], options: Options) -> str:
    """Render the command that loads the same files again, with the same options."""
    order = {None: [], True: ["--day-first"], False: ["--month-first"]}[_find_day_order(tables)]
    header = ["--no-header"] if options["no_header"] else []
    sheets = ["--sheet", *options["sheet"]] if options["sheet"] else []
    return shlex.join(["./dev", "ingest", name, *map(str, options["files"]), *sheets, *header, *order])


def _find_day_order(tables: Sequence[InferredTable]) -> bool | None:
    return next((table.day_first for table in tables if table.day_first is not None), None)


def _is_up() -> bool:
    """Return True where `./dev up` has locked the state folder."""
    lock = Path(settings.EXEMPLAR_STATE) / "lock"
    return lock.exists() and lock.read_text().startswith("./dev up")
