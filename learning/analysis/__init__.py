"""Analysis of a dataset's features before learning: statistics, relations, and findings in sentences.

This module has the results, and needs no library; `overview` computes them.
"""

from .changes import changes
from .identifiers import PROSE, SURE, is_identifier
from .report import REVEALING, Analysis, Correlation, FeatureAnalysis, Finding, FindingKind, LabelShare

__all__ = [
    "PROSE",
    "REVEALING",
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
