"""Artifacts: a model as the columns of its row, signed by HMAC."""

import hashlib
import hmac
import json
from typing import Any

from django.conf import settings

from learning.inference.compiled import PIPELINE
from learning.model import Model, SignatureJSON


def serving_columns(model: Model) -> dict[str, Any]:
    """Get the columns that describe what serves: runtime, inference time and parity."""
    compiled = model.compiled
    if compiled is None:
        return {"runtime": PIPELINE}
    return {
        "runtime": compiled.runtime,
        "microseconds_per_row": compiled.microseconds_per_row,
        "parity": compiled.parity,
    }


def artifact_columns(model: Model) -> dict[str, Any]:
    """Get the columns of the pickled model: artifact, digest, signature, library versions and seal."""
    artifact, signature = model.pack(), model.signature.as_json()
    digest = hashlib.sha256(artifact.content).hexdigest()
    return {
        "signature": signature,
        "versions": artifact.versions,
        "serving_versions": artifact.serving,
        "artifact": artifact.content,
        "size": len(artifact.content),
        "digest": digest,
        "seal": seal(digest, artifact.versions, signature, artifact.serving),
    }


def seal(
    digest: str,
    libraries: dict[str, str],
    signature: SignatureJSON,
    serving: dict[str, str] | None,
    key: str | None = None,
) -> str:
    """Compute the HMAC, in hexadecimal, over an artifact's digest, library versions and signature.

    Args:
        serving: versions of the libraries that what serves needs; None where a release before did not record them.
        key: the key to sign with; None: the first one.
    """
    sealed = [digest, libraries, signature] if serving is None else [digest, libraries, signature, serving]
    text = json.dumps(sealed, sort_keys=True, separators=(",", ":"))
    signing = settings.EXEMPLAR_SIGNING_KEY[0] if key is None else key
    return hmac.new(signing.encode(), text.encode(), hashlib.sha256).hexdigest()
