"""Imports: jobs that load a file which a client has sent, all or nothing.

Its rows are those of a product's feature tables, or what an author says of the labels of many subjects.
"""

import csv
import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import IO, Any

from django.contrib.postgres.fields import ArrayField
from django.db import IntegrityError, connection, models, transaction
from django.db.models import Q
from django.db.models.functions import Now

from learning.exceptions import ExemplarError

from ..access import acting, audit, groups
from ..access.audit import Act
from ..access.permissions import Permission
from ..db.base import BaseModel
from ..db.fields import JSONField
from ..db.unreachable import UNREACHABLE
from ..db.writes import Writes
from ..exceptions import BadInput, Forbidden, shortened, storable
from ..jobs import leases, queue
from ..jobs.jobs import RUNNING, STATUSES, SUCCEEDED, UNFINISHED, JobManager, PlainJob
from ..jobs.temporary_folders import build_folder
from ..products import catalogue
from ..products.product import DataProduct
from . import editing, feedback_files, loading
from .files.opening import GZIP
from .loading import LoadSummary
from .progress import CHECKING, READING, Progress

#: Bytes of a part of a file.
PART_BYTES = 1 << 20
#: Bytes of a list of rejected rows that are stored, at most.
MOST_REJECTS = 8 << 20
#: Days for which the list of rejected rows is stored.
REJECTS_DAYS = 7
#: Seconds between two reports of progress.
REPORT_SECONDS = 1.0
#: The progress at which each step begins, in percent; writing is the last one.
CHECKED_FROM, WRITTEN_FROM = 60.0, 70.0


class ImportManager(JobManager["Import"]):
    """Imports, of which one of a product's with the same file is unfinished at most."""

    def check_allowed(self, product: DataProduct, of_feedback: bool = False) -> None:
        """Check that this thread's actor may import rows, or feedback.

        Raises Forbidden, Unauthenticated; NotWritable for rows; BadInput for feedback on a product without labels.
        """
        acting.require(Import.PERMISSION, product.name)
        if not product.join.sees_all(acting.current()):
            done, instead = ("be about", "give feedback") if of_feedback else ("change", "change rows")
            raise Forbidden(
                f"A file may {done} rows of {product} that you may not see: {instead} one by one."
            )
        if of_feedback:
            feedback_files.check_labels(product)
        else:
            editing.check_declared(product)

    def request(
        self, product: DataProduct, by: str, file: IO[bytes], **options: Any
    ) -> tuple["Import", bool]:
        """Store a file and begin to import it, or get the unfinished import of the same file.

        Args:
            options: `name`, `max_rejects`, `day_first`, `dry_run` and `author`, as the columns have them.

        Returns: the import, and whether this call has begun it.
        Raises: BadInput for an empty or a compressed file; what `check_allowed` raises.
        """
        author = options.get("author", "")
        self.check_allowed(product, bool(author))
        if author:
            options["author_groups"] = groups.names_of(author)
        digest, size = _measure(file)
        try:
            with transaction.atomic():
                job = self.create(product=product.name, requested_by=by, size=size, digest=digest, **options)
                ImportPart.objects.store(job, file)
                if not job.dry_run:
                    details = {"name": job.name, "size": size} | ({"author": author} if author else {})
                    audit.record(Act.IMPORT, product=product.name, ids=[job], details=details)
                job.tell()
                job.enqueue_after_commit()
                return job, True
        except IntegrityError:
            # Only the unique constraint knows about files that others have just sent.
            same = self.filter(
                product=product.name,
                digest=digest,
                dry_run=options.get("dry_run", False),
                author=author,
                status__in=UNFINISHED,
            ).first()
            return (same, False) if same else self.request(product, by, file, **options)


def _measure(file: IO[bytes]) -> tuple[str, int]:
    """Compute the digest and the size of a file. Raises BadInput."""
    file.seek(0)
    start, digest = file.read(len(GZIP)), hashlib.sha256()
    if not start:
        raise BadInput("The file is empty.", argument=("file",))
    if start == GZIP:
        raise BadInput("The file is compressed by gzip: send what is in it.", argument=("file",))
    file.seek(0)
    while content := file.read(PART_BYTES):
        digest.update(content)
    return digest.hexdigest(), file.tell()


