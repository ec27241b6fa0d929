"""Compiled form of a model: the same predictions without pandas, on the runtime that is fastest on this machine.

`compiler.compilation` builds it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..columns import Row
from .plan import ColumnPlan
from .row_reader import RowReader
from .runtimes import ModelOutput, Runtime

__all__ = ["BATCH", "PIPELINE", "CompiledForm", "CompiledModel", "Member", "ModelOutput"]

#: `CompiledModel.runtime` of a model that is served by its fitted pipeline.
PIPELINE = "pipeline"
#: Rows per call when a model is timed: a typical micro-batch under load.
BATCH = 32
#: Libraries that a model may need beside those that every model needs.
_OPTIONAL_LIBRARIES = ("onnxruntime", "treelite")


@dataclass(frozen=True, eq=False)
class Member:
    """One estimator of the average: index of its plan, its runtime and its weight."""

    plan: int
    runtime: Runtime
    weight: float


@dataclass(frozen=True, eq=False)
class CompiledForm:
    """Weighted average of members; members with equal preprocessing share a plan. Thread-safe."""

    reader: RowReader
    plans: Sequence[ColumnPlan]
    members: Sequence[Member]

    def arrays(self, rows: Sequence[Row]) -> ModelOutput:
        """Predict rows of Python values, without calibration; see `Model.arrays`."""
        cells = self.reader.read(rows)
        matrices = [plan.matrix(cells) for plan in self.plans]
        first, *others = self.members
        output = first.runtime(matrices[first.plan])
        if not others or isinstance(output, tuple):
            return output
        total = first.weight * output
        for member in others:
            total += member.weight * member.runtime(matrices[member.plan])  # type: ignore[operator]
        return total


@dataclass(frozen=True, eq=False, kw_only=True)
class CompiledModel:
    """Result of a compilation: the form that serves, its speed, and how far parity was verified."""

    #: Libraries that compute the predictions, separated by ", "; PIPELINE if the pipeline serves.
    runtime: str
    #: Time per row in batches of BATCH on one thread, from Python values to arrays; None if not measured.
    microseconds_per_row: float | None
    #: A sentence: the rows on which the form equals the pipeline and how exactly, or why the pipeline serves.
    parity: str
    #: None: the pipeline serves.
    form: CompiledForm | None = None

    @property
    def libraries(self) -> list[str]:
        """Libraries that the form needs beside those that every model needs."""
        used = self.runtime.split(", ")
        return [library for library in _OPTIONAL_LIBRARIES if library in used]

    @property
    def holds_estimator(self) -> bool:
        """True if the form contains the fitted estimator itself."""
        return self.form is not None and any(member.runtime.holds_estimator for member in self.form.members)
