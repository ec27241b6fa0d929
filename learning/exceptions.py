"""Errors of learning. A class's docstring is the default message, its code is for machines."""

from collections.abc import Sequence


class ExemplarError(Exception):
    """The request was refused, or failed."""

    #: One of the contract's `ErrorCode` members.
    code = "INTERNAL"

    def __init__(
        self,
        message: str | None = None,
        *,
        argument: Sequence[str | int] = (),
        minimum: float | None = None,
        maximum: float | None = None,
        retry_after: float | None = None,
    ):
        super().__init__(message or type(self).__doc__)
        #: Path of the refused input, such as `("rows", 3, "features", "meanRadius")`.
        self.argument = tuple(map(str, argument))
        self.minimum = minimum
        self.maximum = maximum
        #: Seconds after which trying again makes sense.
        self.retry_after = retry_after

    @property
    def message(self) -> str:
        """The sentence for people."""
        return str(self)

    @property
    def faults(self) -> "Sequence[ExemplarError]":
        """The faults of the input, an error each."""
        return (self,)

    def locate(self, path: Sequence[str | int]) -> None:
        """Put `path` before the path of each fault."""
        for fault in self.faults:
            fault.argument = (*map(str, path), *fault.argument)


class LearningError(ExemplarError):
    """The build cannot continue."""


class InvalidProblem(LearningError):
    """The problem's declaration is invalid."""

    code = "BAD_INPUT"


class InvalidRule(LearningError):
    """The retraining rule is invalid."""

    code = "BAD_INPUT"


class InvalidPolicy(LearningError):
    """The truth policy is invalid."""

    code = "BAD_INPUT"


class InvalidValue(LearningError):
    """The value is not valid for its column."""

    code = "BAD_INPUT"


class ValueOutOfRange(InvalidValue):
    """The number lies outside its declared range."""

    code = "OUT_OF_RANGE"


class ValueNotFinite(InvalidValue):
    """NaN and infinity are not values that can be learned from."""

    code = "NOT_FINITE"


class NoRows(LearningError):
    """There is nothing to learn from."""

    code = "NO_ROWS"


class TooFewInstances(LearningError):
    """There are too few labelled instances to learn from."""

    code = "TOO_FEW_INSTANCES"


class OneClass(LearningError):
    """All labelled instances have the same label."""

    code = "ONE_CLASS"


class TimedOut(LearningError):
    """The time limit was reached."""

    code = "TIMED_OUT"


class NotFinite(LearningError):
    """The model has no finite answer for these features."""

    code = "NOT_FINITE"


class NotAModel(LearningError):
    """The artifact is not a model."""

    code = "MODEL_DOES_NOT_FIT"


class NothingFitted(LearningError):
    """No candidate could be fitted and scored on all folds."""


class WorkersLost(LearningError):
    """The processes that fit candidates ended and could not be replaced."""

    code = "WORKER_LOST"


class ClusterUnreachable(LearningError):
    """No Dask scheduler with workers answers."""

    code = "UNAVAILABLE"


class ClusterUnfit(LearningError):
    """The Dask workers cannot fit models that serve here."""

    code = "UNAVAILABLE"


class OneCluster(LearningError):
    """All instances fell into one cluster."""

    code = "ONE_CLASS"
