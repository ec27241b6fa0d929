"""Libraries that a process does without until it fits, draws or serves: how long it takes to start is theirs."""

import json
import subprocess
import sys

import pytest

from tests.commands import outer_environment
from tests.system import ROOT

pytestmark = pytest.mark.engine

#: Each takes a tenth of a second and more to import, or belongs to those that do.
HEAVY = {
    "catboost",
    "distributed",
    "django.contrib.gis.gdal",
    "joblib",
    "lightgbm",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "pandas",
    "pebble",
    "scipy",
    "sklearn",
    "treelite",
    "xgboost",
    "yellowbrick",
}
#: Modules that each start imports to see whether there is anything to load.
LOADERS = sorted((ROOT / "examples").glob("*/loader.py"))


#: What a process does after it has set up Django, by its name here.
STATEMENTS = {
    **{
        name: f"from django.core.management import execute_from_command_line as e; e(['manage.py', {name!r}])"
        for name in ("check", "help")
    },
    "commands of rows": ";".join(
        f"import store.management.commands.{name}"
        for name in ("ingest", "newproduct", "preview", "report", "rmproduct")
    ),
    "loaders": ";".join(
        f"import {'.'.join(file.relative_to(ROOT).with_suffix('').parts)}" for file in LOADERS
    ),
    "commands of access": "from django.core.management import load_command_class as load;"
    + ";".join(
        f"command = load('store', {name!r}); command.handle = lambda **options: None;"
        f"command.run_from_argv(['manage.py', {name!r}, *{arguments}])"
        for name, *arguments in (
            ("token", "list"),
            ("grant", "ann", "VIEW"),
            ("revoke", "ann", "VIEW"),
            ("limit", "ann", "--rate", "9/second"),
            ("who",),
        )
    ),
    "web": "import project.management.commands.web, project.asgi",
    "worker": "import store.runtime.worker",
    "work-horse": "from importlib import import_module; from store.runtime.worker import PRELOAD;"
    "[import_module(name) for name in PRELOAD]",
    **{
        " ".join(command): "from django.core.management import execute_from_command_line as execute\n"
        f"try: execute(['manage.py', *{command!r}])\nexcept BaseException: pass"
        for command in (
            ["ingest", "tumor", "missing.csv"],
            ["feedback", "tumor", "missing.csv"],
            ["preview", "unknown"],
        )
    },
}
#: Sets up once; each statement runs in a fork of its own, which writes its modules into a file.
RUN_EACH = """
import json, os, sys
import django
django.setup()
statements, folder = json.loads(sys.argv[1]), sys.argv[2]
for number, statement in enumerate(statements):
    if not (child := os.fork()):
        exec(statement, {})
        with open(f"{folder}/{number}", "w") as file:
            json.dump(sorted(sys.modules), file)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, statement
"""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What each process has imported after its statements."""
    folder = tmp_path_factory.mktemp("modules")
    ours = outer_environment()
    environment = ours | {
        "EXEMPLAR_STATE": str(folder / "state"),
        "DJANGO_SETTINGS_MODULE": "project.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN_EACH, json.dumps(list(STATEMENTS.values())), folder],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {
        name: set(json.loads((folder / str(number)).read_text())) for number, name in enumerate(STATEMENTS)
    }


@pytest.mark.parametrize(
    "command", ["check", "help"], ids=["a check of the declared products", "a list of the commands"]
)
def test_a_light_command_imports_no_library_of_those_that_learn(
    command: str, modules: dict[str, set[str]]
) -> None:
    assert not modules[command] & (HEAVY | {"redis", "rq", "rich"})


def test_commands_of_rows_are_imported_without_libraries_that_learn(modules: dict[str, set[str]]) -> None:
    assert not modules["commands of rows"] & HEAVY


def test_a_start_with_loaded_examples_imports_no_library_of_those_that_learn(
    modules: dict[str, set[str]],
) -> None:
    assert LOADERS and not modules["loaders"] & HEAVY


def test_commands_of_access_run_without_the_schema(modules: dict[str, set[str]]) -> None:
    assert not modules["commands of access"] & (HEAVY | {"graphql", "strawberry"})


def test_a_web_process_imports_libraries_with_the_models_that_need_them(modules: dict[str, set[str]]) -> None:
    assert not modules["web"] & HEAVY


def test_a_worker_listens_before_it_imports_the_jobs_modules(modules: dict[str, set[str]]) -> None:
    assert not modules["worker"] & (HEAVY | {"graphql", "strawberry"})


def test_work_horses_share_the_builds_imports(modules: dict[str, set[str]]) -> None:
    assert modules["work-horse"] >= {
        "store.builds.runner",
        "store.serving.batch_scoring",
        "sklearn",
        "onnx",
        "matplotlib",
    }


@pytest.mark.parametrize(
    "command", ["ingest tumor missing.csv", "feedback tumor missing.csv", "preview unknown"]
)
def test_a_command_about_rows_composes_no_schema(command: str, modules: dict[str, set[str]]) -> None:
    assert not modules[command] & {"schema.schema", "project.urls"}
