"""Translation of exceptions into GraphQL errors: a message, a code, and the path of the input."""

import enum
import logging
import secrets
from typing import TYPE_CHECKING

from django.core.exceptions import DisallowedHost
from django.db import ProgrammingError
from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError, StrawberryInputCoercionError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

import learning.exceptions
import store.exceptions
from learning.exceptions import ExemplarError
from learning.lazy_imports import LazyModule
from store.db import full_disks, sqlstates
from store.exceptions import BadInput, Overloaded, SeveralFaults, Unavailable, shortened
from store.telemetry import metrics, requests

from . import names
from .enums import register_enum

if TYPE_CHECKING:
    import redis
else:
    redis = LazyModule("redis")

logger = logging.getLogger(__name__)

#: Seconds after which a client may retry when the database or the broker could not be reached.
RETRY_AFTER = 2.0
#: Errors of a response after which each place has its first fault only: a request may have thousands of rows.
MAX_ERRORS = 1_000


def first_paragraph(exception: type[ExemplarError]) -> str:
    """The sentence that describes an exception."""
    return (exception.__doc__ or "").partition("\n\n")[0]


class ErrorCode(enum.Enum):
    """The reason of an error, as `extensions.code` and in `Problem`. Codes are only added: keep a default branch."""

    BAD_REQUEST = "BAD_REQUEST"
    BAD_INPUT = "BAD_INPUT"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    NOT_FINITE = "NOT_FINITE"
    UNKNOWN_ID = "UNKNOWN_ID"
    WRONG_KIND_OF_ID = "WRONG_KIND_OF_ID"
    UNKNOWN_ENTITY = "UNKNOWN_ENTITY"
    INCOMPLETE_ENTITY = "INCOMPLETE_ENTITY"
    UNKNOWN_PRODUCT = "UNKNOWN_PRODUCT"
    NO_CHAMPION = "NO_CHAMPION"
    NOT_WRITABLE = "NOT_WRITABLE"
    MODEL_DOES_NOT_FIT = "MODEL_DOES_NOT_FIT"
    CONFLICT = "CONFLICT"
    STALE_VERSION = "STALE_VERSION"
    CHAMPION_CHANGED = "CHAMPION_CHANGED"
    FOREIGN_MODEL = "FOREIGN_MODEL"
    JOB_ENDED = "JOB_ENDED"
    NO_ROWS = "NO_ROWS"
    TOO_FEW_INSTANCES = "TOO_FEW_INSTANCES"
    ONE_CLASS = "ONE_CLASS"
    ROWS_MULTIPLIED = "ROWS_MULTIPLIED"
    NOT_ONE_ROW = "NOT_ONE_ROW"
    WORKER_LOST = "WORKER_LOST"
    TIMED_OUT = "TIMED_OUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    CANCELLED = "CANCELLED"
    OVERLOADED = "OVERLOADED"
    RATE_LIMITED = "RATE_LIMITED"
    UNAVAILABLE = "UNAVAILABLE"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    TOO_COMPLEX = "TOO_COMPLEX"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    INTERNAL = "INTERNAL"


class BadRequest(ExemplarError):
    """The request is not valid: its body, document or parameters cannot be used."""

    code = "BAD_REQUEST"


class TooComplex(ExemplarError):
    """The document is larger or deeper than one request may be, or may cost more."""

    code = "TOO_COMPLEX"


class PersistedQueryNotFound(ExemplarError):
    """The server does not have the document with this hash: send the hash once more, with the document."""

    code = "PERSISTED_QUERY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")  # the word by which clients know that they have to


#: For each code, the exception that describes it.
EXCEPTIONS: tuple[type[ExemplarError], ...] = (
    BadRequest,
    TooComplex,
    PersistedQueryNotFound,
    learning.exceptions.NoRows,
    learning.exceptions.OneClass,
    learning.exceptions.TimedOut,
    learning.exceptions.TooFewInstances,
    store.exceptions.BadInput,
    store.exceptions.Cancelled,
    store.exceptions.ChampionChanged,
    store.exceptions.Conflict,
    store.exceptions.Forbidden,
    store.exceptions.ForeignModel,
    store.exceptions.IncompleteEntity,
    store.exceptions.JobEnded,
    store.exceptions.ModelDoesNotFit,
    store.exceptions.NoChampion,
    store.exceptions.NotFinite,
    store.exceptions.NotOneRow,
    store.exceptions.NotWritable,
    store.exceptions.OutOfRange,
    store.exceptions.Overloaded,
    store.exceptions.RateLimited,
    store.exceptions.RowsMultiplied,
    store.exceptions.StaleVersion,
    store.exceptions.Unauthenticated,
    store.exceptions.Unavailable,
    store.exceptions.UnknownEntity,
    store.exceptions.UnknownId,
    store.exceptions.UnknownProduct,
    store.exceptions.WorkerLost,
    store.exceptions.WrongKindOfId,
)
register_enum(
    ErrorCode,
    {exception.code: first_paragraph(exception) for exception in EXCEPTIONS}
    | {
        "OUT_OF_MEMORY": "A fit needs more memory than it may take.",
        "INTERNAL": "An unexpected error. Report `extensions.id`: the server's log has the details under it.",
    },
)


def translate_all(errors: list[GraphQLError]) -> None:
    """Set the messages and the extensions that the contract promises, with an error for each fault, in place."""
    separate: list[GraphQLError] = []
    for error in errors:
        separate += separate_faults(error)[: max(1, MAX_ERRORS - len(separate))]
    errors[:] = separate
    for error in errors:
        translate(error)


