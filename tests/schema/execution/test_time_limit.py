"""An operation that takes longer than it may is stopped, whatever it does."""

import time
from contextlib import suppress

import pytest
import strawberry
from django.contrib.auth.models import Group
from django.db import connection, transaction
from starlette.requests import HTTPConnection
from strawberry.types import ExecutionResult

from learning.exceptions import ExemplarError
from schema.core.context import Context, next_deadline
from schema.core.mutation import mutation
from schema.execution.execution import Schema
from store.access.actors import make_stranger
from store.access.grants import Grants
from tests.waiting import PATIENCE


def sleep() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [PATIENCE])
    return "slept"


@strawberry.type
class Item:
    @strawberry.field
    def item(self) -> "Item":
        return Item()

    @strawberry.field
    def slow(self) -> str | None:
        return sleep()


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "world"

    @strawberry.field
    def slow(self) -> str | None:
        return sleep()

    @strawberry.field
    def items(self) -> list[Item]:
        return [Item()]


@strawberry.input
class NoteInput:
    seconds: float


@strawberry.type
class Payload:
    product: str

    @strawberry.field
    def item(self) -> Item:
        return Item()


def note(input: NoteInput) -> None:
    """Store a row, and take some seconds without a statement."""
    Group.objects.create(name="noted")
    time.sleep(input.seconds)


@strawberry.type
class Mutation:
    @strawberry.mutation
    def slow(self) -> str | None:
        return sleep()

    @mutation("Stores a row, and then others, each of which may be refused.", graphql_type=Payload | None)
    def note(self, input: NoteInput) -> Payload:
        note(input)
        with suppress(ExemplarError), transaction.atomic():
            Group.objects.count()
        return Payload(product="stay")

    @strawberry.mutation
    def noted_late(self, input: NoteInput) -> Payload | None:
        with transaction.atomic():
            note(input)
        return Payload(product="stay")


schema = Schema(query=Query, mutation=Mutation)


def execute(query: str, seconds: float) -> ExecutionResult:
    """Execute an operation that has so many seconds left."""
    stranger = make_stranger(None, Grants())
    request = HTTPConnection({"type": "http", "headers": []})
    context = Context(stranger, request, until=time.monotonic() + seconds)
    return schema.execute_sync(query, context_value=context)


def codes(result: ExecutionResult) -> list[object]:
    return [(error.extensions or {})["code"] for error in result.errors or ()]


@pytest.mark.parametrize("query", ["{ slow }", "{ items { item { slow } } }", "mutation { slow }"])
def test_a_slow_statement_is_ended(transactional_db, query):
    assert codes(execute(query, 0.5)) == ["TIMED_OUT"]
    assert execute("{ hello }", PATIENCE).data == {"hello": "world"}


def test_a_mutation_whose_time_is_up_stores_nothing_also_if_it_goes_on_after_a_refusal(transactional_db):
    query = "mutation { note(input: {seconds: %s}) { product item { slow: __typename } } }"
    result = execute(query % 0.3, 0.2)
    assert (result.data, codes(result)) == ({"note": None}, ["TIMED_OUT"])
    assert not Group.objects.exists()
    assert execute(query % 0, PATIENCE).errors is None
    assert Group.objects.exists()


def test_what_a_mutation_has_committed_is_answered_also_after_its_time(transactional_db):
    result = execute(
        "mutation { notedLate(input: {seconds: 0.3}) { product item { __typename slow } } }", 0.2
    )
    assert result.data == {"notedLate": {"product": "stay", "item": {"__typename": "Item", "slow": None}}}
    assert codes(result) == ["TIMED_OUT"] and result.errors[0].path == ["notedLate", "item", "slow"]
    assert Group.objects.exists()


def test_an_operation_that_waited_too_long_for_a_thread_is_not_executed():
    result = execute("{ hello }", -1)
    assert result.data is None
    assert codes(result) == ["OVERLOADED"]


def test_what_arrives_has_the_time_of_the_setting(settings):
    settings.EXEMPLAR_TIME_LIMIT = 3
    assert 2 < next_deadline() - time.monotonic() <= 3


def test_an_event_of_a_stream_has_a_time_of_its_own(settings):
    context = Context(make_stranger(None, Grants()), HTTPConnection({"type": "http"}), until=0)
    assert context.unpinned().until == 0
    assert context.for_event().until > time.monotonic()
