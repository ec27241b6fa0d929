"""Evaluation of two versions: what they say of the same instances, and the measures that follow."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning.evaluation import paired
from learning.evaluation.paired_measure import PairedMeasure
from learning.exceptions import InvalidProblem, NotFinite
from learning.model import Model

from ..products.product import DataProduct
from .exclusions import Exclusion
from .flips import MOST_FLIPS, Flip
from .replays import Replay

Floats = NDArray[np.float64]


@dataclass
class Evaluation:
    """Counts and arrays of the instances that were replayed so far."""

    product: DataProduct
    #: The older and the newer version, or whichever order was asked for.
    models: tuple[Model, Model]
    instances: int = 0
    incomplete: int = 0
    #: Instances for which a version has no finite answer.
    unanswered: int = 0
    labelled: int = 0
    flipped: int = 0
    exclusions: Counter[Exclusion] = field(default_factory=Counter)
    flips: list[Flip] = field(default_factory=list)
    _truths: list[Any] = field(default_factory=list)
    _outputs: tuple[list[Floats], list[Floats]] = field(default_factory=lambda: ([], []))

    def __post_init__(self) -> None:
        self.labels = [label.text for label in self.product.labels]

    @property
    def counted(self) -> int:
        """Number of truths that count for both versions."""
        return len(self._truths)

    @property
    def classes(self) -> list[str]:
        """The labels that a version knows or a truth has, in declared order; the positive one of two is the last."""
        present = {*self._truths, *(label for model in self.models for label in model.signature.classes)}
        labels = [label for label in self.labels if label in present]
        positive = str(getattr(self.product.problem, "positive", None))
        return sorted(labels, key=lambda label: label == positive) if len(labels) == 2 else labels

    @property
    def metric(self) -> str:
        """The product's metric, for as many classes as there are."""
        try:
            return self.product.problem.metric_for(len(self.classes) if self.labels else None)
        except InvalidProblem:
            return self.product.metric

    def add(self, replay: Replay) -> None:
        """Predict instances by both versions and count them."""
        self.incomplete += replay.incomplete
        outputs, answered = self._predict(replay.rows)
        if not answered.all():
            self.unanswered += int((~answered).sum())
            replay = _take(replay, answered)
        if not replay.rows:
            return
        self.instances += len(replay.rows)
        targets, counted = self._find_targets(replay)
        self._count_flips(replay, outputs, counted)
        if counted.any():
            self._truths += compress(targets, counted)
            for stored, output in zip(self._outputs, outputs, strict=True):
                stored.append(self._align(output, counted))

    def measure(self) -> list[PairedMeasure]:
        """Compare the versions by the truths that count; empty without any."""
        if not self._truths:
            return []
        first, second = (np.concatenate(each) for each in self._outputs)
        if self.product.problem.has_values:
            return paired.compare_values(np.array(self._truths, np.float64), first, second, self.metric)
        classes = self.classes
        y = np.array([classes.index(label) for label in self._truths], np.int64)
        columns = [self.labels.index(label) for label in classes]
        return paired.compare_classes(y, first[:, columns], second[:, columns], self.metric, classes)

    def list_flips(self) -> list[Flip]:
        """List the differing answers to store, in their order."""
        if self.product.problem.has_values:
            ordered = sorted(self.flips, key=lambda flip: -flip.distance)
        else:
            ordered = sorted(self.flips, key=lambda flip: not flip.counted)
        return ordered[:MOST_FLIPS]

    def _predict(self, rows: Sequence[Sequence[Any]]) -> tuple[list["_Output"], NDArray[np.bool_]]:
        """Predict rows by both models; of those that a model has no finite answer to, none is in the outputs."""
        answered = np.ones(len(rows), dtype=bool)
        if not rows:
            return [], answered
        try:
            return [_Output.of(model, rows) for model in self.models], answered
        except NotFinite:
            answered = np.array([all(_answers(model, row) for model in self.models) for row in rows])
            rest = list(compress(rows, answered))
            return [_Output.of(model, rest) for model in self.models] if rest else [], answered

    def _find_targets(self, replay: Replay) -> tuple[list[Any], NDArray[np.bool_]]:
        """Encode the truths, and mark those that count; the reasons of the others are counted."""
        targets: list[Any] = []
        for answer, exclusion in zip(replay.truths, replay.exclusions, strict=True):
            target = None
            if exclusion is None and answer is not None:
                target = self._encode(answer)
                exclusion = Exclusion.NOT_A_LABEL if target is None else None
            if exclusion is not None:
                self.exclusions[exclusion] += 1
            self.labelled += answer is not None
            targets.append(target)
        return targets, np.array([target is not None for target in targets], dtype=bool)

    def _encode(self, answer: str) -> Any:
        """Read a stored truth as a label or a number; None where it is none of today's declaration."""
        if self.product.problem.has_values:
            label = self.product.label_of(answer)
            return float(label) if label is not None and isfinite(label) else None
        return answer if answer in self.product.label_by_text else None

    def _align(self, output: "_Output", rows: NDArray[np.bool_]) -> Floats:
        """Take the numbers of some rows; probabilities in the order of `labels`, 0 of labels that it does not know."""
        if output.classes is None:
            return output.numbers[rows]
        aligned = np.zeros((int(rows.sum()), len(self.labels)))
        # A version that fits knows only labels that are declared.
        aligned[:, [self.labels.index(label) for label in output.classes]] = output.numbers[rows]
        return aligned

    def _count_flips(self, replay: Replay, outputs: Sequence["_Output"], counted: NDArray[np.bool_]) -> None:
        first, second = outputs
        differ = first.answers != second.answers
        self.flipped += int(differ.sum())
        for place in np.flatnonzero(differ).tolist():
            self.flips.append(
                Flip(
                    replay.predictions[place],
                    (first.text(place), second.text(place)),
                    (first.confidence(place), second.confidence(place)),
                    replay.truths[place],
                    bool(counted[place]),
                    first.distance(second, place),
                )
            )
        if len(self.flips) > 4 * MOST_FLIPS:
            self.flips = self.list_flips()


