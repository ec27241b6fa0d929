"""Retraining rules that products declare: by schedule, age, feedback, quality and drift; and the budget of builds."""

from collections.abc import Sequence
from datetime import datetime

from .budget import Budget
from .feedback import AfterFeedback
from .limits import Drift, QualityBelow
from .rule import DriftFacts, FeatureDistance, QualityFacts, RuleInputs, RuleResult
from .schedule import Every, OlderThan

__all__ = (
    "AfterFeedback",
    "Budget",
    "Drift",
    "DriftFacts",
    "Every",
    "FeatureDistance",
    "OlderThan",
    "QualityBelow",
    "QualityFacts",
    "Rule",
    "RuleInputs",
    "RuleResult",
    "next_due",
)

Rule = Every | AfterFeedback | QualityBelow | Drift | OlderThan


def next_due(rules: Sequence[Rule], now: datetime) -> datetime | None:
    """Compute the next due moment of all rules with a schedule; None if there is none."""
    return min((moment for rule in rules if (moment := rule.next(now))), default=None)
