"""Compiled documents: plans of operations that select only predictions, and columnar execution of other queries."""

from .columnar_executor import COLUMN, LOCAL, WRITES, ColumnarQueries
from .costs import DocumentCosts, check_cost, compile_costs
from .input_coercion import NotEligible
from .operations import Operation
from .plans import Plan, plan

__all__ = [
    "COLUMN",
    "LOCAL",
    "WRITES",
    "ColumnarQueries",
    "DocumentCosts",
    "NotEligible",
    "Operation",
    "Plan",
    "check_cost",
    "compile_costs",
    "plan",
]
