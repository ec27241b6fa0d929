"""From understood files or tables to a product's app: plain Django code that its owner goes on editing."""

from .app import Exists, check_name, install, undone_on_failure, write
from .planning import PlannedApp, plan
from .writing import sources

__all__ = ["Exists", "PlannedApp", "check_name", "install", "plan", "sources", "undone_on_failure", "write"]
