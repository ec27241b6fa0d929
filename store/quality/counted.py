"""Counted predictions: those that tell how good a version is, because their truth came after them.

A prediction counts if the first word of people about its subject came after it, the subject had no label in its table
before that word, and what people say has an answer now. The truth is then nothing that the version could have learned,
and nothing that whoever asked could have known. A word counts as the first even if it was retracted since: it may have
been learned from. Of several such predictions of a version about one subject, the newest counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ..products.product import DataProduct
from ..registry.versions import ModelVersion
from . import windows
from .windows import DISPUTED, REASONS, Array, LeftOut, PredictionWindow, to_moment

__all__ = ["CountedPredictions", "LeftOut", "count", "find", "texts", "to_moment"]


#: Spreads the numbers of versions over all bits; odd, so that different ones stay different.
SPREAD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, eq=False)
class CountedPredictions:
    """Predictions that count, in the order of their time, and the numbers of those that do not."""

    #: `(n,)` microseconds since 1970-01-01 UTC: when the version answered.
    at: NDArray[np.int64]
    #: `(n,)` of 16 bytes each; `texts` writes them as UUIDs.
    subject: Array
    prediction_id: Array
    #: `(n,)` primary keys of model versions.
    model: NDArray[np.int64]
    #: `(n,)` positions in `classes`, or numbers.
    truth: Array
    answer: Array
    #: `(n,)` numbers of a regression, NaN for classes.
    value: NDArray[np.float64]
    #: `(n, classes)`; 0 for a class that the version does not know.
    probabilities: NDArray[np.float64]
    #: `(n,)` seconds from the answer to the first word about its subject.
    delay_seconds: NDArray[np.float64]
    #: `(n,)` numbers of the first words.
    first_word: NDArray[np.int64]
    #: Those of the version in its order, then others that occur; empty for a regression.
    classes: tuple[str, ...] = ()
    #: All predictions of the window, and those of them with a truth.
    predictions: int = 0
    labelled: int = 0
    #: Predictions on whose subjects people disagree so that there is no answer.
    disputed: int = 0
    left_out: Mapping[LeftOut, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.at)

    @property
    def coverage(self) -> float | None:
        """The share of the window's predictions that have a truth; None without any prediction."""
        return self.labelled / self.predictions if self.predictions else None

    @property
    def median_delay_seconds(self) -> float | None:
        """The median of the times from an answer to the first word about its subject; None if nothing counts."""
        return float(np.median(self.delay_seconds)) if len(self) else None

    def rows(self, chosen: Array) -> "CountedPredictions":
        """Choose rows by a mask or by their places; the numbers of the others stay those of the window."""
        return replace(
            self,
            at=self.at[chosen],
            subject=self.subject[chosen],
            prediction_id=self.prediction_id[chosen],
            model=self.model[chosen],
            truth=self.truth[chosen],
            answer=self.answer[chosen],
            value=self.value[chosen],
            probabilities=self.probabilities[chosen],
            delay_seconds=self.delay_seconds[chosen],
            first_word=self.first_word[chosen],
        )


