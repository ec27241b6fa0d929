"""Choice of a runtime per estimator: the fastest of those that reproduce the pipeline on a sample of rows."""

import pickle
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import TypeVar

from pandas import DataFrame
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from ..columns import Row
from ..inference.compiled import BATCH, CompiledForm, Member
from ..inference.exceptions import NotCompilable
from ..inference.native import native_output
from ..inference.plan import ColumnPlan
from ..inference.row_reader import Cells, RowReader
from ..inference.runtimes import Runtime
from .converters import convert
from .parity import compare
from .planner import build_plan

#: Factor by which a native estimator, which keeps the fitted model in memory, must be faster than other runtimes.
WORTH = 1.5
#: Bounds of one timing: calls and seconds.
_MOST_CALLS, _MOST_SECONDS = 21, 0.03

_Argument = TypeVar("_Argument")


@dataclass(eq=False)
class RuntimeChooser:
    """Chooses runtimes for the members of a model, given a sample of rows."""

    task: str
    reader: RowReader
    #: The sample as Python values, and as the frame that the pipeline takes.
    rows: Sequence[Row]
    X: DataFrame
    #: Usual size of the values; see `parity.compare`.
    size: float
    #: Distinct plans by their pickles: members with equal preprocessing share one.
    plans: dict[bytes, ColumnPlan] = field(default_factory=dict)
    #: Name of the runtime chosen for an estimator's repr, so that models of further folds are not timed again.
    chosen: dict[str, str] = field(default_factory=dict)

    def compile(self, pipelines: Sequence[Pipeline], weights: Sequence[float]) -> CompiledForm:
        """Compile the weighted average of fitted pipelines. Raises NotCompilable."""
        members = [self._member(*each) for each in zip(pipelines, weights, strict=True)]
        return CompiledForm(self.reader, list(self.plans.values()), members)

    def _member(self, pipeline: Pipeline, weight: float) -> Member:
        *steps, (_, estimator) = pipeline.steps
        plan = build_plan([step for _, step in steps], self.reader)
        key = pickle.dumps(plan)
        shared = self.plans.setdefault(key, plan)
        return Member(list(self.plans).index(key), self._choose(pipeline, estimator, shared), weight)

    def _choose(self, pipeline: Pipeline, estimator: BaseEstimator, plan: ColumnPlan) -> Runtime:
        """Raises NotCompilable if no runtime reproduces the pipeline on every row of the sample."""
        expected, X = native_output(pipeline, self.X, self.task), plan.matrix(self._cells(len(self.rows)))
        for runtime in self._by_speed(estimator, plan):
            if compare(runtime(X), expected, self.size).agrees:
                self.chosen[repr(estimator)] = runtime.name
                return runtime
        raise NotCompilable(f"no runtime reproduces {type(estimator).__name__} on every row.")

    def _by_speed(self, estimator: BaseEstimator, plan: ColumnPlan) -> Iterator[Runtime]:
        """Yield the estimator's runtimes, fastest first; the one chosen earlier before all others."""
        if name := self.chosen.get(repr(estimator)):
            yield from (each for each in convert(estimator, plan, self.task) if each.name == name)
        yield from self._sort_by_time(convert(estimator, plan, self.task), plan)

    def _sort_by_time(self, runtimes: Iterable[Runtime], plan: ColumnPlan) -> list[Runtime]:
        one, batch = (plan.matrix(self._cells(count)) for count in (1, BATCH))
        times = {
            # The geometric mean gives single rows and batches equal weight.
            runtime: sqrt(microseconds(runtime, one) * microseconds(runtime, batch))
            * (WORTH if runtime.holds_estimator else 1)
            for runtime in runtimes
        }
        return sorted(times, key=lambda runtime: times[runtime])

    def _cells(self, count: int) -> Cells:
        return self.reader.read(self.rows[:count])


def microseconds(function: Callable[[_Argument], object], argument: _Argument) -> float:
    """Measure the median time of a call, in microseconds."""
    function(argument)
    until, times = time.perf_counter() + _MOST_SECONDS, list[float]()
    while len(times) < _MOST_CALLS and (not times or time.perf_counter() < until):
        started = time.perf_counter()
        function(argument)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6
