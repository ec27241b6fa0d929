"""Choices of a person about a new product, as arguments of `newproduct`."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.http import QueryDict

from learning.problem import Classification, Clustering, Regression

#: Words of a form for the options of the command, in the sentences with which it refuses.
OPTIONS = {
    "--label COLUMN": "a column to predict",
    "--label": "“What is predicted”",
    "--entity": "“Identifies a row”",
    "--time": "“When it happened”",
    "--leave-out": "the box before a column",
    "--no-header": "“The first line is a row”",
    "--month-first": "“Month first”",
}
#: The choice of no column to predict; no column has this name here.
NOTHING = "*"
#: Columns that the page shows with their controls, as its HTML is sent within 100 kB; others are taken as they were
#: understood.
MOST_COLUMNS = 80
#: Tasks as the command has them, and the one that needs no column to predict.
TASKS = tuple(task.task.lower() for task in (Classification, Regression, Clustering))
WITHOUT_LABEL = Clustering.task.lower()


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """The choices of a person; empty ones are made by the command."""

    name: str = ""
    title: str = ""
    label: str = ""
    entity: str = ""
    time: str = ""
    task: str = ""
    sheet: str = ""
    no_header: bool = False
    #: "day" or "month".
    first: str = ""
    leave_out: list[str] = field(default_factory=list)
    use: list[str] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON."""
        return asdict(self)

    def list_arguments(self, files: Sequence[str], *more: str) -> list[str]:
        """List the arguments of manage.py; `more` are options of the caller.

        Names stand behind `--`: one that begins with a hyphen is an option else, and some options load code.
        """
        return ["newproduct", *self.list_options(), *more, "--", self.name, *files]

    def list_options(self) -> list[str]:
        """List the options of the command. Values stand behind `=`, as they may begin with a hyphen."""
        single = {
            "label": self.label,
            "entity": self.entity,
            "time": self.time,
            "task": self.task,
            "sheet": self.sheet,
            "title": self.title,
        }
        return [
            *(f"--{option}={value}" for option, value in single.items() if value),
            *(f"--leave-out={column}" for column in self.leave_out),
            *(f"--use={column}" for column in self.use),
            *(f"--kind={column}={kind.lower()}" for column, kind in self.kinds.items()),
            *["--no-header"] * self.no_header,
            *([f"--{self.first}-first"] if self.first in ("day", "month") else []),
        ]

    def render_command(self, files: Sequence[str]) -> str:
        """Render the command for a shell that does the same."""
        return shlex.join(["./dev", "newproduct", self.name, *files, *self.list_options()])


def name_column(column: Mapping[str, Any], columns: Sequence[Mapping[str, Any]]) -> str:
    """Get the name by which the command finds a column: its header, unless others have the same, or it is empty."""
    header = str(column["header"])
    is_single = sum(other["header"] == header for other in columns) == 1
    is_plain = header.strip() and header != NOTHING and header.isprintable()
    return header if is_single and is_plain else str(column["name"])


def read_wishes(form: QueryDict, wishes: Wishes, plan: Mapping[str, Any]) -> Wishes:
    """Read the form about a plan that was made with earlier wishes."""
    chosen = {
        name: form.get(name, "").strip() for name in ("name", "title", "label", "entity", "time", "sheet")
    }
    task, used = form.get("task", ""), set(form.getlist("use"))
    if chosen["label"] == NOTHING:
        chosen["label"], task = "", task or WITHOUT_LABEL
    special = {chosen["label"], chosen["entity"], chosen["time"]}
    leave_out, use, kinds = set(wishes.leave_out), set(wishes.use), dict(wishes.kinds)
    for key, column, name in list_columns(plan):
        if f"shown-{key}" not in form:
            continue
        is_left_out = column["role"] == "left out"
        if key in used:
            leave_out.discard(name)
            if is_left_out and name not in wishes.leave_out:
                use.add(name)
        else:
            use.discard(name)
            if not is_left_out or name in wishes.leave_out:
                leave_out.add(name)
        kind = form.get(f"kind-{key}", column["kind"])
        if kind != column["kind"]:
            kinds[name] = kind
    return Wishes(
        **chosen,
        task=task if task in TASKS else "",
        no_header="no_header" in form,
        first=form.get("first", ""),
        leave_out=sorted(leave_out - special),
        use=sorted(use - special),
        kinds={name: kind for name, kind in kinds.items() if name not in special - {chosen["label"]}},
    )


def list_columns(plan: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any], str]]:
    """List the columns of a plan, each with its key in the form and its name for the command."""
    return [
        (f"{place}-{number}", column, name_column(column, table["columns"]))
        for place, table in enumerate(plan.get("tables", ()))
        for number, column in enumerate(table["columns"])
    ]


def to_words(sentence: str) -> str:
    """Write the words of the form for the options that a sentence of the command names."""
    pattern = "|".join(re.escape(option) for option in OPTIONS)
    return re.sub(pattern, lambda match: OPTIONS[match.group()], sentence)
