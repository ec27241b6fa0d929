"""Loads the docstrings of the running Python's standard library into the table, without importing or running it."""

import ast
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from django.db import transaction

from .models import Docstring

#: Docstrings with fewer words are left out.
MIN_WORDS = 5
WORD = re.compile(r"[^\W\d_]{2,}")
#: The packages' names with all that follows their dots, and words that begin with one. They are replaced in every
#: docstring, not only in the package's own: a name that stays would show where the docstring is not from.
NAMES = re.compile(rf"\b_*(?:{'|'.join(Docstring.Package.values)})\w*(?:\.\w+)*", re.IGNORECASE)
BLANK = "…"

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@transaction.atomic
def load() -> int:
    """Fill the table where it is empty; return how many docstrings were written."""
    if Docstring.objects.exists():
        return 0
    return len(Docstring.objects.bulk_create(find_docstrings(Path(sysconfig.get_path("stdlib")))))


def find_docstrings(library: Path) -> list[Docstring]:
    """Find the docstrings of the packages in this folder, by package and file, each text once."""
    docstrings: dict[str, Docstring] = {}
    texts: set[str] = set()
    for package in Docstring.Package.values:
        for name, docstring in _read_package(library, package):
            text = NAMES.sub(BLANK, " ".join(docstring.split()))
            if len(WORD.findall(text)) >= MIN_WORDS and text not in texts and name not in docstrings:
                texts.add(text)
                docstrings[name] = Docstring(name=name, text=text, package=package)
    return list(docstrings.values())


def _read_package(library: Path, package: str) -> Iterator[tuple[str, str]]:
    """Read dotted names and docstrings of a package, without its tests."""
    for file in sorted((library / package).rglob("*.py")):
        path = file.relative_to(library).with_suffix("")
        if "test" not in path.parts:
            yield from _find_in(ast.parse(file.read_bytes()), ".".join(path.parts).removesuffix(".__init__"))


def _find_in(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Module | Definition) and (docstring := ast.get_docstring(node)):
        yield name, docstring
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler):
            yield from _find_in(child, f"{name}.{child.name}" if isinstance(child, Definition) else name)
