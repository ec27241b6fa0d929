"""Comparisons: jobs that replay stored instances through two model versions and measure by which one is better."""

from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import IntegrityError, models, transaction
from django.db.models import F, Q

from learning.evaluation.paired_measure import PairedMeasure
from learning.exceptions import NoRows

from ..access import acting, audit
from ..access.audit import Act
from ..access.permissions import Permission
from ..db import clock
from ..db.fields import JSONField
from ..db.writes import Writes
from ..exceptions import BadInput, ForeignModel, ModelDoesNotFit, OutOfRange
from ..jobs.jobs import RUNNING, STATUSES, SUCCEEDED, UNFINISHED, JobManager, PlainJob
from ..products.product import DataProduct
from ..registry.versions import ModelVersion
from . import replays

#: Instances that are replayed unless the request says otherwise, and at most.
SAMPLE, MOST_SAMPLE = 100_000, 1_000_000


class ComparisonManager(JobManager["Comparison"]):
    """Comparisons, of which each pair of versions has one unfinished at most."""

    def messages_of(self, jobs: "Sequence[Comparison]") -> dict[int, str]:
        """Say how far each comparison is, or its result, by primary key."""
        running = {
            job.pk: f"{job.instances:,} of at most {job.sample:,} instances are replayed."
            for job in jobs
            if job.status == RUNNING
        }
        ended = {job.pk: job.summary() for job in jobs if job.status == SUCCEEDED}
        return super().messages_of(jobs) | running | ended

    def request(
        self,
        product: DataProduct,
        versions: Sequence[ModelVersion],
        by: str,
        since: datetime | None = None,
        sample: int | None = None,
    ) -> tuple["Comparison", bool]:
        """Get the unfinished comparison of two versions, or begin one; returns it, and True if this call began it.

        Args:
            since: only instances that were first predicted at this moment or later; None: all.
            sample: number of instances at most; None: SAMPLE.

        Raises: BadInput, ForeignModel, ModelDoesNotFit, OutOfRange; NoRows where there is nothing to replay.
        """
        acting.require(Permission.BUILD, product.name)
        first, second = _checked_versions(product, versions)
        if since is not None and since > clock.now():
            raise OutOfRange("No prediction is from the future: give an earlier moment.", argument=("since",))
        sample = SAMPLE if sample is None else sample
        if not 1 <= sample <= MOST_SAMPLE:
            raise OutOfRange(f"A sample has 1 to {MOST_SAMPLE:,} instances.", argument=("sample",))
        if not replays.exist(product, since):
            raise NoRows(f"No prediction of {product} is there to replay{describe_since(since)}.")

        def begin() -> Comparison:
            comparison = self.create(
                product=product.name, requested_by=by, first=first, second=second, since=since, sample=sample
            )
            details = {"since": since and since.isoformat(), "sample": sample}
            audit.record(
                Act.REQUEST_COMPARISON,
                product=product.name,
                ids=[comparison, first, second],
                details=details,
            )
            comparison.enqueue_after_commit()
            return comparison

        return self._get_or_start_pair(first, second, begin)

    def _get_or_start_pair(
        self, first: ModelVersion, second: ModelVersion, begin: Callable[[], "Comparison"]
    ) -> tuple["Comparison", bool]:
        """Get the unfinished comparison of these versions, or begin one by calling `begin`."""
        while True:
            if running := self.filter(first=first, second=second, status__in=UNFINISHED).first():
                return running, False
            try:
                with transaction.atomic():
                    return begin(), True
            except IntegrityError:
                pass  # another request was faster, whose comparison is there, or has ended

    def newest_of(self, pairs: Sequence[tuple[int, int]]) -> "dict[tuple[int, int], Comparison]":
        """Get the newest comparison that has succeeded of each pair of versions, in either order, by the pair."""
        keys = {key for pair in pairs for key in pair}
        rows = self.filter(status=SUCCEEDED, first__in=keys, second__in=keys).order_by("pk")
        newest = {frozenset((row.first_id, row.second_id)): row for row in rows}
        return {pair: newest[frozenset(pair)] for pair in pairs if frozenset(pair) in newest}


