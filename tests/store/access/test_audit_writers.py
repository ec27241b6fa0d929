"""Whatever writes an act that the audit log has to know of calls `audit.record`: found in the source, so that a new
writer that forgets it fails here."""

import ast
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from tests.source_trees import SourceTree, trees_of
from tests.system import ROOT

PACKAGES = ("store", "schema", "project")
#: By model, the methods of its rows and managers that are acts.
ACTS = {
    "Promotion": {"create", "bulk_create", "update", "delete", "update_or_create", "get_or_create"},
    "Build": {"create", "bulk_create", "delete", "update_or_create", "get_or_create"},
    "AcceptedSchema": {"create", "bulk_create", "update", "delete"},
    "Identity": {"create", "update", "delete"},
    "Prediction": {"delete"},
    "Feedback": {"delete"},
    "Token": {"create", "bulk_create", "update", "delete", "save", "update_or_create", "get_or_create"},
    "User": {
        "create",
        "create_user",
        "create_superuser",
        "update",
        "delete",
        "get_or_create",
        "update_or_create",
    },
    "Group": {"create", "update", "delete", "get_or_create", "update_or_create"},
    "UserObjectPermission": {"create", "delete", "bulk_create", "assign_perm", "remove_perm"},
    "GroupObjectPermission": {"create", "delete", "bulk_create", "assign_perm", "remove_perm"},
}
#: Relations that say who may do what, and their methods that change them.
RELATIONS = {"user_permissions", "permissions", "groups"}
CHANGES = {"add", "remove", "set", "clear"}
METHODS = set[str]().union(*ACTS.values())
#: Functions that are acts wherever they are called.
FUNCTIONS = {"assign_perm", "remove_perm", "create_user", "create_superuser", "set_password"}
#: Statements that write the tables of acts.
SQL = re.compile(
    r"(INSERT INTO|UPDATE|DELETE FROM|MERGE INTO) +(exemplar\.)?"
    r"(store_promotion|store_build|exemplar_token|exemplar_user\w*|auth_group\w*|guardian_\w+)\b"
    r"|DELETE FROM +(exemplar\.)?(store_prediction|store_feedback)\b"
)
#: Writers whose act is recorded by their caller, or that are none of anybody's acts, with the reason.
EXCEPTIONS: dict[str, str] = {
    "store.access.tokens.touch": "notes when tokens were last used",
    "store.predictions.erasure.remove_subject": "is called by serving.erasing.erase alone, which records",
    **dict.fromkeys(
        (
            "store.builds.builds.Build.cancelled",
            "store.jobs.jobs.PlainJob.cancelled",
        ),
        "is called by JobManager.cancel alone, which records",
    ),
}


@dataclass
class Writer:
    """A function, and what it writes."""

    place: str
    writes: list[str] = field(default_factory=list)
    records: bool = False


def root_of(node: ast.expr) -> str:
    """The name that a chain of attributes and calls begins with."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def models_in(node: ast.expr) -> set[str]:
    """The models of acts that a chain names, as `models.Build.objects` does."""
    names = {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
    return (names | {root_of(node)}) & set(ACTS)


def last_name(function: ast.expr) -> str:
    """Return the name of what is called, without what has it."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def has_statement(value: ast.expr) -> bool:
    return any(isinstance(part, ast.Constant) and SQL.search(str(part.value)) for part in ast.walk(value))


