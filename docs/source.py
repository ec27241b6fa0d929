"""Reads what source files say of what they declare: first docstring lines, and `#:` comments above fields."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Declared:
    """An annotated name of a module or class, as its source has it."""

    name: str
    annotation: str
    #: The expression of its value; empty where there is none.
    value: str
    #: The `#:` comment above it, in one line; `{NAME}` in it is a constant.
    comment: str


def fields(owner: type) -> list[Declared]:
    """List the annotated names that a class itself declares, without what it inherits."""
    return declared(textwrap.dedent(inspect.getsource(owner)))


def declared(source: str) -> list[Declared]:
    """List the annotated names at the top of a module, or of the only class in `source`."""
    body: list[ast.stmt] = ast.parse(source).body
    if len(body) == 1 and isinstance(body[0], ast.ClassDef):
        body = body[0].body
    lines = source.splitlines()
    return [
        Declared(
            name=node.target.id,
            annotation=ast.unparse(node.annotation),
            value=ast.unparse(node.value) if node.value else "",
            comment=comment_above(lines, node.lineno),
        )
        for node in body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]


def comment_above(lines: list[str], number: int) -> str:
    """Join the `#:` lines directly above line `number`, which counts from 1."""
    above: list[str] = []
    for line in reversed(lines[: number - 1]):
        if not line.strip().startswith("#:"):
            break
        above.insert(0, line.strip()[2:].strip())
    return " ".join(above)


def sentence(documented: Any) -> str:
    """Return the first paragraph of a docstring, in one line."""
    return paragraphs(documented)[0]


def paragraphs(documented: Any) -> list[str]:
    """Return the paragraphs of a docstring, each in one line."""
    text = inspect.getdoc(documented) or ""
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]


def modules(package: Path) -> Iterator[tuple[Path, str]]:
    """Yield each module of a package with the first paragraph of its docstring, folder by folder."""
    files = [file for file in package.rglob("*.py") if "migrations" not in file.parts]
    for file in sorted(files, key=lambda file: (file.parent.parts, file.name != "__init__.py", file.name)):
        if text := docstring(file.read_text()):
            yield file, " ".join(text.split("\n\n")[0].split())


def docstring(module: str) -> str | None:
    """Return the docstring of a module's text, of which only the beginning is parsed where that suffices."""
    try:
        return ast.get_docstring(ast.parse(module.partition("\n\n")[0])) or ast.get_docstring(
            ast.parse(module)
        )
    except SyntaxError:  # a docstring of several paragraphs
        return ast.get_docstring(ast.parse(module))
