"""Maintenance: the periodic work of every worker and every web process; the first one to come does it."""

from typing import Any

from ..builds.builds import Build
from ..builds.retraining import RetrainDecision
from ..predictions import retention
from ..serving.batch_scoring import Scoring

#: The kinds of jobs that workers run.
KINDS: tuple[Any, ...] = (Build, Scoring)


def tick() -> None:
    """Requeue lost jobs, request the builds that are due, delete old predictions."""
    for kind in KINDS:
        kind.objects.reconcile()
    RetrainDecision.objects.decide_all()
    retention.delete_old_predictions()
