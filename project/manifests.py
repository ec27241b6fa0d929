"""Manifests of trusted documents, as the builds of clients write them."""

import json
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured


def read_manifest(name: str, path: str) -> dict[str, str]:
    """Read the documents of a manifest by their ids; without a path, none.

    graphql-codegen's `persisted-documents.json` and Relay's persisted queries are `{"<hash>": "<document>"}`; Apollo's
    manifest has a list of operations with `id` and `body`.

    Args:
        name: of the setting, for the sentence.

    Raises: ImproperlyConfigured.
    """
    if not path:
        return {}
    try:
        manifest = json.loads(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise _refusal(name, path, f"it cannot be read ({type(error).__name__})") from None
    documents = _documents(manifest)
    if not documents:
        raise _refusal(name, path, "it has no documents")
    for key, text in documents.items():
        if not (isinstance(key, str) and isinstance(text, str) and "{" in text):
            raise _refusal(name, path, f"{str(key)[:100]!r} stands for no document")
    return documents


def _documents(manifest: object) -> dict[Any, Any]:
    """The documents by their ids, which are not checked here."""
    if not isinstance(manifest, dict):
        return {}
    operations = manifest.get("operations")
    if isinstance(operations, list):
        return {each.get("id"): each.get("body") for each in operations if isinstance(each, dict)}
    return manifest


def _refusal(name: str, path: str, reason: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"{name} names {path}, which is no manifest: {reason}. Name the persisted-documents.json of graphql-codegen "
        'or the persisted queries of Relay: {"<hash>": "<document>", …}.'
    )
