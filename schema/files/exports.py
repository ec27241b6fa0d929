"""Exports: `GET /export/PRODUCT/ROWS.FORMAT`, rows as a file, with the filters of their lists."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qsl

from cross_web import HTTPException
from django.db import connection
from graphql import GraphQLInputObjectType, coerce_input_value
from starlette.requests import Request
from starlette.responses import Response
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.arguments import convert_argument

from store import models
from store.access.acting import acting_as
from store.access.actors import ANONYMOUS, Actor
from store.db import threads
from store.entities import base_rows
from store.exceptions import BadInput, SeveralFaults
from store.exports import copying, relations
from store.exports.formats import FORMATS
from store.exports.relations import ExportRelation
from store.predictions import entity_filters
from store.products import catalogue
from store.products.product import DataProduct

from ..core import ids, names
from ..core.inputs import Place, all_refusals
from ..core.permissions import FEEDBACK, PREDICT, VIEW, Rule, check, rule
from ..core.request import parse_json
from ..products.filters import matching, read_entity_filter
from ..products.outputs import readable
from ..transport.http import GraphQLApp
from ..types.list_filters import select
from . import responses
from .streaming import FileResponse, Streams

PATH = re.compile(r"/export/([a-z0-9_]+)/([a-z]+)\.([a-z]+)")


@dataclass(frozen=True)
class ExportRequest:
    """The request for a file."""

    product: DataProduct
    rows: str
    format: str
    #: The parameters of the URL.
    parameters: Mapping[str, str]
    #: The filter as the API's types have it; None: all rows.
    filter: Any

    @property
    def after(self) -> str | None:
        return self.parameters.get("after")

    @property
    def prefix(self) -> str:
        return names.prefix(self.product.name)

    @property
    def details(self) -> dict[str, str]:
        """The details for the audit log."""
        return {"rows": self.rows, "format": self.format, **self.parameters}


def find_predictions(request: ExportRequest, actor: Actor) -> ExportRelation:
    """Find the predictions that the actor reads back. Raises Forbidden, Unauthenticated, BadInput, UnknownId."""
    rows = readable(matching(request.product, request.filter), actor, request.product.name)
    return relations.select_predictions(request.product, rows, request.prefix, request.after)


def find_feedback(request: ExportRequest, actor: Actor) -> ExportRelation:
    """Find all feedback for a viewer, else the actor's own. Raises Forbidden, Unauthenticated, BadInput."""
    name = request.product.name
    if not actor.may(VIEW, name) and actor.author == ANONYMOUS:
        actor.refuse(VIEW, name)
    rows = select(models.Feedback.objects.listed(request.product), request.filter)
    if not actor.may(VIEW, name):
        rows = rows.filter(author=actor.author)
    return relations.select_feedback(rows, request.prefix, request.after)


def find_entities(request: ExportRequest, actor: Actor) -> ExportRelation:
    """Find the entities that the actor sees. Raises BadInput."""
    product, rows = request.product, base_rows.select(request.product)
    if request.filter is not None:
        matched = entity_filters.select(product, read_entity_filter(product, request.filter))
        rows = rows.filter(pk__in=matched.values("pk"))
    return relations.select_entities(product, rows, request.after)


def find_snapshot(request: ExportRequest, actor: Actor) -> ExportRelation:
    """Find the rows of a snapshot. Raises Forbidden, UnknownId, WrongKindOfId, BadInput."""
    id = request.parameters.get("snapshot")
    number = None if id is None else ids.number(id, "Snapshot", ("snapshot",))
    snapshot = relations.find_snapshot(request.product, number)
    return relations.select_snapshot(request.product, snapshot, request.after)


@dataclass(frozen=True)
class Rows:
    """The rows that can be exported under one name."""

    #: Builds the relation. Raises Unauthenticated, Forbidden, BadInput, UnknownId.
    find: Callable[[ExportRequest, Actor], ExportRelation]
    #: The permissions on the product of which the caller needs one.
    rule: Rule
    #: The type of its filter, with the product's prefix as `{prefix}`; empty: it takes none.
    filter: str = ""
    parameters: frozenset[str] = frozenset({"after", "formulas"})


