"""The project's own modules, parsed once for all tests of a process that read them.

Modules of tests that import this one run in one process: see `group` in `tests/conftest.py`.
"""

import ast
import gc
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

from tests.system import ROOT

Node = TypeVar("Node", bound=ast.AST)

#: The folders of the code that users run; benchmarks also run in peers' environments, without these packages.
FOLDERS = ("learning", "store", "schema", "project", "examples", "docs")


class SourceTree:
    """A parsed text, with its nodes by their class."""

    def __init__(self, text: str):
        self.text = text
        self.module = ast.parse(text)
        self._nodes: dict[type[ast.AST], list[ast.AST]] = {}
        nodes: list[ast.AST] = [self.module]
        for node in nodes:  # as ast.walk does, in half of its time
            self._nodes.setdefault(type(node), []).append(node)
            for value in vars(node).values():
                if isinstance(value, ast.AST):
                    nodes.append(value)
                elif isinstance(value, list):
                    nodes += [each for each in value if isinstance(each, ast.AST)]

    def nodes(self, *classes: type[Node]) -> Iterator[Node]:
        """Yield the nodes of these classes, one class after the other, each in the order of `ast.walk`."""
        for each in classes:
            yield from self._nodes.get(each, ())  # type: ignore[misc]


@cache
def source_trees() -> dict[Path, SourceTree]:
    """Parse all modules but migrations, by their paths, in the order of these."""
    files = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    # Packages of Node.js bring modules of Python, too.
    own = [file for file in files if not {"migrations", "node_modules"} & set(file.parts)]
    gc.disable()  # nothing of it is garbage, nor will be
    try:
        return {file: SourceTree(file.read_text()) for file in [*own, ROOT / "worker.py"]}
    finally:
        gc.freeze()
        gc.enable()


def trees_of(packages: Collection[str]) -> dict[Path, SourceTree]:
    """Select the modules of these packages."""
    return {
        path: tree for path, tree in source_trees().items() if path.relative_to(ROOT).parts[0] in packages
    }
