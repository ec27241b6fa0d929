"""Clock of a build: its start, its time limit, and the moments at which its phases must end."""

import time
from collections.abc import Callable
from dataclasses import dataclass

#: Shares of the time for learning: end of the search; its latest end, if the best candidate is not finished by then;
#: time limit of one fit.
SEARCH_SHARE, LATEST_SHARE, FIT_SHARE = 0.6, 0.8, 0.3
#: Share of the time for learning after which the search ends at the earliest, if the final round needs the rest.
EARLIEST_SHARE = 0.3
#: Share of the time for learning after which all fits must be done, because stopping the processes takes time too.
END_SHARE = 0.96
#: Share of the time for learning after which the winner's compilation must end; that of alternatives ends at END_SHARE.
LAST_SHARE = 0.98
#: Shares of the whole time, and seconds, that are left when no picture is begun any more: the last one is not stopped.
SPARE_SHARE, MOST_SPARE_SHARE, SPARE_SECONDS = 0.03, 0.1, 5.0
#: Share of the whole time after which no fold of the final round goes on; and the least such time, in seconds, because
#: a limit of a few seconds is for trying out, and shall give a model although starting processes alone takes some.
LAST_ROUND_SHARE, LEAST_SECONDS = 0.9, 15.0
#: The least time after which no fit on all examples goes on, in seconds, for the same reason: the final round may have
#: taken its own least time before.
LEAST_FITTING_SECONDS = 2 * LEAST_SECONDS
#: Time limit of one fit, in seconds, if the build has none.
FIT_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Start and time limit of a build. Moments are by `now`."""

    #: When the build started, before its tables were joined.
    started: float
    #: None: no limit.
    seconds: float | None
    #: Share of the limit that is left for pictures.
    pictures: float = 0.0
    now: Callable[[], float] = time.monotonic

    @property
    def fit_seconds(self) -> float:
        """Time limit of one fit."""
        return FIT_SECONDS if self.seconds is None else self._learning(self.seconds) * FIT_SHARE

    def at(self, share: float) -> float | None:
        """Return the moment at which this share of the time for learning has passed; None without a limit."""
        return None if self.seconds is None else self.started + self._learning(self.seconds) * share

    @property
    def last(self) -> float | None:
        """Latest end of a final round that has too few folds to decide by: it takes the time of the pictures."""
        if self.seconds is None:
            return None
        ends = self._learning(self.seconds) * END_SHARE, self.seconds * LAST_ROUND_SHARE, LEAST_SECONDS
        return self.started + max(ends)

    @property
    def fits_end(self) -> float | None:
        """Moment at which the fits on all examples must have ended; None without a limit."""
        if self.seconds is None:
            return None
        return self.started + max(self._learning(self.seconds) * END_SHARE, LEAST_FITTING_SECONDS)

    def drawing_deadline(self, least: float) -> float:
        """Return the moment after which no picture is begun any more.

        Args:
            least: Seconds for pictures, if the build has no limit and its share is less.
        """
        now = self.now()
        if self.seconds is not None:
            spare = max(SPARE_SHARE * self.seconds, min(SPARE_SECONDS, MOST_SPARE_SHARE * self.seconds))
            return self.started + self.seconds - spare
        return now + max(least, (now - self.started) * self.pictures / (1 - self.pictures))

    def _learning(self, seconds: float) -> float:
        return seconds * (1 - self.pictures)
