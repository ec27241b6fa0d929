"""The tables, in the order data flows through them."""

from .snapshots import Snapshot
from .builds import Build, BuildEvent
from .candidates import Candidate, FoldScore, Score
from .registry import ModelVersion, ProductState, Promotion
from .predictions import Prediction
from .feedback import Feedback
from .truth import Truth

__all__ = [
    "Build",
    "BuildEvent",
    "Candidate",
    "Feedback",
    "FoldScore",
    "ModelVersion",
    "Prediction",
    "ProductState",
    "Promotion",
    "Score",
    "Snapshot",
    "Truth",
]
