"""Files into feature tables: staged as text, checked and cast in SQL, upserted by key; all or nothing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg2
from django.db import Error, connection, transaction

from ..exceptions import StoreError
from ..products.product import DataProduct
from . import checking, files, label_conflicts, staging, tables, upsert
from .files import Layout
from .progress import CHECKING, READING, WRITING, Progress, Told
from .tables import LoadPlan, NoTable

__all__ = ["CannotLoad", "NoTable", "Progress", "Summary", "TooManyRejects", "load"]


class TooManyRejects(StoreError):
    """More rows than allowed do not fit; nothing was loaded."""

    code = "BAD_INPUT"


class CannotLoad(StoreError):
    """The database refused the rows; nothing was loaded."""

    code = "CONFLICT"


@dataclass(frozen=True)
class Summary:
    """What became of the files' rows."""

    inserted: int
    updated: int
    #: Those that the tables held just so.
    unchanged: int
    #: Those that did not fit and were left out.
    rejected: int
    #: Where they are listed, with line, column, value and reason; None: there are none.
    rejects_file: Path | None
    #: Columns of the files that no table has.
    new_columns: tuple[str, ...] = ()


def load(
    product: DataProduct,
    paths: Sequence[Path],
    *,
    layouts: Sequence[Layout] | None = None,
    max_rejects: int = 0,
    day_first: bool | None = None,
    progress: Told | None = None,
    rejects: Path | None = None,
) -> Summary:
    """Load the files into the product's feature tables, in one transaction.

    Each file is one feature table, found by its columns; with the columns of one-to-one tables beside it they are
    loaded too. Rows that do not fit are listed in `rejects` (by default `<product>.rejects.csv` here).

    Raises TooManyRejects where more than `max_rejects` do not fit, NoTable, CannotLoad, and what reading a file does.
    """
    layouts = layouts or [files.sniff(Path(path)) for path in paths]
    rejects = rejects or Path(f"{product.name}.rejects.csv")
    with _refusals(), transaction.atomic():
        _begin(product)
        loading = _Loading(product, max_rejects, rejects, progress or (lambda _: None))
        for plan in tables.plans(product, layouts, day_first):
            loading.load(plan)
    return loading.summary()


@contextmanager
def _refusals() -> Iterator[None]:
    """What the database refuses, as one sentence."""
    try:
        yield
    except (Error, psycopg2.Error) as error:
        cause = error.__cause__ if isinstance(error.__cause__, psycopg2.Error) else error
        lines = str(cause).strip().splitlines() or [type(cause).__name__]
        detail = next((line for line in lines if line.startswith("DETAIL:")), "").removeprefix("DETAIL:")
        raise CannotLoad(f"Nothing was loaded: {lines[0]}. {detail.strip()}".strip()) from error


def _begin(product: DataProduct) -> None:
    """One load of a product at a time; a server whose client died notices it."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL jit = off; SET LOCAL work_mem = '64MB'")
        with suppress(Error), transaction.atomic():  # not every server's system can
            cursor.execute("SET LOCAL client_connection_check_interval = '1s'")
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [f"ingest {product.name}"])


class _Loading:
    """One load: what it has done so far."""

    def __init__(self, product: DataProduct, max_rejects: int, rejects: Path, told: Told):
        self.product, self.max_rejects, self.rejects, self.told = product, max_rejects, rejects, told
        self.rows = self.rejected = self.inserted = self.updated = 0
        self.new_columns: list[str] = []

    def load(self, plan: LoadPlan) -> None:
        are_numbers = staging.stage(plan.layout, plan.names, partial(self._tell, plan, READING))
        self._tell(plan, CHECKING)
        rows = checking.check(plan)
        if not rows:
            raise files.FileError(f"{plan.path} has a header and no rows.")
        rejected = checking.rejected()
        if rejected:
            self._reject(plan, rejected, are_numbers)
        self._tell(plan, WRITING, rows=rows)
        self._write(plan)
        staging.drop()
        self.rows += rows
        self.new_columns += plan.new_columns

    def _tell(self, plan: LoadPlan, step: str, bytes: int = 0, rows: int = 0) -> None:
        is_plain = plan.layout.format == "csv" and plan.path.suffix != ".gz"
        total = plan.path.stat().st_size if is_plain else None
        self.told(Progress(plan.path, step, bytes, total, rows))

    def _reject(self, plan: LoadPlan, rejected: int, are_numbers: bool) -> None:
        if are_numbers:
            checking.find_lines(plan)
        try:
            checking.write_rejects(self.rejects, str(plan.path), append=bool(self.rejected))
        except OSError as error:
            raise CannotLoad(
                f"Nothing was loaded: {rejected} rows of {plan.path} do not fit, and {self.rejects}, "
                f"which would list them, cannot be written: {error.strerror}."
            ) from error
        self.rejected += rejected
        if self.rejected > self.max_rejects:
            line, column, value, reason = checking.first_reject()
            named = f", column {column}: {value!r}" if column else ": the row"
            count = "1 row does" if self.rejected == 1 else f"{self.rejected} rows do"
            raise TooManyRejects(
                f"{plan.path}, line {line}{named} {reason}. {count} not fit, and nothing was loaded; "
                f"all are in {self.rejects}."
            )

    def _write(self, plan: LoadPlan) -> None:
        label = label_conflicts.label_table(self.product, plan.tables)
        kept = label_conflicts.kept(self.product, label)
        upsert.upsert(plan.tables, kept)
        if label:
            upsert.note(label_conflicts.say(self.product, label))
        inserted, updated = upsert.written()
        self.inserted += inserted
        self.updated += updated

    def summary(self) -> Summary:
        unchanged = self.rows - self.rejected - self.inserted - self.updated
        file = self.rejects if self.rejected else None
        return Summary(self.inserted, self.updated, unchanged, self.rejected, file, tuple(self.new_columns))
