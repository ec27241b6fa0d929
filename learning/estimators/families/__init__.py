"""Families of estimators. This module has their names and candidates; `catalogue` has the estimators."""

from .family import Candidate, Hyperparameters
from .family_names import LIBRARIES, names

__all__ = ["LIBRARIES", "Candidate", "Hyperparameters", "names"]
