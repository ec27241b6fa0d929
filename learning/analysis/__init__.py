"""What the features are like, before anything is learned from them: statistics, relations, and findings in
sentences. `overview` computes them; what they are is here, and needs no library.
"""

from .changes import changes
from .identifiers import PROSE, SURE, is_identifier
from .report import Analysis, Correlation, FeatureAnalysis, Finding, FindingKind, LabelShare

__all__ = [
    "PROSE",
    "SURE",
    "Analysis",
    "Correlation",
    "FeatureAnalysis",
    "Finding",
    "FindingKind",
    "LabelShare",
    "changes",
    "is_identifier",
]