class Import(PlainJob):
    """The passage of one file into the feature tables, or into the feedback."""

    KIND = "import"
    CANCEL = Act.CANCEL_IMPORT
    PERMISSION = Permission.FEEDBACK

    #: The file's name, as its client has it.
    name = models.CharField(max_length=100)
    #: In bytes.
    size = models.BigIntegerField()
    #: SHA-256 of the file.
    digest = models.CharField(max_length=64)
    #: Rows that may be left out because they do not fit.
    max_rejects = models.PositiveIntegerField(default=0)
    #: True where 03/04/2024 is in April; null: found out from each column.
    day_first = models.BooleanField(null=True)
    #: True: load nothing, and only count what would be loaded.
    dry_run = models.BooleanField(default=False, db_default=False)
    #: In whose name its rows are feedback; empty: they are rows of the feature tables.
    author = models.CharField(max_length=200, default="", db_default="", blank=True)
    #: The groups that the author was in when the file was sent; null for rows.
    author_groups = ArrayField(models.CharField(max_length=150), null=True)
    #: What it does at the moment, or has done.
    message = models.TextField(blank=True)
    inserted = models.BigIntegerField(default=0)
    updated = models.BigIntegerField(default=0)
    unchanged = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    #: Rows that were left out because another row with their key equals them.
    repeated = models.BigIntegerField(default=0)
    #: Columns of the file that no table has.
    new_columns = JSONField(default=list)
    #: What the file lacks, and which columns were probably renamed, a sentence each.
    remarks = JSONField(default=list)

    objects = ImportManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["product", "digest", "dry_run", "author"],
                condition=Q(status__in=UNFINISHED),
                name="one_unfinished_import_per_file",
            ),
            models.CheckConstraint(condition=Q(status__in=STATUSES), name="import_status_is_known"),
        ]

    def __str__(self) -> str:
        return f"Import {self.pk} of {self.name} into {self.product}"

    def end(self, status: str) -> None:
        """Set the end, and delete the file; the caller has locked the row."""
        ImportPart.objects.filter(job=self, is_reject_list=False).delete()
        super().end(status)

    def report(self, progress: Progress) -> None:
        """Store how far it has come, on this thread's connection."""
        percent = WRITTEN_FROM
        if progress.step == READING:
            percent = CHECKED_FROM * progress.bytes / progress.total if progress.total else 0.0
        elif progress.step == CHECKING:
            percent = CHECKED_FROM
        rows = f", {progress.rows:,} rows" if progress.rows else ""
        with transaction.atomic():
            mine = Import.objects.filter(pk=self.pk, attempt=self.attempt, status=RUNNING)
            mine.update(percent=min(percent, WRITTEN_FROM), message=f"{progress.step}{rows}")
            self.tell()

    def succeed(self, summary: LoadSummary) -> None:
        """Store what was loaded, in the transaction that loaded it. Raises Superseded."""
        self.hold()
        counts = ("inserted", "updated", "unchanged", "rejected", "repeated")
        Import.objects.filter(pk=self.pk).update(
            percent=100.0,
            message="",
            new_columns=[storable(shortened(name)) for name in summary.new_columns],
            remarks=[storable(remark) for remark in summary.missing],
            **{name: getattr(summary, name) for name in counts},
        )
        self.end(SUCCEEDED)

    def store_rejects(self, file: Path) -> None:
        """Store the list of rejected rows, if there is one. Raises Superseded."""
        if not file.exists():
            return
        # It names the imported file with the folder, which is nobody's business.
        content = file.read_bytes()[:MOST_REJECTS].replace(f"{file.parent}/".encode(), b"")
        with transaction.atomic():
            self.hold()
            ImportPart.objects.filter(job=self, is_reject_list=True).delete()
            ImportPart.objects.store(self, io.BytesIO(content), is_reject_list=True)
            Import.objects.filter(pk=self.pk).update(rejected=_count_lines(file))


def _count_lines(file: Path) -> int:
    """Count the lines of the imported file that a list of rejected rows names; they are in order."""
    count, last = 0, ""
    with file.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            count, last = count + (row["line"] != last), row["line"]
    return count


