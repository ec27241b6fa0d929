"""The compiled form of a model: what it says, without pandas, by whatever is fastest at it here; `make` makes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .plan import ColumnPlan
from .row_reader import Reader
from .runtimes import ModelOutput, Runtime

__all__ = ["BATCH", "PIPELINE", "CompiledForm", "CompiledModel", "Member", "ModelOutput"]

#: The runtime of a model whose fitted pipeline serves.
PIPELINE = "pipeline"
#: Rows at once that a model is timed with, beside one alone: what comes together under load.
BATCH = 32
#: Runtimes that an artifact is written for, beside those that it always is.
_LIBRARIES = ("onnxruntime", "treelite")


@dataclass(frozen=True, eq=False)
class Member:
    """One estimator: which of the plans makes its array, what does its work, and its weight in the average."""

    plan: int
    runtime: Runtime
    weight: float


@dataclass(frozen=True, eq=False)
class CompiledForm:
    """Plans, each asked once for all the members that share it, and the members' average. Threads may ask at once."""

    reader: Reader
    plans: Sequence[ColumnPlan]
    members: Sequence[Member]

    def arrays(self, rows: Sequence[Sequence[Any]]) -> ModelOutput:
        """As `Model.arrays` has it, before the calibration."""
        cells = self.reader.read(rows)
        made = [plan.matrix(cells) for plan in self.plans]
        first, *others = self.members
        told = first.runtime(made[first.plan])
        if not others or isinstance(told, tuple):
            return told
        told = first.weight * told
        for member in others:
            told += member.weight * member.runtime(made[member.plan])  # type: ignore[operator]
        return told


@dataclass(frozen=True, eq=False, kw_only=True)
class CompiledModel:
    """What serves, how fast it is, and what was proved of it."""

    #: Of the libraries that do the work; "pipeline" where nothing else may.
    runtime: str
    #: From Python values to numbers, of 32 rows at once on one thread; None where nobody measured.
    microseconds_per_row: float | None
    #: A sentence: on how many rows it says what the pipeline says, and how exactly; or why it does not serve.
    parity: str
    #: None: the pipeline serves.
    form: CompiledForm | None = None

    @property
    def libraries(self) -> list[str]:
        """Those that it depends on beside scikit-learn and what that needs."""
        used = self.runtime.split(", ")
        return [library for library in _LIBRARIES if library in used]

    @property
    def whole(self) -> bool:
        """Whether it holds the fitted estimator itself."""
        return self.form is not None and any(member.runtime.whole for member in self.form.members)