def separate_faults(error: GraphQLError) -> list[GraphQLError]:
    """The error, or one for each of the faults that it was raised for, at the same place of the response."""
    cause = root_cause(error)
    if not isinstance(cause, SeveralFaults):
        return [error]
    return [
        GraphQLError(fault.message, error.nodes, path=error.path, original_error=fault)
        for fault in cause.faults
    ]


def translate(error: GraphQLError) -> None:
    """Set the message and the extensions of one error."""
    if "code" in (error.extensions or {}):
        return
    refusal = refusal_of(error)
    error.message = shortened(refusal.message)
    error.extensions = extensions_of(refusal)
    if error.path and "argument" in error.extensions:
        error.extensions["argument"] = [names.field(part) for part in refusal.argument]


def refusal_of(error: BaseException) -> ExemplarError:
    """The error to report to the client. Details of unexpected errors are only logged, under an id."""
    match root_cause(error):
        case ExemplarError() as refusal:
            return refusal
        case cause if unreachable := unreachable_server(cause):
            logger.warning(f"{unreachable} (%s)", str(cause).strip())
            return unreachable
        case StrawberryInputCoercionError() as cause:
            return BadInput(str(cause))
        case MissingQueryError():
            return BadRequest("There is no `query` in the request.")
        case CannotGetOperationTypeError() as cause:
            return BadRequest(unknown_operation(cause.operation_name))
        case InvalidOperationTypeError() as cause:
            return BadRequest(NOT_HERE[cause.operation_type])
        case DisallowedHost():
            return BadRequest("This host is not served here: check the Host header.")
        case GraphQLError() as cause if cause.message.startswith("Argument "):
            return BadInput(cause.message)
        case GraphQLError() as cause if getattr(error, "path", None) is None:
            return BadRequest(cause.message)  # syntax or validation: nothing was executed
        case cause:
            return internal_error(cause)


#: The sentences about operations that the transport of the request does not execute.
NOT_HERE = {
    OperationType.QUERY: "This stream carries subscriptions only: send queries by POST, GET or WebSocket.",
    OperationType.MUTATION: "Mutations are sent by POST or WebSocket.",
    OperationType.SUBSCRIPTION: "A subscription is a stream: send Accept: text/event-stream, or open a WebSocket.",
}


def unknown_operation(name: str | None) -> str:
    """The sentence about a document without the operation that the request names."""
    if name is None:
        return "The document has no operation to execute."
    return f"The document has no operation called {name!a}: check `operationName`."


def root_cause(error: BaseException) -> BaseException:
    """The exception that was raised first, below the GraphQL errors that locate it."""
    while isinstance(error, GraphQLError) and error.original_error is not None:
        error = error.original_error
    return error


def unreachable_server(cause: BaseException) -> ExemplarError | None:
    """The error for a database or broker that does not respond, or has no room; None if `cause` is something else."""
    if sentence := full_disks.describe(cause):
        return Unavailable(f"{sentence} Try again once there is.", retry_after=RETRY_AFTER)
    if sqlstates.get_sqlstate(cause) in sqlstates.BUSY:
        return Overloaded("The database is busy; try again.", retry_after=RETRY_AFTER)
    if sqlstates.is_read_only(cause):
        return Unavailable(
            "The database takes no writes at present; try again later.", retry_after=RETRY_AFTER
        )
    if sqlstates.is_unreachable(cause):
        return Unavailable("The database cannot be reached; try again in a moment.", retry_after=RETRY_AFTER)
    if isinstance(cause, ProgrammingError) and (sqlstates.is_missing(cause) or sqlstates.is_forbidden(cause)):
        sentence = (
            "The database lacks a table or a column that is declared, or may not show it; the log says which."
        )
        return Unavailable(sentence, retry_after=RETRY_AFTER)
    if isinstance(cause, redis.exceptions.ConnectionError | redis.exceptions.TimeoutError):
        return Unavailable("The broker cannot be reached; try again in a moment.", retry_after=RETRY_AFTER)
    return None


class InternalError(ExemplarError):
    """Internal error"""

    code = "INTERNAL"
    #: The id under which the traceback is logged.
    id = ""


def internal_error(cause: BaseException) -> InternalError:
    """Log the traceback of `cause` under a new id, and return the error that has only that id."""
    refusal = InternalError()
    refusal.id = secrets.token_hex(6)
    logger.error(
        "Internal error %s", refusal.id, exc_info=cause, extra={"error": refusal.id, "code": refusal.code}
    )
    return refusal


def extensions_of(refusal: ExemplarError) -> dict[str, object]:
    """The error's `extensions`, without entries that are empty."""
    metrics.REFUSALS.add(1, refusal.code)
    if (record := requests.current.get()) and not record.code:
        record.code = refusal.code
    entries = {
        "code": refusal.code,
        "argument": list(refusal.argument),
        "minimum": refusal.minimum,
        "maximum": refusal.maximum,
        "retryAfter": refusal.retry_after,
        "id": getattr(refusal, "id", None),
        "cursor": getattr(refusal, "cursor", None),
    }
    return {name: value for name, value in entries.items() if value is not None and value != []}


def body_of(refusal: ExemplarError) -> dict[str, object]:
    """The body of an answer to a request that is refused before anything is executed."""
    return {"errors": [{"message": refusal.message, "extensions": extensions_of(refusal)}]}
