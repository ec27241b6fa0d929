"""What depends on a column's kind or on a task is asked of its class: no other module compares them."""

import ast
from collections.abc import Iterator

import pytest

from learning.kinds import Kind, registered
from learning.problem import PROBLEMS
from tests.source_trees import SourceTree, source_trees
from tests.system import ROOT

#: The one module of kinds.
KINDS = ROOT / "learning" / "kinds.py"

KIND_NAMES = {str(kind) for kind in registered()}
KIND_CLASSES = {type(kind).__name__ for kind in registered()}
TASKS = set(PROBLEMS)


def chosen_by(tree: SourceTree) -> Iterator[ast.expr]:
    """Yield the expressions that code branches on: compared, matched, looked up in a display, or tested by class."""
    for compared in tree.nodes(ast.Compare):
        for operand in (compared.left, *compared.comparators):
            yield operand
            yield from operand.elts if isinstance(operand, ast.Tuple | ast.List | ast.Set) else ()
    for matched in tree.nodes(ast.MatchValue):
        yield matched.value
    for display in tree.nodes(ast.Dict):
        yield from filter(None, display.keys)
    for looked_up in tree.nodes(ast.Subscript):
        yield looked_up.slice
    for node in tree.nodes(ast.Assign, ast.Call):
        match node:
            case ast.Assign(value=ast.Tuple() | ast.List() | ast.Set() as sequence):
                yield from sequence.elts
            case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, classes]):
                yield from (each for each in ast.walk(classes) if isinstance(each, ast.expr))


def branches_on_kinds(tree: SourceTree) -> list[int]:
    """List the lines that branch on a member of `Kind`, on its name beside `.kind`, or on a kind's class."""
    lines = []
    for expression in chosen_by(tree):
        match expression:
            case ast.Attribute(value=ast.Name(id="Kind"), attr=name) if name in KIND_NAMES:
                lines.append(expression.lineno)
            case ast.Attribute(value=ast.Name(id="kinds"), attr=name) if name in KIND_CLASSES:
                lines.append(expression.lineno)
    for imported in tree.nodes(ast.ImportFrom):
        # A kind's class serves for nothing but branches.
        if (imported.module or "").split(".")[-1] == "kinds":
            lines += [imported.lineno for name in imported.names if name.name in KIND_CLASSES]
    for compared in tree.nodes(ast.Compare):
        sides = [compared.left, *compared.comparators]
        asks = any(isinstance(side, ast.Attribute) and side.attr == "kind" for side in sides)
        if asks and any(isinstance(side, ast.Constant) and side.value in KIND_NAMES for side in sides):
            lines.append(compared.lineno)
    return sorted(set(lines))


def branches_on_tasks(tree: SourceTree) -> list[int]:
    """List the lines that compare something with a task's name."""
    return sorted(
        {
            expression.lineno
            for node in tree.nodes(ast.Compare, ast.MatchValue)
            for expression in ast.walk(node)
            if isinstance(expression, ast.Constant)
            and isinstance(expression.value, str)
            and expression.value.upper() in TASKS
        }
    )


def test_only_the_module_of_kinds_branches_on_kinds() -> None:
    found = {str(file.relative_to(ROOT)): branches_on_kinds(tree) for file, tree in source_trees().items()}
    assert {file: lines for file, lines in found.items() if lines and ROOT / file != KINDS} == {}


def test_no_module_compares_tasks_by_their_names() -> None:
    found = {str(file.relative_to(ROOT)): branches_on_tasks(tree) for file, tree in source_trees().items()}
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
    assert branches_on_kinds(SourceTree(source))


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
    assert branches_on_tasks(SourceTree(source))


@pytest.mark.parametrize(
    "source",
    ["Column(name='x', kind=Kind.DATE)", "kind: Kind = Kind.DATE", "if column.kind.has_date: ..."],
)
def test_a_kind_may_be_named_and_asked(source: str) -> None:
    assert branches_on_kinds(SourceTree(source)) == []


def test_kinds_are_registered_by_their_names() -> None:
    assert all(Kind(kind) is kind for kind in registered())
