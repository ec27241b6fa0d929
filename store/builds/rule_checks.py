"""Checks of costly rules: when each was evaluated last, and whether its limit was crossed then."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models
from django.db.models.functions import Now

from learning.retrain import Rule, RuleResult

from ..db.base import BaseModel
from ..db.writes import Writes
from ..products.product import DataProduct

#: Seconds between two evaluations of a costly rule, by whichever process comes first.
INTERVAL = 60

#: Takes a rule for the process that runs it. A time further ahead than two processes read the clock apart is of a
#: clock that was set back.
CLAIM = """
INSERT INTO store_rulecheck AS checked (product, rule, checked_at, crossed)
VALUES (%(product)s, %(rule)s, %(now)s, false)
ON CONFLICT (product, rule) DO UPDATE SET checked_at = excluded.checked_at
WHERE checked.checked_at NOT BETWEEN %(since)s AND %(ahead)s
RETURNING id
"""


class RuleCheckManager(models.Manager["RuleCheck"]):
    """Claims rules, and notices when their limits are crossed."""

    def claim(self, product: DataProduct, rule: Rule, now: datetime) -> bool:
        """Take a rule for this process; returns whether nobody has evaluated it in the last INTERVAL seconds."""
        since = now - timedelta(seconds=INTERVAL) + timedelta(microseconds=1)
        parameters: dict[str, Any] = {"product": product.name, "rule": str(rule), "now": now, "since": since}
        parameters["ahead"] = now + timedelta(seconds=INTERVAL)
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, parameters)
            return cursor.fetchone() is not None

    def record_crossing(
        self, product: DataProduct, rule: Rule, version: int | None, result: RuleResult
    ) -> bool:
        """Store whether the limit is crossed for a version; returns whether it has been crossed just now.

        The caller has locked the product's state.
        """
        if result.is_crossed is None:
            return False
        row = self.get_or_create(product=product.name, rule=str(rule), defaults={"checked_at": Now()})[0]
        was_crossed = row.crossed and row.model_id == version
        row.crossed, row.model_id = result.is_crossed, version
        row.save(update_fields=["crossed", "model"])
        return result.is_crossed and not was_crossed


class RuleCheck(BaseModel):
    """The newest evaluation of a rule whose facts take long to compute."""

    web_writes = worker_writes = Writes(insert=True, update=("checked_at", "crossed", "model_id"))

    product = models.CharField(max_length=40)
    #: The rule, as it is declared.
    rule = models.CharField(max_length=200)
    checked_at = models.DateTimeField()
    #: Whether the limit was crossed when that could be told last.
    crossed = models.BooleanField(default=False)
    #: The version that this was told of; null before the first time.
    model = models.ForeignKey("store.ModelVersion", models.CASCADE, null=True, related_name="+")

    objects = RuleCheckManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["product", "rule"], name="one_check_per_rule")]

    def __str__(self) -> str:
        return f"{self.rule} of {self.product}"
