"""The tables, in the order data flows through them."""

from .builds.builds import Build, BuildEvent
from .builds.candidates import Candidate, FoldScore, Score
from .builds.diagnostics import Diagnostic
from .builds.retraining import RetrainDecision
from .predictions.feedback import Feedback
from .predictions.predictions import Prediction
from .predictions.truth import Truth
from .registry.product_states import ProductState
from .registry.promotions import Promotion
from .registry.served_choices import ServedChoice
from .registry.served_schemas import ServedSchema
from .registry.versions import ModelVersion
from .serving.batch_scoring import Scoring
from .snapshots.snapshots import Snapshot

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
    "ServedChoice",
    "ServedSchema",
    "Snapshot",
    "Truth",
]
