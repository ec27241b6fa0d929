"""Scaffold of a product's app: plain Django code over files or existing tables, for its owner to edit."""

from .app import NameTaken, check_name, check_snapshot, install, undo_on_failure, write_files
from .description import describe
from .planning import PlannedApp, plan_app
from .writing import render_files

__all__ = [
    "NameTaken",
    "PlannedApp",
    "check_name",
    "check_snapshot",
    "describe",
    "install",
    "plan_app",
    "render_files",
    "undo_on_failure",
    "write_files",
]
