"""Errors of the store: each class is a sentence and a code."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from learning.exceptions import ExemplarError

#: Faults whose sentences stand in the message of SeveralFaults, at most.
MOST_SENTENCES = 20


class StoreError(ExemplarError):
    """The request contradicts the stored rows."""

    code = "BAD_REQUEST"


class BadInput(StoreError):
    """The input is not a valid value of this field."""

    code = "BAD_INPUT"


class InvalidJoin(StoreError):
    """The declared join cannot be compiled."""

    code = "BAD_INPUT"


class OutOfRange(StoreError):
    """The number is outside its declared range."""

    code = "OUT_OF_RANGE"


class NotFinite(StoreError):
    """The number is NaN or infinite."""

    code = "NOT_FINITE"


class UnknownId(StoreError):
    """Nothing has this id."""

    code = "UNKNOWN_ID"


class WrongKindOfId(StoreError):
    """The id belongs to an object of another type."""

    code = "WRONG_KIND_OF_ID"


class UnknownEntity(StoreError):
    """No row has this key."""

    code = "UNKNOWN_ENTITY"


class IncompleteEntity(StoreError):
    """The entity lacks a feature row."""

    code = "INCOMPLETE_ENTITY"


class UnknownProduct(StoreError):
    """No data product has this name."""

    code = "UNKNOWN_PRODUCT"


class NoChampion(StoreError):
    """No model of the product serves yet."""

    code = "NO_CHAMPION"


class ModelDoesNotFit(StoreError):
    """The model was fitted for another declaration or with other libraries, or its seal is not valid."""

    code = "MODEL_DOES_NOT_FIT"


class NotWritable(StoreError):
    """The product's feature rows cannot be written through the API."""

    code = "NOT_WRITABLE"


class Conflict(StoreError):
    """A row with this key exists already."""

    code = "CONFLICT"


class StaleVersion(StoreError):
    """The row has changed since the given version was read."""

    code = "STALE_VERSION"


class ChampionChanged(StoreError):
    """Another version serves now."""

    code = "CHAMPION_CHANGED"


class ForeignModel(StoreError):
    """The model version belongs to another product."""

    code = "FOREIGN_MODEL"


class JobEnded(StoreError):
    """The job has ended already."""

    code = "JOB_ENDED"


class SettingsChanged(StoreError):
    """The build cannot go on: the settings of its product have changed since it registered a version."""


class RowsMultiplied(StoreError):
    """The join multiplies or loses instances."""

    code = "ROWS_MULTIPLIED"


class NotOneRow(StoreError):
    """A write would touch more rows than the one that it is about, or none, and was rolled back."""

    code = "NOT_ONE_ROW"


class NotWritten(NotOneRow):
    """The row was not written: it is gone, or a trigger or a policy of its table refuses it."""


class WorkerLost(StoreError):
    """The worker that ran the job died."""

    code = "WORKER_LOST"


class Unavailable(StoreError):
    """A server that the request needs cannot be reached."""

    code = "UNAVAILABLE"


class Overloaded(StoreError):
    """Too many requests are pending; try again later."""

    code = "OVERLOADED"


class FellBehind(Overloaded):
    """A subscriber did not take the events as they came."""

    def __init__(self, message: str, *, maximum: int, cursor: str):
        super().__init__(message, maximum=maximum)
        #: Where to begin again.
        self.cursor = cursor


class RateLimited(StoreError):
    """The caller has sent as many requests as its rate or quota allows; wait for `retryAfter` seconds."""

    code = "RATE_LIMITED"


class Cancelled(StoreError):
    """The client has closed the connection."""

    code = "CANCELLED"


class Unauthenticated(StoreError):
    """The request needs a login."""

    code = "UNAUTHENTICATED"


class Forbidden(StoreError):
    """The caller may not do this."""

    code = "FORBIDDEN"


class SeveralFaults(BadInput):
    """Several parts of the input are not valid."""

    def __init__(self, faults: Sequence[ExemplarError]):
        super().__init__(" ".join(fault.message for fault in faults[:MOST_SENTENCES]))
        self._faults = tuple(faults)

    @property
    def faults(self) -> Sequence[ExemplarError]:
        return self._faults


class Faults:
    """Collects the errors of several checks of one input, to raise all of them at once."""

    def __init__(self) -> None:
        self.errors: list[ExemplarError] = []

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Collect the error of the enclosed check, if it raises one."""
        try:
            yield
        except StoreError as error:
            self.errors += error.faults

    @property
    def error(self) -> ExemplarError:
        """One error for all: a single one as it is, several as SeveralFaults."""
        return self.errors[0] if len(self.errors) == 1 else SeveralFaults(self.errors)

    def check(self) -> None:
        """Raise the collected errors, if there are any."""
        if self.errors:
            raise self.error


#: Characters of a message, at most: it may quote input.
MAX_MESSAGE = 500


def shortened(message: str, most: int = MAX_MESSAGE) -> str:
    """The message; its middle, which quotes input, is left out if it is too long to read."""
    if len(message) <= most:
        return message
    half = most // 2
    return f"{message[:half]} … {message[-half:]}"


def storable(text: str) -> str:
    """The text with what a column does not take, NUL and half surrogate pairs of quoted input, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
