"""Reads the docstrings of the running Python's standard library into the table; nothing of it is imported or run."""

import ast
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from django.db import transaction

from .models import Docstring

#: Docstrings of fewer words say too little.
FEWEST_WORDS = 5
WORD = re.compile(r"[^\W\d_]{2,}")
#: The packages' names, as far as the dots go, and words that begin with one. They are blanked in every docstring, not
#: only in the package's own: a name that is left would say where the docstring is not from.
NAMES = re.compile(rf"\b_*(?:{'|'.join(Docstring.Package.values)})\w*(?:\.\w+)*", re.IGNORECASE)
BLANK = "…"

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@transaction.atomic
def load() -> int:
    """Fill the table where it is empty; return how many docstrings were written."""
    if Docstring.objects.exists():
        return 0
    return len(Docstring.objects.bulk_create(docstrings(Path(sysconfig.get_path("stdlib")))))


def docstrings(library: Path) -> list[Docstring]:
    """Those of the packages in this folder, by package and file; a text that is there twice counts once."""
    found: dict[str, Docstring] = {}
    texts: set[str] = set()
    for package in Docstring.Package.values:
        for name, said in _said(library, package):
            text = NAMES.sub(BLANK, " ".join(said.split()))
            if len(WORD.findall(text)) >= FEWEST_WORDS and text not in texts and name not in found:
                texts.add(text)
                found[name] = Docstring(name=name, text=text, package=package)
    return list(found.values())


def _said(library: Path, package: str) -> Iterator[tuple[str, str]]:
    """Dotted names and docstrings of a package, without those of its tests."""
    for file in sorted((library / package).rglob("*.py")):
        path = file.relative_to(library).with_suffix("")
        if "test" not in path.parts:
            yield from _within(ast.parse(file.read_bytes()), ".".join(path.parts).removesuffix(".__init__"))


def _within(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Module | Definition) and (said := ast.get_docstring(node)):
        yield name, said
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler):
            yield from _within(child, f"{name}.{child.name}" if isinstance(child, Definition) else name)
