"""Loading of files: stage, check, upsert and count, in one transaction."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg2
from django.db import Error, connection, transaction

from ..db import sqlstates
from ..exceptions import NotWritable, StoreError
from ..predictions import truth
from ..products.product import DataProduct
from . import checking, editing, files, label_conflicts, left_out, renames, staging, tables, upsert
from .files import Layout
from .new_choices import NewChoices, find_new_choices
from .progress import CHECKING, READING, WRITING, Progress, ProgressListener, count_bytes, ignore
from .tables import LoadPlan, NoTable


class TooManyRejects(StoreError):
    """More rows than allowed do not fit; nothing was loaded."""

    code = "BAD_INPUT"
    #: Values that do not fit because they are no choices.
    new_choices: tuple[NewChoices, ...] = ()


class CannotLoad(StoreError):
    """The database refused the rows; nothing was loaded."""

    code = "CONFLICT"


@dataclass(frozen=True)
class LoadSummary:
    """Counts of the files' rows by result."""

    inserted: int
    updated: int
    #: Rows that equal the stored ones.
    unchanged: int
    #: Rows that do not fit and were left out.
    rejected: int
    #: Rows that were left out because another row with their key equals them.
    repeated: int
    #: The file that lists the rejected rows with line, column, value and reason; None: there are none.
    rejects_file: Path | None
    #: Columns of the files that no table has.
    new_columns: tuple[str, ...] = ()
    #: What these files lack, and which columns were probably renamed, a sentence each.
    missing: tuple[str, ...] = ()


def load(
    product: DataProduct,
    paths: Sequence[Path],
    *,
    layouts: Sequence[Layout] | None = None,
    max_rejects: int = 0,
    day_first: bool | None = None,
    progress: ProgressListener | None = None,
    rejects: Path | None = None,
) -> LoadSummary:
    """Load the files into the product's feature tables, in one transaction.

    Each file belongs to one feature table, which is found by the file's columns. A file of base rows may also have
    the columns of one-to-one tables; these are loaded too.

    Args:
        layouts: formats of the files, in the order of `paths`; None: detect them.
        max_rejects: rows that may be left out because they do not fit.
        day_first: True where 03/04/2024 is in April; None: infer it from each column.
        rejects: the file for rows that do not fit; by default `<product>.rejects.csv` in the working directory.

    Raises: TooManyRejects, NoTable, CannotLoad, FileError; NotWritable.
    """
    editing.check_declared(product)
    layouts = layouts or [files.sniff(Path(path)) for path in paths]
    rejects = rejects or Path(f"{product.name}.rejects.csv")
    with translate_database_errors(), transaction.atomic():
        prepare_transaction(product)
        if product.learns_from_labels:
            truth.hold_policy(product)  # before any row is locked
        loader = Loader(product, max_rejects, rejects, progress or ignore)
        for plan in tables.plan_loads(product, layouts, day_first):
            loader.load(plan)
    return loader.summarize()


@contextmanager
def translate_database_errors() -> Iterator[None]:
    """Raise CannotLoad with one sentence for an error of the database; NotWritable where no row can be written."""
    try:
        yield
    except (Error, psycopg2.Error) as error:
        if sqlstates.is_unwritable(error):
            raise NotWritable(f"Nothing was loaded. {sqlstates.explain(error)}") from error
        cause = error.__cause__ if isinstance(error.__cause__, psycopg2.Error) else error
        lines = str(cause).strip().splitlines() or [type(cause).__name__]
        detail = next((line for line in lines if line.startswith("DETAIL:")), "").removeprefix("DETAIL:")
        raise CannotLoad(f"Nothing was loaded: {lines[0]}. {detail.strip()}".strip()) from error


