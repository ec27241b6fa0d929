"""A failure that is stored."""

from typing import Any

import strawberry

from ..core.errors import ErrorCode


@strawberry.type(
    description="A failure that is stored. A refused request has the same three in `errors[]`: message, "
    "extensions.code, extensions.argument (the input's path)."
)
class Problem:
    code: ErrorCode
    message: str
    argument: list[str] | None = None

    @classmethod
    def of(cls, row: Any) -> "Problem | None":
        """The problem that a row holds."""
        return (
            cls(code=ErrorCode(row.problem_code), message=row.problem_message) if row.problem_code else None
        )
