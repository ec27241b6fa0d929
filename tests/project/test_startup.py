"""Libraries that a process does without until it fits, draws or serves: how long it takes to start is theirs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system import ROOT, outer_environment

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
SET_UP = "import django; django.setup();"
#: Modules that each start imports to see whether there is anything to load.
LOADERS = sorted((ROOT / "examples").glob("*/loader.py"))


def imported(statements: str, folder: Path) -> set[str]:
    """Run statements in a process of its own; return the modules that it has imported then."""
    code = f"{statements} import json, sys; print(json.dumps(sorted(sys.modules)))"
    ours = outer_environment()
    environment = ours | {"EXEMPLAR_STATE": str(folder), "DJANGO_SETTINGS_MODULE": "project.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "command", ["check", "help"], ids=["a check of the declared products", "a list of the commands"]
)
def test_a_light_command_imports_no_library_of_those_that_learn(command: str, tmp_path: Path) -> None:
    call = f"{SET_UP} from django.core.management import execute_from_command_line as execute;"
    modules = imported(f"{call} execute(['manage.py', '{command}']);", tmp_path / "state")
    assert not modules & (HEAVY | {"redis", "rq", "rich"})


def test_commands_of_rows_are_imported_without_libraries_that_learn(tmp_path: Path) -> None:
    names = ("ingest", "newproduct", "preview", "report", "rmproduct")
    commands = "".join(f"import store.management.commands.{name};" for name in names)
    assert not imported(SET_UP + commands, tmp_path / "state") & HEAVY


def test_a_start_with_loaded_examples_imports_no_library_of_those_that_learn(tmp_path: Path) -> None:
    loaders = "".join(f"import {'.'.join(file.relative_to(ROOT).with_suffix('').parts)};" for file in LOADERS)
    assert not imported(SET_UP + loaders, tmp_path / "state") & HEAVY


def test_commands_of_access_run_without_the_schema(tmp_path: Path) -> None:
    calls = "from django.core.management import load_command_class as load;"
    for name, *arguments in (
        ("token", "list"),
        ("grant", "ann", "VIEW"),
        ("revoke", "ann", "VIEW"),
        ("limit", "ann", "--rate", "9/second"),
        ("who",),
    ):
        calls += f"command = load('store', '{name}'); command.handle = lambda **options: None;"
        calls += f"command.run_from_argv(['manage.py', '{name}', *{arguments}]);"
    assert not imported(SET_UP + calls, tmp_path / "state") & (HEAVY | {"graphql", "strawberry"})


def test_a_web_process_imports_libraries_with_the_models_that_need_them(tmp_path: Path) -> None:
    web = f"{SET_UP} import project.management.commands.web, project.asgi;"
    assert not imported(web, tmp_path / "state") & HEAVY


def test_a_worker_listens_before_it_imports_the_jobs_modules(tmp_path: Path) -> None:
    worker = f"{SET_UP} import store.runtime.worker;"
    assert not imported(worker, tmp_path / "state") & (HEAVY | {"graphql", "strawberry"})


def test_work_horses_share_the_builds_imports(tmp_path: Path) -> None:
    preload = "from importlib import import_module; from store.runtime.worker import PRELOAD;"
    modules = imported(f"{SET_UP} {preload} [import_module(name) for name in PRELOAD];", tmp_path / "state")
    assert modules >= {"store.builds.runner", "store.serving.batch_scoring", "sklearn", "onnx", "matplotlib"}


@pytest.mark.parametrize(
    "command",
    [["ingest", "tumor", "missing.csv"], ["feedback", "tumor", "missing.csv"], ["preview", "unknown"]],
)
def test_a_command_about_rows_composes_no_schema(command: list[str], tmp_path: Path) -> None:
    call = f"{SET_UP} from django.core.management import execute_from_command_line as execute"
    statements = f"{call}\ntry: execute(['manage.py', *{command!r}])\nexcept BaseException: pass\npass;"
    modules = imported(statements, tmp_path / "state")
    assert not modules & {"schema.schema", "project.urls"}
