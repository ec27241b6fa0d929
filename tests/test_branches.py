"""What depends on a column's kind or on a task is asked of its class: no other module compares them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from learning.kinds import Kind, registered
from learning.problem import PROBLEMS

ROOT = Path(__file__).parents[1]
#: The code that users run; benchmarks also run in peers' environments, without these packages.
FOLDERS = ("learning", "store", "schema", "project", "examples", "docs")
#: The one module of kinds.
KINDS = ROOT / "learning" / "kinds.py"

KIND_NAMES = {str(kind) for kind in registered()}
KIND_CLASSES = {type(kind).__name__ for kind in registered()}
TASKS = set(PROBLEMS)


def modules() -> list[Path]:
    files = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    # Packages of Node.js bring modules of Python, too.
    return [
        file for file in [*files, ROOT / "worker.py"] if not {"migrations", "node_modules"} & set(file.parts)
    ]


def chosen_by(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions that code branches on: compared, matched, looked up in a display, or tested by class."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare():
                for operand in (node.left, *node.comparators):
                    yield operand
                    yield from operand.elts if isinstance(operand, ast.Tuple | ast.List | ast.Set) else ()
            case ast.MatchValue():
                yield node.value
            case ast.Dict():
                yield from filter(None, node.keys)
            case ast.Subscript():
                yield node.slice
            case ast.Assign(value=ast.Tuple() | ast.List() | ast.Set() as display):
                yield from display.elts
            case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, classes]):
                yield from (each for each in ast.walk(classes) if isinstance(each, ast.expr))


def branches_on_kinds(source: str) -> list[int]:
    """List the lines that branch on a member of `Kind`, on its name beside `.kind`, or on a kind's class."""
    lines = []
    tree = ast.parse(source)
    for expression in chosen_by(tree):
        match expression:
            case ast.Attribute(value=ast.Name(id="Kind"), attr=name) if name in KIND_NAMES:
                lines.append(expression.lineno)
            case ast.Attribute(value=ast.Name(id="kinds"), attr=name) if name in KIND_CLASSES:
                lines.append(expression.lineno)
    for node in ast.walk(tree):
        # A kind's class serves for nothing but branches.
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[-1] == "kinds":
            lines += [node.lineno for name in node.names if name.name in KIND_CLASSES]
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            asks = any(isinstance(side, ast.Attribute) and side.attr == "kind" for side in sides)
            if asks and any(isinstance(side, ast.Constant) and side.value in KIND_NAMES for side in sides):
                lines.append(node.lineno)
    return sorted(set(lines))


def branches_on_tasks(source: str) -> list[int]:
    """List the lines that compare something with a task's name."""
    return sorted(
        {
            expression.lineno
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Compare | ast.MatchValue)
            for expression in ast.walk(node)
            if isinstance(expression, ast.Constant)
            and isinstance(expression.value, str)
            and expression.value.upper() in TASKS
        }
    )


def test_only_the_module_of_kinds_branches_on_kinds() -> None:
    found = {str(file.relative_to(ROOT)): branches_on_kinds(file.read_text()) for file in modules()}
    assert {file: lines for file, lines in found.items() if lines and ROOT / file != KINDS} == {}


def test_no_module_compares_tasks_by_their_names() -> None:
    found = {str(file.relative_to(ROOT)): branches_on_tasks(file.read_text()) for file in modules()}
    assert {file: lines for file, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "if column.kind is Kind.DATE: ...",
        "if column.kind in (Kind.DATE, Kind.DATETIME): ...",
        "TIMES = (Kind.DATE, Kind.DATETIME)",
        "wire = {Kind.DATE: 'i4'}",
        "wire = WIRES[Kind.DATE]",
        "match column.kind:\n    case Kind.DATE: ...",
        "match column.kind:\n    case Kind.DATE | Kind.DATETIME: ...",
        "if column.kind == 'DATE': ...",
        "if isinstance(column.kind, kinds.Date): ...",
        "from learning.kinds import Date, Kind",
    ],
)
def test_a_branch_on_a_kind_is_found(source: str) -> None:
    assert branches_on_kinds(source)


@pytest.mark.parametrize(
    "source",
    [
        "if problem.task == 'REGRESSION': ...",
        "if 'Clustering' != app.task: ...",
        "if task in ('regression', 'classification'): ...",
        "match problem.task:\n    case 'CLUSTERING': ...",
    ],
)
def test_a_branch_on_a_task_is_found(source: str) -> None:
    assert branches_on_tasks(source)


@pytest.mark.parametrize(
    "source",
    ["Column(name='x', kind=Kind.DATE)", "kind: Kind = Kind.DATE", "if column.kind.has_date: ..."],
)
def test_a_kind_may_be_named_and_asked(source: str) -> None:
    assert branches_on_kinds(source) == []


def test_kinds_are_registered_by_their_names() -> None:
    assert all(Kind(kind) is kind for kind in registered())
