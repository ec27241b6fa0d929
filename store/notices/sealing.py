"""Sealing: secrets that have to be read again are stored encrypted, under the project's SECRET_KEY."""

import base64
from typing import TYPE_CHECKING

from django.conf import settings

from learning.lazy_imports import LazyModule

from ..exceptions import BadInput

if TYPE_CHECKING:
    from cryptography import fernet
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf import hkdf
else:
    fernet = LazyModule("cryptography.fernet")
    hashes = LazyModule("cryptography.hazmat.primitives.hashes")
    hkdf = LazyModule("cryptography.hazmat.primitives.kdf.hkdf")

#: What the derived key is for (RFC 5869, `info`): no other use of SECRET_KEY has the same key.
PURPOSE = b"exemplar receivers"


def seal(secret: str) -> str:
    """Encrypt a secret under the first key."""
    return _cipher().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """Decrypt a secret by any of the keys. Raises BadInput if none of them sealed it."""
    try:
        return _cipher().decrypt(sealed.encode()).decode()
    except fernet.InvalidToken:
        raise BadInput(
            "The secret was sealed under a SECRET_KEY that is set no longer: rotate it, and give the receiver the new "
            "one."
        ) from None


def _cipher() -> "fernet.MultiFernet":
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return fernet.MultiFernet([fernet.Fernet(_derive(key)) for key in keys])


def _derive(key: str) -> bytes:
    derivation = hkdf.HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=PURPOSE)
    return base64.urlsafe_b64encode(derivation.derive(key.encode()))
