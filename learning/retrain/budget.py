"""The budget of builds that rules may start."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..exceptions import InvalidRule
from .rule import MOMENT, count_of, describe_time

#: A budget is of this time at most: ten years.
LONGEST = timedelta(days=3_653)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Upper bound of the builds of a product in a time, for its rules. Every build counts; people are never refused."""

    #: Number of builds, at least 1.
    builds: int
    #: The time in which there may be so many.
    per: timedelta

    def __post_init__(self) -> None:
        if not isinstance(self.builds, int) or isinstance(self.builds, bool) or self.builds < 1:
            raise InvalidRule(f"Budget(builds={self.builds!r}): give 1 build or more.")
        if not isinstance(self.per, timedelta) or not timedelta(0) < self.per <= LONGEST:
            raise InvalidRule(
                f"Budget(per={self.per!r}): give a timedelta of more than 0, {LONGEST.days:,} days at most."
            )

    def __str__(self) -> str:
        return f"Budget(builds={self.builds}, per={describe_time(self.per)})"

    def free_at(self, requested: Sequence[datetime], now: datetime) -> datetime | None:
        """Compute when a rule may start a build again; None if it may now.

        Args:
            requested: When the product's newest builds were requested.
        """
        spent = sorted((at for at in requested if at > now - self.per), reverse=True)
        return spent[self.builds - 1] + self.per if len(spent) >= self.builds else None

    def explain(self, free_at: datetime) -> str:
        """Explain in a sentence why a rule has to wait."""
        builds = count_of(self.builds, "build")
        return f"The budget of {builds} per {describe_time(self.per)} is spent until {free_at:{MOMENT}}."
