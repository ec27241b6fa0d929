"""Results of trials: both versions' answers beside the truths that came later, and the end of a trial that is lost.

The interval of the difference may be looked at any time; see `learning.evaluation.confidence_sequences`.
"""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from numpy.typing import NDArray
from psycopg2 import sql

from learning.lazy_imports import LazyModule

from ..access import performers
from ..predictions.feedback import Feedback
from ..products import catalogue
from ..products.product import DataProduct
from ..registry.trials import ITSELF, Trial
from ..registry.versions import SHADOW
from . import counted
from .counted import CountedPredictions

if TYPE_CHECKING:
    from learning.evaluation import confidence_sequences
else:
    confidence_sequences = LazyModule("learning.evaluation.confidence_sequences")

log = logging.getLogger(__name__)

#: Seconds between two comparisons of a running trial.
PAUSE_SECONDS = 15
#: Subjects that are compared, at most: the first whose truth came.
MOST_COMPARED = 100_000

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """The version that is tried less the champion, by truths: above 0 it is better."""

    #: `accuracy`, or `neg_mean_absolute_error`.
    metric: str
    value: float
    #: The interval that may be looked at any time.
    low: float
    high: float
    #: Of a shadow, the subjects of which both versions' answers count; of a split, those of either.
    n: int

    @property
    def is_worse(self) -> bool:
        """True if the version that is tried is worse beyond noise."""
        return self.high < 0

    def __str__(self) -> str:
        return (
            f"its {self.metric} less the champion's is {self.value:+.3g} on {self.n:,} subjects "
            f"({self.low:+.3g} to {self.high:+.3g})"
        )


def compare(trial: Trial) -> Difference | None:
    """Compare both versions of a trial by the truths that came after their answers.

    Returns: None while there is nothing to compare, and of a product without labels.
    """
    product = catalogue.get(trial.product)
    if not product.learns_from_labels:
        return None
    bound = _find_bound(product, trial)
    if bound is None:
        return None
    by_champion, by_challenger = (
        counted.find(product, version, trial.started_at, trial.ended_at)
        for version in (trial.champion, trial.model)
    )
    metric = "accuracy" if product.problem.has_classes else "neg_mean_absolute_error"
    if trial.kind == SHADOW:
        pairs = _pair(by_champion, by_challenger)
        one, other = (
            _scores(rows.rows(places), bound)
            for rows, places in zip((by_champion, by_challenger), pairs, strict=True)
        )
        if not len(one):
            return None
        return Difference(metric, *confidence_sequences.of_mean(other - one, -bound, bound), len(one))
    one, other = (
        _scores(rows.rows(np.argsort(rows.first_word, kind="stable")[:MOST_COMPARED]), bound)
        for rows in (by_champion, by_challenger)
    )
    if not len(one) or not len(other):
        return None
    least, most = (0.0, 1.0) if product.problem.has_classes else (-bound, 0.0)
    interval = confidence_sequences.of_difference(one, other, least, most)
    return Difference(metric, *interval, len(one) + len(other))


def _pair(one: CountedPredictions, other: CountedPredictions) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the places of subjects that both have, in the order in which people first spoke of them."""
    places = {subject.tobytes(): place for place, subject in enumerate(other.subject)}
    order = np.argsort(one.first_word, kind="stable")
    pairs = [
        (place, places[subject])
        for place, subject in ((place, one.subject[place].tobytes()) for place in order.tolist())
        if subject in places
    ][:MOST_COMPARED]
    of_one, of_other = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    return of_one, of_other


def _scores(rows: CountedPredictions, bound: float) -> Values:
    """Score each answer: 1 or 0 for a class, the error below 0 for a number, which counts up to the bound."""
    if rows.classes:
        return (rows.answer == rows.truth).astype(np.float64)
    return -np.minimum(np.abs(rows.value - rows.truth), bound)


def _find_bound(product: DataProduct, trial: Trial) -> float | None:
    """Find the greatest difference between two scores: 1 for classes, else the trial's scale, measured once.

    That is the range in which nine tenths of the labels lie that the champion has learned from.
    """
    if product.problem.has_classes:
        return 1.0
    if trial.scale is None:
        trial.scale = _measure_scale(trial)
        Trial.objects.filter(pk=trial.pk).update(scale=trial.scale)
    return trial.scale or None


def _measure_scale(trial: Trial) -> float:
    """Measure the range of the middle nine tenths of the labels; 0 where they cannot be read."""
    snapshot = trial.champion.snapshot
    if snapshot.dropped_at:
        return 0.0
    statement = sql.SQL(
        "SELECT percentile_cont(ARRAY[0.05, 0.95]) WITHIN GROUP (ORDER BY _label::float8) FROM {}"
    ).format(sql.SQL(snapshot.table))
    with connection.cursor() as cursor:
        cursor.execute(statement)
        (quantiles,) = cursor.fetchone()
    return float(quantiles[1] - quantiles[0]) if quantiles and quantiles[0] is not None else 0.0


def end_lost_trials() -> None:
    """End the trials whose version is worse beyond noise; one process compares, and only after new words."""
    for trial in Trial.objects.running().select_related("model", "champion"):
        if catalogue.find(trial.product) and _claim(trial) and _take_news(trial):
            try:
                _judge(trial)
            except Exception:
                # Else nothing would be compared until the next word.
                Trial.objects.filter(pk=trial.pk).update(evaluated_word=trial.evaluated_word)
                raise


def _claim(trial: Trial) -> bool:
    """Claim the next comparison; False where another process has just compared."""
    is_due = Q(evaluated_at=None) | Q(evaluated_at__lt=Now() - timedelta(seconds=PAUSE_SECONDS))
    return bool(Trial.objects.running().filter(is_due, pk=trial.pk).update(evaluated_at=Now()))


def _take_news(trial: Trial) -> bool:
    """Note the newest word of people; return True if it is another one than at the last comparison."""
    words = Feedback.objects.filter(product=trial.product).order_by("-created_at", "-pk")
    newest = words.values_list("pk", flat=True).first()
    if newest is None or newest == trial.evaluated_word:
        return False
    Trial.objects.filter(pk=trial.pk).update(evaluated_word=newest)
    return True


def _judge(trial: Trial) -> None:
    difference = compare(trial)
    if difference is None or not difference.is_worse:
        return
    with performers.performing(ITSELF), transaction.atomic():
        if trial.end(f"It is worse beyond noise: {difference}.", ITSELF.author):
            log.info("%s has ended: %s", trial, difference)
