"""The rule that counts feedback."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar

from ..exceptions import InvalidRule
from .rule import BaseRule, RuleInputs, RuleResult, count_of


@dataclass(frozen=True)
class AfterFeedback(BaseRule):
    """Retrain after this many feedback items about labels since the newest snapshot, whoever gave them."""

    needs_labels: ClassVar[bool] = True

    #: Number of feedback items, at least 1.
    count: int
    #: Least time between the newest build and one that the rule starts; None: none.
    pause: timedelta | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InvalidRule(f"AfterFeedback({self.count}) would never stop: use 1 or more.")
        self._check_pause()

    def __str__(self) -> str:
        return self._write(str(self.count))

    def _describe(self) -> str:
        return f"After {count_of(self.count, 'feedback item')} about labels since the newest snapshot"

    def evaluate(self, inputs: RuleInputs) -> RuleResult:
        """Evaluate the rule: due once there is enough feedback."""
        since = f" since {inputs.since}" if inputs.since else ""
        items = "1 feedback item" if inputs.feedback == 1 else f"{inputs.feedback} feedback items"
        if inputs.feedback >= self.count:
            return RuleResult(is_due=True, reason=f"{items} arrived{since}; {self.count} are needed.")
        return RuleResult(reason=f"Not yet: {items} arrived{since}; {self.count} are needed.")
