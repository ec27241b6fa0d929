"""Answers of a model that may fail: a row to which it has no answer does not take the others' away."""

from collections.abc import Callable, Sequence
from typing import Any

from learning.model import Answer, Model


def predict_each(
    model: Model,
    instances: Sequence[Sequence[Any]],
    errors: type[Exception],
    note: Callable[[Exception], None] = lambda error: None,
) -> list[Answer | None]:
    """Predict instances together, and one by one if that fails; None for those to which the model fails.

    Args:
        errors: what counts as failing; other errors are raised.
        note: is called with the error of each instance that has no answer.
    """
    try:
        return list(model.predict(instances))
    except errors as error:
        if len(instances) > 1:
            return [
                answer for instance in instances for answer in predict_each(model, [instance], errors, note)
            ]
        note(error)
        return [None]
