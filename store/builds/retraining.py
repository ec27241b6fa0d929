"""Retraining: the decisions of the products' rules, and the builds that they started, each exactly once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now

from learning.retrain import Drift, Rule, RuleResult, next_due

from ..access import performers
from ..db import clock
from ..db.base import BaseModel
from ..db.writes import Writes
from ..notices.deliveries import Delivery
from ..notices.kinds import EventKind
from ..products import catalogue
from ..products.product import DataProduct
from ..registry.product_states import ProductState
from .builds import Build
from .rule_checks import RuleCheck
from .rule_facts import RuleFacts


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
        facts = RuleFacts(product, now or clock.now())
        if rule.is_costly and not RuleCheck.objects.claim(product, rule, facts.now):
            return None
        result = self._evaluate(rule, facts)
        if not self._is_new(product, rule, self._hold_back(rule, facts, result)):
            return None
        with transaction.atomic():
            ProductState.objects.lock(product.name)
            current = RuleFacts(product, now or clock.now())
            if not rule.is_costly:
                result = self._evaluate(rule, current)
            elif current.state != facts.state:
                return None  # what was computed is of another version, or another process has decided
            result = self._hold_back(rule, current, result)
            if not self._is_new(product, rule, result):
                return None  # another process has decided in the meantime
            return self._record(rule, current, result)

    def with_builds(self, product: str) -> models.QuerySet["RetrainDecision"]:
        """List the product's decisions with the builds that they started, and `requested` to be filtered by."""
        requested = models.ExpressionWrapper(Q(build__isnull=False), output_field=models.BooleanField())
        return self.filter(product=product).prefetch_related("build").alias(requested=requested)

    def decisions(self, product: DataProduct, rule: Rule | None = None) -> models.QuerySet["RetrainDecision"]:
        """List the decisions of a product, or of one of its rules."""
        rows = self.filter(product=product.name)
        return rows if rule is None else rows.filter(rule=str(rule))

    def _evaluate(self, rule: Rule, facts: RuleFacts) -> RuleResult:
        due = rule.due(facts.now)
        handled = due is not None and self.decisions(facts.product, rule).filter(due=due).exists()
        return rule.evaluate(facts.inputs(rule, handled))

    def _hold_back(self, rule: Rule, facts: RuleFacts, result: RuleResult) -> RuleResult:
        """Make a rule wait that is due, if the product's builds do not allow another one."""
        if not result.is_due or (result.due and self._starts(facts.product, rule)):
            return result
        if not (obstacle := facts.obstacle(rule)):
            return result
        return replace(result, is_due=False, due=None, reason=f"Not yet: {result.reason} {obstacle}")

    def _starts(self, product: DataProduct, rule: Rule) -> bool:
        """Return whether a scheduled rule has never answered a due moment."""
        return not self.decisions(product, rule).filter(due__isnull=False).exists()

    def _is_new(self, product: DataProduct, rule: Rule, result: RuleResult) -> bool:
        return result.is_due or not self._waiting(product, rule).filter(reason=result.reason).exists()

    def _record(self, rule: Rule, facts: RuleFacts, result: RuleResult) -> "RetrainDecision | None":
        """Store a decision, and what it has noticed. The caller has locked the product's state."""
        product = facts.product
        if RuleCheck.objects.record_crossing(product, rule, facts.state[1], result):
            _notify(rule, facts, result)
        if result.due and self._starts(product, rule):
            return self._record_start(product, rule, result.due)
        return self._request(product, rule, result) if result.is_due else self._wait(product, rule, result)

    def _waiting(self, product: DataProduct, rule: Rule) -> models.QuerySet["RetrainDecision"]:
        return self.decisions(product, rule).filter(build=None, due=None)

    def _record_start(self, product: DataProduct, rule: Rule, due: datetime) -> "RetrainDecision":
        """Record that a new rule applies from now on; moments before its declaration are not caught up."""
        return self.create(
            product=product.name, rule=str(rule), due=due, reason="The rule applies from now on."
        )

    def _request(self, product: DataProduct, rule: Rule, result: RuleResult) -> "RetrainDecision | None":
        with performers.performing(performers.Performer(f"rule {rule}", "RULE")):
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

    web_writes = worker_writes = Writes(insert=True, delete=True)

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
    return next_due(rules, clock.now()) if rules else None


def _notify(rule: Rule, facts: RuleFacts, result: RuleResult) -> None:
    """Tell the receivers of events that a limit was crossed, in the current transaction."""
    kind = EventKind.DRIFT_FOUND if isinstance(rule, Drift) else EventKind.QUALITY_FELL
    data = {
        "message": f"{facts.product}: {result.reason.removeprefix('Not yet: ')}",
        "product": facts.product.name,
        "version": facts.champion.number if facts.champion else None,
        "rule": str(rule),
        **result.details,
    }
    Delivery.objects.record(kind, facts.product.name, data)
