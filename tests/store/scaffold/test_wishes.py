"""What the caller wishes of columns, and the plan as JSON that says which wishes there are."""

import json
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from learning.kinds import Kind
from store.ingest import files
from store.ingest.files import FileError
from store.scaffold import joining, plan_app, render_files
from store.scaffold.inference import ColumnOptions, InferredTable, Role

HEADER = "Person No,colour,Age (years),survived,lived\n"
ROWS = [f"P-{i},{['red', 'green', 'blue'][i % 3]},{20 + i},{i % 2},{['no', 'yes'][i % 2]}" for i in range(60)]


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(HEADER + "\n".join(ROWS))
    return path


def infer(path: Path, **options: object) -> InferredTable:
    (table,) = joining.infer_tables([files.sniff(path)], ColumnOptions(label="survived", **options))  # type: ignore[arg-type]
    return table


def role(table: InferredTable, header: str) -> Role:
    return next(column.role for column in table.columns if column.header == header)


def test_a_column_that_looks_like_an_identifier_or_a_copy_is_used_if_that_is_wished(people: Path) -> None:
    assert role(infer(people), "Person No") is role(infer(people), "lived") is Role.LEFT_OUT
    table = infer(people, use=("Person No", "lived"))
    assert role(table, "Person No") is role(table, "lived") is Role.FEATURE


def test_a_kind_that_all_values_have_may_be_wished(people: Path) -> None:
    table = infer(people, kinds={"colour": Kind.OPEN_CATEGORY, "Age (years)": Kind.TEXT})
    models = render_files(plan_app("survival", [table]), "", "")["models.py"]
    assert "class Colour" not in models
    assert "age = models.TextField" in models


def test_a_kind_that_not_all_values_have_is_refused_with_those_that_they_have(people: Path) -> None:
    with pytest.raises(FileError, match="column colour: its values cannot be date; they can be category"):
        infer(people, kinds={"colour": Kind.DATE})


@pytest.mark.django_db
def test_the_plan_says_what_would_be_written(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("newproduct", "survival_of_a_test", str(people), "--label=survived", "--plan")
    plan = json.loads(capsys.readouterr().out)
    assert plan["product"]["task"] == "CLASSIFICATION"
    assert plan["product"]["features"] == 2
    columns = {column["header"]: column for column in plan["tables"][0]["columns"]}
    assert columns["lived"]["becomes"].startswith("left out: looks like a copy of survived")
    assert {each["words"] for each in columns["colour"]["kinds"]} == {"category", "text", "open category"}
    call_command("newproduct", "store", str(people), "--label=colour", "--task=regression", "--plan")
    plan = json.loads(capsys.readouterr().out)
    assert "'red' is no number" in plan["refusal"]
    assert "store/ exists already" in plan["name_refusal"]


@pytest.mark.django_db
@pytest.mark.parametrize("wish", ["colour", "colour=blue", "=text"])
def test_what_is_no_kind_is_refused(people: Path, wish: str) -> None:
    with pytest.raises(CommandError, match="is not COLUMN=KIND"):
        call_command("newproduct", "survival_of_a_test", str(people), f"--kind={wish}", "--plan")
