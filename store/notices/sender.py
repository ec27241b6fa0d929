"""Sender: sends the deliveries that are due, and writes down what became of them."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from ..db.repeating import repeat
from . import sending
from .deliveries import BATCH, Delivery
from .receivers import Receiver

log = logging.getLogger(__name__)

#: Seconds between two looks for deliveries, and after one that failed.
INTERVAL, PAUSE = 1.0, 5.0


def send_due() -> int:
    """Send the deliveries that are due now, several at a time; return how many were tried."""
    claimed = Delivery.objects.claim()
    if not claimed:
        return 0
    # The threads touch no rows, so that no connection is opened in them.
    with ThreadPoolExecutor(min(len(claimed), BATCH), thread_name_prefix="sender") as pool:
        for delivery, outcome in zip(claimed, pool.map(sending.send, claimed), strict=True):
            write(delivery, outcome)
    return len(claimed)


def write(delivery: Delivery, outcome: sending.Outcome) -> None:
    """Write down what became of an attempt."""
    if not outcome.problem:
        delivery.succeed(outcome.answer)
        return
    delivery.fail(outcome.problem, outcome.answer, is_final=outcome.is_gone)
    log.warning("%s: %s", delivery, outcome.problem)
    if outcome.is_gone:
        stopped = f"It answered with {sending.GONE}: it wants nothing any more."
        Receiver.objects.filter(pk=delivery.receiver_id, stopped="").update(stopped=stopped)


def send_forever(stopped: threading.Event) -> None:
    """Send what is due until the worker stops."""

    def send_all() -> None:
        while send_due() == BATCH and not stopped.is_set():
            pass

    repeat(send_all, stopped, INTERVAL, log, "Deliveries are sent again later.", pause=PAUSE)
