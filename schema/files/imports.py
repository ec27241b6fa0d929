"""Imports: `POST /import/PRODUCT` receives a file, which a job loads.

`GET /import/ID` says how far the job has come, and `DELETE /import/ID` cancels it.
"""

import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import IO, Any
from urllib.parse import parse_qsl

import orjson
from cross_web import HTTPException
from django.conf import settings
from django.db import connection
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive

from store import models
from store.access.acting import acting_as
from store.access.actors import Actor
from store.db import threads
from store.exceptions import BadInput, Forbidden, OutOfRange, Overloaded, UnknownId
from store.products import catalogue
from store.products.product import DataProduct

from ..core import ids
from ..core.permissions import FEEDBACK, VIEW, check, rule
from ..transport.http import GraphQLApp
from . import responses

PATH = re.compile(r"/import/([A-Za-z0-9_-]+)(/rejects\.csv)?")
#: Characters that no name of a file has here: of control, and those that part folders.
UNNAMED = re.compile(r"[\x00-\x1f\x7f/\\]+")
#: Files that one process receives at once, at most.
MOST_AT_ONCE = 4
#: Seconds after which a client may send its file again when as many are received as may be.
RETRY_AFTER = 5.0
#: Bytes of a file in memory, at most; a larger one is in a temporary file.
SPOOLED = 1 << 20
#: Rows that a client may have left out, at most.
MOST_REJECTS = 1_000_000
#: Characters of a file's name, at most.
LONGEST_NAME = 100
ORDERS = {"true": True, "false": False}
#: The parameters of the URL, as they are where they are left out.
PARAMETERS = {
    "name": "",
    "maxRejects": "0",
    "dayFirst": "",
    "dryRun": "false",
    "content": "rows",
    "author": "",
}
#: What the rows of a file are.
CONTENTS = ("rows", "feedback")
#: The permissions of which one is needed to read an import.
READ = rule(VIEW, FEEDBACK)

#: Stores files, on connections of their own, which are closed after each.
pool = ThreadPoolExecutor(2, thread_name_prefix="imports")


class Imports(responses.FileApp):
    """The ASGI application of imports."""

    methods = "GET, POST, DELETE"

    def __init__(self, api: GraphQLApp):
        super().__init__(api)
        self.receiving = 0

    async def respond(self, request: Request, actor: Actor) -> Response:
        """Respond to a request. Raises ExemplarError, HTTPException."""
        match = PATH.fullmatch(request.url.path)
        if not match or (request.method != "GET" and match[2]):
            raise HTTPException(
                404, "Send a file to /import/PRODUCT; read /import/ID or /import/ID/rejects.csv."
            )
        if request.method == "POST":
            return await self.receive_file(request, actor, match[1])
        if request.method == "DELETE":
            return await threads.run(cancel, request, actor, match[1])
        return await threads.run(read, actor, match[1], bool(match[2]))

    async def receive_file(self, request: Request, actor: Actor, name: str) -> Response:
        """Receive a file, and begin to import it."""
        options = read_options(request)
        product = await threads.run(find_product, request, actor, name, options)
        if self.receiving >= MOST_AT_ONCE:
            raise Overloaded("As many files are received as may be: try again.", retry_after=RETRY_AFTER)
        self.receiving += 1
        try:
            with tempfile.SpooledTemporaryFile(SPOOLED) as file:
                sent_name = await receive_into(file, request)
                options["name"] = clean_name(options["name"] or sent_name)
                begin = partial(request_import, request, actor, product, file, options)
                job, started = await threads.run_on(pool, begin)
        finally:
            self.receiving -= 1
        response = respond_json(describe(job) | {"started": started}, 202)
        response.headers["Location"] = f"/import/{ids.node_id(job)}"
        return response


def find_product(request: Request, actor: Actor, name: str, options: dict[str, Any]) -> DataProduct:
    """Find the product to import into, and the author of feedback.

    Raises UnknownProduct, Forbidden, Unauthenticated, NotWritable, BadInput.
    """
    product = catalogue.get(name)
    of_feedback = options.pop("content") == "feedback"
    with acting_as(actor, responses.origin_of(request)):
        models.Import.objects.check_allowed(product, of_feedback)
    author = options["author"] or None
    options["author"] = actor.author_for(author, product.name) if of_feedback else ""
    return product


def read_options(request: Request) -> dict[str, Any]:
    """Read the parameters of the URL. Raises BadInput, OutOfRange."""
    sent = parse_qsl(request.url.query, keep_blank_values=True)
    options = PARAMETERS | dict(sent)
    if len(options) > len(PARAMETERS) or len(dict(sent)) < len(sent):
        *names, last = PARAMETERS
        raise BadInput(f"An import takes the parameters {', '.join(names)} and {last}, each once.")
    number, order = options["maxRejects"], options["dayFirst"]
    if not (number.isascii() and number.isdecimal() and len(number) < 8 and int(number) <= MOST_REJECTS):
        message = f"`maxRejects` is a number of rows, at most {MOST_REJECTS}."
        raise OutOfRange(message, argument=("maxRejects",), minimum=0, maximum=MOST_REJECTS)
    if order and order not in ORDERS:
        raise BadInput("`dayFirst` is true, false, or left out.", argument=("dayFirst",))
    if options["dryRun"] not in ORDERS:
        raise BadInput("`dryRun` is true, false, or left out.", argument=("dryRun",))
    if options["content"] not in CONTENTS:
        raise BadInput("`content` is rows, feedback, or left out.", argument=("content",))
    if options["author"] and options["content"] != "feedback":
        raise BadInput("Rows have no `author`: only `content=feedback` does.", argument=("author",))
    return {
        "name": options["name"],
        "max_rejects": int(number),
        "day_first": ORDERS.get(order),
        "dry_run": ORDERS[options["dryRun"]],
        "content": options["content"],
        "author": options["author"],
    }


