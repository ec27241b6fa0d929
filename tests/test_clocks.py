"""What is decided by time is decided by the database's clock: no code of ours reads that of its host."""

import ast
from collections.abc import Iterator

import pytest

from tests.source_trees import SourceTree, source_trees
from tests.system import ROOT

#: Functions that read the host's clock, by the class or module that has them; `time.monotonic` and the like, which
#: measure durations within one process, are none of them.
CLOCKS = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "timezone": {"now", "localtime", "localdate"},
    "time": {"time", "time_ns", "localtime", "gmtime", "ctime", "strftime"},
}
#: Modules whose clocks can be imported by name.
MODULES = {"django.utils.timezone": "timezone", "time": "time"}
#: Arguments by which Django's fields read the host's clock.
AUTOMATIC = {"auto_now", "auto_now_add"}


#: What is of this process alone, and what no row is compared with.
OWN = {
    "project/console/windows.py": "from which day on a page shows what there is",
    "project/logs.py": "the moment of a log line",
    "schema/execution/document_store.py": "which documents were used last, in Valkey",
    "store/access/rate_limiter.py": "windows of limits, which are shared through Valkey",
    "store/access/resolver.py": "the seconds for which a process may cache what it looked up",
    "store/runtime/measurements.py": "since when this process runs",
    "store/telemetry/tracing.py": "the moments of spans",
}


def readings(tree: SourceTree) -> Iterator[int]:
    """Yield the lines that read the host's clock, or have Django read it."""
    for node in tree.nodes(ast.Attribute, ast.ImportFrom, ast.keyword):
        match node:
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name):
                if name in CLOCKS.get(owner, ()):
                    yield node.lineno
            case ast.ImportFrom(module=str(module), names=names) if module in MODULES:
                yield from (node.lineno for each in names if each.name in CLOCKS[MODULES[module]])
            case ast.keyword(arg=str(name)) if name in AUTOMATIC:
                yield node.lineno


def test_no_code_reads_the_hosts_clock() -> None:
    names = {str(file.relative_to(ROOT)): tree for file, tree in source_trees().items()}
    found = {
        name: list(readings(tree))
        for name, tree in names.items()
        if not name.startswith(("examples/", "docs/"))
    }
    assert {file: lines for file, lines in found.items() if lines and file not in OWN} == {}
    assert [file for file in OWN if not found[file]] == []


@pytest.mark.parametrize(
    "source",
    [
        "at = timezone.now()",
        "at = django.utils.timezone.now()",
        "at = DateTimeField(default=timezone.now)",
        "at = DateTimeField(auto_now_add=True)",
        "from django.utils.timezone import now",
        "at = datetime.datetime.now(UTC)",
        "day = date.today()",
        "started = time.time()",
        "from time import time",
    ],
)
def test_a_reading_of_the_hosts_clock_is_found(source: str) -> None:
    assert list(readings(SourceTree(source))) == [1]


@pytest.mark.parametrize(
    "source", ["started = time.monotonic()", "lease = Now()", "noon = time.fromisoformat('12:00')"]
)
def test_durations_and_the_databases_clock_are_allowed(source: str) -> None:
    assert list(readings(SourceTree(source))) == []
