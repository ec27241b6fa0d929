"""The tables, in the order data flows through them."""

from .builds import Build, BuildEvent
from .candidates import Candidate, FoldScore, Score
from .diagnostics import Diagnostic
from .feedback import Feedback
from .predictions import Prediction
from .registry import ModelVersion, ProductState, Promotion
from .rescoring import Scoring
from .retraining import RetrainDecision
from .snapshots import Snapshot
from .truth import Truth

__all__ = [
    "Build",
    "BuildEvent",
    "Candidate",
    "Diagnostic",
    "Feedback",
    "FoldScore",
    "ModelVersion",
    "Prediction",
    "ProductState",
    "Promotion",
    "RetrainDecision",
    "Score",
    "Scoring",
    "Snapshot",
    "Truth",
]
