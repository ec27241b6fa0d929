"""Node ids: opaque, and unique over all types."""

import base64
import binascii
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import strawberry

from store import models
from store.entities.entities import Entity
from store.exceptions import UnknownId, WrongKindOfId
from store.products.columns import TypedColumn
from store.products.product import DataProduct

from .names import prefix

#: Types of one product: the suffix that stands behind the product's prefix.
OF_PRODUCT: dict[type, str] = {
    DataProduct: "Product",
    models.Prediction: "Prediction",
    models.Feedback: "Feedback",
    Entity: "Entity",
}


#: What workers do, by type.
JOBS: dict[str, Any] = {model.__name__: model for model in (models.Build, models.Scoring)}


def typename(node: Any) -> str:
    """The GraphQL type of something with an id."""
    if isinstance(node, models.BuildEvent):
        return node.kind
    suffix = OF_PRODUCT.get(type(node))
    if suffix is None:
        return type(node).__name__
    return prefix(_product_of(node)) + suffix


def _product_of(node: Any) -> str:
    match node:
        case DataProduct():
            return node.name
        case Entity():
            return node.product.name
    return str(node.product)


#: By type: what tells one node from others of it; of all other rows the primary key.
KEYS: dict[type, Callable[[Any], Any]] = {
    DataProduct: lambda product: product.name,
    Entity: lambda entity: entity.key,
    models.BuildEvent: lambda event: f"{event.build_id}.{event.sequence}",
}


def node_id(node: Any) -> strawberry.ID:
    key = KEYS[type(node)](node) if type(node) in KEYS else node.pk
    return encode("BuildEvent" if type(node) is models.BuildEvent else typename(node), str(key))


def of_feature(product: DataProduct, column: TypedColumn) -> strawberry.ID:
    return encode("Feature", f"{product.name}.{column.name}")


def encode(kind: str, key: str) -> strawberry.ID:
    return strawberry.ID(base64.urlsafe_b64encode(f"{kind}:{key}".encode()).decode().rstrip("="))


def split(id: str) -> tuple[str, str] | None:
    """Type and key of an id; None where it is none of ours."""
    try:
        text = base64.b64decode(id + "=" * (-len(id) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        return None
    kind, colon, key = text.partition(":")
    return (kind, key) if colon and kind else None


def key(id: str, kind: str, argument: Sequence[str | int] = ("id",)) -> str:
    """The key of an id of this type, or of one whose name ends so ("*Prediction").

    Raises UnknownId where it is no id, WrongKindOfId where it is another type's.
    """
    found = split(id)
    if found is None:
        raise UnknownId("This is no id that was ever given out.", argument=argument)
    fits = found[0].endswith(kind[1:]) if kind.startswith("*") else found[0] == kind
    if not fits:
        wanted = kind.removeprefix("*")
        raise WrongKindOfId(f"This is the id of a {found[0]}, and a {wanted} is wanted.", argument=argument)
    return found[1]


def number(id: str, kind: str, argument: Sequence[str | int] = ("id",)) -> int:
    """The key as a row's number. Raises as `key` does."""
    text = key(id, kind, argument)
    if not is_number(text):
        raise UnknownId(f"No {kind} has this id.", argument=argument)
    return int(text)


def job(id: str, argument: Sequence[str | int] = ("job",)) -> tuple[Any, int]:
    """The table and the number of a job's row, whatever kind it is of. Raises as `key` does."""
    found = split(id)
    kind = JOBS.get(found[0]) if found else None
    if found and kind is None:
        raise WrongKindOfId(f"This is the id of a {found[0]}, and a job is wanted.", argument=argument)
    return kind, number(id, found[0] if found else "", argument)


def digest(id: str, kind: str, argument: Sequence[str | int] = ("id",)) -> str:
    """The key as a row's digest. Raises as `key` does."""
    text = key(id, kind, argument)
    if not is_digest(text):
        raise UnknownId(f"No {kind.removeprefix('*')} has this id.", argument=argument)
    return text


def is_digest(key: str) -> bool:
    try:
        return str(uuid.UUID(key)) == key
    except ValueError:
        return False


def is_number(key: str) -> bool:
    return key.isascii() and key.isdecimal() and len(key) <= 18
