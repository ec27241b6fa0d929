"""When to learn again: rules that a product declares, and what each says at a moment."""

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

#: How moments are written in sentences.
MOMENT = "%Y-%m-%d %H:%M UTC"


@dataclass(frozen=True, kw_only=True)
class Known:
    """What rules look at."""

    now: datetime
    #: Whether the rule's last due moment has had its answer.
    answered: bool = False
    #: Words about labels that people gave since the newest snapshot was taken, and did not take back.
    words: int = 0
    #: What `words` are counted from, as "build 7".
    since: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a rule says, and why, as a sentence."""

    reason: str
    #: The moment by which it is time; each moment is answered by one build. None: for all of a rule's words.
    due: datetime | None = None
    #: Whether it is time.
    now: bool = False


@dataclass(frozen=True)
class Every:
    """Learn again by the clock: five fields of cron, in UTC, as `"0 3 * * *"` for three in the morning.

    After a time when nobody looked, the last moment that was missed is made up for, once.
    """

    #: Whether it waits for feedback about labels, which a clustering has none of.
    needs_labels: ClassVar[bool] = False

    #: Minute, hour, day, month and weekday.
    cron: str

    def __post_init__(self) -> None:
        if len(self.cron.split()) != 5:
            raise InvalidRule(f"Every({self.cron!r}): give five fields: minute, hour, day, month, weekday.")
        try:
            self.next(datetime(2024, 1, 1, tzinfo=UTC))
        except (croniter.CroniterBadCronError, croniter.CroniterError) as error:
            raise InvalidRule(f"Every({self.cron!r}) is no time: {error}.") from error

    def __str__(self) -> str:
        return f"Every({self.cron!r})"

    def due(self, now: datetime) -> datetime:
        """The last due moment that is not later than `now`."""
        # From the next one back, as croniter looks strictly before.
        found: datetime = croniter.croniter(self.cron, self.next(now)).get_prev(datetime)
        return found

    def next(self, now: datetime) -> datetime:
        """The first due moment that is later than `now`."""
        found: datetime = croniter.croniter(self.cron, now.astimezone(UTC)).get_next(datetime)
        return found

    def verdict(self, known: Known) -> Verdict:
        if known.answered:
            return Verdict(reason=f"Not yet: it is due next at {self.next(known.now):{MOMENT}}.")
        due = self.due(known.now)
        return Verdict(now=True, due=due, reason=f"It was due at {due:{MOMENT}}.")


@dataclass(frozen=True)
class AfterFeedback:
    """Learn again after this many words about labels, whoever gave them, that no snapshot has seen yet."""

    needs_labels: ClassVar[bool] = True

    #: How many words about labels are enough, 1 or more.
    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InvalidRule(f"AfterFeedback({self.count}) would never stop: use 1 or more.")

    def __str__(self) -> str:
        return f"AfterFeedback({self.count})"

    def due(self, now: datetime) -> None:
        """Return None: it is due at no moment of the clock."""

    def next(self, now: datetime) -> None:
        """Return None, as `due` does."""

    def verdict(self, known: Known) -> Verdict:
        since = f" since {known.since}" if known.since else ""
        if known.words >= self.count:
            return Verdict(now=True, reason=f"{_words(known.words)} came{since}; {self.count} are enough.")
        return Verdict(reason=f"Not yet: {_words(known.words)} came{since}, of {self.count}.")


Rule = Every | AfterFeedback


def next_due(rules: Sequence[Rule], now: datetime) -> datetime | None:
    """The next moment of all rules that go by the clock; None where none does."""
    return min((moment for rule in rules if (moment := rule.next(now))), default=None)


def _words(count: int) -> str:
    return "1 word" if count == 1 else f"{count} words"
