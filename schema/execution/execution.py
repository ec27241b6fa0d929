"""Execution: resolvers are plain functions on the rows' threads; only subscriptions wait on the loop."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import strawberry
from graphql import DocumentNode, GraphQLError, GraphQLSchema, GraphQLSyntaxError
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext, StreamResult
from strawberry.types import ExecutionContext

from store.db import threads
from store.products.product import DataProduct

from ..compiled import ColumnarQueries
from ..core.context import Context
from ..core.errors import translate
from ..core.inputs import variable_refusals
from . import documents


class Executor(StrawberryGraphQLCoreExecutionContext):
    """Executes an operation, or an event of a subscription, synchronously on a thread of the rows' pool."""

    #: Of the document; None where it was not read by the library.
    walks: ColumnarQueries | None = None

    @classmethod
    def build(
        cls,
        schema: GraphQLSchema,
        document: DocumentNode,
        root_value: Any = None,
        context_value: Context | None = None,
        raw_variable_values: dict[str, Any] | None = None,
        operation_name: str | None = None,
        *args: Any,
        **options: Any,
    ) -> Any:
        """An executor, or the reasons why the variables were not accepted."""
        variables = raw_variable_values or {}
        built = super().build(
            schema, document, root_value, context_value, variables, operation_name, *args, **options
        )
        if isinstance(built, list):
            return variable_refusals(schema, document, operation_name, variables) or built
        built.walks = schema._strawberry_schema.library.walks(document)  # type: ignore[attr-defined]
        return unpinned(built)

    def build_per_event_executor(self, payload: Any) -> Any:
        return unpinned(super().build_per_event_executor(payload))

    def execute_operation(self, serially: bool | None = None) -> Any:
        """The result; where a loop is running, an awaitable of it."""
        if loop_runs_here():
            return threads.run(self.executed, serially)
        return self.executed(serially)

    def executed(self, serially: bool | None) -> Any:
        """The result, walked where that can be."""
        data = self.walks.data(self) if self.walks else None
        if data is not None:
            return self.finish(self.build_response(data))
        return super().execute_operation(serially)


def loop_runs_here() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def unpinned(executor: Any) -> Any:
    """The executor with pins of its own: operations over one socket must not share a champion, nor events."""
    if isinstance(executor.context_value, Context):
        executor.context_value = executor.context_value.unpinned()
    return executor


class Schema(strawberry.Schema):
    """A schema whose documents are kept, whose resolvers are synchronous and whose errors are translated."""

    def __init__(
        self,
        query: type,
        *,
        extensions: Sequence[Any] = (),
        products: Sequence[DataProduct] = (),
        **options: Any,
    ):
        super().__init__(
            query,
            extensions=[*documents.extensions, *extensions],
            execution_context_class=Executor,
            **options,
        )
        self.library = documents.DocumentCache(self._schema, products)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        for error in errors:
            translate(error)

    async def read_ahead(self, text: str) -> None:
        """Read a document on the pool, so that a stream, which is executed on the loop, finds it read."""
        with suppress(GraphQLSyntaxError):
            await threads.run(self.library.get, text)

    async def stream(self, query: str | None, *args: Any, **options: Any) -> StreamResult:
        await self.read_ahead(query or "")
        return await super().stream(query, *args, **options)
