"""The tables, in the order data flows through them."""

from .access.audit import AuditEntry
from .builds.builds import Build, BuildEvent
from .builds.candidates import Candidate, FoldScore, Score
from .builds.diagnostics import Diagnostic
from .builds.pending_promotions import PendingPromotion
from .builds.retraining import RetrainDecision
from .builds.rule_checks import RuleCheck
from .comparisons.comparisons import Comparison
from .comparisons.flips import ComparisonFlip
from .ingest.imports import Import, ImportPart
from .notices.deliveries import Delivery
from .notices.receivers import Receiver
from .predictions.changed_subjects import ChangedSubject
from .predictions.feedback import Feedback
from .predictions.predictions import Prediction, PredictionAsker
from .predictions.truth import Truth, TruthPolicy, Voice
from .quality.days import QualityDay, QualityState
from .quality.drift_hours import DriftHour
from .quality.drift_references import DriftReference
from .registry.product_states import ProductState
from .registry.promotions import Promotion
from .registry.retired_features import RetiredFeature
from .registry.served_choices import ServedChoice
from .registry.served_schemas import AcceptedSchema, ServedSchema
from .registry.trials import Trial
from .registry.versions import ModelVersion
from .serving.batch_scoring import Scoring
from .serving.label_queue import LabelCandidate, LabelQueue
from .snapshots.snapshots import Snapshot

__all__ = [
    "AcceptedSchema",
    "AuditEntry",
    "Build",
    "BuildEvent",
    "Candidate",
    "ChangedSubject",
    "Comparison",
    "ComparisonFlip",
    "Delivery",
    "Diagnostic",
    "DriftHour",
    "DriftReference",
    "Feedback",
    "FoldScore",
    "Import",
    "ImportPart",
    "LabelCandidate",
    "LabelQueue",
    "ModelVersion",
    "PendingPromotion",
    "Prediction",
    "PredictionAsker",
    "ProductState",
    "Promotion",
    "QualityDay",
    "QualityState",
    "Receiver",
    "RetiredFeature",
    "RetrainDecision",
    "RuleCheck",
    "Score",
    "Scoring",
    "ServedChoice",
    "ServedSchema",
    "Snapshot",
    "Trial",
    "Truth",
    "TruthPolicy",
    "Voice",
]
