"""Bodies of requests end where their head or their chunks say."""

import pytest

from project.front.bodies import MAX_CHUNKS, MAX_LINE, Body, ChunkedBody, Malformed

CHUNKS = b"5\r\nhello\r\n6;name=value\r\n world\r\n0\r\nTrailer: value\r\n\r\n"
NEXT = b"GET / HTTP/1.1\r\n"


@pytest.mark.parametrize("size", range(1, len(CHUNKS + NEXT) + 1))
def test_chunks_end_wherever_the_data_is_split(size):
    body, data, used = ChunkedBody(), CHUNKS + NEXT, 0
    for start in range(0, len(data), size):
        if not body.is_complete:
            used += body.feed(data[start : start + size])
    assert body.is_complete and used == len(CHUNKS)


def test_a_body_of_known_length_ends_after_it():
    body = Body(5)
    assert body.feed(b"hel") == 3 and not body.is_complete
    assert body.feed(b"lo" + NEXT) == 2 and body.is_complete


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"g\r\n",
        b"-1\r\n",
        b"0x5\r\n",
        b"5\n",
        b"f" * 16 + b"\r\n",
        b"5;" + b"a" * MAX_LINE,
        b"0\r\n" + b"a" * MAX_LINE,
        b"0\r\n" + b"Name: value\r\n" * 1_000,
        b"1\r\na\r\n" * (MAX_CHUNKS + 200),
    ],
)
def test_other_chunks_are_malformed(data):
    with pytest.raises(Malformed):
        ChunkedBody().feed(data)


def test_many_large_chunks_are_none_too_many():
    body = ChunkedBody()
    chunk = b"100\r\n" + b"a" * 256 + b"\r\n"
    for _ in range(2 * MAX_CHUNKS):
        assert body.feed(chunk) == len(chunk)