class Writers(ast.NodeVisitor):
    """Finds the functions of a module that write acts."""

    def __init__(self, module: str, tree: ast.Module):
        self.module, self.writers = module, list[Writer]()
        self.classes: list[str] = []
        self.managed = ""
        #: Constants of the module that are statements.
        self.statements = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign) and has_statement(node.value)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        self.visit(tree)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        outer, self.managed = (
            self.managed,
            next(
                (
                    str(base.slice.value)
                    for base in node.bases
                    if isinstance(base, ast.Subscript) and isinstance(base.slice, ast.Constant)
                ),
                node.name if node.name in ACTS else "",
            ),
        )
        self.classes.append(node.name)
        self.generic_visit(node)
        self.classes.pop()
        self.managed = outer

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        writer = Writer(".".join([self.module, *self.classes, node.name]))
        local = {"self": {self.managed} & set(ACTS)}
        parts = list(ast.walk(node))
        for part in parts:
            if isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name):
                local[part.targets[0].id] = models_in(part.value) | local.get(root_of(part.value), set())
        docstring = ast.get_docstring(node, clean=False)
        for part in parts:
            if isinstance(part, ast.Call):
                self.note(part, writer, local)
            elif isinstance(part, ast.Name) and part.id in self.statements:
                writer.writes.append(part.id)
            elif isinstance(part, ast.Constant) and part.value != docstring and SQL.search(str(part.value)):
                writer.writes.append(str(part.value))
        if writer.writes:
            self.writers.append(writer)

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def note(self, call: ast.Call, writer: Writer, local: dict[str, set[str]]) -> None:
        method = last_name(call.func)
        if method in ("record", "record_act") and ast.unparse(call.func) in ("audit.record", "record_act"):
            writer.records = True
        if method in FUNCTIONS:
            writer.writes.append(ast.unparse(call.func))
        if not isinstance(call.func, ast.Attribute):
            return
        owner = call.func.value
        if isinstance(owner, ast.Attribute) and owner.attr in RELATIONS and method in CHANGES:
            writer.writes.append(ast.unparse(call.func))
        if method in METHODS:
            for model in models_in(owner) | local.get(root_of(owner), set()):
                if method in ACTS[model]:
                    writer.writes.append(ast.unparse(call.func))
        if method == "end" and call.args and ast.unparse(call.args[0]) in ("CANCELLED", "'CANCELLED'"):
            writer.writes.append(ast.unparse(call.func))


def writers_in(tree: SourceTree, module: str = "module") -> list[Writer]:
    return Writers(module, tree.module).writers


@cache
def all_writers() -> tuple[Writer, ...]:
    return tuple(
        writer for file, tree in trees_of(PACKAGES).items() for writer in writers_in(tree, module_of(file))
    )


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


def test_whoever_writes_an_act_records_it() -> None:
    writers = all_writers()
    assert len(writers) >= 6, writers  # promotions, builds (twice), deletions (twice), grants or tokens
    forgetful = [writer for writer in writers if not writer.records and writer.place not in EXCEPTIONS]
    assert forgetful == []


def test_no_exception_is_out_of_date() -> None:
    assert set(EXCEPTIONS) <= {writer.place for writer in all_writers() if not writer.records}


@pytest.mark.parametrize(
    "source",
    [
        "def act():\n    Promotion.objects.create(model=1)",
        "def act():\n    models.Promotion.objects.create(model=1)",
        "class M(models.Manager['Promotion']):\n    def act(self):\n        return self.create(model=1)",
        "class M(JobManager['Build']):\n    def act(self):\n        def start():\n            self.create()",
        "def act():\n    going = Feedback.objects.filter(pk=1)\n    going.exclude(pk=2).delete()",
        "def act(build):\n    build.end(CANCELLED, 'BuildCancelled', 'x')",
        "DROP = 'DELETE FROM store_prediction WHERE id = 1'\ndef act(cursor):\n    cursor.execute(DROP)",
        "def act(cursor):\n    cursor.execute('INSERT INTO exemplar.exemplar_token DEFAULT VALUES')",
        "def act(user):\n    user.user_permissions.add(1)",
        "def act(user):\n    assign_perm('predict', user)",
    ],
)
def test_a_writer_that_forgets_is_found(source: str) -> None:
    assert [writer.records for writer in writers_in(SourceTree(source))] == [False]
    remembering = f"{source}\n    audit.record(1)" if not source.startswith("class") else source
    assert all(writer.writes for writer in writers_in(SourceTree(remembering)))


def test_reading_is_no_act() -> None:
    source = '''
def read(build):
    """DELETE FROM store_prediction is not done here."""
    Promotion.objects.filter(pk=1).first()
    Prediction.objects.create(pk=1)
    build.end(SUCCEEDED, "x", "y")
    audit.record(1)
'''
    assert writers_in(SourceTree(source)) == []
