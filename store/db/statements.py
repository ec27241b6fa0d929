"""Statements that hold a queryset as a part."""

from collections.abc import Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet


def compile_rows(rows: QuerySet[Any]) -> tuple[str, Sequence[Any]]:
    """Compile a queryset as a part of a statement, with the columns' own types."""
    query = rows.query.clone()
    query.subquery = True
    # Not elided: a queryset that Django knows to be empty has no rows, and is no error.
    statement, parameters = query.get_compiler(DEFAULT_DB_ALIAS, elide_empty=False).as_sql()
    return statement, parameters
