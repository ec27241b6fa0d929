"""Retraining: the decisions of the products' rules, and the builds that they started, each exactly once."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from django.db import connection, models, transaction
from django.db.models import Q
from django.db.models.functions import Now

from learning.retrain import Rule, RuleInputs, RuleResult, next_due

from ..access.actors import TABLE
from ..db.base import BaseModel
from ..predictions.feedback import Feedback
from ..products import catalogue
from ..products.product import DataProduct
from ..registry.product_states import ProductState
from .builds import Build


class RetrainDecisionManager(models.Manager["RetrainDecision"]):
    """Decides by the rules of products, and lists the decisions."""

    def decide_all(self, now: datetime | None = None) -> None:
        """Evaluate every rule of every product and request the builds that are due.

        Any number of processes may call this at once: the product's row is locked while a rule is decided.

        Args:
            now: the moment to decide for; by default the database's clock.
        """
        for product in catalogue.products():
            for rule in product.retrain:
                self.decide(product, rule, now)

    def decide(
        self, product: DataProduct, rule: Rule, now: datetime | None = None
    ) -> "RetrainDecision | None":
        """Evaluate a rule and store its decision. Returns: None where the last decision was the same."""
        evaluate = partial(self._evaluate, product, rule)
        if not self._is_new(product, rule, evaluate(now)):
            return None
        with transaction.atomic():
            ProductState.objects.lock(product.name)
            result = evaluate(now)
            if not self._is_new(product, rule, result):
                return None  # another process has decided in the meantime
            if result.due and not self.decisions(product, rule).exists():
                return self._record_start(product, rule, result.due)
            return (
                self._request(product, rule, result) if result.is_due else self._wait(product, rule, result)
            )

    def with_builds(self, product: str) -> models.QuerySet["RetrainDecision"]:
        """List the product's decisions with the builds that they started."""
        return self.filter(product=product).prefetch_related("build")

    def decisions(self, product: DataProduct, rule: Rule | None = None) -> models.QuerySet["RetrainDecision"]:
        """List the decisions of a product, or of one of its rules."""
        rows = self.filter(product=product.name)
        return rows if rule is None else rows.filter(rule=str(rule))

    def _evaluate(self, product: DataProduct, rule: Rule, now: datetime | None) -> RuleResult:
        now = now or _database_clock()
        if due := rule.due(now):
            return rule.evaluate(
                RuleInputs(now=now, handled=self.decisions(product, rule).filter(due=due).exists())
            )
        newest = (
            Build.objects.filter(product=product.name).select_related("snapshot").order_by("-number").first()
        )
        since = f"build {newest.number}" if newest else ""
        return rule.evaluate(RuleInputs(now=now, feedback=_count_feedback(product, newest), since=since))

    def _is_new(self, product: DataProduct, rule: Rule, result: RuleResult) -> bool:
        return result.is_due or not self._waiting(product, rule).filter(reason=result.reason).exists()

    def _waiting(self, product: DataProduct, rule: Rule) -> models.QuerySet["RetrainDecision"]:
        return self.decisions(product, rule).filter(build=None, due=None)

    def _record_start(self, product: DataProduct, rule: Rule, due: datetime) -> "RetrainDecision":
        """Record that a new rule applies from now on; moments before its declaration are not caught up."""
        return self.create(
            product=product.name, rule=str(rule), due=due, reason="The rule applies from now on."
        )

    def _request(self, product: DataProduct, rule: Rule, result: RuleResult) -> "RetrainDecision | None":
        running = Build.objects.unfinished(product.name)
        if running and result.due is None:
            reason = f"Not yet: {result.reason} {running} has not ended and may learn from some of it."
            return self._wait(product, rule, RuleResult(reason=reason))
        build, started = Build.objects.request(product, by=str(rule), reason=result.reason)
        suffix = "" if started else f" {build} was running already."
        self._waiting(product, rule).delete()
        return self.create(
            product=product.name,
            rule=str(rule),
            due=result.due,
            build=build,
            reason=result.reason + suffix,
        )

    def _wait(self, product: DataProduct, rule: Rule, result: RuleResult) -> "RetrainDecision | None":
        """Replace the rule's last "not yet": with every feedback there may be another one."""
        waiting = self._waiting(product, rule)
        if waiting.filter(reason=result.reason).exists():
            return None
        waiting.delete()
        return self.create(product=product.name, rule=str(rule), reason=result.reason)


class RetrainDecision(BaseModel):
    """The decision of a rule at a moment. Only a "not yet" is ever deleted, by the next decision."""

    product = models.CharField(max_length=40)
    at = models.DateTimeField(db_default=Now(), editable=False)
    #: The rule, as it is declared.
    rule = models.CharField(max_length=200)
    #: The due moment that this answers; null for rules without a schedule, and for "not yet".
    due = models.DateTimeField(null=True)
    #: The build that it started or found running; null for "not yet".
    build = models.ForeignKey(Build, models.CASCADE, null=True, related_name="+")
    #: A sentence.
    reason = models.TextField()

    objects = RetrainDecisionManager()

    class Meta:
        indexes = [models.Index(fields=["product", "-id"], name="decisions_newest_first")]
        constraints = [
            models.UniqueConstraint(fields=["product", "rule", "due"], name="one_answer_to_a_due_moment"),
            models.UniqueConstraint(
                fields=["product", "rule"],
                condition=Q(build=None, due=None),
                name="one_not_yet_per_rule",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.reason}"


def due_at(rules: Sequence[Rule]) -> datetime | None:
    """Get the next moment at which a scheduled rule is due; None without such a rule."""
    return next_due(rules, _database_clock()) if rules else None


def _database_clock() -> datetime:
    """Read the one clock of all hosts; not the transaction's, which stands still during a wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    assert isinstance(now, datetime)
    return now


def _count_feedback(product: DataProduct, build: Build | None) -> int:
    """Count the feedback that the newest build has not seen.

    A failed build counts too; otherwise the same feedback would start builds forever.
    """
    rows = Feedback.objects.filter(product=product.name, retracted_at=None).exclude(author=TABLE)
    return (rows if build is None else rows.filter(_is_unseen(build))).count()


def _is_unseen(build: Build) -> Q:
    """Compile the condition by the feedback's numbers, which no clock can set back.

    Builds of releases that did not record these have only a moment.
    """
    snapshot = build.snapshot
    if seen := (snapshot and snapshot.seen_feedback) or build.seen_feedback:
        return Q(pk__gt=seen["last"]) | Q(pk__in=seen["unseen"])
    return Q(created_at__gt=snapshot.taken_at if snapshot else build.ended_at or build.requested_at)
