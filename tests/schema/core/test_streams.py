"""Streams of a subscription: what a closed one leaves behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from unittest.mock import sentinel

from schema.core.context import Context
from schema.core.permissions import VIEW, rule, watched
from store.access import resolver
from store.access.actors import Actor


async def silent() -> AsyncIterator[int]:
    """Wait for an event that does not come."""
    await asyncio.Event().wait()
    yield 1


async def test_a_closed_stream_waits_for_no_change_of_rights() -> None:
    before = set(resolver._waiting)
    context = Context(Actor(author="ann", superuser=True), sentinel.request)
    reading = asyncio.ensure_future(anext(watched(silent(), context, rule(VIEW), None)))
    await asyncio.sleep(0)
    assert len(resolver._waiting - before) == 1
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    await asyncio.sleep(0)
    assert resolver._waiting == before
