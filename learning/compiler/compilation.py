"""Compilation of a fitted model: column plans, the fastest runtimes, and the verification against the pipeline."""

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from pandas import DataFrame
from threadpoolctl import threadpool_limits

from ..columns import Column, Row, frame
from ..dataset import Dataset
from ..estimators.ensemble import Ensemble
from ..estimators.preprocess import frequent_levels
from ..inference.compiled import BATCH, PIPELINE, CompiledForm, CompiledModel
from ..inference.exceptions import NotCompilable
from ..inference.native import native_output
from ..inference.row_reader import RowReader
from ..model import Model
from ..problem import Problem
from . import probe_rows
from .parity import TOLERANCE, Difference, compare
from .runtime_choice import RuntimeChooser, microseconds

#: Rows of the snapshot that runtimes are chosen on; and rows per chunk of the verification, fewer if they are wide.
SAMPLE, CHUNK = 600, 2_000
#: Upper bound of the verification if the caller sets no deadline.
VERIFICATION_SECONDS = 20.0


def compile_model(model: Model, dataset: Dataset, deadline: float | None = None) -> CompiledModel:
    """Compile a model, and verify the form on the snapshot that the model learned from and on probe rows.

    Never raises: if the model cannot be compiled, or the form differs from the pipeline, the pipeline serves.

    Args:
        deadline: By `time.monotonic`; the verification stops there, and reports how many rows it covered.
    """
    if deadline is not None and time.monotonic() >= deadline:
        return _pipeline_serves("there was no time left to compile it.")
    try:
        with _one_quiet_thread():
            verifier = _Compilation(model, dataset)
            return verifier.run(deadline or time.monotonic() + VERIFICATION_SECONDS)
    except NotCompilable as reason:
        return _pipeline_serves(str(reason))
    except Exception as error:  # any failure is harmless, because the pipeline can serve
        return _pipeline_serves(f"compiling it failed with {type(error).__name__}.")


def _pipeline_serves(reason: str) -> CompiledModel:
    return CompiledModel(runtime=PIPELINE, microseconds_per_row=None, parity=f"The pipeline serves: {reason}")


@contextmanager
def _one_quiet_thread() -> Iterator[None]:
    """Limit libraries to one thread, and suppress their warnings about extreme values."""
    with threadpool_limits(1), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


class _Compilation:
    """Compilation of one model with a sample of its snapshot."""

    def __init__(self, model: Model, dataset: Dataset):
        self._model, self._dataset = model, dataset
        self._order = np.random.default_rng(0).permutation(len(dataset))
        self._sample = probe_rows.python_rows(dataset.columns, dataset.X.iloc[self._order[:SAMPLE]])
        self._probes = probe_rows.build_probe_rows(dataset.columns, self._sample)

    def run(self, deadline: float) -> CompiledModel:
        form = self._build_form()
        difference, rows = self._verify(form, deadline)
        runtime = ", ".join(dict.fromkeys(member.runtime.name for member in form.members))
        if not difference.agrees:
            return _pipeline_serves(f"{runtime} differs from it: {self._describe_difference(difference)}.")
        batch = [self._sample[index % len(self._sample)] for index in range(BATCH)]
        return CompiledModel(
            runtime=runtime,
            microseconds_per_row=microseconds(form.arrays, batch) / BATCH,
            parity=self._describe_parity(difference, rows),
            form=form,
        )

    def _build_form(self) -> CompiledForm:
        columns, estimator = self._dataset.columns, self._model.estimator
        rows = [*self._sample, *self._probes]
        chooser = RuntimeChooser(
            self._model.signature.task, RowReader(self._levelled), rows, frame(columns, rows), self._size
        )
        if isinstance(estimator, Ensemble):
            total = sum(estimator.weights)
            return chooser.compile(estimator.members, [weight / total for weight in estimator.weights])
        return chooser.compile([estimator], [1.0])

    @property
    def _levelled(self) -> list[Column]:
        """The columns; those of open categories with the levels that any of the models may know."""
        X = self._dataset.X
        return [
            replace(column, choices=tuple(frequent_levels(X[column.name]))) if column.kind.is_open else column
            for column in self._dataset.columns
        ]

    @property
    def _problem(self) -> type[Problem]:
        return self._model.signature.problem_type

    @property
    def _size(self) -> float:
        """Usual size of a regressor's values: the labels' standard deviation."""
        y = self._dataset.y
        return float(np.std(y)) if y is not None and self._problem.has_values else 1.0

    def _verify(self, form: CompiledForm, deadline: float) -> tuple[Difference, int]:
        """Compare on the probe rows, then on the snapshot until the deadline; returns the snapshot's rows compared."""
        difference, rows = self._compare(form, self._probes), 0
        step = max(50, min(CHUNK, 4_000_000 // _width(form)))
        while difference.agrees and rows < len(self._order) and (not rows or time.monotonic() < deadline):
            X = self._dataset.X.iloc[self._order[rows : rows + step]]
            difference += self._compare(form, probe_rows.python_rows(self._dataset.columns, X))
            rows += len(X)
        return difference, rows

    def _compare(self, form: CompiledForm, rows: Sequence[Row]) -> Difference:
        model = self._model
        X: DataFrame = frame(model.signature.columns, rows)
        expected = model.calibrate(native_output(model.estimator, X, model.signature.task))
        return compare(model.calibrate(form.arrays(rows)), expected, self._size)

    def _describe_difference(self, difference: Difference) -> str:
        numbers = self._problem.numbers
        return f"{difference.labels} labels, {numbers} by up to {difference.largest:.1g} on {difference.rows:,} rows"

    def _describe_parity(self, difference: Difference, rows: int) -> str:
        total = len(self._order)
        count = (
            f"{total:,} rows" if rows == total else f"{rows:,} of {total:,} rows, as many as time allowed,"
        )
        on = f"on {count} of the snapshot and {len(self._probes)} probe rows"
        within = f"within {_round_up(difference.largest)}"
        ties = f", but for {difference.ties} that tie within {2 * TOLERANCE:g}," if difference.ties else ""
        return self._problem.parity.format(ties=ties, within=within, on=on)


def _round_up(number: float) -> str:
    """Round up to one digit, and to at least the precision of float64."""
    number = max(number, 1e-16)
    step = 10.0 ** np.floor(np.log10(number))
    return f"{np.ceil(number / step) * step:.0e}"


def _width(form: CompiledForm) -> int:
    return max(1, *(plan.width for plan in form.plans), *(50 if plan.texts else 1 for plan in form.plans))
