"""The families that compete: their names and candidates here, their estimators in `catalogue`."""

from .family import Candidate, Hyperparameters
from .family_names import LIBRARIES, names

__all__ = ["LIBRARIES", "Candidate", "Hyperparameters", "names"]
