"""Jobs: work for the workers, as rows; claimed by one attempt after another and ended exactly once."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from django.db import IntegrityError, models, transaction
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Coalesce, Now

from learning.exceptions import ExemplarError

from ..access import acting, audit
from ..access.audit import Act
from ..access.permissions import Permission
from ..db.base import BaseModel
from ..exceptions import JobEnded, StoreError, UnknownId, WorkerLost, shortened, storable
from . import events, queue

#: Characters of a stored problem, at most: that of a build may list columns, that of an import quotes the file.
MOST_OF_PROBLEM = 4_000

READY, RUNNING, SUCCEEDED, FAILED, CANCELLED = STATUSES = (
    "READY",
    "RUNNING",
    "SUCCEEDED",
    "FAILED",
    "CANCELLED",
)
UNFINISHED = (READY, RUNNING)
#: By status, a sentence for a job that says nothing of its own.
MESSAGES: Mapping[str, str] = {
    READY: "It waits for a worker.",
    RUNNING: "A worker runs it.",
    SUCCEEDED: "It has succeeded.",
    FAILED: "It has failed.",
    CANCELLED: "It was cancelled.",
}

#: Seconds after which a lease that was not renewed has expired.
LEASE_SECONDS = 10
#: Seconds between two maintenance ticks.
MAINTENANCE_INTERVAL = 5.0
#: Attempts of one job; losing the last one fails it.
MAX_ATTEMPTS = 3

J = TypeVar("J", bound="Job")


class Superseded(StoreError):
    """The attempt no longer runs the job, which was cancelled or taken over by another attempt."""


class JobManager(models.Manager[J]):
    """Starts, claims, cancels, abandons and reconciles jobs."""

    def unfinished(self, product: str) -> J | None:
        """Get the product's job that is READY or RUNNING."""
        return self.filter(product=product, status__in=UNFINISHED).first()

    def of_products(self, products: Collection[str]) -> QuerySet[J]:
        """List the jobs of products, with `kind` to tell them from those of other tables."""
        rows: Any = self.filter(product__in=products).annotate(kind=Value(self.model.KIND))
        return rows

    def messages_of(self, jobs: Sequence[J]) -> dict[int, str]:
        """Describe each job's state, by primary key, as a sentence."""
        return {job.pk: job.problem_message or MESSAGES[job.status] for job in jobs}

    def seconds_left_of(self, jobs: Sequence[J]) -> dict[int, float]:
        """Get the seconds that each running job takes at most, by primary key; absent without a time limit."""
        return {}

    def get_or_start(self, product: str, start: Callable[[], J]) -> tuple[J, bool]:
        """Get the product's unfinished job, or insert one by calling `start`.

        Returns: the job, and whether this call has started it.
        """
        try:
            with transaction.atomic():
                return start(), True
        except IntegrityError:
            # Only the unique constraint knows about jobs that others have just started.
            running = self.unfinished(product)
            return (running, False) if running else self.get_or_start(product, start)

    def claim(self, pk: int, job: str = "") -> J | None:
        """Start the next attempt of a READY job; None where it runs already or has ended."""
        claimed = self.filter(pk=pk, status=READY).update(
            status=RUNNING,
            attempt=F("attempt") + 1,
            job=job,
            lease=Now(),
            started_at=Coalesce("started_at", Now()),
        )
        return self.get(pk=pk) if claimed else None

    @transaction.atomic
    def cancel(self, pk: int, by: str, reason: str = "") -> J:
        """End an unfinished job at once. Its attempt can write nothing any more and is stopped after the commit.

        Raises: UnknownId, JobEnded.
        """
        row = self.select_for_update().filter(pk=pk).first()
        if row is None:
            raise UnknownId("No job has this id.", argument=("job",))
        acting.require(row.PERMISSION, row.product)
        if row.ended:
            raise JobEnded(f"{row} has already ended as {row.status}.", argument=("job",))
        audit.record(row.CANCEL, product=row.product, ids=[row], reason=reason)
        if running := row.job:
            transaction.on_commit(lambda: queue.stop_job(running))
        row.cancelled(by, reason)
        return row

    @transaction.atomic
    def abandon(self, pk: int, attempt: int, **conditions: Any) -> None:
        """Return the job of a dead attempt to READY, or fail it after MAX_ATTEMPTS.

        Args:
            conditions: lookups that the row must meet once it is locked.
        """
        running = self.filter(pk=pk, attempt=attempt, status=RUNNING)
        lost = running.filter(**conditions).select_for_update().first()
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
        """Abandon attempts whose lease has expired and enqueue READY jobs that are not queued.

        Any process may call this at any time.
        """
        self._correct_future_leases()
        # Also once the row is locked: a step that holds it for long lets the renewal wait as well, which comes first.
        expired = Now() - timedelta(seconds=LEASE_SECONDS)
        for pk, attempt in self.filter(status=RUNNING, lease__lt=expired).values_list("pk", "attempt"):
            self.abandon(pk, attempt, lease__lt=expired)
        # A request in the future is from before the database's clock was set back.
        just_now = Now() - timedelta(seconds=MAINTENANCE_INTERVAL), Now()
        ready = self.filter(status=READY).exclude(requested_at__range=just_now).values_list("pk", flat=True)
        if ready and (waiting := queue.find_queued(self.model.KIND)) is not None:
            for pk in set(ready) - waiting:
                queue.enqueue(self.model.KIND, pk)

    def _correct_future_leases(self) -> None:
        """Date leases back to now that lie in the future, since the database's clock was set back.

        A process that lives renews its lease within a second; that of a dead one expires.
        """
        impossible = Now() + timedelta(seconds=LEASE_SECONDS)
        self.filter(status=RUNNING, lease__gt=impossible).update(lease=Now())


