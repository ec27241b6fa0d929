"""Problems: failures that are stored with a row."""

from typing import Protocol

import strawberry

from ..core.errors import ErrorCode


class ProblemRow(Protocol):
    """A row that can hold a problem."""

    @property
    def problem_code(self) -> str: ...

    @property
    def problem_message(self) -> str: ...


@strawberry.type(
    description="A stored failure. A refused request has the same three entries in `errors[]`: message, "
    "extensions.code and extensions.argument."
)
class Problem:
    code: ErrorCode = strawberry.field(
        description="The reason, for programs. Keep a default branch for new codes."
    )
    message: str = strawberry.field(description="The reason, as a sentence to show to people.")
    argument: list[str] | None = strawberry.field(
        default=None, description="The path of the input that was refused; null if no input is to blame."
    )

    @classmethod
    def from_row(cls, row: ProblemRow) -> "Problem":
        """The problem of a row that has one."""
        return cls(code=ErrorCode(row.problem_code), message=row.problem_message)

    @classmethod
    def find(cls, row: ProblemRow) -> "Problem | None":
        """The problem of a row; None if it has none."""
        return cls.from_row(row) if row.problem_code else None
