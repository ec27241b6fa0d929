"""Compiled documents: operations that ask for nothing but predictions, answered without executing them; and what other
queries select, resolved without reading the document again and again.
"""

from .operations import Operation
from .plans import Plan, plan
from .reading import Unusual
from .walking import COLUMN, WRITES, Walks

__all__ = ["COLUMN", "WRITES", "Operation", "Plan", "Unusual", "Walks", "plan"]
