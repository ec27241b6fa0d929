"""Execution: resolvers are plain functions on the database's threads; only subscriptions run on the event loop."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial, wraps
from typing import Any, cast

import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationType,
    located_error,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext, StreamResult
from strawberry.types import ExecutionContext
from strawberry.types.execution import PreExecutionError

from learning.exceptions import TimedOut
from store.access.acting import Origin, acting_as
from store.db import deadlines, threads
from store.db.unreachable import UNREACHABLE
from store.exceptions import BadInput, Overloaded
from store.products.product import DataProduct
from store.registry import served_choices

from ..compiled import ColumnarQueries
from ..core.context import Context
from ..core.errors import RETRY_AFTER, root_cause, translate_all
from ..core.inputs import variable_refusals
from ..core.permissions import Rules
from . import documents

WAITED = "The operation waited for its turn as long as it may take: try again."
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
        cached = schema._strawberry_schema.document_cache  # type: ignore[attr-defined]
        executor.columnar = cached.columnar_queries(document, getattr(context_value, "actor", None))
        return unpinned(executor)

    #: Builds the executor of the same event once more; None for an operation.
    rebuild: "Callable[[], Executor] | None" = None

    def build_per_event_executor(self, payload: object) -> "Executor":
        event = cast(Executor, super().build_per_event_executor(payload))
        if isinstance(event.context_value, Context):
            event.context_value = event.context_value.for_event()
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
        if not isinstance(context, Context):
            with acting_as(None):
                return self._execute_for_actor(serially)
        if time.monotonic() > context.until:
            return failed(Overloaded(WAITED, retry_after=RETRY_AFTER))
        try:
            with acting_as(context.actor, self._origin(context)), deadlines.ending_at(context.until):
                return self._execute_for_actor(serially)
        except TimedOut as error:
            return failed(error)

    def _origin(self, context: Context) -> Origin:
        """The origin of the operation, for the audit log."""
        client, name = getattr(context.request, "client", None), self.operation.name
        return Origin(address=client.host if client else "", operation=name.value if name else "")

    def _execute_for_actor(self, serially: bool | None) -> ExecutionResult:
        """The result: by the columnar executor if it can, otherwise by graphql-core."""
        data = self.columnar.data(self) if self.columnar else None
        if data is not None:
            return cast(ExecutionResult, self.finish(self.build_response(data)))
        return cast(ExecutionResult, super().execute_operation(serially))

    def collect_and_execute_subfields(self, *args: Any) -> Any:
        """Execute the selections of one object, in time; what a mutation has committed is answered also after it."""
        if self.operation.operation is not OperationType.MUTATION:
            deadlines.check()
        return super().collect_and_execute_subfields(*args)


def failed(error: Exception) -> ExecutionResult:
    """The result of an operation that was stopped, or not begun."""
    return ExecutionResult(None, [GraphQLError(str(error), original_error=error)])


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
        #: The names of their choices, as served choices name them now.
        self._choices = served_choices.list_all(products)
        rules = Rules(self._schema, products)
        rules.guard()
        locate_errors_of_streams(self._schema)
        self.document_cache = documents.DocumentCache(self._schema, products, rules)

    def is_of(self, products: Sequence[DataProduct]) -> bool:
        """Return True if a schema that is composed of these products now would be the same."""
        return self.products == tuple(products) and self._choices == served_choices.list_all(products)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        translate_all(errors)

    async def stream(self, query: str | None, *args: Any, **options: Any) -> StreamResult:
        """The results of an operation, whose document is read on a thread: a stream runs on the event loop."""
        if query:
            try:
                documents.prepared.set((query, await threads.run(self.document_cache.get, query)))
            except GraphQLError as error:
                return refuse(error)
        return await super().stream(query, *args, **options)


async def refuse(error: GraphQLError) -> StreamResult:
    """The results of an operation whose document was refused: the one error."""
    translate_all(errors := [error])
    yield PreExecutionError(data=None, errors=errors)


def locate_errors_of_streams(schema: GraphQLSchema) -> None:
    """Have the error that ends a stream name the stream's field, as errors of all other fields do."""
    for field in schema.subscription_type.fields.values() if schema.subscription_type else ():
        field.subscribe = located(field.subscribe)


def located(subscribe: Callable[..., Any] | None) -> Callable[..., Any]:
    """The stream, whose errors have a path."""
    assert subscribe is not None  # Strawberry gives every field one

    @wraps(subscribe)
    async def events(source: object, info: GraphQLResolveInfo, **arguments: Any) -> AsyncIterator[Any]:
        opened = subscribe(source, info, **arguments)
        stream = await opened if asyncio.iscoroutine(opened) else opened

        async def yielded() -> AsyncIterator[Any]:
            try:
                async with aclosing(stream):
                    async for event in stream:
                        yield event
            except Exception as error:
                raise located_error(error, info.field_nodes, info.path.as_list()) from error

        return yielded()

    return events
