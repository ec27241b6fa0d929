"""Families of estimators. This module has their names and candidates; `catalogue` has the estimators."""

from .family import Candidate, Hyperparameters, full_recipe
from .family_names import BASELINE, LIBRARIES, names

__all__ = ["BASELINE", "LIBRARIES", "Candidate", "Hyperparameters", "full_recipe", "names"]