async def receive_into(file: IO[bytes], request: Request) -> str:
    """Receive a body into a file: as it is, or the one file of a form. Returns the name that the form has for it."""
    limited = Request(request.scope, Limited(request.receive))
    if request.headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(415, "Send the file as it is, without Content-Encoding.")
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        async for content in limited.stream():
            await threads.run_on(pool, file.write, content)
        return ""
    try:
        async with limited.form(max_files=1, max_fields=0) as form:
            upload = next((value for value in form.values() if isinstance(value, UploadFile)), None)
            if upload is None:
                raise BadInput("The form has no file.", argument=("file",))
            while content := await upload.read(SPOOLED):
                await threads.run_on(pool, file.write, content)
            return upload.filename or ""
    except MultiPartException as error:
        raise HTTPException(400, f"The form cannot be read: {error.message}") from error


class Limited:
    """Receives a body, which may not be larger than a file may be."""

    def __init__(self, receive: Receive):
        self.receive = receive
        self.size = 0

    async def __call__(self) -> Message:
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self.size += len(message.get("body", b""))
        if self.size > settings.EXEMPLAR_UPLOAD:
            raise HTTPException(413, f"A file may have {settings.EXEMPLAR_UPLOAD} bytes: send it in parts.")
        return message


def clean_name(name: str) -> str:
    """Make a name for a file in a folder of its own, of the one that a client has for it."""
    return UNNAMED.sub("-", name).strip(". -")[-LONGEST_NAME:] or "file"


def request_import(
    request: Request, actor: Actor, product: DataProduct, file: IO[bytes], options: dict[str, Any]
) -> tuple[models.Import, bool]:
    """Store the file and begin to import it, on a thread of imports."""
    try:
        with acting_as(actor, responses.origin_of(request)):
            return models.Import.objects.request(product, actor.author, file, **options)
    finally:
        connection.close()


def read(actor: Actor, id: str, rejects: bool) -> Response:
    """Describe an import, or list its rejected rows. Raises UnknownId, WrongKindOfId, Forbidden, Unauthenticated."""
    job = find_import(actor, id)
    if not rejects:
        return respond_json(describe(job), 200)
    check_reads_rejects(actor, job)
    rows = b"".join(models.ImportPart.objects.read(job, is_reject_list=True))
    if not rows:
        raise UnknownId("This import has no list of rejected rows, or none any more.", argument=("id",))
    headers = {"Content-Disposition": f'attachment; filename="{job.product}-rejects.csv"'}
    return Response(rows, headers=headers, media_type="text/csv; charset=utf-8; header=present")


def find_import(actor: Actor, id: str) -> models.Import:
    """Find an import that the actor may read. Raises UnknownId, WrongKindOfId, Forbidden, Unauthenticated."""
    job = models.Import.objects.filter(pk=ids.number(id, "Import")).first()
    if job is None:
        raise UnknownId("No import has this id.", argument=("id",))
    check(READ, actor, job.product)
    return job


def check_reads_rejects(actor: Actor, job: models.Import) -> None:
    """Check that the actor sees all rows, since the list of rejected ones quotes them. Raises Forbidden."""
    product = catalogue.find(job.product)
    if product is None or not product.join.sees_all(actor):
        raise Forbidden(f"The file may have rows of {job.product} that you may not see.", argument=("id",))


def cancel(request: Request, actor: Actor, id: str) -> Response:
    """Cancel an import that has not ended. Raises as `find_import` does, and JobEnded."""
    job = find_import(actor, id)
    with acting_as(actor, responses.origin_of(request)):
        cancelled = models.Import.objects.cancel(job.pk, actor.author)
    return respond_json(describe(cancelled), 200)


def describe(job: models.Import) -> dict[str, Any]:
    """Describe an import as the API's type `Import` does."""
    problem = {"code": job.problem_code, "message": job.problem_message} if job.problem_code else None
    return {
        "id": ids.node_id(job),
        "product": job.product,
        "name": job.name,
        "dryRun": job.dry_run,
        "author": job.author or None,
        "status": job.status,
        "percent": job.percent,
        "message": job.message,
        "inserted": job.inserted,
        "updated": job.updated,
        "unchanged": job.unchanged,
        "rejected": job.rejected,
        "repeated": job.repeated,
        "newColumns": job.new_columns,
        "remarks": job.remarks,
        "problem": problem,
    }


def respond_json(body: dict[str, Any], status: int) -> Response:
    """Build a response of JSON."""
    return Response(orjson.dumps(body), status, media_type="application/json; charset=utf-8")
