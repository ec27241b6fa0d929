"""Upkeep: what every worker and every web process does now and then, whoever comes first."""

from typing import Any

from .builds import Build
from .rescoring import Scoring
from .retraining import RetrainDecision

#: What workers do.
KINDS: tuple[Any, ...] = (Build, Scoring)


def look() -> None:
    """Take up jobs that nobody runs, and request the builds that are due."""
    for kind in KINDS:
        kind.objects.reconcile()
    RetrainDecision.objects.look()