class ImportPartManager(models.Manager["ImportPart"]):
    """Parts of files, by which a file reaches a worker on another host."""

    def store(self, job: Import, file: IO[bytes], is_reject_list: bool = False) -> None:
        """Store a file, a part at a time."""
        file.seek(0)
        for number, content in enumerate(iter(partial(file.read, PART_BYTES), b"")):
            self.create(job=job, is_reject_list=is_reject_list, number=number, content=content)

    def read(self, job: Import, is_reject_list: bool = False) -> Iterator[bytes]:
        """Read a file, a part at a time."""
        parts = self.filter(job=job, is_reject_list=is_reject_list)
        for number in parts.order_by("number").values_list("number", flat=True):
            yield bytes(parts.get(number=number).content)

    def delete_old(self) -> int:
        """Delete the files of imports that have ended, and lists of rejected rows that are old."""
        ended = self.exclude(job__status__in=UNFINISHED)
        is_old = Q(is_reject_list=False) | Q(job__ended_at__lt=Now() - timedelta(days=REJECTS_DAYS))
        deleted, _ = ended.filter(is_old).delete()
        return deleted


class ImportPart(BaseModel):
    """A part of an import's file, or of the list of its rejected rows."""

    web_writes = worker_writes = Writes(insert=True, delete=True)

    job = models.ForeignKey(Import, models.CASCADE, related_name="parts")
    is_reject_list = models.BooleanField(default=False)
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    objects = ImportPartManager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["job", "is_reject_list", "number"], name="one_part_of_an_import_per_number"
            )
        ]


def run_job(pk: int) -> None:
    """Run the job that RQ calls. A job may come twice; the process that claims the import first runs it."""
    if job := Import.objects.claim(pk, queue.current_job_id()):
        run(job)


def run(job: Import) -> None:
    """Run a claimed import to its end."""
    leases.run_with_lease(job, lambda finished: _load(job, finished))


def _load(job: Import, finished: threading.Event) -> None:
    product = catalogue.get(job.product)
    with build_folder() as folder:
        path, rejects = folder / job.name, folder / "rejects.csv"
        with path.open("wb") as file:
            file.writelines(ImportPart.objects.read(job))
        try:
            _load_file(job, product, path, rejects, finished)
        except ExemplarError as error:
            job.store_rejects(rejects)
            error.args = (str(error).replace(f"{folder}/", ""),)
            raise


def _load_file(
    job: Import, product: DataProduct, path: Path, rejects: Path, finished: threading.Event
) -> None:
    """Load the file, and end the job in the same transaction; a dry run takes the loaded rows back before."""
    with _reporting(job) as listener, transaction.atomic():
        with transaction.atomic():
            summary = _load_rows(
                job,
                product,
                path,
                max_rejects=job.max_rejects,
                day_first=job.day_first,
                progress=listener,
                rejects=rejects,
            )
            if job.dry_run:
                with loading.translate_database_errors():
                    connection.check_constraints()  # which wait for the end of the transaction
                transaction.set_rollback(True)
        finished.set()
        job.store_rejects(rejects)
        job.succeed(summary)


def _load_rows(job: Import, product: DataProduct, path: Path, **options: Any) -> LoadSummary:
    """Load a file as what its rows are."""
    if not job.author:
        return loading.load(product, [path], **options)
    summary = feedback_files.load(product, [path], job.author, author_groups=job.author_groups, **options)
    refused = f"The label column of {summary.not_written:,} rows may not be written; the feedback counts all the same."
    return LoadSummary(
        inserted=summary.stored,
        updated=0,
        unchanged=summary.unchanged,
        rejected=summary.rejected,
        repeated=0,
        rejects_file=summary.rejects_file,
        new_columns=summary.new_columns,
        missing=(refused,) if summary.not_written else (),
    )


class _Reporter:
    """Stores how far an import has come, on a thread whose connection sees no transaction of the load."""

    def __init__(self, job: Import):
        self.job = job
        self.progress: Progress | None = None
        self.ended = threading.Event()

    def listen(self, progress: Progress) -> None:
        """Remember how far the load has come."""
        self.progress = progress

    def run(self) -> None:
        """Report news until the end."""
        reported = None
        while not self.ended.wait(REPORT_SECONDS):
            if (progress := self.progress) is reported or progress is None:
                continue
            try:
                self.job.report(progress)
                reported = progress
            except UNREACHABLE:  # the next report says more
                pass
            finally:
                connection.close()


@contextmanager
def _reporting(job: Import) -> Iterator[Any]:
    """Report the progress of a load. Yields its listener."""
    reporter = _Reporter(job)
    thread = threading.Thread(target=reporter.run, name="import progress", daemon=True)
    thread.start()
    try:
        yield reporter.listen
    finally:
        reporter.ended.set()
        thread.join()
