"""The rules that look at the clock."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING

from ..exceptions import InvalidRule
from ..lazy_imports import LazyModule
from .rule import MOMENT, BaseRule, RuleInputs, RuleResult, is_number

if TYPE_CHECKING:
    import croniter
else:
    croniter = LazyModule("croniter")

#: Days between a build that failed and the next one that OlderThan starts.
RETRY_DAYS = 1
#: Days that an OlderThan may have, at most: a hundred years.
MOST_DAYS = 36_525


@dataclass(frozen=True)
class Every(BaseRule):
    """Retrain by schedule: five fields of cron, in UTC, such as `"0 3 * * *"` for three in the morning.

    After downtime only the last missed moment is caught up.
    """

    #: Minute, hour, day, month and weekday.
    cron: str
    #: Least time between the newest build and one that the rule starts; None: none. A moment that is due waits.
    pause: timedelta | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if len(self.cron.split()) != 5:
            raise InvalidRule(f"Every({self.cron!r}): give five fields: minute, hour, day, month, weekday.")
        try:
            self.next(datetime(2024, 1, 1, tzinfo=UTC))
        except (croniter.CroniterBadCronError, croniter.CroniterError) as error:
            raise InvalidRule(f"Every({self.cron!r}) is no schedule: {error}.") from error
        self._check_pause()

    def __str__(self) -> str:
        return self._write(repr(self.cron))

    def _describe(self) -> str:
        minute, hour, *rest = self.cron.split()
        if rest == ["*"] * 3 and minute.isdigit() and hour.isdigit():
            return f"Every day at {int(hour):02}:{int(minute):02} UTC"
        return f"By the schedule {self.cron} (minute, hour, day, month, weekday) in UTC"

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
class OlderThan(BaseRule):
    """Retrain once the newest rows that a build has learned from were joined this many days ago.

    A build counts whether or not its version serves: one that changed nothing is not repeated before its time.
    """

    #: Days, more than 0.
    days: float
    #: Least time between the newest build and one that the rule starts; None: none.
    pause: timedelta | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not is_number(self.days) or not isfinite(self.days) or not 0 < self.days <= MOST_DAYS:
            raise InvalidRule(f"OlderThan(days={self.days!r}): give more than 0 days, {MOST_DAYS:,} at most.")
        self._check_pause()

    def __str__(self) -> str:
        return self._write(f"days={self.days:g}")

    def _describe(self) -> str:
        return f"Once the newest rows that a build has learned from are {self.days:g} days old"

    def evaluate(self, inputs: RuleInputs) -> RuleResult:
        """Evaluate the rule: due once the version is too old, a day after a build that failed."""
        if inputs.learned_at is None:
            return RuleResult(reason="Not yet: no version serves.")
        rows = f"the newest rows that were learned from are of {inputs.learned_at:{MOMENT}}"
        moment = inputs.learned_at + timedelta(days=self.days)
        retry = inputs.failed_at and inputs.failed_at + timedelta(days=RETRY_DAYS)
        if inputs.now < moment:
            return RuleResult(reason=f"Not yet: {rows}; it is due at {moment:{MOMENT}}.")
        if retry is not None and inputs.now < retry:
            return RuleResult(
                reason=f"Not yet: the newest build came to nothing; it is due at {retry:{MOMENT}}."
            )
        return RuleResult(is_due=True, reason=f"{rows[0].upper()}{rows[1:]}, {self.days:g} days ago or more.")
