"""Loads files into a product's feature tables."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from learning.exceptions import ExemplarError
from store import ingest
from store.ingest import LoadSummary, files
from store.ingest.progress import show_progress
from store.products import catalogue


class Command(BaseCommand):
    help = "Loads files into a product's feature tables: all or nothing, and the same file twice changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("product", help="the product's name")
        parser.add_argument(
            "files",
            nargs="+",
            type=Path,
            metavar="FILE",
            help="CSV, TSV, JSON lines or Parquet, each of one feature table; - is the standard input",
        )
        parser.add_argument(
            "--max-rejects",
            type=int,
            default=0,
            metavar="N",
            help="load the others where at most so many rows do not fit",
        )
        parser.add_argument(
            "--rejects", type=Path, metavar="FILE", help="where rows that do not fit are listed"
        )
        parser.add_argument("--no-header", action="store_true", help="the columns are column_0, column_1, …")
        order = parser.add_mutually_exclusive_group()
        order.add_argument("--day-first", action="store_true", default=None, help="03/04/2024 is in April")
        order.add_argument(
            "--month-first", action="store_false", dest="day_first", help="03/04/2024 is in March"
        )

    def handle(self, *, product: str, **options: Any) -> None:
        try:
            with show_progress(sys.stderr.isatty()) as progress:
                done = interruptibly(
                    lambda: ingest.load(
                        catalogue.get(product),
                        options["files"],
                        layouts=[
                            files.sniff(path, no_header=options["no_header"]) for path in options["files"]
                        ],
                        max_rejects=options["max_rejects"],
                        day_first=options["day_first"],
                        progress=progress,
                        rejects=options["rejects"],
                    )
                )
        except (ExemplarError, OSError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted: nothing was loaded.") from None
        self.tell(done)

    def tell(self, done: LoadSummary) -> None:
        self.stdout.write(
            f"{done.inserted:,} inserted, {done.updated:,} updated, {done.unchanged:,} unchanged, "
            f"{done.rejected:,} rejected" + (f" (see {done.rejects_file})." if done.rejects_file else ".")
        )
        if done.new_columns:
            self.stdout.write(
                f"Not loaded, because no feature table has such a column: {', '.join(done.new_columns)}."
            )


def interruptibly(load: Callable[[], LoadSummary]) -> LoadSummary:
    """Run `load` on a thread of its own: the database's client would not notice a Ctrl-C before a statement ends.

    Raises KeyboardInterrupt when what it began was rolled back.
    """
    running: list[Any] = []

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
                for cursor in running:
                    cursor.cancel()
            if future.exception():
                raise
            return future.result()  # it was committed just then
