"""Lookup tables: of few rows that many rows reference, so that one category stands for all of their texts."""

from dataclasses import replace

from .existing import REFERENCES, SECRET
from .inference import InferredColumn, Role
from .inference.roles import AS_ASKED
from .planning import PlannedModel

#: Rows of a lookup table, at most, and rows that reference each, at least, in the mean.
MAX_ROWS, MIN_REFERENCES = 1_000, 5
#: Remarks about columns that name no rows, unlike those that are left out as identifiers.
UNNAMING = (AS_ASKED, REFERENCES, SECRET)


def plan_category(model: PlannedModel, base_rows: int) -> PlannedModel:
    """Plan one category in place of a lookup table's texts and flags; numbers and dates stay features of their own.

    The category is the rows' names where a column of them has one for each row, else their key.
    """
    table = model.table
    if table.rows > MAX_ROWS or table.rows * MIN_REFERENCES > base_rows:
        return model
    name = next(filter(_names_rows, table.columns), None)
    path = f"{model.accessor}__{name.name}" if name else model.accessor
    columns = (_leave_out(column, path) for column in table.columns if column is not name)
    return replace(
        model,
        category=f'Category("{path}")' if name else f'"{path}"',
        table=replace(table, columns=tuple(columns)),
    )


def _names_rows(column: InferredColumn) -> bool:
    is_text = column.type.is_text or column.type.is_category
    is_able = not any(remark.startswith(UNNAMING) for remark in column.remarks)
    return is_text and is_able and column.role is not Role.KEY and column.unique and not column.missing


def _leave_out(column: InferredColumn, path: str) -> InferredColumn:
    if column.role is not Role.FEATURE or column.type.is_ranged:
        return column
    return replace(column, role=Role.LEFT_OUT, remarks=(*column.remarks, f"{path} tells it"))
