"""The generated reference names everything there is; what there is is counted here by other means."""

import ast
import re
import subprocess
import sys
from argparse import SUPPRESS
from dataclasses import fields
from pathlib import Path

import pytest
from django.core.management import load_command_class
from django.db import models

from docs import generate
from docs.generate import ROOT
from learning import kinds, metrics, problem, retrain
from learning.estimators.families import catalogue as families
from schema.schema import schema
from store.products import features, product
from store.telemetry.metrics import Metric
from tests.commands import outer_environment
from tests.source_trees import trees_of

#: What the environment of every process may hold.
OTHERS = re.compile(
    r"ANDROID|PYTHON|DJANGO_SETTINGS_MODULE|HOME$|XDG|TMP|TEMP|USER|LOGNAME|LANG|LC_|PATH$|PGS?|COLUMNS|LINES"
)
#: Prints the environment variables that the settings ask for.
RECORDER = """
import os
asked = set()
class Recorder(dict):
    def __getitem__(self, name): asked.add(name); return super().__getitem__(name)
    def get(self, name, default=None): asked.add(name); return super().get(name, default)
    def __contains__(self, name): asked.add(name); return super().__contains__(name)
os.environ = Recorder(os.environ)
import project.settings
print(*asked)
"""


def test_every_setting_that_is_read_is_in_the_reference(reference: dict[str, str], tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", RECORDER],
        cwd=ROOT,
        env=outer_environment() | {"EXEMPLAR_STATE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    asked = {name for name in ran.stdout.split() if not OTHERS.match(name)}
    assert {"DATABASE_URL", "EXEMPLAR_PORT", "SECRET_KEY"} <= asked
    listed = first_cells(reference["settings"])
    unlisted, unread = asked - listed, listed - asked
    assert not unlisted, (
        f"The reference lacks {', '.join(sorted(unlisted))}: give each an annotation in project/settings.py, as "
        "`EXEMPLAR_PORT: int = read_number(…)`, or name it in OTHERS here if it is no setting of ours."
    )
    assert not unread, (
        f"The reference has {', '.join(sorted(unread))}, which no reader asks the environment for."
    )


def test_only_the_settings_read_the_environment_of_exemplar() -> None:
    for package in generate.PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            if file != ROOT / "project" / "settings.py":
                assert not re.search(r"environ[^\n]*EXEMPLAR_", file.read_text()), file


def test_every_command_and_option_is_in_the_reference(reference: dict[str, str]) -> None:
    found = {}
    for file in ROOT.glob("*/management/commands/*.py"):
        if file.stem != "__init__":
            found[file.stem] = load_command_class(file.relative_to(ROOT).parts[0], file.stem)
    assert {"up", "build", "newproduct"} <= set(found)
    for name, command in found.items():
        text = part(reference["commands"], name)
        if name not in generate.DJANGOS:
            for action in command.create_parser("./dev", name)._actions:
                if action.help is not SUPPRESS and not set(action.option_strings) & generate.COMMON_OPTIONS:
                    assert f"`{generate.cell(generate.usage(action))}`" in text, (name, action)
                    assert action.help, f"{name}: {action.dest} has no help"


def test_every_command_of_the_script_is_in_the_reference(reference: dict[str, str]) -> None:
    handled = set(re.findall(r'sys\.argv\[1\] == "(\w+)"', (ROOT / "dev").read_text()))
    assert {"test", "bench", "docs"} <= handled
    for name in handled:
        assert part(reference["commands"], name)
    speeds = ast.literal_eval(re.findall(r"^SPEEDS = (.*)$", (ROOT / "dev").read_text(), re.MULTILINE)[0])
    for speed in speeds:
        assert f"`{speed}`" in part(reference["commands"], "test")
    for file in (ROOT / "benchmarks").glob("[!_]*.py"):
        assert f"`{file.stem}`" in part(reference["commands"], "bench")


@pytest.mark.parametrize("task", [problem.Classification, problem.Regression, problem.Clustering])
def test_every_option_of_a_problem_is_in_the_reference(
    reference: dict[str, str], task: type[problem.Problem]
) -> None:
    every, own = part(reference["problems"], "All problems"), part(reference["problems"], task.__name__)
    for option in fields(task):
        assert option.name in first_cells(every) | first_cells(own)


@pytest.mark.parametrize("declared", [product.DataProduct, features.Join, features.Before, features.Latest])
def test_every_option_of_a_product_and_its_join_is_in_the_reference(
    reference: dict[str, str], declared: type
) -> None:
    options = {option.name for option in fields(declared)}
    assert options == first_cells(part(reference["products"], declared.__name__))


def test_every_column_kind_is_in_the_reference_with_its_fields(reference: dict[str, str]) -> None:
    assert first_cells(reference["kinds"]) == {value for value in vars(kinds.Kind) if value.isupper()}
    for field in vars(models).values():
        kind = (
            kinds.kind_of_field(field)
            if isinstance(field, type) and issubclass(field, models.Field)
            else None
        )
        if kind and kind.fields and field.__name__ in kind.fields:
            assert f"`{field.__name__}`" in reference["kinds"]


def test_every_rule_is_in_the_reference(reference: dict[str, str]) -> None:
    rules = [
        value for value in vars(retrain).values() if isinstance(value, type) and hasattr(value, "evaluate")
    ]
    assert len(rules) >= 2
    for rule in rules:
        text = part(reference["rules"], rule.__name__)
        assert {option.name for option in fields(rule)} <= first_cells(text)


def test_every_error_code_is_described_in_the_reference(reference: dict[str, str]) -> None:
    codes = {value.name for value in schema.get_type_by_name("ErrorCode").values}
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|.*\|$", reference["errors"], re.MULTILINE))
    assert set(rows) == codes
    assert [code for code, text in rows.items() if not text.strip()] == []


def test_every_metric_is_in_the_reference(reference: dict[str, str]) -> None:
    for task, names in metrics.OF_TASK.items():
        assert first_cells(part(reference["metrics"], task.capitalize())) == names


def test_every_exposed_metric_is_in_the_reference(reference: dict[str, str]) -> None:
    page = reference["monitoring"]
    for metric in Metric.declared.values():
        assert f"| `{generate.exposed_name(metric)}` |" in page
        assert metric.meaning.endswith("."), metric.name


def test_every_family_is_in_the_reference_with_its_hyperparameters(reference: dict[str, str]) -> None:
    for task, known in families.FAMILIES.items():
        text = part(reference["families"], task.capitalize())
        assert set(known) <= first_cells(text)
        for family in known.values():
            for hyperparameters in family.defaults:
                for name in hyperparameters:
                    assert f"`{name}`" in reference["families"], (family.name, name)
    assert {"lightgbm", "xgboost", "catboost"} <= first_cells(part(reference["families"], "Regression"))


def test_the_reference_has_the_limits_of_numbers(reference: dict[str, str]) -> None:
    assert re.search(
        r"^\| `EXEMPLAR_PORT` \| int, 1 to 65,535 \| `8000` \|", reference["settings"], re.MULTILINE
    )
    assert re.search(
        r"^\| `EXEMPLAR_WORKERS` \| int, at least 0 \| `1` \|", reference["settings"], re.MULTILINE
    )


def test_every_module_is_in_the_map(reference: dict[str, str]) -> None:
    listed = first_cells(reference["modules"])
    for file, tree in trees_of(generate.PACKAGES).items():
        if tree.module.body:
            assert str(file.relative_to(ROOT)) in listed


def test_no_option_of_a_declaration_lacks_a_meaning(reference: dict[str, str]) -> None:
    for name in ("settings", "problems", "products", "rules"):
        for row in re.findall(r"^\| `.*\|$", reference[name], re.MULTILINE):
            declared = re.findall("`(.*?)`", row)[0]
            assert not row.endswith("|  |"), (
                f"Write a `#:` comment with meaning and unit above {declared} ({name})."
            )


def first_cells(text: str) -> set[str]:
    """What stands in code in the first cells of a text's tables."""
    return set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))


def part(text: str, heading: str) -> str:
    """What stands below a heading of the second level."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{heading} is missing"
    return found[1]
