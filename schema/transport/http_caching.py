"""HTTP caches and compression of answers on the standard path."""

import asyncio
import gzip
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from ..core import negotiation
from ..core.request import LARGE_BODY, RequestHead
from ..execution.documents import Document
from ..execution.freshness import Freshness

#: Bytes from which an answer is compressed; less is one packet anyway.
SMALLEST = 1_400
#: Of zlib: beyond it twice the time saves a few percent.
LEVEL = 5


async def finish(
    head: RequestHead, response: Response, document: Document, data: Mapping[str, Any]
) -> Response:
    """Finish the answer to a document that was executed without errors: how long it may be kept, and its coding."""
    if head.method == "GET":
        freshness = document.freshness
        if freshness is Freshness.UNCHANGING and None in data.values():  # there may be one tomorrow
            freshness = Freshness.REVALIDATED
        response = set_freshness(head, response, freshness)
    if document.is_read and response.status_code == HTTPStatus.OK:
        if len(response.body) > LARGE_BODY:
            await asyncio.to_thread(compress, head, response)
        else:
            compress(head, response)
    return response


def set_freshness(head: RequestHead, response: Response, freshness: Freshness) -> Response:
    """Say how the answer to a GET may be kept; the answer without a body where the client has it already.

    The tag is weak, since it is of the content, which may be sent compressed.
    """
    if freshness is Freshness.NOT_STORED:
        return response
    tag = f'W/"{blake2b(response.body, digest_size=12).hexdigest()}"'
    response.headers["Cache-Control"] = freshness.value
    response.headers["ETag"] = tag
    if not has_tag(head.get(b"if-none-match"), tag):
        return response
    unchanged = Response(status_code=304)
    for name, value in response.headers.items():
        if name not in ("content-length", "content-type"):
            unchanged.headers[name] = value
    return unchanged


def has_tag(header: str, tag: str) -> bool:
    """Check if `If-None-Match` has the tag, by the weak comparison."""
    tags = [each.strip().removeprefix("W/") for each in header.split(",")]
    return "*" in tags or tag.removeprefix("W/") in tags


def compress(head: RequestHead, response: Response) -> None:
    """Compress an answer that is worth it, where the client takes it.

    Not for a page of elsewhere with the caller's session: by the length of what it has reflected, such a page could
    guess what stands beside it.
    """
    is_elsewhere = head.get(b"sec-fetch-site") in ("cross-site", "same-site")
    if len(response.body) < SMALLEST or (is_elsewhere and head.credentials.session):
        return
    response.headers["Vary"] = f"{response.headers['Vary']}, Accept-Encoding"
    if takes_gzip(head.get(b"accept-encoding")):
        response.body = gzip.compress(bytes(response.body), LEVEL, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))


@lru_cache(100)
def takes_gzip(accept: str) -> bool:
    """Check if `Accept-Encoding` takes gzip."""
    qualities = {}
    for part in accept.lower().split(","):
        name, _, parameter = part.partition(";")
        qualities[name.strip()] = negotiation.quality(parameter.strip().removeprefix("q=") or "1")
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0
