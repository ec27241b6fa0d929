"""Execution: resolvers are plain functions on the database's threads; only subscriptions run on the event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, cast

import strawberry
from graphql import DocumentNode, ExecutionResult, GraphQLError, GraphQLSchema, GraphQLSyntaxError
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext, StreamResult
from strawberry.types import ExecutionContext

from store.access.acting import acting_as
from store.db import threads
from store.db.unreachable import UNREACHABLE
from store.exceptions import BadInput
from store.products.product import DataProduct

from ..compiled import ColumnarQueries
from ..core.context import Context
from ..core.errors import RETRY_AFTER, root_cause, translate_all
from ..core.inputs import variable_refusals
from . import documents

#: The sentence about a value that is nested too deeply to be described.
TOO_DEEP = "A variable is nested more deeply than any input: check it against its type."


class Executor(StrawberryGraphQLCoreExecutionContext):
    """Execute an operation, or one event of a subscription, synchronously on a thread of the database's pool."""

    #: The columnar queries of the document; None if it did not come from the cache.
    columnar: ColumnarQueries | None = None

    @classmethod
    def build(
        cls,
        schema: GraphQLSchema,
        document: DocumentNode,
        root_value: object = None,
        context_value: Context | None = None,
        raw_variable_values: Mapping[str, object] | None = None,
        operation_name: str | None = None,
        *args: Any,
        **options: Any,
    ) -> "Executor | list[GraphQLError]":
        """Build an executor, or list the errors of the variables."""
        variables = dict(raw_variable_values or {})
        try:
            built = super().build(
                schema, document, root_value, context_value, variables, operation_name, *args, **options
            )
            if isinstance(built, list):
                return variable_refusals(schema, document, operation_name, variables) or built
        except RecursionError:
            # JSON may have a thousand levels, and a message about a value renders all of them.
            return [GraphQLError(TOO_DEEP, original_error=BadInput(TOO_DEEP))]
        executor = cast(Executor, built)
        executor.columnar = schema._strawberry_schema.document_cache.columnar_queries(document)  # type: ignore[attr-defined]
        return unpinned(executor)

    #: Builds the executor of the same event once more; None for an operation.
    rebuild: "Callable[[], Executor] | None" = None

    def build_per_event_executor(self, payload: object) -> "Executor":
        event = unpinned(cast(Executor, super().build_per_event_executor(payload)))
        event.rebuild = partial(self.build_per_event_executor, payload)
        return event

    def execute_operation(self, serially: bool | None = None) -> ExecutionResult | Awaitable[ExecutionResult]:
        """The result; on an event loop, an awaitable of it."""
        if self.rebuild:
            return execute_event(self, self.rebuild)
        if is_on_event_loop():
            return threads.run(self.execute_synchronously, serially)
        return self.execute_synchronously(serially)

    def execute_synchronously(self, serially: bool | None) -> ExecutionResult:
        """The result, of rows that the caller may see."""
        context = self.context_value
        with acting_as(context.actor if isinstance(context, Context) else None):
            return self._execute_for_actor(serially)

    def _execute_for_actor(self, serially: bool | None) -> ExecutionResult:
        """The result: by the columnar executor if it can, otherwise by graphql-core."""
        data = self.columnar.data(self) if self.columnar else None
        if data is not None:
            return cast(ExecutionResult, self.finish(self.build_response(data)))
        return cast(ExecutionResult, super().execute_operation(serially))


async def execute_event(executor: Executor, rebuild: Callable[[], Executor]) -> ExecutionResult:
    """The result for an event, which waits for a database that is gone: a stream must not lose what it reads then."""
    while True:
        result = await threads.run(executor.execute_synchronously, None)
        if not any(isinstance(root_cause(error), UNREACHABLE) for error in result.errors or ()):
            return result
        await asyncio.sleep(RETRY_AFTER)
        executor = rebuild()


def is_on_event_loop() -> bool:
    """Check if this thread runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def unpinned(executor: Executor) -> Executor:
    """The executor with a context of its own: operations and events over one socket must not share a champion."""
    if isinstance(executor.context_value, Context):
        executor.context_value = executor.context_value.unpinned()
    return executor


class Schema(strawberry.Schema):
    """A schema with cached documents, synchronous resolvers and translated errors."""

    def __init__(
        self,
        query: type,
        *,
        extensions: Sequence[type[SchemaExtension]] = (),
        products: Sequence[DataProduct] = (),
        **options: Any,
    ):
        super().__init__(
            query,
            extensions=[*documents.extensions, *extensions],
            execution_context_class=Executor,
            **options,
        )
        #: The products whose types it has.
        self.products = tuple(products)
        self.document_cache = documents.DocumentCache(self._schema, products)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        translate_all(errors)

    async def read_ahead(self, text: str) -> None:
        """Cache a document on a thread, since a stream is executed on the event loop."""
        with suppress(GraphQLSyntaxError):
            await threads.run(self.document_cache.get, text)

    async def stream(self, query: str | None, *args: Any, **options: Any) -> StreamResult:
        await self.read_ahead(query or "")
        return await super().stream(query, *args, **options)
