"""Downloads: the artifact of a version, and the description beside it, for people who use it elsewhere."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from django.db import transaction

from ..access import acting, audit
from ..access.audit import Act
from ..access.permissions import Permission
from ..exceptions import ModelDoesNotFit, UnknownId
from ..products.product import DataProduct
from .versions import ModelVersion


def find(product: DataProduct, number: int) -> ModelVersion:
    """Find a version by its number. Raises UnknownId."""
    version = ModelVersion.objects.filter(product=product.name, number=number).first()
    if version is None:
        raise UnknownId(f"{product.name} has no version {number}.", argument=("number",))
    return version


def describe(version: ModelVersion) -> dict[str, Any]:
    """Describe a version in JSON's own types: what it expects and answers, what loads it, and what it is checked by."""
    return {
        "product": version.product,
        "number": version.number,
        "family": version.family,
        "hyperparameters": version.hyperparameters,
        "metric": version.metric,
        "score": version.score,
        "builtAt": version.built_at.isoformat(),
        "runtime": version.runtime,
        "signature": version.signature,
        "libraries": version.versions,
        "servingLibraries": version.serving_versions,
        "size": version.size,
        "digest": version.digest,
        "seal": version.seal,
    }


def check(version: ModelVersion) -> None:
    """Check that a version's artifact can be given to somebody. Raises UnknownId, ModelDoesNotFit."""
    if version.dropped_at:
        raise UnknownId(
            f"The artifact of version {version.number} was deleted by retention.", argument=("number",)
        )
    if version.find_key() is None:
        raise ModelDoesNotFit(f"The seal of version {version.number} was made with another key; build again.")


def send_artifact(version: ModelVersion, send: Callable[[bytes], None]) -> None:
    """Record the download in the audit log, then send the artifact's parts.

    The last part is sent only if all of them have the digest that is sealed, so that nobody gets a changed one whole.

    Raises: Unauthenticated, Forbidden, ModelDoesNotFit; whatever `send` raises.
    """
    acting.require(Permission.ADMINISTER, version.product)
    with transaction.atomic(durable=True):
        details = {"number": version.number, "size": version.size, "digest": version.digest}
        audit.record(Act.DOWNLOAD_MODEL, product=version.product, ids=[version], details=details)
    digest, last = hashlib.sha256(), b""
    for part in version.artifact_parts():
        if last:
            send(last)
        digest.update(part)
        last = bytes(part)
    if not hmac.compare_digest(digest.hexdigest(), version.digest):
        raise ModelDoesNotFit(f"The artifact of version {version.number} was changed; build again.")
    send(last)