class Comparison(PlainJob):
    """Two versions on the same stored instances: by how much the scores differ, and where the answers do."""

    web_writes = Writes(insert=True, update=None)

    KIND = "comparison"
    CANCEL = Act.CANCEL_COMPARISON

    first = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    second = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    #: The first moment of the instances; null: all.
    since = models.DateTimeField(null=True)
    #: Number of instances at most.
    sample = models.PositiveIntegerField()
    #: Number of instances that both versions have answered.
    instances = models.PositiveIntegerField(default=0)
    #: Instances that were left out: they lack a feature of a version, or a version has no finite answer.
    unanswered = models.PositiveIntegerField(default=0)
    #: Instances whose truth is known, and those of them whose truth counts for both versions.
    labelled = models.PositiveIntegerField(default=0)
    counted = models.PositiveIntegerField(default=0)
    #: Number of instances by the reason why their truth does not count.
    exclusions = JSONField(default=dict)
    #: Number of instances with different answers.
    flipped = models.PositiveIntegerField(default=0)
    #: The product's metric, for as many classes as there were.
    metric = models.CharField(max_length=60, blank=True)
    #: Measures, as `PairedMeasure` has them.
    measures = JSONField(default=list)

    objects = ComparisonManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["first", "second"],
                condition=Q(status__in=UNFINISHED),
                name="one_unfinished_comparison_per_pair",
            ),
            models.CheckConstraint(condition=Q(status__in=STATUSES), name="comparison_status_is_known"),
            models.CheckConstraint(condition=~Q(first=F("second")), name="comparison_of_two_versions"),
        ]
        indexes = [models.Index(fields=["second", "first", "-id"], name="comparisons_of_a_pair")]

    def __str__(self) -> str:
        return f"Comparison {self.pk} of {self.product}"

    @property
    def versions(self) -> tuple[ModelVersion, ModelVersion]:
        return self.first, self.second

    @property
    def paired_measures(self) -> list[PairedMeasure]:
        """The measures: of all classes first, the product's metric before all others."""
        return [PairedMeasure(**measure) for measure in self.measures]

    @property
    def main_measure(self) -> PairedMeasure | None:
        """The measure of the product's metric; None without truths that count."""
        measures = self.paired_measures
        return measures[0] if measures else None

    @property
    def flipped_share(self) -> float | None:
        """The share of different answers; None where no instance was replayed."""
        return self.flipped / self.instances if self.instances else None

    def summary(self) -> str:
        """Describe the result in sentences."""
        share = f"{self.flipped:,} of {self.instances:,} answers differ."
        measure = self.main_measure
        if measure is None or measure.difference is None:
            return f"{share} {self.counted:,} truths count, so that no score is known."
        interval = "" if measure.low is None else f" ({measure.low:+.4f} to {measure.high:+.4f})"
        return f"{share} By {self.counted:,} truths, {measure.metric} differs by {measure.difference:+.4f}{interval}."


def describe_since(since: datetime | None) -> str:
    """Describe the first moment of instances as the end of a clause; empty without one."""
    return f" since {since:%Y-%m-%d %H:%M:%S} UTC" if since else ""


def _checked_versions(product: DataProduct, versions: Sequence[ModelVersion]) -> Sequence[ModelVersion]:
    """Check that these are two versions of the product that can predict today. Raises as `request` does."""
    if len(versions) != 2:
        raise BadInput(f"Two versions are compared; these are {len(versions)}.", argument=("models",))
    for place, version in enumerate(versions):
        if version.product != product.name:
            raise ForeignModel(
                f"This is a version of {version.product}, not of {product.name}.", argument=("models", place)
            )
    if versions[0].pk == versions[1].pk:
        raise BadInput("These are one version: give two.", argument=("models", 1))
    for place, version in enumerate(versions):
        if why := version.misfit(product):
            raise ModelDoesNotFit(why, argument=("models", place))
    return versions
