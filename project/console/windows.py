"""Windows of time that pages show. They begin with a day or an hour, so that what was computed is used again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

#: The windows to choose from: their names in addresses, their titles, their lengths, and the parts of their history.
CHOICES = (
    ("24h", "24 hours", timedelta(hours=24), "HOUR"),
    ("7d", "7 days", timedelta(days=7), "DAY"),
    ("30d", "30 days", timedelta(days=30), "DAY"),
    ("all", "All", None, "WEEK"),
)
DEFAULT = "30d"
PARTS = (("HOUR", "Hours"), ("DAY", "Days"), ("WEEK", "Weeks"))


def start_of_day(days_ago: int = 0) -> datetime:
    """Get the start of the day in UTC that was so many days ago."""
    return timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(
        days=days_ago
    )


@dataclass(frozen=True)
class Window:
    """A window of time, with the parts of its history."""

    #: Of CHOICES; empty where moments are given.
    name: str
    since: datetime | None
    until: datetime | None
    by: str
    #: Sentences about what the address says and cannot be read.
    problems: tuple[str, ...] = ()

    @property
    def variables(self) -> dict[str, object]:
        """The window as variables of an operation."""
        return {
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
        }

    @property
    def condition(self) -> dict[str, object]:
        """The window as a filter of predictions; empty for all of them."""
        bounds = {"gte": self.since, "lt": self.until}
        times = {name: moment.isoformat() for name, moment in bounds.items() if moment}
        return {"createdAt": times} if times else {}

    @property
    def title(self) -> str:
        """The window in words."""
        titles = {name: title for name, title, _, _ in CHOICES}
        if self.name == "all":
            return "all predictions"
        if self.name:
            return f"the last {titles[self.name]}"
        since = f"since {self.since:%d %b %Y, %H:%M}" if self.since else ""
        until = f"until {self.until:%d %b %Y, %H:%M}" if self.until else ""
        return " ".join(filter(None, (since, until))) + " UTC"


def read_window(parameters: Mapping[str, str]) -> Window:
    """Read a window from the parameters of an address: `window`, or `since` and `until`; and `by`."""
    problems: list[str] = []
    since, until = (_read_moment(parameters.get(name, ""), name, problems) for name in ("since", "until"))
    if since and until and since >= until:
        problems.append("The window ends before it begins: the whole time since its beginning is shown.")
        until = None
    by = parameters.get("by", "").upper()
    by = by if by in dict(PARTS) else ""
    if since or until:
        return Window("", since, until, by or _parts_of(since, until), tuple(problems))
    choice = parameters.get("window", "")
    name, _, length, parts = next(
        (each for each in CHOICES if each[0] == choice), next(each for each in CHOICES if each[0] == DEFAULT)
    )
    if length is None:
        return Window(name, None, None, by or parts, tuple(problems))
    if length < timedelta(days=2):
        start = timezone.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0) - length
    else:
        start = start_of_day(length.days)
    return Window(name, start, None, by or parts, tuple(problems))


def _parts_of(since: datetime | None, until: datetime | None) -> str:
    """Choose parts of which a history has some ten to hundred."""
    if since is None:
        return "WEEK"
    length = (until or timezone.now()) - since
    return "HOUR" if length <= timedelta(days=3) else "DAY" if length <= timedelta(days=120) else "WEEK"


def _read_moment(text: str, name: str, problems: list[str]) -> datetime | None:
    """Read a date or a moment; in UTC, unless it says otherwise."""
    if not text:
        return None
    try:
        moment = parse_datetime(text)
        day = None if moment else parse_date(text)
    except ValueError:
        moment = day = None
    if moment is None and day is None:
        problems.append(f"“{text[:40]}” is no date: {name} is written as 2026-05-31, or 2026-05-31T12:00.")
        return None
    moment = moment or datetime(day.year, day.month, day.day)  # type: ignore[union-attr]
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
