"""Retraining: what the rules of a product said, and the builds that they began, each exactly once."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from django.db import connection, models, transaction
from django.db.models import Q

from learning.retrain import Known, Rule, Verdict, next_due

from ..access.actors import TABLE
from ..db import base
from ..predictions.feedback import Feedback
from ..products import catalogue
from ..products.product import DataProduct
from ..registry.product_states import ProductState
from .builds import Build


class RetrainDecisionManager(models.Manager["RetrainDecision"]):
    def look(self, now: datetime | None = None) -> None:
        """Ask every rule of every product; request the builds that are due.

        Anybody may call this at any time, as many at once as there are: the product's row is held while a rule is
        decided. `now` is the database's clock unless it is given.
        """
        for product in catalogue.products():
            for rule in product.retrain:
                self.decide(product, rule, now)

    def decide(
        self, product: DataProduct, rule: Rule, now: datetime | None = None
    ) -> "RetrainDecision | None":
        """What the rule says, kept if it is news; None where it said the same before."""
        look = partial(self._verdict, product, rule)
        if not self._is_news(product, rule, look(now)):
            return None
        with transaction.atomic():
            ProductState.objects.lock(product.name)
            verdict = look(now)
            if not self._is_news(product, rule, verdict):
                return None  # somebody else decided it meanwhile
            if verdict.due and not self.of(product, rule).exists():
                return self._begin(product, rule, verdict.due)
            return (
                self._request(product, rule, verdict) if verdict.now else self._wait(product, rule, verdict)
            )

    def listed(self, product: str) -> models.QuerySet["RetrainDecision"]:
        return self.filter(product=product).prefetch_related("build")

    def of(self, product: DataProduct, rule: Rule | None = None) -> models.QuerySet["RetrainDecision"]:
        rows = self.filter(product=product.name)
        return rows if rule is None else rows.filter(rule=str(rule))

    def _verdict(self, product: DataProduct, rule: Rule, now: datetime | None) -> Verdict:
        now = now or _database_clock()
        if due := rule.due(now):
            return rule.verdict(Known(now=now, answered=self.of(product, rule).filter(due=due).exists()))
        moment, name = _learned_until(product)
        return rule.verdict(Known(now=now, words=_words(product, moment), since=name))

    def _is_news(self, product: DataProduct, rule: Rule, verdict: Verdict) -> bool:
        return verdict.now or not self._waiting(product, rule).filter(reason=verdict.reason).exists()

    def _waiting(self, product: DataProduct, rule: Rule) -> models.QuerySet["RetrainDecision"]:
        return self.of(product, rule).filter(build=None, due=None)

    def _begin(self, product: DataProduct, rule: Rule, due: datetime) -> "RetrainDecision":
        """A rule that is new has nothing to make up for: what was due before it was declared is not."""
        return self.create(
            product=product.name, rule=str(rule), due=due, reason="The rule counts from here on."
        )

    def _request(self, product: DataProduct, rule: Rule, verdict: Verdict) -> "RetrainDecision | None":
        running = Build.objects.unfinished(product.name)
        if running and verdict.due is None:
            waits = f"Not yet: {verdict.reason} {running} has not ended, and may learn from some of it."
            return self._wait(product, rule, Verdict(reason=waits))
        build, started = Build.objects.request(product, by=str(rule), reason=verdict.reason)
        under_way = "" if started else f" {build} was under way already."
        self._waiting(product, rule).delete()
        return self.create(
            product=product.name,
            rule=str(rule),
            due=verdict.due,
            build=build,
            reason=verdict.reason + under_way,
        )

    def _wait(self, product: DataProduct, rule: Rule, verdict: Verdict) -> "RetrainDecision | None":
        """Only the newest "not yet" of a rule is kept: there may be one for each word."""
        waiting = self._waiting(product, rule)
        if waiting.filter(reason=verdict.reason).exists():
            return None
        waiting.delete()
        return self.create(product=product.name, rule=str(rule), reason=verdict.reason)


class RetrainDecision(base.BaseModel):
    """What a rule said at a moment; the row never changes, and goes only as a "not yet" that is followed by news."""

    product = models.CharField(max_length=40)
    at = models.DateTimeField(auto_now_add=True)
    #: As it is declared.
    rule = models.CharField(max_length=200)
    #: The moment of the clock that this answers; null for rules that do not go by it, and for "not yet".
    due = models.DateTimeField(null=True)
    #: What it began, or found under way; null: nothing.
    build = models.ForeignKey(Build, models.CASCADE, null=True, related_name="+")
    #: As a sentence.
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
    """The next moment at which a rule goes by the clock; None where none does."""
    return next_due(rules, _database_clock()) if rules else None


def _database_clock() -> datetime:
    """One clock for all hosts; not the transaction's, which stands still while it waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    assert isinstance(now, datetime)
    return now


def _learned_until(product: DataProduct) -> tuple[datetime | None, str]:
    """Until when the newest build has seen what people said, and its name. One that failed counts too: otherwise the
    same words would begin builds for ever.
    """
    newest = Build.objects.filter(product=product.name).select_related("snapshot").order_by("-number").first()
    if newest is None:
        return None, ""
    moment = newest.snapshot.taken_at if newest.snapshot else newest.ended_at or newest.requested_at
    return moment, f"build {newest.number}"


def _words(product: DataProduct, since: datetime | None) -> int:
    words = Feedback.objects.filter(product=product.name, retracted_at=None).exclude(author=TABLE)
    return (words if since is None else words.filter(created_at__gt=since)).count()
