"""Builds and their events as rows: requested, run by one attempt after another, ended exactly once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Greatest, Now

from learning.exceptions import ExemplarError
from learning.fits.running import RunningFit, RunningFits
from learning.problem import Problem

from ..access import acting, audit
from ..access.audit import Act
from ..access.permissions import Permission
from ..db import pagination
from ..db.base import BaseModel
from ..db.fields import JSONField
from ..db.writes import APPENDED
from ..exceptions import BadInput, Faults
from ..jobs import events
from ..jobs.jobs import CANCELLED, FAILED, RUNNING, STATUSES, SUCCEEDED, UNFINISHED, Job, JobManager
from ..notices.deliveries import Delivery
from ..notices.kinds import EventKind
from ..predictions.feedback import Feedback
from ..products import catalogue
from ..products.product import DataProduct
from ..telemetry import tracing


class BuildManager(JobManager["Build"]):
    """Requests builds, and says how far they are."""

    def messages_of(self, jobs: "Sequence[Build]") -> dict[int, str]:
        """Get the message of each build's newest event, by primary key; of one without events, its state."""
        newest = BuildEvent.objects.filter(build__in=jobs).order_by("build", "-sequence").distinct("build")
        return super().messages_of(jobs) | dict(newest.values_list("build_id", "message"))

    def seconds_left_of(self, jobs: "Sequence[Build]") -> dict[int, float]:
        """Get the seconds to each running build's time limit, by primary key, by the database's clock."""
        limited = self.filter(pk__in=[job.pk for job in jobs], status=RUNNING, ends_by__isnull=False)
        left = models.ExpressionWrapper(F("ends_by") - Now(), output_field=models.DurationField())
        return {pk: max(0.0, rest.total_seconds()) for pk, rest in limited.values_list("pk", left)}

    def request(
        self,
        product: DataProduct,
        by: str,
        options: dict[str, Any] | None = None,
        enqueue: bool = True,
        reason: str = "",
    ) -> tuple["Build", bool]:
        """Get the product's unfinished build, or start one.

        Args:
            by: the author of the request.
            options: overrides of the declared problem's options, by name; None leaves one as declared.
            enqueue: queue the build for a worker after the commit.

        Returns: the build, and whether this request has started it.
        Raises: BadInput where the options are not valid for the problem.
        """
        acting.require(Permission.BUILD, product.name)
        overrides = {name: value for name, value in (options or {}).items() if value is not None}
        problem = _override(product.problem, overrides)

        def start() -> Build:
            build = self._insert(product, by, overrides, problem, reason)
            if enqueue:
                build.enqueue_after_commit()
            return build

        return self.get_or_start(product.name, start)

    def _insert(
        self, product: DataProduct, by: str, options: dict[str, Any], problem: Problem, reason: str
    ) -> "Build":
        newest = self.filter(product=product.name).aggregate(newest=models.Max("number"))["newest"]
        build = self.create(
            product=product.name,
            number=(newest or 0) + 1,
            requested_by=by,
            reason=reason,
            options=options,
            seed=problem.seed,
            seen_feedback=Feedback.objects.seen(),
        )
        audit.record(
            Act.REQUEST_BUILD, product=build.product, ids=[build], reason=reason, details={"options": options}
        )
        events.publish_after_commit("build", build=build.pk, product=build.product)
        return build


def _override(problem: Problem, options: dict[str, Any]) -> Problem:
    """Set options of a declared problem. Raises all faults at once, as BadInput with the path of the option."""
    faults = Faults()
    for name, value in options.items():
        with faults.collect():
            problem = _override_one(problem, name, value)
    faults.check()
    return problem


def _override_one(problem: Problem, name: str, value: Any) -> Problem:
    try:
        return problem.with_options(**{name: value})
    except ExemplarError as error:
        raise BadInput(str(error), argument=("options", *error.argument)) from error


