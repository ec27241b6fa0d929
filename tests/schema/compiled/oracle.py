"""A model that need not have learned anything."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from learning.evaluation.error_size import SizeColumn, SizeCurve, SizeFactor
from learning.evaluation.intervals import Intervals, IntervalsJSON, LiveCoverage
from learning.model import Answer, ClassAnswer, ClusterAnswer, Model, Signature, ValueAnswer


@dataclass(frozen=True)
class Oracle(Model):
    """Answers anything, the same to the same."""

    def predict(self, rows: Any) -> list[Answer]:
        return [self.answer(blake2b(repr(list(row)).encode()).digest()) for row in rows]

    def answer(self, drawn: bytes) -> Answer:
        share = drawn[0] / 256
        match self.signature.task:
            case "CLASSIFICATION":
                classes = self.signature.classes
                rest = (1 - share) / (len(classes) - 1)
                return ClassAnswer(classes[0], share, (share, *[rest] * (len(classes) - 1)))
            case "REGRESSION":
                return ValueAnswer(share * 10 ** (drawn[1] % 30))
        return ClusterAnswer(drawn[1] % 3 - 1, (share, 1 / 3, 0.0))


def intervals(signature: Signature) -> IntervalsJSON | None:
    """Make intervals whose width depends on the prediction and on each feature; None unless labels are numbers."""
    if signature.task != "REGRESSION":
        return None
    columns = tuple(
        SizeColumn(name=column.name, kind=column.kind, levels=dict.fromkeys(column.choices, 1.0) or None)
        for column in signature.columns
    )
    trees = tuple(
        ((place, 1.0, 1, 2, place % 2), (0.01 * place + 0.1,), (-0.02 * place,))
        for place in range(len(columns) + 1)
    )
    return Intervals(
        errors=(-2.0, -1.0, 0.5, 3.0),
        count=4,
        coverage={"0.5": 0.49, "0.9": 0.88},
        width={"0.5": 1.0, "0.9": 2.0},
        basis="FEATURES",
        least=0.0,
        curve=SizeCurve(at=(0.1, 10.0), below=(0.2, 3.0), above=(0.3, 5.0)),
        factor=SizeFactor(columns=columns, trees=trees),
        live=LiveCoverage(rows=60, coverage=0.7, widening=1.4),
    ).as_json()
