"""Maintenance: the periodic work of every worker and every web process; the first one to come does it."""

from typing import Any

from ..access import audit
from ..builds import drift_references
from ..builds.builds import Build
from ..builds.pending_promotions import PendingPromotion
from ..builds.retraining import RetrainDecision
from ..comparisons.comparisons import Comparison
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


def tick() -> None:
    """Requeue lost jobs, request what is due, end lost trials, count predictions, delete what is old."""
    for kind in KINDS:
        kind.objects.reconcile()
    RetrainDecision.objects.decide_all()
    PendingPromotion.objects.decide_all()
    LabelQueue.objects.request_due()
    trial_results.end_lost_trials()
    retention.delete_old_predictions()
    drift_references.record_missing()
    DriftHour.objects.count_ended()
    RetiredFeature.objects.write_uses()
    audit.delete_old_entries()
    rollups.maintain()
    Delivery.objects.delete_old()
    ImportPart.objects.delete_old()
