"""Compiled documents: operations that ask for nothing but predictions, answered without executing them; and what other
queries select, resolved without reading the document again and again.
"""

from .columnar_executor import COLUMN, LOCAL, WRITES, ColumnarQueries
from .input_coercion import NotEligible
from .operations import Operation
from .plans import Plan, plan

__all__ = ["COLUMN", "LOCAL", "WRITES", "ColumnarQueries", "NotEligible", "Operation", "Plan", "plan"]
