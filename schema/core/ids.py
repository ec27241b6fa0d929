"""Node ids: opaque, and unique over all types."""

import base64
import binascii
import uuid
from collections.abc import Sequence
from typing import TypeAlias

import strawberry
from django.db.models import Model

from store import models
from store.entities.entities import Entity
from store.exceptions import UnknownId, WrongKindOfId
from store.products.columns import TypedColumn
from store.products.product import DataProduct

from .names import prefix

#: A root of a GraphQL type with an id.
NodeRoot: TypeAlias = DataProduct | Entity | Model

JobModel: TypeAlias = (
    type[models.Build] | type[models.Comparison] | type[models.Import] | type[models.Scoring]
)

#: Models of jobs by the names of their types.
JOBS: dict[str, JobModel] = {
    model.__name__: model for model in (models.Build, models.Comparison, models.Import, models.Scoring)
}


def typename(node: NodeRoot) -> str:
    """The name of a node's GraphQL type."""
    match node:
        case models.Prediction() | models.Feedback():
            return prefix(node.product) + type(node).__name__
        case Entity():
            return prefix(node.product.name) + "Entity"
        case DataProduct():
            return prefix(node.name) + "Product"
        case models.BuildEvent():
            return node.kind
    return type(node).__name__


#: From base64 to the form that stands in URLs.
URL_SAFE = bytes.maketrans(b"+/", b"-_")


def node_id(node: NodeRoot) -> strawberry.ID:
    """The id of a node: its type and its key, encoded."""
    match node:
        case models.Prediction():
            return encode(typename(node), node.id)
        case DataProduct():
            return encode(typename(node), node.name)
        case Entity():
            return encode(typename(node), node.key)
        case models.BuildEvent():
            return encode("BuildEvent", f"{node.build_id}.{node.sequence}")
    return encode(typename(node), str(node.pk))


def feature_id(product: DataProduct, column: TypedColumn) -> strawberry.ID:
    """The id of a product's column."""
    return encode("Feature", f"{product.name}.{column.name}")


def encode(kind: str, key: str) -> strawberry.ID:
    """The id of the object of this type with this key."""
    text = binascii.b2a_base64(f"{kind}:{key}".encode(), newline=False)
    return strawberry.ID(text.translate(URL_SAFE).decode().rstrip("="))


def list_name(type_: str, field: str, owner: str) -> str:
    """The name that the cursors of a list carry: of the field of a type, on the object with the id `owner`."""
    return f"{type_}.{field} {owner}"


def split(id: str) -> tuple[str, str] | None:
    """The type and the key of an id; None if it is not an id of this API."""
    try:
        text = base64.b64decode(id + "=" * (-len(id) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        return None
    kind, colon, key = text.partition(":")
    return (kind, key) if colon and kind else None


def key(id: str, kind: str, argument: Sequence[str | int] = ("id",)) -> str:
    """The key of an id of this type, or of a type whose name ends with it ("*Prediction").

    Raises UnknownId if it is not an id, WrongKindOfId if it belongs to another type.
    """
    parts = split(id)
    if parts is None:
        raise UnknownId("This is not an id of this API: use the `id` of an object.", argument=argument)
    matches = parts[0].endswith(kind[1:]) if kind.startswith("*") else parts[0] == kind
    if not matches:
        raise WrongKindOfId(
            f"This is the id of a {parts[0]}: give the id of a {kind.removeprefix('*')}.", argument=argument
        )
    return parts[1]


def number(id: str, kind: str, argument: Sequence[str | int] = ("id",)) -> int:
    """The key as the number of a row. Raises as `key` does."""
    text = key(id, kind, argument)
    if not is_number(text):
        raise UnknownId(f"No {kind} has this id.", argument=argument)
    return int(text)


def job(id: str, argument: Sequence[str | int] = ("job",)) -> tuple[JobModel, int]:
    """The model and the row's number of a job of any type. Raises as `key` does."""
    parts = split(id)
    if parts is None:
        raise UnknownId("This is not an id of this API: use the `id` of an object.", argument=argument)
    if parts[0] not in JOBS:
        raise WrongKindOfId(f"This is the id of a {parts[0]}: give the id of a job.", argument=argument)
    return JOBS[parts[0]], number(id, parts[0], argument)


def digest(id: str, kind: str, argument: Sequence[str | int] = ("id",)) -> str:
    """The key as the digest of a row. Raises as `key` does."""
    text = key(id, kind, argument)
    if not is_digest(text):
        raise UnknownId(f"No {kind.removeprefix('*')} has this id.", argument=argument)
    return text


def is_digest(key: str) -> bool:
    """Check if a key is a digest: a UUID in its usual form."""
    try:
        return str(uuid.UUID(key)) == key
    except ValueError:
        return False


def is_number(key: str) -> bool:
    """Check if a key is a number that fits into 64 bits."""
    return key.isascii() and key.isdecimal() and len(key) <= 18
