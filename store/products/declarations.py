"""Declarations: the file and the line at which a product is declared."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from django.apps import apps
from django.conf import settings

from .product import DataProduct


@dataclass(frozen=True)
class Location:
    """A place in the source code."""

    #: Relative to the folder of `manage.py` where it is in it.
    file: str
    #: None where the source cannot be read, or the name is bound by no statement of the module.
    line: int | None


def locate(product: DataProduct) -> Location | None:
    """Find where a product is declared; None where no app's `products` module has it."""
    for module in _modules():
        for name, value in vars(module).items():
            if value is product and module.__file__:
                return Location(_shorten(Path(module.__file__)), _find_line(Path(module.__file__), name))
    return None


def _modules() -> Iterator[ModuleType]:
    for app in apps.get_app_configs():
        if module := sys.modules.get(f"{app.name}.products"):
            yield module


def _shorten(file: Path) -> str:
    return str(file.relative_to(settings.BASE_DIR) if file.is_relative_to(settings.BASE_DIR) else file)


def _find_line(file: Path, name: str) -> int | None:
    """Find the last statement of a module that binds a name."""
    try:
        statements = ast.parse(file.read_bytes()).body
    except (OSError, SyntaxError):
        return None
    return max((statement.lineno for statement in statements if name in _bound(statement)), default=None)


def _bound(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.Assign(targets=targets):
            return {target.id for target in targets if isinstance(target, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case ast.ImportFrom(names=names):
            return {each.asname or each.name for each in names}
    return set()
