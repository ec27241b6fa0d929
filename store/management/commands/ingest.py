"""Command that loads files into a product's feature tables."""

import importlib
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Protocol, TypeVar

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from learning.exceptions import ExemplarError
from store import ingest
from store.ingest import LoadSummary
from store.ingest.files import sniff_all
from store.ingest.files.opening import get_local_file
from store.ingest.new_choices import NewChoices
from store.ingest.progress import show_progress
from store.products import catalogue
from store.products.product import DataProduct
from store.products.system_checks import OF_PRODUCTS
from store.scaffold import accepting

#: The counts of a load.
Summary = TypeVar("Summary")


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
    requires_system_checks = OF_PRODUCTS

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
        parser.add_argument(
            "--accept-new-choices",
            action="store_true",
            help="write values that are no choices yet into the app's models.py, with a migration, and go on",
        )
        add_file_arguments(parser)

    def handle(
        self,
        *,
        product: str,
        files: list[Path],
        max_rejects: int,
        rejects: Path | None,
        accept_new_choices: bool,
        sheet: list[str],
        no_header: bool,
        day_first: bool | None,
        **options: object,
    ) -> None:
        try:
            if accept_new_choices:
                complete_app(catalogue.get(product))
            with show_progress(sys.stderr.isatty()) as progress:
                summary = run_interruptibly(
                    lambda: ingest.load(
                        catalogue.get(product),
                        files,
                        layouts=sniff_all(files, sheet, no_header=no_header),
                        # New choices are accepted before rows may be left out for want of them.
                        max_rejects=0 if accept_new_choices else max_rejects,
                        day_first=day_first,
                        progress=progress,
                        rejects=rejects,
                    )
                )
        except ingest.TooManyRejects as error:
            if not accept_new_choices or not (error.new_choices or max_rejects):
                raise CommandError(f"{error}{hint_at_choices(error)}") from error
            is_new = bool(error.new_choices) and self.accept(catalogue.get(product), error.new_choices)
            load_again(product, files, max_rejects, rejects, sheet, no_header, day_first, accepts=is_new)
            return
        except (ExemplarError, OSError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted: nothing was loaded.") from None
        self.print_summary(summary)

    def accept(self, declared: DataProduct, choices: Sequence[NewChoices]) -> bool:
        """Write the choices and their migrations.

        Returns: False where models.py has all of them already.

        Raises: CommandError where that cannot be done by a program.
        """
        labels = sorted({new.field.model._meta.app_label for new in choices})
        try:
            for new in choices:
                accepting.get_models_path(new.field)
                accepting.check_positive(declared, new)
            with accepting.locked(labels):
                with accepting.accepted(choices) as is_new:
                    run_anew("makemigrations", *labels, "--no-input", "--verbosity=0")
                importlib.invalidate_caches()
                for label in labels:  # a migration needs the files that were just written, not the models
                    call_command("migrate", label, interactive=False, verbosity=0)
        except (ExemplarError, OSError) as error:
            raise CommandError(str(error)) from error
        for new in choices:
            self.stdout.write(f"Accepted {new} of {new.field.model.__name__}, with a migration.")
        self.stdout.write("Start ./dev up again to serve the new choices.")
        return is_new

    def print_summary(self, summary: LoadSummary) -> None:
        rejects = f" (see {summary.rejects_file})" if summary.rejects_file else ""
        self.stdout.write(
            f"{summary.inserted:,} inserted, {summary.updated:,} updated, {summary.unchanged:,} unchanged, "
            f"{summary.rejected:,} rejected{rejects}."
        )
        if summary.repeated:
            rows = "1 row equals" if summary.repeated == 1 else f"{summary.repeated:,} rows equal"
            self.stdout.write(f"{rows} another with the same key, and equal rows count once.")
        if summary.new_columns:
            self.stdout.write(
                f"Not loaded, because no feature table has such a column: {', '.join(summary.new_columns)}."
            )
        for sentence in summary.missing:
            self.stdout.write(sentence)


def complete_app(product: DataProduct) -> None:
    """Write and apply migrations that an interrupted acceptance of choices has left out."""
    label = product.join.model._meta.app_label
    if accepting.get_folder(label).is_dir():
        with accepting.locked([label]):
            accepting.complete_migrations(label)


def hint_at_choices(error: ingest.TooManyRejects) -> str:
    """Say how values that are no choices can be allowed."""
    if not error.new_choices:
        return ""
    return f" Add --accept-new-choices to allow {'; '.join(map(str, error.new_choices))}."


def load_again(
    product: str,
    files: Sequence[Path],
    max_rejects: int,
    rejects: Path | None,
    sheet: Sequence[str],
    no_header: bool,
    day_first: bool | None,
    accepts: bool,
) -> None:
    """Load the files by a process that knows the changed models, and exit as it does where it fails.

    Args:
        accepts: True where that process is to accept what is new in the files after the one that was refused.
    """
    order = {None: [], True: ["--day-first"], False: ["--month-first"]}[day_first]
    if not rejects:
        Path(f"{product}.rejects.csv").unlink(missing_ok=True)
    run_anew(
        "ingest",
        product,
        *(str(get_local_file(path)) for path in files),
        f"--max-rejects={max_rejects}",
        *([f"--rejects={rejects}"] if rejects else []),
        *(["--sheet", *sheet] if sheet else []),
        *(["--no-header"] if no_header else []),
        *(["--accept-new-choices"] if accepts else []),
        *order,
    )


def run_anew(*arguments: str) -> None:
    """Run a command of manage.py in a process of its own. Exits as it does where it fails."""
    manage = Path(settings.BASE_DIR) / "manage.py"
    process = subprocess.run([sys.executable, str(manage), *arguments])
    if process.returncode:
        sys.exit(process.returncode)


def run_interruptibly(load: Callable[[], Summary]) -> Summary:
    """Run `load` in a thread, so that Ctrl-C cancels a running statement.

    Raises: KeyboardInterrupt after the transaction was rolled back.
    """
    running: list[Cancellable] = []

    def run() -> Summary:
        try:
            connection.ensure_connection()
            running.append(connection.connection)
            return load()
        finally:
            running.clear()
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        future: Future[Summary] = pool.submit(run)
        try:
            return future.result()
        except KeyboardInterrupt:
            while not wait([future], timeout=0.1).done:
                for statement in running:
                    statement.cancel()
            if future.exception():
                raise
            return future.result()  # it was committed before the cancellation
