"""Models as their row in the registry keeps them: what serves, and the artifact under its seal."""

import hashlib
import hmac
import json
from typing import Any

from django.conf import settings

from learning.inference.compiled import PIPELINE
from learning.model import Model, SignatureJSON


def served(model: Model) -> dict[str, Any]:
    """What answers in its pipeline's stead, and what was proved of it."""
    compiled = model.compiled
    if compiled is None:
        return {"runtime": PIPELINE}
    return {
        "runtime": compiled.runtime,
        "microseconds_per_row": compiled.microseconds_per_row,
        "parity": compiled.parity,
    }


def sealed(model: Model) -> dict[str, Any]:
    """The artifact, what it expects and depends on, and the seal."""
    artifact, signature, libraries = model.dumps(), model.signature.as_json(), model.libraries
    digest = hashlib.sha256(artifact).hexdigest()
    return {
        "signature": signature,
        "versions": libraries,
        "artifact": artifact,
        "size": len(artifact),
        "digest": digest,
        "seal": seal(digest, libraries, signature),
    }


def seal(digest: str, libraries: dict[str, str], signature: SignatureJSON) -> str:
    """HMAC, in hexadecimal: we wrote an artifact of this digest, for these libraries and this signature."""
    text = json.dumps([digest, libraries, signature], sort_keys=True, separators=(",", ":"))
    return hmac.new(settings.EXEMPLAR_SIGNING_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