def prepare_transaction(product: DataProduct) -> None:
    """Lock the product against other loads, and make the server notice that its client has died."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL jit = off; SET LOCAL work_mem = '64MB'")
        with suppress(Error), transaction.atomic():  # some operating systems of servers do not support it
            cursor.execute("SET LOCAL client_connection_check_interval = '1s'")
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [f"ingest {product.name}"])


class Loader:
    """Loads one file after another and adds up their counts."""

    def __init__(
        self, product: DataProduct, max_rejects: int, rejects: Path, report_progress: ProgressListener
    ):
        self.product, self.max_rejects, self.rejects = product, max_rejects, rejects
        self.report_progress = report_progress
        self.rows = self.rejected = self.repeated = self.inserted = self.updated = 0
        self.rows_read = 0
        self.new_columns: list[str] = []
        self.missing: list[str] = []

    def load(self, plan: LoadPlan) -> None:
        self._check_renames(plan)
        are_numbers = staging.stage(plan.layout, plan.names, partial(self._report, plan, READING))
        self._report(plan, CHECKING, rows=self.rows_read)
        rows = checking.check(plan)
        if not rows:
            raise files.FileError(f"{plan.path} has a header and no rows.")
        self.check_rows(plan)
        self._reject(plan, are_numbers)
        self._report(plan, WRITING, rows=rows)
        self.write(plan, are_numbers)
        staging.drop()
        self.rows += rows
        self.repeated += checking.count_repeated()
        self.new_columns += plan.new_columns
        self.missing += renames.describe_missing(plan)

    def check_rows(self, plan: LoadPlan) -> None:
        """Reject typed rows for what no other row and no column tells."""
        left_out.reject_hidden(self.product, plan)

    def _check_renames(self, plan: LoadPlan) -> None:
        """Raise NoTable where a renamed column would make each row a new one: its values are its key."""
        if plan.derives_keys and (rename := next(renames.guess_renames(plan), None)):
            raise NoTable(
                f"{plan.layout.path}: the rows have no key of their own, so that without "
                f"{renames.get_title(rename.field)!r} each would be a new one. {rename}"
            )

    def _report(self, plan: LoadPlan, step: str, bytes: int = 0, rows: int = 0) -> None:
        self.rows_read = rows
        self.report_progress(Progress(plan.layout.title, step, bytes, count_bytes(plan.layout), rows))

    def _reject(self, plan: LoadPlan, are_numbers: bool) -> None:
        """Write rows that do not fit, if there are any, to the rejects file. Raises TooManyRejects beyond the limit."""
        rejected = checking.count_rejected()
        if not rejected:
            return
        if are_numbers:
            checking.correct_lines(plan)
        try:
            checking.write_rejects(self.rejects, str(plan.path), append=bool(self.rejected))
        except OSError as error:
            raise CannotLoad(
                f"Nothing was loaded: {rejected} rows of {plan.path} do not fit, and {self.rejects}, "
                f"which would list them, cannot be written: {error.strerror}."
            ) from error
        self.rejected += rejected
        if self.rejected > self.max_rejects:
            refusal = TooManyRejects(self._describe_rejects(plan.path))
            refusal.new_choices = tuple(find_new_choices(plan))
            raise refusal

    def _describe_rejects(self, path: Path) -> str:
        line, column, value, reason = checking.get_first_reject()
        subject = f", column {column}: {value!r}" if column else ": the row"
        count = "1 row does" if self.rejected == 1 else f"{self.rejected} rows do"
        return (
            f"{path}, line {line}{subject} {reason}. {count} not fit, and nothing was loaded; "
            f"all are in {self.rejects}."
        )

    def write(self, plan: LoadPlan, are_numbers: bool) -> None:
        """Write the rows; where some would be none of the product's, only the others."""
        with transaction.atomic():
            inserted, updated = self._upsert(plan)
            lines = left_out.find_written(self.product, plan)
            transaction.set_rollback(bool(lines))
        if lines:
            left_out.reject_written(self.product, lines)
            self._reject(plan, are_numbers)
            inserted, updated = self._upsert(plan)
        self.inserted += inserted
        self.updated += updated

    def _upsert(self, plan: LoadPlan) -> tuple[int, int]:
        """Write the rows that are not rejected; returns how many were inserted, and how many others changed."""
        label = label_conflicts.find_label_table(self.product, plan.tables)
        retained = label_conflicts.get_retained_labels(self.product, label)
        upsert.upsert(plan.tables, retained)
        if label:
            upsert.add_written(label_conflicts.record_table_labels(self.product, label))
        return upsert.count_written()

    def summarize(self) -> LoadSummary:
        left_out = self.rejected + self.repeated
        return LoadSummary(
            inserted=self.inserted,
            updated=self.updated,
            unchanged=self.rows - left_out - self.inserted - self.updated,
            rejected=self.rejected,
            repeated=self.repeated,
            rejects_file=self.rejects if self.rejected else None,
            new_columns=tuple(self.new_columns),
            missing=tuple(self.missing),
        )
