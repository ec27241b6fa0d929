"""Which runtime does an estimator's work: the fastest of those that say what the pipeline says of a few rows."""

import pickle
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from pandas import DataFrame

from ..inference.compiled import BATCH, CompiledForm, Member
from ..inference.exceptions import NotPlanned
from ..inference.native import native_output
from ..inference.plan import ColumnPlan, Matrix
from ..inference.row_reader import Cells, Reader
from ..inference.runtimes import Runtime
from .converters import runtimes_of
from .parity import difference
from .planner import plan

#: An estimator itself, which keeps its pipeline in memory, must be this many times as fast as what does without.
WORTH = 1.5
#: How often it is timed, and for how many seconds at most.
_TIMES, _SECONDS = 21, 0.03


@dataclass(eq=False)
class Sample:
    """Rows that tell runtimes apart."""

    task: str
    reader: Reader
    #: As Python values, and as the pipeline takes them.
    rows: Sequence[Sequence[Any]]
    X: DataFrame
    #: What values that happen to be small are measured by.
    size: float
    #: Distinct plans by their bytes: members that prepare alike share one.
    plans: dict[bytes, ColumnPlan] = field(default_factory=dict)
    #: The runtime that was chosen for an estimator of this description: fold models are not timed again and again.
    chosen: dict[str, str] = field(default_factory=dict)

    def form(self, pipelines: Sequence[Any], weights: Sequence[float]) -> CompiledForm:
        """The pipelines' average. Raises NotPlanned where one of them has no counterpart."""
        members = [self._member(*each) for each in zip(pipelines, weights, strict=True)]
        return CompiledForm(self.reader, list(self.plans.values()), members)

    def _member(self, pipeline: Any, weight: float) -> Member:
        *steps, (_, estimator) = pipeline.steps
        made = plan([step for _, step in steps], self.reader)
        key = pickle.dumps(made)
        shared = self.plans.setdefault(key, made)
        return Member(list(self.plans).index(key), self._runtime(pipeline, estimator, shared), weight)

    def _runtime(self, pipeline: Any, estimator: Any, plan: ColumnPlan) -> Runtime:
        """Raises NotPlanned where none says what the pipeline says."""
        expected, X = native_output(pipeline, self.X, self.task), plan.matrix(self._cells(len(self.rows)))
        for runtime in self._likely(estimator, plan):
            if difference(runtime(X), expected, self.size).agrees:
                self.chosen[repr(estimator)] = runtime.name
                return runtime
        raise NotPlanned(f"nothing faster says of every row what {type(estimator).__name__} says.")

    def _likely(self, estimator: Any, plan: ColumnPlan) -> Iterator[Runtime]:
        """The fastest first."""
        if name := self.chosen.get(repr(estimator)):
            yield from (each for each in runtimes_of(estimator, plan, self.task) if each.name == name)
        yield from self._timed(runtimes_of(estimator, plan, self.task), plan)

    def _timed(self, runtimes: Iterable[Runtime], plan: ColumnPlan) -> list[Runtime]:
        one, batch = (plan.matrix(self._cells(count)) for count in (1, BATCH))
        times = {
            # One alone and many at once count the same: the geometric mean of their times.
            runtime: sqrt(microseconds(runtime, one) * microseconds(runtime, batch))
            * (WORTH if runtime.whole else 1)
            for runtime in runtimes
        }
        return sorted(times, key=lambda runtime: times[runtime])

    def _cells(self, count: int) -> Cells:
        return self.reader.read(self.rows[:count])


def microseconds(function: Callable[[Any], Any], argument: Matrix | Sequence[Any]) -> float:
    """The median time of a call."""
    function(argument)
    until, times = time.perf_counter() + _SECONDS, list[float]()
    while len(times) < _TIMES and (not times or time.perf_counter() < until):
        started = time.perf_counter()
        function(argument)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6
