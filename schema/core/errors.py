"""The one place where exceptions become GraphQL errors: a sentence, a code, and the path of the input."""

import enum
import logging
import secrets
from typing import TYPE_CHECKING, Any

import psycopg2
import strawberry
from django.core.exceptions import DisallowedHost
from django.db import InterfaceError, OperationalError
from graphql import GraphQLError
from strawberry.exceptions import StrawberryInputCoercionError

from learning.exceptions import ExemplarError
from learning.lazy_imports import LazyModule
from store.exceptions import BadInput, Overloaded, Unavailable

from . import names

if TYPE_CHECKING:
    import redis
else:
    redis = LazyModule("redis")

logger = logging.getLogger(__name__)

#: Seconds after which a client may try again when a server behind us could not be reached.
RETRY_AFTER = 2.0
#: Characters of a sentence: it may quote what a client sent.
LONGEST_MESSAGE = 500

DATABASE_ERRORS = (OperationalError, InterfaceError, psycopg2.OperationalError, psycopg2.InterfaceError)
#: The database answered, but not now: deadlock, serialization, a lock or a statement that took too long.
BUSY = {"40001", "40P01", "55P03", "57014", "53300"}


@strawberry.enum(
    description="Every `extensions.code` there is. Clients must have a default branch: "
    "values are added, never renamed."
)
class ErrorCode(enum.Enum):
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
    BUILD_ENDED = "BUILD_ENDED"
    NO_ROWS = "NO_ROWS"
    TOO_FEW_INSTANCES = "TOO_FEW_INSTANCES"
    ONE_CLASS = "ONE_CLASS"
    ROWS_MULTIPLIED = "ROWS_MULTIPLIED"
    WORKER_LOST = "WORKER_LOST"
    TIMED_OUT = "TIMED_OUT"
    OUT_OF_MEMORY = strawberry.enum_value(
        "OUT_OF_MEMORY", description="A fit needs more memory than it may take."
    )
    CANCELLED = "CANCELLED"
    OVERLOADED = "OVERLOADED"
    RATE_LIMITED = strawberry.enum_value(
        "RATE_LIMITED", description="Not in use yet: there is no limit on requests a second."
    )
    UNAVAILABLE = "UNAVAILABLE"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    TOO_COMPLEX = "TOO_COMPLEX"
    INTERNAL = "INTERNAL"


class BadRequest(ExemplarError):
    """The request is not one that can be answered."""

    code = "BAD_REQUEST"


class TooComplex(ExemplarError):
    """The document asks for more than one request may."""

    code = "TOO_COMPLEX"


def translate(error: GraphQLError) -> None:
    """Give `error`, in place, the message and the extensions that clients are promised."""
    if "code" in (error.extensions or {}):
        return
    refusal = refusal_of(error)
    error.message = shortened(refusal.message)
    error.extensions = extensions_of(refusal)
    if error.path:
        speak_of_fields(error)


def speak_of_fields(error: GraphQLError) -> None:
    """Call by their fields what was refused below by the names of its columns."""
    extensions = error.extensions or {}
    for column in [part for part in extensions.get("argument", ()) if "_" in part]:
        error.message = error.message.replace(column, names.field(column))
    if "argument" in extensions:
        extensions["argument"] = [names.field(part) for part in extensions["argument"]]


def refusal_of(error: BaseException) -> ExemplarError:
    """What clients are told about `error`; what they must not read is logged under an id."""
    match root_cause(error):
        case ExemplarError() as refusal:
            return refusal
        case cause if unreachable := unreachable_server(cause):
            logger.warning("%s (%s)", unreachable, str(cause).strip())
            return unreachable
        case StrawberryInputCoercionError() as cause:
            return BadInput(str(cause))
        case DisallowedHost():
            return BadRequest("This Host is not one that is served here.")
        case GraphQLError() as cause if cause.message.startswith("Argument "):
            return BadInput(cause.message)
        case GraphQLError() as cause if getattr(error, "path", None) is None:
            return BadRequest(cause.message)  # syntax and validation: nothing was executed
        case cause:
            return internal_error(cause)


def shortened(message: str) -> str:
    """A sentence without the middle of what a client sent, where that is too long for anybody to read."""
    if len(message) <= LONGEST_MESSAGE:
        return message
    half = LONGEST_MESSAGE // 2
    return f"{message[:half]} … {message[-half:]}"


def root_cause(error: BaseException) -> BaseException:
    """The exception that was raised first, below the GraphQL errors that locate it."""
    while isinstance(error, GraphQLError) and error.original_error is not None:
        error = error.original_error
    return error


def unreachable_server(cause: BaseException) -> ExemplarError | None:
    """The refusal for a database or broker that does not answer; None if `cause` is something else."""
    if isinstance(cause, DATABASE_ERRORS):
        if getattr(cause.__cause__ or cause, "pgcode", None) in BUSY:
            return Overloaded("The database is busy; try again.", retry_after=RETRY_AFTER)
        return Unavailable("The database cannot be reached; try again in a moment.", retry_after=RETRY_AFTER)
    if isinstance(cause, redis.exceptions.ConnectionError | redis.exceptions.TimeoutError):
        return Unavailable("The broker cannot be reached; try again in a moment.", retry_after=RETRY_AFTER)
    return None


class InternalError(ExemplarError):
    """Internal error"""

    code = "INTERNAL"
    #: Under which the log has the traceback.
    id = ""


def internal_error(cause: BaseException) -> InternalError:
    """A refusal that says nothing but an id, under which the traceback is logged."""
    refusal = InternalError()
    refusal.id = secrets.token_hex(6)
    logger.error("Internal error %s", refusal.id, exc_info=cause)
    return refusal


def extensions_of(refusal: ExemplarError) -> dict[str, Any]:
    """`extensions` for `errors[]`, with only what there is to say."""
    entries = {
        "code": refusal.code,
        "argument": list(refusal.argument),
        "minimum": refusal.minimum,
        "maximum": refusal.maximum,
        "retryAfter": refusal.retry_after,
        "id": getattr(refusal, "id", None),
    }
    return {name: value for name, value in entries.items() if value is not None and value != []}