class Job(BaseModel):
    """Work for a worker. Every write is conditional on its attempt still being the newest one."""

    #: The job's kind in the queue.
    KIND: ClassVar[str]
    #: The act of cancelling it, in the audit log.
    CANCEL: ClassVar[Act]
    #: The permission on the product that it takes to request and to cancel it.
    PERMISSION: ClassVar[Permission] = Permission.BUILD

    product = models.CharField(max_length=40)
    status = models.CharField(max_length=9, default=READY)
    requested_by = models.CharField(max_length=200)
    requested_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    percent = models.FloatField(default=0.0)
    #: How many attempts were started.
    attempt = models.PositiveIntegerField(default=0)
    #: When the running process last renewed its lease, by the database's clock.
    lease = models.DateTimeField(null=True)
    #: The id of the RQ job that runs it; empty while READY, or when run from the command line.
    job = models.CharField(max_length=100, blank=True)
    problem_code = models.CharField(max_length=40, blank=True)
    problem_message = models.TextField(blank=True)
    #: Shown in the admin to users with the permission; never over the API.
    traceback = models.TextField(blank=True)

    class Meta:
        abstract = True

    @property
    def ended(self) -> bool:
        return self.status not in UNFINISHED

    def renew(self) -> bool:
        """Renew the lease. Returns: False where this attempt no longer runs the job."""
        return bool(self._mine().update(lease=Now(), **self.live_columns()))

    def live_columns(self) -> dict[str, Any]:
        """Get the columns that each renewal of the lease writes, too: what the running process does now."""
        return {}

    def hold(self) -> None:
        """Lock the row for the rest of the transaction. Raises Superseded where another attempt runs the job."""
        if not self._mine().select_for_update().exists():
            raise Superseded(f"{self} is no longer run by attempt {self.attempt}.")

    def enqueue_after_commit(self) -> None:
        kind, pk = self.KIND, self.pk
        transaction.on_commit(lambda: queue.enqueue(kind, pk))

    def fail(self, error: ExemplarError, traceback: str = "") -> None:
        """Record the error's code and message and end as FAILED. The caller has locked the row."""
        self._row().update(
            problem_code=error.code,
            problem_message=storable(shortened(str(error), MOST_OF_PROBLEM)),
            traceback=storable(traceback),
        )
        self.failed(error)

    def failed(self, error: ExemplarError) -> None:
        """End as FAILED and publish it. The row holds the reason already."""
        raise NotImplementedError

    def cancelled(self, by: str, reason: str) -> None:
        """End as CANCELLED and publish it. The caller has locked the row."""
        raise NotImplementedError

    def close(self, status: str) -> None:
        """Record the final status. The caller has locked the row."""
        self.status = status
        self._row().update(status=status, ended_at=Now(), job="")

    def _row(self) -> QuerySet["Job"]:
        rows: QuerySet[Job] = type(self)._default_manager.filter(pk=self.pk)
        return rows

    def _mine(self) -> QuerySet["Job"]:
        return self._row().filter(attempt=self.attempt, status=RUNNING)


class PlainJob(Job):
    """A job without events of its own: its row says all."""

    class Meta:
        abstract = True

    def tell(self) -> None:
        """Publish the change after the commit."""
        events.publish_after_commit("job", job=self.pk, product=self.product)

    def end(self, status: str) -> None:
        """Set the end, and publish it. The caller has locked the row."""
        self.close(status)
        self.refresh_from_db()
        self.tell()

    def cancelled(self, by: str, reason: str) -> None:
        self.end(CANCELLED)

    def failed(self, error: ExemplarError) -> None:
        self.end(FAILED)
