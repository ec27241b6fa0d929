"""Names and docstrings of the packages are in plain technical English, as far as a program can check it.

The reader is an engineer who reads quickly and whose first language may be another: short sentences, verbs in the
imperative, the field's words. No rule here replaces reading a page once more.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source_trees import SourceTree, trees_of
from tests.system import ROOT

PACKAGES = ("learning", "store", "schema", "project")

#: Docstrings begin with a verb in the imperative or with a noun phrase, so not with one of these.
PRONOUNS = re.compile(
    r"(As|How|It|Its|Let|Of|Once|Such|That|This|Those|These|What|Whatever|When|Where|Whether|Which|Who|Whoever)\b"
)
#: Names that say how a value was got, or in which game it plays, and not what it is.
BANNED = frozenset(
    re.findall(
        r"\w+",
        "asked bench desk doing found given held kept known lane lanes look made of player said shelf shown shower "
        "surround tally told walker way ways what",
    )
)

#: What users write in their declarations: `Before(…, known=…)` says when a row became known.
DECLARED = {("store/products/features.py", "known"), ("store/products/indicators.py", "known")}

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def docstrings(tree: SourceTree) -> Iterator[tuple[int, str]]:
    for node in tree.nodes(ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef):
        if text := ast.get_docstring(node):
            yield getattr(node, "lineno", 1), text


def bound_names(tree: SourceTree) -> Iterator[tuple[int, str]]:
    """Names of functions, parameters, variables and attributes, with the lines that bind them."""
    methods = {
        node
        for parent in tree.nodes(ast.ClassDef)
        for node in parent.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    bound = (ast.FunctionDef, ast.AsyncFunctionDef, ast.arg, ast.Name, ast.Attribute)
    for node in tree.nodes(*bound):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                # `Feature.of(column)` reads well; `features.of(column)` says nothing.
                if node not in methods or node.name != "of":
                    yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr


def is_described(node: Definition) -> bool:
    """A docstring; for types of GraphQL the description that clients read; for commands their help."""
    if node.name == "Command" or ast.get_docstring(node):
        return True
    return any(
        isinstance(decorator, ast.Call) and "description" in {keyword.arg for keyword in decorator.keywords}
        for decorator in node.decorator_list
    )


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    wrong = [
        f"{name_of(path)}:{line}: {text.splitlines()[0]}"
        for path, tree in trees_of(PACKAGES).items()
        for line, text in docstrings(tree)
        if PRONOUNS.match(text)
    ]
    assert wrong == []


def test_names_describe_their_values() -> None:
    wrong = [
        f"{name_of(path)}:{line}: {name}"
        for path, tree in trees_of(PACKAGES).items()
        for line, name in bound_names(tree)
        if name.strip("_") in BANNED and (name_of(path), name) not in DECLARED
    ]
    assert wrong == []


def test_public_functions_and_classes_are_described() -> None:
    silent = [
        f"{name_of(path)}:{node.lineno}: {node.name}"
        for path, tree in trees_of(PACKAGES).items()
        for node in tree.module.body
        if isinstance(node, Definition) and not node.name.startswith("_") and not is_described(node)
    ]
    assert silent == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_class_name_stands_once_in_a_package(package: str) -> None:
    names = Counter(
        node.name
        for tree in trees_of([package]).values()
        for node in tree.module.body
        if isinstance(node, ast.ClassDef)
    )
    # Django looks up every command by this name.
    assert {name for name, count in names.items() if count > 1} <= {"Command"}


def test_the_prose_rules_find_their_violations() -> None:
    tree = SourceTree('def of(found):\n    """What there is."""\n    self.told = [way for way in found]\n')
    assert [text for _, text in docstrings(tree) if PRONOUNS.match(text)] == ["What there is."]
    assert sorted(name for _, name in bound_names(tree) if name in BANNED) == ["found", "of", "told", "way"]
