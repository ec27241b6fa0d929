"""Compiled documents: operations that ask for nothing but predictions, answered without executing them."""

from .operations import Operation
from .plans import Plan, plan
from .reading import Unusual

__all__ = ["Operation", "Plan", "Unusual", "plan"]
