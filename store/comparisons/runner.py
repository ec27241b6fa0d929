"""The comparison runner: replays stored instances through two versions, and stores what follows at once."""

import threading
from collections.abc import Sequence
from contextlib import closing

from django.db import transaction

from learning.evaluation.paired_measure import PairedMeasure
from learning.exceptions import NoRows

from ..db import memory
from ..jobs import leases, queue
from ..jobs.jobs import SUCCEEDED
from ..products import catalogue
from ..products.product import DataProduct
from . import replays
from .comparisons import Comparison, describe_since
from .evaluation import Evaluation
from .flips import ComparisonFlip

#: The number of different subjects, which are hashes of 128 bits.
SUBJECTS = 1 << 128


def run_job(pk: int) -> None:
    """Run the job that RQ calls. A job may come twice; the process that claims the comparison first runs it."""
    if comparison := Comparison.objects.claim(pk, queue.current_job_id()):
        memory.freeze_heap()
        run(comparison)


def run(comparison: Comparison) -> None:
    """Run a claimed comparison to its end. It stores nothing before, so another attempt begins again."""
    leases.run_with_lease(comparison, lambda finished: _compare(comparison, finished))


def _compare(comparison: Comparison, finished: threading.Event) -> None:
    product = catalogue.get(comparison.product)
    first, second = (version.load(product) for version in comparison.versions)
    evaluation = Evaluation(product, (first, second))
    read, sample = 0, comparison.sample
    with closing(replays.read(product, comparison.versions, comparison.since, sample)) as chunks:
        for replay in chunks:
            evaluation.add(replay)
            read += replay.read
            place = int(replay.last.replace("-", ""), 16) / SUBJECTS
            _advance(comparison, evaluation, max(read / sample, place))
    if not evaluation.instances:
        raise NoRows(_explain_nothing(product, comparison, read))
    measures = evaluation.measure()
    finished.set()
    with transaction.atomic():
        comparison.hold()
        _store(comparison, evaluation, measures)
        comparison.end(SUCCEEDED)


def _advance(comparison: Comparison, evaluation: Evaluation, share: float) -> None:
    with transaction.atomic():
        comparison.hold()
        comparison.instances, comparison.percent = evaluation.instances, max(comparison.percent, 95.0 * share)
        comparison.save(update_fields=["instances", "percent"])
        comparison.tell()


def _explain_nothing(product: DataProduct, comparison: Comparison, read: int) -> str:
    since = describe_since(comparison.since)
    if not read:
        return f"No prediction of {product} is there to replay{since}."
    return f"None of the {read:,} predictions of {product}{since} has all features that both versions need."


def _store(comparison: Comparison, evaluation: Evaluation, measures: Sequence[PairedMeasure]) -> None:
    comparison.percent = 100.0
    comparison.instances, comparison.unanswered = (
        evaluation.instances,
        evaluation.incomplete + evaluation.unanswered,
    )
    comparison.labelled, comparison.counted = evaluation.labelled, evaluation.counted
    comparison.exclusions = {str(reason): n for reason, n in sorted(evaluation.exclusions.items())}
    comparison.flipped, comparison.metric = evaluation.flipped, evaluation.metric
    comparison.measures = [vars(measure) for measure in measures]
    comparison.save()
    ComparisonFlip.objects.store(comparison, evaluation.list_flips())
