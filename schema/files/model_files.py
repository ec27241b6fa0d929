"""Files of model versions: `GET /model/PRODUCT/NUMBER.artifact`, and `NUMBER.json`, which describes it."""

import re
from collections.abc import Callable
from functools import partial
from hashlib import sha256

import orjson
from cross_web import HTTPException
from django.db import connection
from starlette.requests import Request
from starlette.responses import Response

from store import models
from store.access.acting import acting_as
from store.access.actors import Actor
from store.access.permissions import Permission
from store.db import threads
from store.exceptions import BadInput
from store.products import catalogue
from store.products.product import DataProduct
from store.registry import downloads

from ..core.permissions import VIEW, check, rule
from ..transport.http import GraphQLApp
from ..transport.http_caching import has_tag
from . import responses
from .streaming import FileResponse, Streams

PATH = re.compile(r"/model/([a-z0-9_]+)/([1-9][0-9]{0,8})\.(artifact|json)")
#: The permission on the product that each file needs. To unpickle an artifact is to run it.
RULES = {"artifact": rule(Permission.ADMINISTER), "json": rule(VIEW)}


class ModelFiles(responses.FileApp):
    """The ASGI application of the files of model versions."""

    def __init__(self, api: GraphQLApp, streams: Streams | None = None):
        super().__init__(api)
        self.streams = streams or Streams()

    async def respond(self, request: Request, actor: Actor) -> Response:
        """Respond with a file, or that the client has it already. Raises ExemplarError, HTTPException."""
        match = PATH.fullmatch(request.url.path)
        if not match:
            raise HTTPException(404, "Ask for /model/PRODUCT/NUMBER.artifact or /model/PRODUCT/NUMBER.json.")
        if request.url.query:
            raise BadInput("These files take no parameters.", argument=())
        product = await threads.run(catalogue.get, match[1])
        check(RULES[match[3]], actor, product.name)
        version = await threads.run(downloads.find, product, int(match[2]))
        if match[3] == "json":
            return self.describe(request, version)
        return await self.send(request, actor, product, version)

    def describe(self, request: Request, version: models.ModelVersion) -> Response:
        """Respond with the description of a version."""
        body = orjson.dumps(
            downloads.describe(version), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        )
        headers = headers_of(version, "json", sha256(body).hexdigest())
        if is_known(request, headers):
            return Response(None, 304, headers)
        return Response(body, 200, headers, "application/json; charset=utf-8")

    async def send(
        self, request: Request, actor: Actor, product: DataProduct, version: models.ModelVersion
    ) -> Response:
        """Respond with the artifact, whose first part has come."""
        downloads.check(version)
        headers = headers_of(version, "artifact", version.digest)
        if is_known(request, headers):
            return Response(None, 304, headers)
        stream, first = await self.streams.start(partial(write, version, request, actor))
        may_have = responses.recheck(request, RULES["artifact"], product.name)
        length = {"Content-Length": str(version.size)}
        return FileResponse(stream, first, may_have, headers | length, "application/octet-stream")


def headers_of(version: models.ModelVersion, form: str, tag: str) -> dict[str, str]:
    """Make the headers of a file, with its name and the tag of its content."""
    name = f"{version.product}-{version.number}.{form}"
    return {"Content-Disposition": f'attachment; filename="{name}"', "ETag": f'"{tag}"'}


def is_known(request: Request, headers: dict[str, str]) -> bool:
    """Check if the client has the file with this tag already."""
    return has_tag(request.headers.get("if-none-match", ""), headers["ETag"])


def write(
    version: models.ModelVersion, request: Request, actor: Actor, send: Callable[[bytes], None]
) -> None:
    """Send the parts of the artifact, on a thread of exports."""
    try:
        with acting_as(actor, responses.origin_of(request)):
            downloads.send_artifact(version, send)
    finally:
        connection.close()
