"""Upkeep: what every worker and every web process does now and then, whoever comes first."""

from typing import Any

from ..builds.builds import Build
from ..builds.retraining import RetrainDecision
from ..predictions import retention
from ..serving.batch_scoring import Scoring

#: What workers do.
KINDS: tuple[Any, ...] = (Build, Scoring)


def tick() -> None:
    """Take up jobs that nobody runs, request the builds that are due, let old predictions go."""
    for kind in KINDS:
        kind.objects.reconcile()
    RetrainDecision.objects.look()
    retention.delete_old_predictions()
