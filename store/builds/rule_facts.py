"""Facts about a product's builds, its version that serves and its feedback, by which its rules are evaluated."""

from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from learning.retrain import (
    AfterFeedback,
    Drift,
    DriftFacts,
    Every,
    FeatureDistance,
    OlderThan,
    QualityBelow,
    QualityFacts,
    Rule,
    RuleInputs,
)
from learning.retrain.rule import MOMENT

from ..access.actors import TABLE
from ..jobs.jobs import CANCELLED, FAILED, SUCCEEDED
from ..predictions.feedback import Feedback
from ..predictions.predictions import Prediction
from ..products.product import DataProduct
from ..quality import drift, live, measures
from ..quality.counted import CountedPredictions
from ..registry.versions import ModelVersion
from .builds import Build


class RuleFacts:
    """The facts of one product at a moment; each is read once, when a rule needs it."""

    def __init__(self, product: DataProduct, now: datetime):
        self.product, self.now = product, now

    @cached_property
    def newest(self) -> Build | None:
        """The newest build."""
        builds = Build.objects.filter(product=self.product.name).select_related("snapshot")
        return builds.order_by("-number").first()

    @cached_property
    def champion(self) -> ModelVersion | None:
        """The version that serves."""
        return ModelVersion.objects.champion_of(self.product.name)

    @property
    def state(self) -> tuple[int | None, int | None]:
        """Primary keys of the newest build and of the version that serves: a decision holds while they are these."""
        return self.newest.pk if self.newest else None, self.champion.pk if self.champion else None

    @property
    def since(self) -> str:
        """The newest build in words; empty before the first one."""
        return f"build {self.newest.number}" if self.newest else ""

    @property
    def version(self) -> str:
        """The version that serves, in words; empty without one."""
        return f"version {self.champion.number}" if self.champion else ""

    def inputs(self, rule: Rule, handled: bool) -> RuleInputs:
        """Read what a rule is evaluated with.

        Args:
            handled: whether the last due moment of a scheduled rule was answered.
        """
        match rule:
            case Every():
                return RuleInputs(now=self.now, handled=handled)
            case AfterFeedback():
                return RuleInputs(
                    now=self.now, feedback=_count_feedback(self.product, self.newest), since=self.since
                )
            case OlderThan():
                return RuleInputs(now=self.now, learned_at=self._learned_at(), failed_at=self._failed_at())
            case QualityBelow():
                return RuleInputs(
                    now=self.now, since=self.since, version=self.version, quality=self._quality(rule)
                )
            case Drift():
                return RuleInputs(
                    now=self.now, since=self.since, version=self.version, drift=self._drift(rule)
                )

    def obstacle(self, rule: Rule) -> str:
        """Explain why the product's builds make a rule wait that is due, as a sentence; empty if nothing does."""
        if self.newest and not self.newest.ended and rule.due(self.now) is None:
            return f"{self.newest} has not ended and may learn from some of it."
        paused = rule.pause_until(self.newest.requested_at if self.newest else None)
        if paused and self.now < paused:
            return f"{self.newest} was requested a short time ago: the rule pauses until {paused:{MOMENT}}."
        budget = self.product.retrain_budget
        free_at = budget and budget.free_at(self._requested(budget.builds), self.now)
        return budget.explain(free_at) if budget and free_at else ""

    def _requested(self, number: int) -> list[datetime]:
        """List when the newest builds were requested, whoever did."""
        builds = Build.objects.filter(product=self.product.name).order_by("-number")
        return list(builds.values_list("requested_at", flat=True)[:number])

    def _quality(self, rule: QualityBelow) -> QualityFacts | None:
        """Measure the version that serves, and on how many truths that no build has seen."""
        if self.champion is None:
            return None
        since = self.now - timedelta(days=rule.days)
        rows = live.find(self.product, self.champion, since, self.now).counted
        fresh = rows if self.newest is None else rows.rows(_is_fresh(rows, self.newest))
        measured, newer = (
            measures.measure_one(self.product, each, rule.metric, rule.label) for each in (rows, fresh)
        )
        return QualityFacts(value=measured.value, n=measured.n, fresh=newer.n)

    def _drift(self, rule: Drift) -> DriftFacts | None:
        """Compare what the version that serves has served, and count what no build has seen."""
        if self.champion is None:
            return None
        window = drift.find(self.product, self.champion, self.now - timedelta(days=rule.days), self.now)
        features = [
            FeatureDistance(
                feature=each.column.name,
                distance=each.compared.value,
                p_value=each.compared.adjusted_p_value,
            )
            for each in window.features
            if each.compared.value is not None
        ]
        served = Prediction.objects.served().filter(product=self.product.name, model=self.champion)
        fresh = served.filter(created_at__gt=self.newest.requested_at) if self.newest else served
        return DriftFacts(
            n=window.n,
            fresh=fresh.values("pk")[: rule.least].count(),
            features=tuple(features),
            problem=window.problem,
        )

    def _learned_at(self) -> datetime | None:
        if self.champion is None:
            return None
        succeeded = Build.objects.filter(product=self.product.name, status=SUCCEEDED).select_related(
            "snapshot"
        )
        build = succeeded.order_by("-number").first()
        learned = [self.champion.snapshot.taken_at]
        learned += [build.snapshot.taken_at if build.snapshot else build.requested_at] if build else []
        return max(learned)

    def _failed_at(self) -> datetime | None:
        came_to_nothing = self.newest is not None and self.newest.status in (FAILED, CANCELLED)
        return self.newest.requested_at if came_to_nothing and self.newest else None


def _count_feedback(product: DataProduct, build: Build | None) -> int:
    """Count the feedback that the newest build has not seen.

    A failed build counts too; otherwise the same feedback would start builds forever.
    """
    rows = Feedback.objects.filter(product=product.name, retracted_at=None).exclude(author=TABLE)
    return (rows if build is None else rows.filter(_is_unseen(build))).count()


def _is_fresh(rows: CountedPredictions, build: Build) -> NDArray[np.bool_]:
    """Mark the predictions whose truth the newest build has not seen, by the number of its first word: `(n,)`."""
    if seen := (build.snapshot and build.snapshot.seen_feedback) or build.seen_feedback:
        return (rows.first_word > seen["last"]) | np.isin(rows.first_word, seen["unseen"])
    known_at = rows.at / 1e6 + rows.delay_seconds
    return np.asarray(known_at > build.requested_at.timestamp())


def _is_unseen(build: Build) -> Q:
    """Compile the condition by the feedback's numbers, which no clock can set back.

    Builds of releases that did not record these have only a moment.
    """
    snapshot = build.snapshot
    if seen := (snapshot and snapshot.seen_feedback) or build.seen_feedback:
        return Q(pk__gt=seen["last"]) | Q(pk__in=seen["unseen"])
    return Q(created_at__gt=snapshot.taken_at if snapshot else build.ended_at or build.requested_at)
