"""Description of what was inferred, as JSON: for programs that show it to people and let them correct it."""

from collections.abc import Sequence
from typing import Any

from ..ingest.files import FileError
from .app import InvalidName, NameTaken, check_name
from .inference import InferredColumn, InferredTable
from .inference.overview import describe_role, describe_type
from .planning import PlannedApp, plan_app
from .writing import build_question


def describe(name: str, tables: Sequence[InferredTable], task: str | None) -> dict[str, Any]:
    """Describe the tables and the product that would be written; `refusal` says why there would be none."""
    description: dict[str, Any] = {"tables": [_describe_table(table) for table in tables]}
    try:
        check_name(name)
    except (InvalidName, NameTaken) as error:
        description["name_refusal"] = str(error)
    try:
        description["product"] = _describe_app(plan_app(name, tables, task))
    except FileError as error:
        description["refusal"] = str(error)
    return description


def _describe_app(app: PlannedApp) -> dict[str, Any]:
    label = app.base.table.label
    return {
        "task": app.problem.task,
        "question": build_question(app),
        "label": label.header if label else None,
        "positive": app.positive,
        "features": len(app.features),
    }


def _describe_table(table: InferredTable) -> dict[str, Any]:
    return {
        "title": table.layout.title,
        "rows": table.rows,
        "remarks": list(table.remarks),
        "unclear_date": table.unclear_date,
        "columns": [_describe_column(column) for column in table.columns],
    }


def _describe_column(column: InferredColumn) -> dict[str, Any]:
    return {
        "header": column.header,
        "name": column.name,
        "kind": column.type,
        "kinds": [{"kind": kind, "words": kind.described} for kind in column.kinds],
        "type": describe_type(column),
        "role": column.role.value,
        "becomes": describe_role(column),
        "missing": column.missing,
        "distinct": column.distinct,
        "example": column.example,
    }
