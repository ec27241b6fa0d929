"""Maintenance: the periodic work of every worker and every web process; the first one to come does it."""

from collections.abc import Callable
from typing import Any

from ..access import audit
from ..builds import drift_references
from ..builds.builds import Build
from ..builds.pending_promotions import PendingPromotion
from ..builds.retraining import RetrainDecision
from ..comparisons.comparisons import Comparison
from ..db.unreachable import UNREACHABLE
from ..ingest.imports import Import, ImportPart
from ..notices.deliveries import Delivery
from ..predictions import retention
from ..quality import rollups, trial_results
from ..quality.drift_hours import DriftHour
from ..registry.retired_features import RetiredFeature
from ..serving.batch_scoring import Scoring
from ..serving.label_queue import LabelQueue

#: The kinds of jobs that workers run.
KINDS: tuple[Any, ...] = (Build, Import, Scoring, Comparison)


#: What one turn does, in order: requeue lost jobs, request what is due, end lost trials, count predictions, delete what
#: is old.
STEPS: tuple[Callable[[], object], ...] = (
    *(kind.objects.reconcile for kind in KINDS),
    RetrainDecision.objects.decide_all,
    PendingPromotion.objects.decide_all,
    LabelQueue.objects.request_due,
    trial_results.end_lost_trials,
    retention.delete_old_predictions,
    drift_references.record_missing,
    DriftHour.objects.count_ended,
    RetiredFeature.objects.write_uses,
    audit.delete_old_entries,
    rollups.maintain,
    Delivery.objects.delete_old,
    ImportPart.objects.delete_old,
)


def tick() -> None:
    """Take each step; one that fails keeps no later one from its turn, and its error is raised at the end.

    Raises: at once, errors of a PostgreSQL that is gone, as every step would wait for it; ExceptionGroup of several.
    """
    errors: list[Exception] = []
    for step in STEPS:
        try:
            step()
        except UNREACHABLE:
            raise
        except Exception as error:
            errors.append(error)
    if len(errors) > 1:
        raise ExceptionGroup("Several steps of the maintenance failed.", errors)
    if errors:
        raise errors[0]
