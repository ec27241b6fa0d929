"""Jobs: what workers do for somebody, as rows: claimed by one attempt after another, and ended exactly once."""

from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar, TypeVar

from django.db import IntegrityError, models, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce, Now

from learning.exceptions import ExemplarError

from ..db import base
from ..exceptions import StoreError, WorkerLost
from . import queue

READY, RUNNING, SUCCEEDED, FAILED, CANCELLED = STATUSES = (
    "READY",
    "RUNNING",
    "SUCCEEDED",
    "FAILED",
    "CANCELLED",
)
UNFINISHED = (READY, RUNNING)

#: Seconds after which a lease that was not renewed is over.
LEASE_SECONDS = 10
#: Seconds between two looks at what has no job, or no longer anybody who runs it.
MAINTENANCE_INTERVAL = 5.0
#: Runs of one job; the last one that is lost fails it.
MAX_ATTEMPTS = 3

J = TypeVar("J", bound="Job")


class Superseded(StoreError):
    """This attempt no longer runs the job: it was cancelled, or somebody else took it up."""


class JobManager(models.Manager[J]):
    def unfinished(self, product: str) -> J | None:
        """The one that waits or runs."""
        return self.filter(product=product, status__in=UNFINISHED).first()

    def once(self, product: str, begin: Callable[[], J]) -> tuple[J, bool]:
        """The product's unfinished job, and whether it was begun here: `begin` makes it where there is none."""
        try:
            with transaction.atomic():
                return begin(), True
        except IntegrityError:
            # Only the database can say that nobody else began one meanwhile.
            running = self.unfinished(product)
            return (running, False) if running else self.once(product, begin)

    def claim(self, pk: int, job: str = "") -> J | None:
        """Take up one that is READY as its next attempt; None where somebody else has it, or it has ended."""
        claimed = self.filter(pk=pk, status=READY).update(
            status=RUNNING,
            attempt=F("attempt") + 1,
            job=job,
            lease=Now(),
            started_at=Coalesce("started_at", Now()),
        )
        return self.get(pk=pk) if claimed else None

    @transaction.atomic
    def abandon(self, pk: int, attempt: int) -> None:
        """The attempt has died: let another take the job up, or fail it where too many have died."""
        lost = self.select_for_update().filter(pk=pk, attempt=attempt, status=RUNNING).first()
        if lost is None:
            return
        if lost.attempt >= MAX_ATTEMPTS:
            times = f"Its worker was lost {lost.attempt} times"
            lost.fail(WorkerLost(f"{times}; see the worker's log, then try again."))
            return
        lost.status, lost.job = READY, ""
        lost.save(update_fields=["status", "job"])
        lost.enqueue_after_commit()

    def reconcile(self) -> None:
        """Take up what nobody runs any more, and queue what has no job. Anybody may call this at any time."""
        over = Now() - timedelta(seconds=LEASE_SECONDS)
        for pk, attempt in self.filter(status=RUNNING, lease__lt=over).values_list("pk", "attempt"):
            self.abandon(pk, attempt)
        settled = Now() - timedelta(seconds=MAINTENANCE_INTERVAL)
        ready = self.filter(status=READY, requested_at__lt=settled).values_list("pk", flat=True)
        if ready and (waiting := queue.find_queued(self.model.KIND)) is not None:
            for pk in set(ready) - waiting:
                queue.enqueue(self.model.KIND, pk)


class Job(base.BaseModel):
    """Something that a worker does; every write of an attempt is conditional on that being the newest one."""

    #: What the queue calls such a job.
    KIND: ClassVar[str]

    product = models.CharField(max_length=40)
    status = models.CharField(max_length=9, default=READY)
    requested_by = models.CharField(max_length=200)
    requested_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    percent = models.FloatField(default=0.0)
    #: How often it was taken up.
    attempt = models.PositiveIntegerField(default=0)
    #: When whoever runs it last said so, by the database's clock.
    lease = models.DateTimeField(null=True)
    #: RQ's job that runs it; empty while it waits, or is run from the command line.
    job = models.CharField(max_length=100, blank=True)
    problem_code = models.CharField(max_length=40, blank=True)
    problem_message = models.TextField(blank=True)
    #: For those who may see it: never shown over the API.
    traceback = models.TextField(blank=True)

    class Meta:
        abstract = True

    @property
    def ended(self) -> bool:
        return self.status not in UNFINISHED

    def renew(self) -> bool:
        """Keep the lease; False where this attempt no longer runs the job."""
        return bool(self._mine().update(lease=Now()))

    def hold(self) -> None:
        """Lock the row for the rest of the transaction. Raises Superseded where another attempt has the job."""
        if not self._mine().select_for_update().exists():
            raise Superseded(f"{self} is no longer run by attempt {self.attempt}.")

    def enqueue_after_commit(self) -> None:
        kind, pk = self.KIND, self.pk
        transaction.on_commit(lambda: queue.enqueue(kind, pk))

    def fail(self, error: ExemplarError, traceback: str = "") -> None:
        """End as FAILED with the error's code and sentence; the caller holds the row."""
        self._row().update(problem_code=error.code, problem_message=str(error), traceback=traceback)
        self.failed(error)

    def failed(self, error: ExemplarError) -> None:
        """End as FAILED, and tell; the row has the reason already."""
        raise NotImplementedError

    def close(self, status: str) -> None:
        """Write how it ended, and that nobody runs it any more; the caller holds the row."""
        self.status = status
        self._row().update(status=status, ended_at=Now(), job="")

    def _row(self) -> QuerySet["Job"]:
        rows: QuerySet[Job] = type(self)._default_manager.filter(pk=self.pk)
        return rows

    def _mine(self) -> QuerySet["Job"]:
        return self._row().filter(attempt=self.attempt, status=RUNNING)
