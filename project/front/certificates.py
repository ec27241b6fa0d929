"""The certificate of HTTPS, which may be renewed while it serves."""

import logging
import ssl
import time
from pathlib import Path

from project.state import Unusable

log = logging.getLogger(__name__)

#: Seconds after which the files are looked at again.
INTERVAL = 60


class Certificate:
    """A certificate with its key, in files. Raises Unusable if they cannot be used."""

    def __init__(self, certificate: str, key: str):
        if not certificate or not key:
            raise Unusable("Set EXEMPLAR_TLS_CERT and EXEMPLAR_TLS_KEY both, or neither.")
        self.files = Path(certificate), Path(key)
        self.times = self.read_times()
        self.looked = time.monotonic()
        self.context = self.load()

    def read_times(self) -> list[float]:
        """The times of the last changes of the files; 0 for one that is missing."""
        return [path.stat().st_mtime if path.exists() else 0.0 for path in self.files]

    def load(self) -> ssl.SSLContext:
        """Load the files. Raises Unusable."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(*self.files)
        except OSError as error:  # of which ssl.SSLError is one
            certificate, key = self.files
            reason = error.strerror or error
            raise Unusable(
                f"The certificate {certificate} and the key {key} cannot be used: {reason}."
            ) from None
        return context

    def current(self) -> ssl.SSLContext:
        """The context of a new connection; files that have changed are loaded again, if they can be used."""
        now = time.monotonic()
        if now - self.looked > INTERVAL:
            self.looked = now
            times = self.read_times()
            if times != self.times:
                try:
                    self.context, self.times = self.load(), times
                except Unusable as error:
                    log.warning("The certificate that was loaded before goes on: %s", error)
        return self.context


def from_settings(certificate: str, key: str) -> Certificate | None:
    """The certificate that the settings name; None if they name none. Raises Unusable."""
    return Certificate(certificate, key) if certificate or key else None
