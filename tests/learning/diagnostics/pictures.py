"""Winners without a search: a candidate that was scored in the final round and fitted."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning import model
from learning.dataset import Dataset
from learning.diagnostics import Diagnostic, DiagnosticKind
from learning.diagnostics.drawing import draw
from learning.estimators import ensemble
from learning.estimators.families import Candidate
from learning.evaluation.folds import FoldPlan
from learning.fits.fold_fit import Fit, FitContext, Scored
from learning.model import Model
from learning.problem import Problem


@dataclass(kw_only=True)
class Winner:
    """A fitted candidate with out-of-fold predictions; a diagnostic is drawn when a test first needs it."""

    context: FitContext
    candidate: Candidate
    model: Model
    predictions: Any
    drawn: dict[DiagnosticKind, Diagnostic] = field(default_factory=dict)

    def draw(self, **options: Any) -> Iterator[Diagnostic]:
        return draw(self.context, self.candidate, self.model, self.predictions, **options)

    @cached_property
    def _drawing(self) -> Iterator[Diagnostic]:
        return self.draw()

    def __getitem__(self, kind: DiagnosticKind) -> Diagnostic:
        while kind not in self.drawn:
            diagnostic = next(self._drawing)
            self.drawn[diagnostic.kind] = diagnostic
        return self.drawn[kind]

    @property
    def y(self) -> NDArray[Any]:
        assert self.context.dataset.y is not None
        return self.context.dataset.y

    def row_predictions(self) -> NDArray[np.float64]:
        """Take the prediction of each row by the first model that had not learned from it."""
        predictions, held_out = self.predictions
        by_row: dict[int, Any] = {}
        for row, prediction in zip(np.concatenate(held_out), predictions, strict=True):
            by_row.setdefault(int(row), prediction)
        first = np.array([by_row[row] for row in sorted(by_row)], dtype=np.float64)
        return first / first.sum(axis=1, keepdims=True) if first.ndim > 1 else first


def build_context(problem: Problem, dataset: Dataset) -> FitContext:
    return FitContext(
        task=problem.task,
        dataset=dataset,
        metric=problem.metric_for(len(dataset.classes) or None),
        plan=FoldPlan.of(problem, dataset),
        seed=problem.seed,
    )


def winner(problem: Problem, dataset: Dataset, candidate: Candidate) -> Winner:
    context = build_context(problem, dataset)
    member = next(iter(ensemble.members(candidate)))
    artifact = context.fit(member)
    assert isinstance(artifact, bytes), artifact
    predictions = None if problem.task == "CLUSTERING" else _predict(context, member)
    return Winner(context=context, candidate=candidate, model=model.loads(artifact), predictions=predictions)


def _predict(context: FitContext, candidate: Candidate) -> Any:
    predictions = []
    for fold in range(context.plan.count("contest")):
        scored = context.score(Fit(candidate, "contest", fold))
        assert isinstance(scored, Scored), scored
        predictions.append(scored.predictions)
    return np.concatenate(predictions), [held_out for _, held_out in context.split("contest")]
