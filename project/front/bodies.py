"""Bodies of HTTP requests: where they end. Their bytes stay as they are, for uvicorn to decode."""

import re

#: Bytes of a chunk's line with its extensions, at most.
MAX_LINE = 256
#: Chunks of a body, at most, and one more for each BYTES_PER_CHUNK: each costs as much as a hundred bytes.
MAX_CHUNKS = 10_000
BYTES_PER_CHUNK = 100
#: Bytes of the trailers, at most; they are not used.
MAX_TRAILERS = 8_192
SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")


class Malformed(ValueError):
    """The chunks of a body are not valid, or far too many."""


class Body:
    """A body of known length."""

    def __init__(self, length: int):
        self.left = length

    @property
    def is_complete(self) -> bool:
        return not self.left

    def feed(self, data: bytes) -> int:
        """Return how many bytes of `data` belong to the body. Raises Malformed."""
        size = min(self.left, len(data))
        self.left -= size
        return size


class ChunkedBody(Body):
    """A body in chunks: each has a line with its size, and the last one is empty."""

    def __init__(self) -> None:
        super().__init__(0)
        #: The beginning of a line.
        self.line = b""
        #: Chunks, and bytes in them.
        self.chunks = self.size = 0
        #: Bytes of the trailers; None before they begin.
        self.trailers: int | None = None
        self.ended = False

    @property
    def is_complete(self) -> bool:
        return self.ended

    def feed(self, data: bytes) -> int:
        position = 0
        while position < len(data) and not self.ended:
            if self.left:
                size = min(self.left, len(data) - position)
                self.left -= size
                position += size
            else:
                position = self.read_line(data, position)
        return position

    def read_line(self, data: bytes, position: int) -> int:
        """Read a line, or its beginning, from a position; return the position after it."""
        end = data.find(b"\n", position, position + MAX_LINE) + 1 or min(len(data), position + MAX_LINE)
        self.line += data[position:end]
        if self.line.endswith(b"\n"):
            line, self.line = self.line, b""
            if not line.endswith(b"\r\n"):
                raise Malformed
            self.use_line(line[:-2])
        elif len(self.line) >= MAX_LINE:
            raise Malformed
        return end

    def use_line(self, line: bytes) -> None:
        """Use a line: the size of a chunk, a trailer, or the end."""
        if self.trailers is not None:
            self.trailers += len(line)
            self.ended = not line
            if self.trailers > MAX_TRAILERS:
                raise Malformed
            return
        size = line.partition(b";")[0].rstrip()
        if not SIZE.fullmatch(size):
            raise Malformed
        chunk = int(size, 16)
        self.chunks, self.size = self.chunks + 1, self.size + chunk
        if self.chunks > MAX_CHUNKS + self.size // BYTES_PER_CHUNK:
            raise Malformed
        if chunk:
            self.left = chunk + len(b"\r\n")
        else:
            self.trailers = 0
