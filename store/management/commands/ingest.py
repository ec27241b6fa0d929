"""Command that loads files into a product's feature tables."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Protocol

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from learning.exceptions import ExemplarError
from store import ingest
from store.ingest import LoadSummary
from store.ingest.files import sniff_all
from store.ingest.progress import show_progress
from store.products import catalogue


class Cancellable(Protocol):
    """A database connection whose running statement can be cancelled from another thread."""

    def cancel(self) -> None: ...


#: The description of the argument that names files.
FILES_HELP = (
    "CSV, TSV, JSON, JSON lines, Parquet, or a workbook of Excel or OpenDocument, each of one feature table; "
    "- is the standard input"
)


def add_file_arguments(parser: ArgumentParser) -> None:
    """Add the arguments that say how files are read."""
    parser.add_argument(
        "--sheet",
        nargs="+",
        action="extend",
        default=[],
        metavar="SHEET",
        help="sheets of workbooks, each of one feature table; default: the first sheet with cells",
    )
    parser.add_argument(
        "--no-header",
        action="store_true",
        help="the first line is a row; the columns are named column_0, column_1, …",
    )
    order = parser.add_mutually_exclusive_group()
    order.add_argument("--day-first", action="store_true", default=None, help="03/04/2024 is in April")
    order.add_argument("--month-first", action="store_false", dest="day_first", help="03/04/2024 is in March")


class Command(BaseCommand):
    help = "Load files into a product's feature tables, all or nothing; the same file twice changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("product", help="the product's name")
        parser.add_argument(
            "files",
            nargs="+",
            type=Path,
            metavar="FILE",
            help=FILES_HELP,
        )
        parser.add_argument(
            "--max-rejects",
            type=int,
            default=0,
            metavar="N",
            help="load the other rows where at most N do not fit",
        )
        parser.add_argument(
            "--rejects", type=Path, metavar="FILE", help="the file that lists rows which do not fit"
        )
        add_file_arguments(parser)

    def handle(
        self,
        *,
        product: str,
        files: list[Path],
        max_rejects: int,
        rejects: Path | None,
        sheet: list[str],
        no_header: bool,
        day_first: bool | None,
        **options: object,
    ) -> None:
        try:
            with show_progress(sys.stderr.isatty()) as progress:
                summary = run_interruptibly(
                    lambda: ingest.load(
                        catalogue.get(product),
                        files,
                        layouts=sniff_all(files, sheet, no_header=no_header),
                        max_rejects=max_rejects,
                        day_first=day_first,
                        progress=progress,
                        rejects=rejects,
                    )
                )
        except (ExemplarError, OSError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted: nothing was loaded.") from None
        self.print_summary(summary)

    def print_summary(self, summary: LoadSummary) -> None:
        rejects = f" (see {summary.rejects_file})" if summary.rejects_file else ""
        self.stdout.write(
            f"{summary.inserted:,} inserted, {summary.updated:,} updated, {summary.unchanged:,} unchanged, "
            f"{summary.rejected:,} rejected{rejects}."
        )
        if summary.new_columns:
            self.stdout.write(
                f"Not loaded, because no feature table has such a column: {', '.join(summary.new_columns)}."
            )


def run_interruptibly(load: Callable[[], LoadSummary]) -> LoadSummary:
    """Run `load` in a thread, so that Ctrl-C cancels a running statement.

    Raises: KeyboardInterrupt after the transaction was rolled back.
    """
    running: list[Cancellable] = []

    def run() -> LoadSummary:
        try:
            connection.ensure_connection()
            running.append(connection.connection)
            return load()
        finally:
            running.clear()
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        future: Future[LoadSummary] = pool.submit(run)
        try:
            return future.result()
        except KeyboardInterrupt:
            while not wait([future], timeout=0.1).done:
                for statement in running:
                    statement.cancel()
            if future.exception():
                raise
            return future.result()  # it was committed before the cancellation