class Build(Job):
    """One run of the build phase: from the feature tables to a model version."""

    KIND = "build"
    CANCEL = Act.CANCEL_BUILD

    number = models.PositiveIntegerField()
    #: Why it was requested; may be empty.
    reason = models.TextField(blank=True)
    #: The request's overrides of the declared problem's options.
    options = JSONField(default=dict)
    seed = models.BigIntegerField()
    #: When the running attempt ends at the latest, by its time limit; null without one.
    ends_by = models.DateTimeField(null=True)
    #: The feedback that there was when it was requested, as `FeedbackManager.seen` has it.
    seen_feedback = JSONField(null=True, editable=False)
    #: Number of the newest event.
    sequence = models.PositiveIntegerField(default=0)
    #: The fits that ran when the lease was last renewed, as `_describe_fit` has them; null before the first one.
    running_fits = JSONField(null=True, editable=False)
    snapshot = models.ForeignKey("store.Snapshot", models.PROTECT, null=True, related_name="builds")
    #: The winner; null where nothing was refitted.
    model = models.ForeignKey("store.ModelVersion", models.PROTECT, null=True, related_name="+")
    promoted = models.BooleanField(default=False)
    #: `FitContext.digest` of the folds that were scored; empty before the first one.
    folds_digest = models.CharField(max_length=64, default="", db_default="", blank=True, editable=False)
    #: The decision and its reason, as a sentence.
    decision = models.TextField(blank=True)

    #: The fits of the attempt that this process runs.
    in_progress: RunningFits | None = None

    objects = BuildManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["product"],
                condition=Q(status__in=UNFINISHED),
                name="one_unfinished_build_per_product",
            ),
            models.UniqueConstraint(fields=["product", "number"], name="one_build_per_number"),
            models.CheckConstraint(condition=Q(status__in=STATUSES), name="build_status_is_known"),
        ]

    def __str__(self) -> str:
        return f"Build {self.number} of {self.product}"

    def live_columns(self) -> dict[str, Any]:
        """Get the fits that run now."""
        if self.in_progress is None:
            return {}
        return {"running_fits": [_describe_fit(fit) for fit in self.in_progress.read()]}

    def problem(self) -> Problem:
        """Get the declared problem with the request's options and seed. Raises UnknownProduct, InvalidProblem."""
        declared = catalogue.get(self.product).problem
        allowed = declared.quick() if settings.EXEMPLAR_QUICK_BUILDS else declared
        return allowed.with_options(**{**self.options, "seed": self.seed})

    def set_time_limit(self, seconds: float) -> None:
        """Promise that the attempt that starts now ends within so many seconds, as the first event."""
        Build.objects.filter(pk=self.pk).update(ends_by=Now() + timedelta(seconds=seconds))
        self.refresh_from_db(fields=["ends_by"])
        assert self.ends_by is not None
        moment = f"{self.ends_by:%Y-%m-%d %H:%M:%S} UTC"
        self.add_event("BuildStarted", f"Ends by {moment}: it may take {describe_seconds(seconds)}.")

    def add_event(self, kind: str, message: str, percent: float | None = None, **facts: Any) -> "BuildEvent":
        """Append an event in the current transaction and publish it after the commit.

        Args:
            percent: progress of the build; it never falls.
            facts: further columns of the event.
        """
        percent = self.percent if percent is None else max(self.percent, percent)
        Build.objects.filter(pk=self.pk).update(
            sequence=F("sequence") + 1,
            percent=Greatest(F("percent"), percent, output_field=models.FloatField()),
        )
        self.refresh_from_db(fields=["sequence", "percent"])
        event = BuildEvent.objects.create(
            build=self, sequence=self.sequence, kind=kind, message=message, percent=self.percent, **facts
        )
        tracing.add_step(kind, message)
        events.publish_after_commit("build_event", build=self.pk, product=self.product, event=event.to_json())
        return event

    def end(self, status: str, kind: str, message: str, **facts: Any) -> None:
        """Set the final status and append the one final event. The caller has locked the row."""
        self.close(status)
        percent = 100.0 if status == SUCCEEDED else None
        self.add_event(kind, message, percent=percent, final=True, **facts)
        self.refresh_from_db()
        self.notify(EventKind.BUILD_ENDED, message, status=status, promoted=self.promoted)

    def notify(self, kind: EventKind, message: str, **facts: Any) -> None:
        """Tell the receivers of events, in the current transaction."""
        data = {
            "message": f"{self}: {message}",
            "product": self.product,
            "build": self.number,
            "version": self.model.number if self.model else None,
            "requestedBy": self.requested_by,
            **facts,
        }
        Delivery.objects.record(kind, self.product, data)

    def cancelled(self, by: str, reason: str) -> None:
        suffix = f": {reason}" if reason else "."
        self.end(CANCELLED, "BuildCancelled", f"Cancelled by {by}{suffix}", by=by)

    def failed(self, error: ExemplarError) -> None:
        self.end(FAILED, "BuildFailed", f"Failed: {error}")


def _describe_fit(fit: RunningFit) -> dict[str, Any]:
    """Describe a fit in JSON's own types. Its candidate has no row yet if it is of the next wave."""
    return {
        "key": fit.candidate.key,
        "family": fit.candidate.family,
        "hyperparameters": fit.candidate.hyperparameters,
        "stage": str(fit.stage),
        "fold": fit.fold,
        "seconds": round(fit.seconds, 1),
    }


