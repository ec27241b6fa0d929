"""What the rows refuse: each class is a sentence and a code."""

from learning.exceptions import ExemplarError


class StoreError(ExemplarError):
    """The request cannot be carried out on the rows as they are."""

    code = "BAD_REQUEST"


class BadInput(StoreError):
    """The input is not what this field takes."""

    code = "BAD_INPUT"


class OutOfRange(StoreError):
    """The number lies outside its declared range."""

    code = "OUT_OF_RANGE"


class NotFinite(StoreError):
    """NaN and infinity are not values that can be learned from."""

    code = "NOT_FINITE"


class UnknownId(StoreError):
    """Nothing has this id."""

    code = "UNKNOWN_ID"


class WrongKindOfId(StoreError):
    """The id belongs to something of another type."""

    code = "WRONG_KIND_OF_ID"


class UnknownEntity(StoreError):
    """No row has this key."""

    code = "UNKNOWN_ENTITY"


class IncompleteEntity(StoreError):
    """The entity lacks a feature row."""

    code = "INCOMPLETE_ENTITY"


class UnknownProduct(StoreError):
    """No data product has this name."""

    code = "UNKNOWN_PRODUCT"


class NoChampion(StoreError):
    """The product has no model that serves yet."""

    code = "NO_CHAMPION"


class ModelDoesNotFit(StoreError):
    """The model was learned for another declaration, by other libraries, or was not written by us."""

    code = "MODEL_DOES_NOT_FIT"


class NotWritable(StoreError):
    """The product's feature rows cannot be written through the API."""

    code = "NOT_WRITABLE"


class Conflict(StoreError):
    """A row with this key exists already."""

    code = "CONFLICT"


class StaleVersion(StoreError):
    """The row has changed since that version was read."""

    code = "STALE_VERSION"


class ChampionChanged(StoreError):
    """Another version serves by now."""

    code = "CHAMPION_CHANGED"


class ForeignModel(StoreError):
    """The model version belongs to another product."""

    code = "FOREIGN_MODEL"


class BuildEnded(StoreError):
    """The build has ended already."""

    code = "BUILD_ENDED"


class RowsMultiplied(StoreError):
    """The join gives more, or fewer, rows than it should."""

    code = "ROWS_MULTIPLIED"


class WorkerLost(StoreError):
    """The worker that ran the build was lost."""

    code = "WORKER_LOST"


class Unavailable(StoreError):
    """A server that this needs cannot be reached."""

    code = "UNAVAILABLE"


class Overloaded(StoreError):
    """There is too much to do at the moment; try again."""

    code = "OVERLOADED"


class Cancelled(StoreError):
    """Whoever asked has hung up."""

    code = "CANCELLED"


class Unauthenticated(StoreError):
    """Log in first: strangers may not do this here."""

    code = "UNAUTHENTICATED"


class Forbidden(StoreError):
    """The caller may not do this."""

    code = "FORBIDDEN"
