"""Logs: a flood of lines of one kind becomes a line an interval with a count."""

import io
import logging
import re
import time
from collections.abc import Iterator

import pytest

from project.logs import ThrottledHandler
from tests.waiting import eventually

INTERVAL = 0.2


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def root(stream: io.StringIO) -> Iterator[logging.Logger]:
    """A logger with the handler that writes to `stream`, below which those of the tests are."""
    handler = ThrottledHandler(INTERVAL)
    handler.setStream(stream)
    logger = logging.getLogger("schema.test_logs")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield logger
    finally:
        logger.removeHandler(handler)


def written(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def counts(lines: list[str]) -> list[int]:
    """The number of lines that each line stands for."""
    return [int(match[1]) if (match := re.search(r"one of (\d+) lines", line)) else 1 for line in lines]


def test_a_flood_of_refusals_is_a_line_an_interval_and_none_is_uncounted(root, stream):
    began = time.monotonic()
    for number in range(1_554):
        root.warning("Refused: %s", number)
    seconds = time.monotonic() - began
    assert eventually(lambda: sum(counts(written(stream))) == 1_554)
    assert len(written(stream)) <= seconds / INTERVAL + 2
    assert written(stream)[0] == "Refused: 0"
    assert "Refused: 1553 (one of" in written(stream)[-1]


def test_a_burst_after_the_first_goes_on_at_a_line_an_interval(root, stream):
    root.warning("Refused")
    root.warning("Refused")
    assert eventually(lambda: len(written(stream)) == 2)
    root.warning("Refused")
    assert eventually(lambda: sum(counts(written(stream))) == 3)


def test_other_kinds_and_other_levels_are_written_at_once(root, stream):
    root.warning("Refused: %s", 1)
    root.warning("Overloaded: %s", 1)
    root.warning("%s: %s", "Not Found", "/a", extra={"status_code": 404})
    root.warning("%s: %s", "Forbidden", "/a", extra={"status_code": 403})
    for _ in range(3):
        root.error("Internal error %s", "id")
    assert len(written(stream)) == 7


def test_lines_of_the_house_are_alike_only_if_their_texts_are(stream):
    handler = ThrottledHandler(3_600)
    handler.setStream(stream)
    for job in (1, 2, 2, 2):
        handler.handle(
            logging.makeLogRecord(
                {"name": "store.jobs", "levelno": logging.WARNING, "msg": "Lost %s", "args": (job,)}
            )
        )
    assert written(stream) == ["Lost 1", "Lost 2"]
    handler.close()
    assert written(stream)[2:] == ["Lost 2 (one of 2 lines like this)"]


def test_kinds_do_not_pile_up(monkeypatch, stream):
    monkeypatch.setattr("project.logs.MAX_KINDS", 5)
    handler = ThrottledHandler(0.0)
    handler.setStream(stream)
    for number in range(50):
        handler.handle(
            logging.makeLogRecord({"name": "store", "levelno": logging.WARNING, "msg": f"Line {number}"})
        )
    assert len(handler.bursts) <= 6
    assert len(written(stream)) == 50


def test_a_line_with_wrong_arguments_does_not_end_its_caller(root, stream, monkeypatch):
    monkeypatch.setattr(
        logging, "raiseExceptions", False
    )  # no trace of the mistake in the output of the tests
    root.warning({"refused": 1})
    house = logging.getLogger("test_logs.house")
    house.addHandler(root.handlers[0])
    house.propagate = False
    house.warning("%s %s", 1)
    house.removeHandler(root.handlers[0])
    assert written(stream) == ["{'refused': 1}"]
