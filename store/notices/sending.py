"""Sending: one attempt to deliver an event, by HTTP with a signature or by e-mail."""

import http.client
import json
import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.utils.encoding import iri_to_uri

from learning.lazy_imports import LazyModule

from ..exceptions import BadInput
from . import destinations, sealing
from .deliveries import Delivery
from .destinations import Destination
from .kinds import DESCRIPTIONS, EventKind

if TYPE_CHECKING:
    import standardwebhooks
    from django.core import mail
else:
    mail = LazyModule("django.core.mail")
    standardwebhooks = LazyModule("standardwebhooks")

#: What a worker imports before it forks.
MODULES = ("standardwebhooks", "django.core.mail", "cryptography.fernet", "smtplib")
#: Seconds of one attempt for each thing it waits for: the connection, the answer.
TIMEOUT = 10.0
#: Seconds of one attempt after the connection, at most: less than a lease has.
LIMIT = 20.0
#: Bytes of an answer that are read.
ANSWER_BYTES = 1_000
#: The answer of a receiver that wants nothing any more.
GONE = 410


class Outcome(NamedTuple):
    """Result of an attempt: it has reached the receiver, or has a problem."""

    answer: int | None = None
    problem: str = ""
    #: True where the receiver wants nothing any more.
    is_gone: bool = False


def payload(delivery: Delivery) -> bytes:
    """Render what is sent to a webhook: the kind of the event, its time, its data."""
    body = {"type": delivery.kind, "timestamp": delivery.created_at.isoformat(), "data": delivery.data}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def send(delivery: Delivery) -> Outcome:
    """Try to deliver; whatever goes wrong is in the outcome."""
    try:
        return _send_mail(delivery) if delivery.receiver.email else _post(delivery)
    except BadInput as error:
        return Outcome(problem=str(error))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Outcome(problem=f"It is not reached: {error or type(error).__name__}.")


def _post(delivery: Delivery) -> Outcome:
    body = payload(delivery)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Exemplar",
        **_sign(delivery, body),
    }
    destination = destinations.find(delivery.receiver.url)
    connection = _connect(destination)
    # A receiver that sends a byte now and then would never run into the timeout of one read.
    watchdog = threading.Timer(LIMIT, _disconnect, [connection])
    watchdog.start()
    try:
        path = iri_to_uri(destination.parts._replace(scheme="", netloc="").geturl()) or "/"
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read(ANSWER_BYTES)
    finally:
        watchdog.cancel()
        connection.close()
    if 200 <= answer.status < 300:
        return Outcome(answer.status)
    problem = f"It answered with {answer.status} {answer.reason}."
    if 300 <= answer.status < 400:
        problem += " Redirections are not followed: register the URL that it leads to."
    return Outcome(answer.status, problem, is_gone=answer.status == GONE)


def _sign(delivery: Delivery, body: bytes) -> dict[str, str]:
    """Sign a payload by Standard Webhooks. The time is that of the attempt: receivers refuse old ones."""
    signer = standardwebhooks.Webhook(sealing.unseal(delivery.receiver.sealed_secret))
    return {
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(int(delivery.now.timestamp())),
        "webhook-signature": signer.sign(delivery.message_id, delivery.now, body.decode()),
    }


def _connect(destination: Destination) -> http.client.HTTPConnection:
    """Connect to the address that was checked, not to one that the name may have a moment later."""
    parts, host = destination.parts, destination.parts.hostname or ""
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(host, destination.port, timeout=TIMEOUT)
    stream: socket.socket = socket.create_connection((destination.address, destination.port), TIMEOUT)
    if parts.scheme == "https":
        try:
            stream = ssl.create_default_context().wrap_socket(stream, server_hostname=host)
        except BaseException:
            stream.close()
            raise
    connection.sock = stream
    return connection


def _disconnect(connection: http.client.HTTPConnection) -> None:
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _send_mail(delivery: Delivery) -> Outcome:
    sentence = str(delivery.data.get("message") or DESCRIPTIONS[EventKind(delivery.kind)])
    about = delivery.product or "all products"
    details = "\n".join(f"{name}: {value}" for name, value in delivery.data.items() if name != "message")
    subject = f"[Exemplar] {about}: {DESCRIPTIONS[EventKind(delivery.kind)]}"
    message = mail.EmailMessage(
        subject=" ".join(subject.split()),
        body=f"{sentence}\n\n{details}\n\n{delivery.created_at:%Y-%m-%d %H:%M:%S} UTC, event {delivery.message_id}\n",
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[delivery.receiver.email],
        # The same for each attempt, so that a mailbox knows repetitions.
        headers={"Message-ID": f"<{delivery.message_id}.{delivery.receiver_id}@exemplar>"},
    )
    message.send()
    return Outcome()
