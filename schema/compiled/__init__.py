"""Compiled documents: operations that ask for nothing but predictions, answered without executing them; and what other
queries select, resolved without reading the document again and again.
"""

from .columnar_executor import COLUMN, WRITES, Walks
from .input_coercion import Unusual
from .operations import Operation
from .plans import Plan, plan

__all__ = ["COLUMN", "WRITES", "Operation", "Plan", "Unusual", "Walks", "plan"]