def find(
    product: DataProduct,
    version: ModelVersion | None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> CountedPredictions:
    """Find the predictions that count, from the rows as they are now that the actor of this thread may see.

    Args:
        version: None: what any version has served; each subject counts once for each.
        since, until: of the predictions' time, the first inclusive, the second exclusive.
    """
    return count(windows.read(product, version, since, until), len(windows.learned_classes(product, version)))


def count(window: PredictionWindow, learned: int = 0) -> CountedPredictions:
    """Count a window: the newest prediction of each version about each subject.

    Args:
        learned: how many of the window's classes the version knows; others that do not occur are dropped.
    """
    rows = _keep_newest(window.rows)
    outcomes = np.bincount(window.others["outcome"], minlength=DISPUTED + 1)
    numbers = {code: n for code, n in enumerate(outcomes.tolist()) if n}
    left_out = {reason: numbers[code] for code, reason in REASONS.items() if code in numbers}
    if older := len(window.rows) - len(rows):
        left_out[LeftOut.OLDER] = older
    disputed = numbers.get(DISPUTED, 0)
    number = np.int64 if window.classes else np.float64
    truth, answer = rows["truth"].astype(number), rows["answer"].astype(number)
    used = _find_used(window.classes, learned, truth, answer)
    places = np.zeros(max(len(window.classes), 1), dtype=np.int64)
    places[used] = np.arange(len(used))
    probabilities = np.empty((len(rows), len(used)))
    for place, code in enumerate(used):
        probabilities[:, place] = rows[f"p{code}"]
    return CountedPredictions(
        at=rows["at"].astype(np.int64),
        subject=np.ascontiguousarray(rows["subject"]),
        prediction_id=np.ascontiguousarray(rows["id"]),
        model=rows["model"].astype(np.int64),
        truth=places[truth] if window.classes else truth,
        answer=places[answer] if window.classes else answer,
        value=np.full(len(rows), np.nan) if window.classes else rows["answer"].astype(np.float64),
        probabilities=probabilities,
        delay_seconds=rows["delay"].astype(np.float64),
        first_word=rows["first"].astype(np.int64),
        classes=tuple(window.classes[code] for code in used),
        predictions=int(window.steps["n"].sum()),
        labelled=len(window.rows) + len(window.others) - disputed,
        disputed=disputed,
        left_out=left_out,
    )


def texts(identifiers: Array) -> list[str]:
    """Write subjects or ids of predictions as the texts of UUIDs."""
    digits = [value.tobytes().hex() for value in identifiers]
    return [f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}" for d in digits]


def _find_used(classes: tuple[str, ...], learned: int, truth: Array, answer: Array) -> list[int]:
    """List the places of the classes that the version knows or that occur."""
    if not classes:
        return []
    truths, answers = (np.bincount(codes, minlength=len(classes)) for codes in (truth, answer))
    return [code for code in range(len(classes)) if code < learned or truths[code] or answers[code]]


def _keep_newest(rows: Array) -> Array:
    """Choose the newest prediction of each version about each subject, in the order of their time.

    Of several of one moment, that with the greatest id is the newest.
    """
    if len(rows) < 2:
        return rows
    rows = windows.in_order(rows)
    subjects = _halves(rows["subject"])
    models = rows["model"].astype(np.uint64)
    # One number of each version and subject; it is random, so that few are alike by chance.
    keys = subjects[0] ^ models * SPREAD
    ordered = np.sort(keys)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(again):
        return rows
    places = np.minimum(np.searchsorted(again, keys), len(again) - 1)
    repeated = np.flatnonzero(again[places] == keys)
    older = repeated[_find_older(keys[repeated], *(values[repeated] for values in (*subjects, models)))]
    is_newest = np.ones(len(rows), dtype=np.bool_)
    is_newest[older] = False
    return rows[is_newest]


def _find_older(number: Array, *identity: Array) -> NDArray[np.intp]:
    """Find the rows after which there is another one of the same identity, which has one number."""
    order = np.argsort(number, kind="stable")
    if _mark_same(order, number).sum() != _mark_same(order, number, *identity).sum():
        order = np.lexsort(identity)  # different ones have one number
    return order[:-1][_mark_same(order, *identity)]


def _mark_same(order: NDArray[np.intp], *keys: Array) -> NDArray[np.bool_]:
    """Mark the rows in order that have the same keys as the next one."""
    is_same = np.ones(len(order) - 1, dtype=np.bool_)
    for values in keys:
        ordered = values[order]
        is_same &= ordered[1:] == ordered[:-1]
    return is_same


def _halves(identifiers: Array) -> tuple[Array, Array]:
    """Split identifiers into numbers of 64 bits."""
    numbers = np.ascontiguousarray(identifiers).view("<u8").reshape(-1, 2)
    return numbers[:, 0], numbers[:, 1]