@dataclass(frozen=True)
class _Output:
    """Output of one model for rows."""

    #: `(n,)`: labels, numbers or clusters.
    answers: NDArray[Any]
    #: `(n, classes)` probabilities, or `(n,)` numbers or clusters.
    numbers: Floats
    #: The model's classes; None unless it is a classifier.
    classes: tuple[str, ...] | None

    @classmethod
    def of(cls, model: Model, rows: Sequence[Sequence[Any]]) -> "_Output":
        """Predict rows. Raises NotFinite."""
        output = model.arrays(rows)
        if isinstance(output, tuple):
            return cls(output[0], output[0].astype(np.float64), None)
        numbers = np.asarray(output, np.float64)
        if numbers.ndim == 1:
            return cls(numbers, numbers, None)
        classes = model.signature.classes
        return cls(np.array(classes, dtype=object)[numbers.argmax(axis=1)], numbers, classes)

    def text(self, place: int) -> str:
        """An answer as predictions store it."""
        answer = self.answers[place]
        return answer if isinstance(answer, str) else repr(answer.item())

    def confidence(self, place: int) -> float | None:
        return None if self.classes is None else float(self.numbers[place].max())

    def distance(self, other: "_Output", place: int) -> float:
        """The difference of two numbers; 0 of labels and clusters."""
        is_number = self.classes is None and self.answers.dtype.kind == "f"
        return abs(float(self.numbers[place] - other.numbers[place])) if is_number else 0.0


def _answers(model: Model, row: Sequence[Any]) -> bool:
    try:
        model.arrays([row])
    except NotFinite:
        return False
    return True


def _take(replay: Replay, rows: NDArray[np.bool_]) -> Replay:
    """The replay without the other rows."""
    return Replay(
        replay.last,
        replay.read,
        list(compress(replay.predictions, rows)),
        list(compress(replay.rows, rows)),
        list(compress(replay.truths, rows)),
        list(compress(replay.exclusions, rows)),
        replay.incomplete,
    )