ROWS = {
    "predictions": Rows(find_predictions, rule(VIEW, PREDICT), "{prefix}PredictionFilter"),
    "feedback": Rows(find_feedback, rule(VIEW, FEEDBACK), "FeedbackFilter"),
    "entities": Rows(find_entities, rule(VIEW), "{prefix}EntityFilter"),
    "snapshot": Rows(find_snapshot, rule(VIEW), parameters=frozenset({"after", "formulas", "snapshot"})),
}


class Exports(responses.FileApp):
    """The ASGI application of exports."""

    def __init__(self, api: GraphQLApp, streams: Streams | None = None):
        super().__init__(api)
        self.streams = streams or Streams()

    async def respond(self, request: Request, actor: Actor) -> Response:
        """Respond with a file, whose first part has come. Raises ExemplarError, HTTPException before that."""
        if request.scope["http_version"] == "1.0":
            raise HTTPException(
                505,
                "Send HTTP/1.1, as nginx does by `proxy_http_version 1.1`: before, no end shows that a file is whole.",
            )
        wanted = await threads.run(self.read, request)
        check(ROWS[wanted.rows].rule, actor, wanted.product.name)
        stream, first = await self.streams.start(partial(write, wanted, request, actor))
        name = f"{wanted.product.name}-{wanted.rows}.{wanted.format}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        may_have = responses.recheck(request, ROWS[wanted.rows].rule, wanted.product.name)
        return FileResponse(stream, first, may_have, headers, FORMATS[wanted.format].media_type)

    def read(self, request: Request) -> ExportRequest:
        """Read what a client asks for. Raises BadInput, UnknownProduct, HTTPException."""
        match = PATH.fullmatch(request.url.path)
        if not match or match[2] not in ROWS or match[3] not in FORMATS:
            raise HTTPException(
                404, f"Ask for /export/PRODUCT/ROWS.FORMAT: {' '.join(ROWS)}; {' '.join(FORMATS)}."
            )
        product = catalogue.get(match[1])
        pairs = parse_qsl(request.url.query, keep_blank_values=True)
        parameters, rows = dict(pairs), ROWS[match[2]]
        allowed = rows.parameters | ({"filter"} if rows.filter else set())
        if unknown := [name for name in parameters if name not in allowed] or len(parameters) < len(pairs):
            raise BadInput(
                f"These rows take the parameters {', '.join(sorted(allowed))}, each once.",
                argument=unknown[:1] if isinstance(unknown, list) else (),
            )
        if parameters.get("formulas", "escape") != "escape":
            raise BadInput("`formulas` is `escape`, or left out.", argument=("formulas",))
        filter = (
            self.read_filter(product, rows.filter, parameters["filter"]) if "filter" in parameters else None
        )
        return ExportRequest(product, match[2], match[3], parameters, filter)

    def read_filter(self, product: DataProduct, kind: str, text: str) -> Any:
        """Read a filter as the list of these rows takes it. Raises BadInput, with all faults."""
        try:
            value, _ = parse_json(text)
        except HTTPException:
            raise BadInput("`filter` is JSON, as the list's filter.", argument=("filter",)) from None
        schema = self.api.schema
        type_ = cast(
            GraphQLInputObjectType, schema._schema.type_map[kind.format(prefix=names.prefix(product.name))]
        )
        if faults := all_refusals(value, type_, Place(("filter",))):
            raise SeveralFaults(faults)
        definition = type_.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
        scalars = schema.schema_converter.scalar_registry
        return convert_argument(coerce_input_value(value, type_), definition.origin, scalars, schema.config)


def write(wanted: ExportRequest, request: Request, actor: Actor, send: Callable[[bytes], None]) -> None:
    """Send the parts of the file, on a thread of exports."""
    try:
        with acting_as(actor, responses.origin_of(request)):
            relation = ROWS[wanted.rows].find(wanted, actor)
            escapes = "formulas" in wanted.parameters
            copying.export(wanted.product, relation, wanted.format, send, wanted.details, escapes)
    finally:
        connection.close()
