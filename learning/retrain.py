"""Retraining rules that products declare: by schedule, or after feedback."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from .exceptions import InvalidRule
from .lazy_imports import LazyModule

if TYPE_CHECKING:
    import croniter
else:
    croniter = LazyModule("croniter")

#: Format of moments in sentences.
MOMENT = "%Y-%m-%d %H:%M UTC"


@dataclass(frozen=True, kw_only=True)
class RuleInputs:
    """Facts that a rule is evaluated with."""

    now: datetime
    #: Whether the rule's last due moment has been handled.
    handled: bool = False
    #: Feedback items about labels since the newest snapshot, without those taken back.
    feedback: int = 0
    #: Start of the count of `feedback`, such as "build 7".
    since: str = ""


@dataclass(frozen=True, kw_only=True)
class RuleResult:
    """Result of a rule, and its reason as a sentence."""

    reason: str
    #: The due moment, which one build handles; None for rules without a schedule.
    due: datetime | None = None
    #: Whether to build now.
    is_due: bool = False


@dataclass(frozen=True)
class Every:
    """Retrain by schedule: five fields of cron, in UTC, such as `"0 3 * * *"` for three in the morning.

    After downtime only the last missed moment is caught up.
    """

    #: Whether the rule needs feedback about labels, which a clustering does not have.
    needs_labels: ClassVar[bool] = False

    #: Minute, hour, day, month and weekday.
    cron: str

    def __post_init__(self) -> None:
        if len(self.cron.split()) != 5:
            raise InvalidRule(f"Every({self.cron!r}): give five fields: minute, hour, day, month, weekday.")
        try:
            self.next(datetime(2024, 1, 1, tzinfo=UTC))
        except (croniter.CroniterBadCronError, croniter.CroniterError) as error:
            raise InvalidRule(f"Every({self.cron!r}) is no schedule: {error}.") from error

    def __str__(self) -> str:
        return f"Every({self.cron!r})"

    def due(self, now: datetime) -> datetime:
        """Compute the last due moment that is not later than `now`."""
        # Starts from the next one, because croniter searches strictly before.
        moment: datetime = croniter.croniter(self.cron, self.next(now)).get_prev(datetime)
        return moment

    def next(self, now: datetime) -> datetime:
        """Compute the first due moment that is later than `now`."""
        moment: datetime = croniter.croniter(self.cron, now.astimezone(UTC)).get_next(datetime)
        return moment

    def evaluate(self, inputs: RuleInputs) -> RuleResult:
        """Evaluate the rule: due until its last due moment is handled."""
        if inputs.handled:
            return RuleResult(reason=f"Not yet: it is due next at {self.next(inputs.now):{MOMENT}}.")
        due = self.due(inputs.now)
        return RuleResult(is_due=True, due=due, reason=f"It was due at {due:{MOMENT}}.")


@dataclass(frozen=True)
class AfterFeedback:
    """Retrain after this many feedback items about labels since the newest snapshot, whoever gave them."""

    needs_labels: ClassVar[bool] = True

    #: Number of feedback items, at least 1.
    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InvalidRule(f"AfterFeedback({self.count}) would never stop: use 1 or more.")

    def __str__(self) -> str:
        return f"AfterFeedback({self.count})"

    def due(self, now: datetime) -> None:
        """Return None: the rule has no schedule."""

    def next(self, now: datetime) -> None:
        """Return None: the rule has no schedule."""

    def evaluate(self, inputs: RuleInputs) -> RuleResult:
        """Evaluate the rule: due once there is enough feedback."""
        since = f" since {inputs.since}" if inputs.since else ""
        items = "1 feedback item" if inputs.feedback == 1 else f"{inputs.feedback} feedback items"
        if inputs.feedback >= self.count:
            return RuleResult(is_due=True, reason=f"{items} arrived{since}; {self.count} are needed.")
        return RuleResult(reason=f"Not yet: {items} arrived{since}; {self.count} are needed.")


Rule = Every | AfterFeedback


def next_due(rules: Sequence[Rule], now: datetime) -> datetime | None:
    """Compute the next due moment of all rules with a schedule; None if there is none."""
    return min((moment for rule in rules if (moment := rule.next(now))), default=None)
