"""The tutorial's commands and queries do what it says, in their order, in a copy of the project.

The walk is slow; each change is tried with the commands' options and the documents alone. What they do is tested with
other files in `test_newproduct.py` and `test_deploy.py`.
"""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.db import models
from django.test.utils import isolate_apps
from graphql import parse, validate

from learning.problem import Classification
from schema.composition import compose
from store.products import DataProduct, Join
from tests.system import ROOT, UNFINISHED, System, copied
from tests.test_lifecycle import data

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
#: A file or folder beside these may be a product of the user's.
OURS = [*sorted(settings.OURS), "dev", "manage.py", "worker.py", "requirements.lock"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project in a folder of its own, with this environment."""
    if not (ROOT / ".venv").exists():
        pytest.skip("the tutorial starts with ./dev, and there is no environment that ./dev made")
    for name in OURS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=UNFINISHED)
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path


@pytest.fixture
def system(copy: Path, grown: Path) -> Iterator[System]:
    system = System(copied(grown), root=copy)
    try:
        yield system
    finally:
        system.stop()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", TUTORIAL, re.DOTALL)


def test_every_command_of_the_tutorial_exists_with_its_options() -> None:
    commands = [shlex.split(parts(text)[0])[1:] for text in blocks("console")]
    assert [name for name in dict.fromkeys(name for name, *_ in commands) if name != "shell"] == [
        "newproduct",
        "preview",
        "build",
        "up",
        "ingest",
        "rmproduct",
    ]
    for name, *arguments in commands:
        load_command_class(get_commands()[name], name).create_parser("./dev", name).parse_args(arguments)


def test_every_document_of_the_tutorial_is_valid_for_a_product_with_its_features() -> None:
    with isolate_apps("tests.samples"):

        class Flower(models.Model):
            flower = models.IntegerField(primary_key=True)
            sepal_length, sepal_width = models.FloatField(), models.FloatField()
            petal_length, petal_width = models.FloatField(), models.FloatField()
            species = models.CharField(
                max_length=10,
                null=True,
                choices=[(name, name) for name in ("setosa", "versicolor", "virginica")],
            )

            class Meta:
                app_label = "samples"

        lengths = ("sepal_length", "sepal_width", "petal_length", "petal_width")
        join = Join(Flower.objects.all(), {name: name for name in lengths}, label="species")
        schema = compose([DataProduct(name="iris", join=join, problem=Classification())])._schema
    documents = blocks("graphql")
    assert len(documents) > 4
    for text in documents:
        assert validate(schema, parse(text)) == []


@pytest.mark.slow
def test_the_tutorial_works(system: System, copy: Path) -> None:
    answers: dict[str, Any] = {}
    for kind, text in re.findall(r"```(console|graphql)\n(.*?)```", TUTORIAL, re.DOTALL):
        if kind == "graphql":
            name = re.search(r"(?:query|mutation) (\w+)", text)
            assert name
            answers[name[1]] = data(system.ask(text, variables(answers)))
        elif text == "$ ./dev up\n":
            system.start()
        else:
            command, shown = parts(text)
            run(command, shown, system, copy)
    predicted = answers["Predict"]["iris"]["predict"]
    assert predicted["model"]["score"] > 0.95
    assert answers["Correct"]["irisFeedback"] == {
        "created": True,
        "featureRowsChanged": 2,
        "prediction": {"label": predicted["label"], "truth": "VERSICOLOR"},
    }
    assert answers["Look"]["iris"]["entity"] == {
        "label": "VERSICOLOR",
        "features": {"sepalLength": 6.0, "petalLength": 5.0},
    }
    assert answers["More"]["irisUpsertMany"] == {"inserted": 2, "updated": 0, "unchanged": 0}
    assert answers["Champion"]["iris"]["champion"]["snapshot"] == {"rows": 153, "unlabelled": 1}
    assert not (copy / "iris").exists()


def variables(answers: dict[str, Any]) -> dict[str, Any]:
    return {"prediction": answers["Predict"]["iris"]["predict"]["id"]} if "Predict" in answers else {}


def parts(text: str) -> tuple[str, list[str]]:
    """The command, which may go on over lines as its quotes do, and the lines that it is said to print."""
    lines = text.removeprefix("$ ").splitlines()
    command = lines.pop(0)
    while command.count('"') % 2:
        command += "\n" + lines.pop(0)
    return command, lines


def run(command: str, shown: list[str], system: System, copy: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=copy,
        env=system.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    printed = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for line in shown:
        assert any(one.startswith(" ".join(line.split())) for one in printed), (line, done.stdout)
