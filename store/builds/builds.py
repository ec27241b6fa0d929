"""Builds and their events as rows: requested, run by one attempt after another, ended exactly once."""

from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest, Now

from learning.exceptions import ExemplarError
from learning.problem import Problem

from ..db import pagination
from ..db.base import BaseModel
from ..db.fields import JSONField
from ..exceptions import BadInput, BuildEnded, Faults, UnknownId
from ..jobs import events, queue
from ..jobs.jobs import CANCELLED, FAILED, STATUSES, SUCCEEDED, UNFINISHED, Job, JobManager
from ..predictions.feedback import Feedback
from ..products import catalogue
from ..products.product import DataProduct

#: Events of one page, by default and at most.
DEFAULT_EVENTS, MAX_EVENTS = 100, 500


class BuildManager(JobManager["Build"]):
    """Requests, lists and cancels builds."""

    def with_status(self, product: str, status: list[str] | None = None) -> models.QuerySet["Build"]:
        """List the product's builds that have one of these statuses."""
        rows = self.filter(product=product)
        return rows if status is None else rows.filter(status__in=status)

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
        events.publish_after_commit("build", build=build.pk, product=build.product)
        return build

    @transaction.atomic
    def cancel(self, pk: int, by: str, reason: str = "") -> "Build":
        """End an unfinished build at once. Its attempt can write nothing any more and is stopped after the commit.

        Raises: UnknownId, BuildEnded.
        """
        build = self.select_for_update().filter(pk=pk).first()
        if build is None:
            raise UnknownId("No build has this id.", argument=("id",))
        if build.status not in UNFINISHED:
            raise BuildEnded(f"{build} has already ended as {build.status}.", argument=("id",))
        suffix = f": {reason}" if reason else "."
        build.end(CANCELLED, "BuildCancelled", f"Cancelled by {by}{suffix}", by=by)
        if job := build.job:
            transaction.on_commit(lambda: queue.stop_job(job))
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
    snapshot = models.ForeignKey("store.Snapshot", models.PROTECT, null=True, related_name="builds")
    #: The winner; null where nothing was refitted.
    model = models.ForeignKey("store.ModelVersion", models.PROTECT, null=True, related_name="+")
    promoted = models.BooleanField(default=False)
    #: The decision and its reason, as a sentence.
    decision = models.TextField(blank=True)

    objects = BuildManager()

    class Meta:
        permissions = [
            ("request_build", "Can request builds"),
            ("cancel_build", "Can cancel builds"),
            ("see_traceback", "Can see the traceback of a failed build"),
        ]
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
        events.publish_after_commit("build_event", build=self.pk, product=self.product, event=event.to_json())
        return event

    def end(self, status: str, kind: str, message: str, **facts: Any) -> None:
        """Set the final status and append the one final event. The caller has locked the row."""
        self.close(status)
        percent = 100.0 if status == SUCCEEDED else None
        self.add_event(kind, message, percent=percent, final=True, **facts)
        self.refresh_from_db()

    def failed(self, error: ExemplarError) -> None:
        self.end(FAILED, "BuildFailed", f"Failed: {error}")


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
        return rows.filter(sequence__gt=_sequence(cursor)).order_by("sequence")

    def page(self, build: "Build", first: int | None, after: str | None) -> pagination.Page["BuildEvent"]:
        """List a page of the build's events, oldest first. Raises OutOfRange, BadInput."""
        first = pagination.page_size(first, DEFAULT_EVENTS, MAX_EVENTS)
        events = list(self.after(build.pk, after)[: first + 1])
        nodes = pagination.share_lookups(events[:first])
        total = self.filter(build=build).count
        return pagination.Page(nodes, attrgetter("cursor"), len(events) > first, after is not None, total)


def _sequence(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdecimal() or len(cursor) > 9:
        raise BadInput("This is no cursor of a build's events: take one from `events`.", argument=("after",))
    return int(cursor)


class BuildEvent(BaseModel):
    """A completed step of a build. Ids and sequence survive a stream that is rebuilt from the rows."""

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
        return str(self.sequence)

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