def describe_seconds(seconds: float) -> str:
    """Describe a time in round units: 90 s, 30 min, 2 h 30 min."""
    if seconds < 600 or seconds % 60:
        return f"{seconds:g} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    parts = [f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (minutes > 0)
    return " ".join(parts)


class BuildEventManager(models.Manager["BuildEvent"]):
    """Lists the events of builds."""

    def after(self, build: int, cursor: str | None = None) -> models.QuerySet["BuildEvent"]:
        """List the build's events after `cursor`, in order. Raises BadInput."""
        rows = self.filter(build=build).select_related("candidate", "build")
        return EventCursors(build).select(rows, pagination.PageRequest(after=cursor))

    def find(self, cursor: str) -> "BuildEvent | None":
        """Find the event of a cursor; None where there is none."""
        build, _, sequence = cursor.partition(".")
        if not all(part.isascii() and part.isdecimal() and len(part) <= 9 for part in (build, sequence)):
            return None
        return (
            self.filter(build=int(build), sequence=int(sequence)).select_related("candidate", "build").first()
        )

    def page(self, build: "Build", request: pagination.PageRequest) -> pagination.Page["BuildEvent"]:
        """List a page of the build's events, oldest first. Raises OutOfRange, BadInput."""
        cursors, rows = EventCursors(build.pk), self.filter(build=build).select_related("candidate")

        def load(events: models.QuerySet[BuildEvent]) -> list[BuildEvent]:
            stored = list(events.prefetch_related("candidate__folds"))
            for event in stored:
                event.build = build  # one for all, which looks its relations up once
            return stored

        return pagination.page_of([rows], cursors.order, request, load, cursors)


class EventCursors(pagination.Cursors):
    """The cursors of a build's events, with which lists and subscriptions continue alike: build and sequence."""

    def __init__(self, build: int):
        super().__init__(("sequence",), str(build))

    def encode(self, node: "BuildEvent") -> str:
        """The cursor of an event."""
        return node.cursor

    def decode(self, cursor: str, argument: str) -> list[int]:
        """The event's sequence. Raises BadInput."""
        return [self.sequence(cursor, argument)]

    def sequence(self, cursor: str, argument: str = "after") -> int:
        """The sequence of the event that a cursor names. Raises BadInput."""
        build, _, sequence = cursor.partition(".")
        if build != self.name or not sequence.isascii() or not sequence.isdecimal() or len(sequence) > 9:
            raise BadInput(
                "This is no cursor of this build's events: take one from `events`.", argument=(argument,)
            )
        return int(sequence)


class BuildEvent(BaseModel):
    """A completed step of a build. Ids and sequence survive a stream that is rebuilt from the rows."""

    web_writes = worker_writes = APPENDED

    build = models.ForeignKey(Build, models.CASCADE, related_name="events")
    sequence = models.PositiveIntegerField()
    #: The name of its GraphQL type.
    kind = models.CharField(max_length=40)
    at = models.DateTimeField(db_default=Now(), editable=False)
    percent = models.FloatField()
    message = models.TextField()
    final = models.BooleanField(default=False)
    candidate = models.ForeignKey("store.Candidate", models.CASCADE, null=True, related_name="+")
    #: The best score so far, after this event.
    best = models.FloatField(null=True)
    model = models.ForeignKey("store.ModelVersion", models.CASCADE, null=True, related_name="+")
    promotion = models.ForeignKey("store.Promotion", models.CASCADE, null=True, related_name="+")
    diagnostic = models.ForeignKey("store.Diagnostic", models.CASCADE, null=True, related_name="+")
    #: Findings of the feature analysis, one sentence each.
    findings = JSONField(null=True)
    #: The author of a cancellation.
    by = models.CharField(max_length=200, blank=True)

    objects = BuildEventManager()

    class Meta:
        ordering = ["sequence"]
        constraints = [
            models.UniqueConstraint(fields=["build", "sequence"], name="one_event_per_sequence"),
            models.UniqueConstraint(
                fields=["build"], condition=Q(final=True), name="one_final_event_per_build"
            ),
        ]

    def __str__(self) -> str:
        return self.message

    @property
    def cursor(self) -> str:
        """The cursor of the events after this one."""
        return f"{self.build_id}.{self.sequence}"

    def to_json(self) -> dict[str, Any]:
        """Get the columns by name, for the event stream."""
        return {field.attname: getattr(self, field.attname) for field in self._meta.concrete_fields}

    @classmethod
    def from_json(cls, columns: dict[str, Any]) -> "BuildEvent":
        """Build an event from the columns that `to_json` returned, after a passage through JSON."""
        event = cls(**columns)
        event.at = datetime.fromisoformat(columns["at"])
        event._state.adding, event._state.db = False, "default"
        return event
