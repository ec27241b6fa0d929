"""PostgreSQL's errors, told by their SQLSTATE and not by their words, which are in the server's language.

psycopg2 has no SQLSTATE of a connection that was refused: there the server's own sentence is all there is.
"""

from collections.abc import Mapping

from psycopg2 import errorcodes

from .unreachable import UNREACHABLE

#: Ask for a retry: serialization, deadlock, lock, cancelled statement, connections.
BUSY = {
    errorcodes.SERIALIZATION_FAILURE,
    errorcodes.DEADLOCK_DETECTED,
    errorcodes.LOCK_NOT_AVAILABLE,
    errorcodes.QUERY_CANCELED,
    errorcodes.TOO_MANY_CONNECTIONS,
}
#: Something that a statement names is not there; so it looks, too, if the role may not use the schema that has it.
MISSING = {
    errorcodes.UNDEFINED_TABLE,
    errorcodes.UNDEFINED_COLUMN,
    errorcodes.UNDEFINED_FUNCTION,
    errorcodes.UNDEFINED_OBJECT,
    errorcodes.INVALID_SCHEMA_NAME,
}
#: Classes of what a server says that ends, has no memory, or whose files fail.
FAILING = {
    errorcodes.CLASS_CONNECTION_EXCEPTION,
    errorcodes.CLASS_INSUFFICIENT_RESOURCES,
    errorcodes.CLASS_OPERATOR_INTERVENTION,
    errorcodes.CLASS_SYSTEM_ERROR,
}

#: A row is not written whatever its values are: for want of a right, by a policy or a trigger, as one of a view or a
#: materialized view, or because the server computes the column.
UNWRITABLE = {
    errorcodes.INSUFFICIENT_PRIVILEGE,
    errorcodes.WITH_CHECK_OPTION_VIOLATION,
    errorcodes.RAISE_EXCEPTION,
    errorcodes.FEATURE_NOT_SUPPORTED,
    errorcodes.WRONG_OBJECT_TYPE,
    errorcodes.OBJECT_NOT_IN_PREREQUISITE_STATE,
    errorcodes.GENERATED_ALWAYS,
}

#: Rows of another table refer to a row that was to be deleted.
REFERENCED = {errorcodes.FOREIGN_KEY_VIOLATION, errorcodes.RESTRICT_VIOLATION}

#: What an operator does, by SQLSTATE.
ADVICE: Mapping[str, str] = {
    errorcodes.INSUFFICIENT_PRIVILEGE: "./dev sql grants prints the rights that the role needs.",
    errorcodes.READ_ONLY_SQL_TRANSACTION: "Name in DATABASE_URL a server that takes writes, for a role whose "
    "default_transaction_read_only is off.",
    errorcodes.INVALID_CATALOG_NAME: "Create the database, or name another one in DATABASE_URL.",
    **dict.fromkeys(
        MISSING,
        "./dev prepare makes Exemplar's own tables, and the migrations of their owner all others; the role must have "
        "USAGE on their schema (./dev sql grants).",
    ),
}


def get_sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE of an error of psycopg2 or Django's of it; None where the server has given none."""
    code: str | None = getattr(error.__cause__, "pgcode", None) or getattr(error, "pgcode", None)
    return code


def is_forbidden(error: BaseException) -> bool:
    """Return True where the role lacks a right."""
    return get_sqlstate(error) == errorcodes.INSUFFICIENT_PRIVILEGE


def is_missing(error: BaseException) -> bool:
    """Return True where a table, column, function or schema is not there."""
    return get_sqlstate(error) in MISSING


def is_unwritable(error: BaseException) -> bool:
    """Return True where PostgreSQL refuses to write a row, whatever its values are."""
    return get_sqlstate(error) in UNWRITABLE


def is_referenced(error: BaseException) -> bool:
    """Return True where rows of another table refer to the row."""
    return get_sqlstate(error) in REFERENCED


def get_table(error: BaseException) -> str | None:
    """The table that an error of psycopg2 or Django's of it is about; None where the server names none."""
    diagnostics = getattr(error.__cause__, "diag", None) or getattr(error, "diag", None)
    table: str | None = getattr(diagnostics, "table_name", None)
    return table


def is_read_only(error: BaseException) -> bool:
    """Return True where the server takes no writes at present."""
    return get_sqlstate(error) == errorcodes.READ_ONLY_SQL_TRANSACTION


def is_unreachable(error: BaseException) -> bool:
    """Return True where the server is gone, fails, or takes no writes at present."""
    code = get_sqlstate(error)
    if is_read_only(error):
        return True
    return isinstance(error, UNREACHABLE) and (code is None or code[:2] in FAILING)


def get_reason(error: BaseException) -> str:
    """The server's own sentence, in one line and without its full stop."""
    diagnostics = getattr(error.__cause__, "diag", None) or getattr(error, "diag", None)
    primary = getattr(diagnostics, "message_primary", None)
    return " ".join(str(primary or error).split()).rstrip(".")


def explain(error: BaseException) -> str:
    """Say to an operator what PostgreSQL has refused, and what to do where the SQLSTATE tells it."""
    code, reason = get_sqlstate(error), get_reason(error)
    if code is None and isinstance(error, UNREACHABLE):
        return f"PostgreSQL cannot be reached: {reason}."
    return f"PostgreSQL refuses ({reason}). {ADVICE.get(code or '', '')}".strip()
