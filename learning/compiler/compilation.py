"""Compiling a fitted model: plans, the fastest runtimes, and the proof that they say what the pipeline says."""

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from pandas import DataFrame
from threadpoolctl import threadpool_limits

from ..columns import frame
from ..dataset import Dataset
from ..estimators.ensemble import Ensemble
from ..inference.compiled import BATCH, PIPELINE, CompiledForm, CompiledModel
from ..inference.exceptions import NotPlanned
from ..inference.native import native_output
from ..inference.row_reader import Reader
from ..model import Model
from . import probe_rows
from .parity import TOLERANCE, Difference, difference
from .runtime_choice import Sample, microseconds

#: Rows of the snapshot that runtimes are chosen on; and at once where all are asked about, or fewer of wide ones.
SAMPLE, CHUNK = 600, 2_000
#: A proof may take this many seconds where nobody says when it must end.
PROOF_SECONDS = 20.0


def compile_model(model: Model, dataset: Dataset, ends: float | None = None) -> CompiledModel:
    """The compiled form of a model, proved on the snapshot that it learned from and on rows that nobody has seen.

    At `ends` (by `time.monotonic`) the proof stops, and says on how many rows it stands; where there was no time at
    all, or where no proof can be had, the pipeline serves. Never raises.
    """
    if ends is not None and time.monotonic() >= ends:
        return _pipeline("there was no time left to compile it.")
    try:
        with _alone():
            return _Trial(model, dataset).compiled(ends or time.monotonic() + PROOF_SECONDS)
    except NotPlanned as reason:
        return _pipeline(str(reason))
    except Exception as error:  # whatever it was, the pipeline serves as well
        return _pipeline(f"compiling it failed with {type(error).__name__}.")


def _pipeline(why: str) -> CompiledModel:
    return CompiledModel(runtime=PIPELINE, microseconds_per_row=None, parity=f"The pipeline serves: {why}")


@contextmanager
def _alone() -> Iterator[None]:
    """On one thread, and whatever a row that nobody has seen makes libraries warn of."""
    with threadpool_limits(1), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


class _Trial:
    """A model beside what it is compiled to."""

    def __init__(self, model: Model, dataset: Dataset):
        self._model, self._dataset = model, dataset
        self._order = np.random.default_rng(0).permutation(len(dataset))
        self._known = probe_rows.values(dataset.columns, dataset.X.iloc[self._order[:SAMPLE]])
        self._edges = probe_rows.probe_rows(dataset.columns, self._known)

    def compiled(self, ends: float) -> CompiledModel:
        form = self._form()
        found, seen = self._proof(form, ends)
        runtime = ", ".join(dict.fromkeys(member.runtime.name for member in form.members))
        if not found.agrees:
            return _pipeline(f"{runtime} differs from it: {self._told(found)}.")
        batch = [self._known[place % len(self._known)] for place in range(BATCH)]
        return CompiledModel(
            runtime=runtime,
            microseconds_per_row=microseconds(form.arrays, batch) / BATCH,
            parity=self._sentence(found, seen),
            form=form,
        )

    def _form(self) -> CompiledForm:
        columns, estimator = self._dataset.columns, self._model.estimator
        rows = [*self._known, *self._edges]
        sample = Sample(self._model.signature.task, Reader(columns), rows, frame(columns, rows), self._size)
        if isinstance(estimator, Ensemble):
            whole = sum(estimator.weights)
            return sample.form(estimator.members, [weight / whole for weight in estimator.weights])
        return sample.form([estimator], [1.0])

    @property
    def _size(self) -> float:
        """What small values are measured by: how far apart the labels are."""
        y = self._dataset.y
        return float(np.std(y)) if y is not None and self._model.signature.task == "REGRESSION" else 1.0

    def _proof(self, form: CompiledForm, ends: float) -> tuple[Difference, int]:
        """What was found on rows of the snapshot, as many as there was time for, and on edge rows."""
        found, seen = self._compared(form, self._edges), 0
        step = max(50, min(CHUNK, 4_000_000 // _width(form)))
        while found.agrees and seen < len(self._order) and (not seen or time.monotonic() < ends):
            X = self._dataset.X.iloc[self._order[seen : seen + step]]
            found += self._compared(form, probe_rows.values(self._dataset.columns, X))
            seen += len(X)
        return found, seen

    def _compared(self, form: CompiledForm, rows: Sequence[Sequence[Any]]) -> Difference:
        model = self._model
        X: DataFrame = frame(model.signature.columns, rows)
        expected = model.calibrated(native_output(model.estimator, X, model.signature.task))
        return difference(model.calibrated(form.arrays(rows)), expected, self._size)

    def _told(self, found: Difference) -> str:
        what = {"CLASSIFICATION": "probabilities", "REGRESSION": "values"}.get(
            self._model.signature.task, "distances"
        )
        return f"{found.labels} labels, {what} by up to {found.largest:.1g} on {found.rows:,} rows"

    def _sentence(self, found: Difference, seen: int) -> str:
        n = len(self._order)
        rows = f"{n:,} rows" if seen == n else f"{seen:,} of {n:,} rows, as many as there was time for,"
        on = f"on {rows} of the snapshot and {len(self._edges)} edge rows"
        within = f"within {_rounded_up(found.largest)}"
        match self._model.signature.task:
            case "REGRESSION":
                return f"Values {within} of their size {on}."
            case "CLUSTERING":
                return f"Clusters equal and distances {within} of their size {on}."
        ties = f", but for {found.ties} that tie within {2 * TOLERANCE:g}," if found.ties else ""
        return f"Labels equal{ties} and probabilities {within} {on}."


def _rounded_up(number: float) -> str:
    """To one digit; a difference that float64 cannot help is given as that."""
    number = max(number, 1e-16)
    step = 10.0 ** np.floor(np.log10(number))
    return f"{np.ceil(number / step) * step:.0e}"


def _width(form: CompiledForm) -> int:
    return max(
        1, *(plan.width for plan in form.plans), *(50 if plan.directions else 1 for plan in form.plans)
    )
