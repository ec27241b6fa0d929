"""The contract gate: outside of the embedded mode no process serves what breaks clients before a person accepts it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from project import asgi, contract_gate
from schema.schema import schema
from store.db import memory, threads
from store.models import AcceptedSchema, ServedSchema
from store.runtime import lifespan as web_lifespan
from tests.waiting import PATIENCE

from ..store.conftest import with_rows

pytestmark = pytest.mark.django_db(transaction=True)

SDL = schema.as_str()
#: The schema that was served last had one field more.
FORMER = SDL.replace("type Query {", "type Query {\n  gone: Int\n")
SENTENCE = "Field Query.gone was removed. Requests that use it will be refused."


@pytest.fixture(autouse=True)
def production(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Outside of the embedded mode, with threads and a gate of the test's own."""
    settings.EXEMPLAR_EMBEDDED = False
    gate = contract_gate.ContractGate()
    monkeypatch.setattr(asgi, "gate", gate)
    monkeypatch.setattr(asgi.application, "gate", gate)
    monkeypatch.setattr(
        contract_gate, "LOOK_SECONDS", 0.5
    )  # each look compares two schemas, for half as long
    # The heap of the tests' own process stays as it is.
    monkeypatch.setattr(memory, "freeze_heap", lambda: None)
    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(1) as loading:
        monkeypatch.setattr(threads, "pool", pool)
        monkeypatch.setattr(web_lifespan, "_loading", loading)
        yield
        for each in (pool, loading):
            each.submit(lambda: connection.close()).result()


@asynccontextmanager
async def started() -> AsyncIterator[httpx.AsyncClient]:
    """A web process, from its start to its end."""
    messages: asyncio.Queue[Any] = asyncio.Queue()
    sent: asyncio.Queue[Any] = asyncio.Queue()
    await messages.put({"type": "lifespan.startup"})
    process = asyncio.create_task(asgi.lifespan(messages.get, sent.put))
    async with asyncio.timeout(PATIENCE):
        assert (await sent.get())["type"] == "lifespan.startup.complete"
    transport = httpx.ASGITransport(asgi.application)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client
    finally:
        await messages.put({"type": "lifespan.shutdown"})
        await process


async def is_ready(client: httpx.AsyncClient) -> None:
    """Return once the process is ready."""
    async with asyncio.timeout(PATIENCE):
        while (await client.get("/ready")).status_code != 200:
            await asyncio.sleep(0.05)


async def ask(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/graphql/", json={"query": "{ __typename }"})


async def test_a_process_waits_with_its_port_open_until_a_person_accepts_its_schema(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await with_rows(ServedSchema.objects.record, FORMER)
    async with started() as client:
        response = await client.get("/ready")
        assert response.status_code == 503 and response.json()["reasons"][1] == SENTENCE
        assert "./dev schema --accept" in response.json()["reasons"][0]
        assert SENTENCE in caplog.text
        assert (await client.get("/health")).json() == {"alive": True}
        refused = await ask(client)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "0")
        assert refused.json()["errors"][0]["extensions"] == {"code": "UNAVAILABLE"}
        assert await with_rows(lambda: ServedSchema.objects.newest().sdl) == FORMER  # type: ignore[union-attr]
        await with_rows(call_command, "schema", "--accept", "All clients were told.")
        await is_ready(client)
        assert (await ask(client)).status_code in (200, 401)
    assert await with_rows(lambda: ServedSchema.objects.newest().sdl) == SDL  # type: ignore[union-attr]
    accepted = await with_rows(AcceptedSchema.objects.get)
    assert accepted.reason == "All clients were told." and accepted.changes == [SENTENCE]
    assert accepted.accepted_by.startswith("manage.py (")


async def test_a_process_that_waits_can_be_stopped() -> None:
    await with_rows(ServedSchema.objects.record, FORMER)
    async with started() as client:
        assert (await client.get("/ready")).status_code == 503
    assert await with_rows(ServedSchema.objects.count) == 1


@pytest.mark.parametrize("served", [(), (SDL,), (SDL, FORMER)], ids=["nothing", "the same", "a newer one"])
async def test_a_process_serves_at_once_what_was_served_before(served: tuple[str, ...]) -> None:
    # As an older process that starts again while newer ones serve, and a deploy that is undone.
    for sdl in served:
        await with_rows(ServedSchema.objects.record, sdl)
    async with started() as client:
        await is_ready(client)


async def test_in_the_embedded_mode_nothing_waits(settings: Any) -> None:
    settings.EXEMPLAR_EMBEDDED = True
    await with_rows(ServedSchema.objects.record, FORMER)
    async with started() as client:
        await is_ready(client)


async def test_a_process_whose_start_fails_after_the_acceptance_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await with_rows(ServedSchema.objects.record, FORMER)
    ended = asyncio.Event()
    monkeypatch.setattr(contract_gate.signal, "raise_signal", lambda _: ended.set())
    monkeypatch.setattr(web_lifespan, "start", mock.AsyncMock(side_effect=RuntimeError("no memory")))
    async with started() as client:
        await with_rows(call_command, "schema", "--accept", "yes")
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
        assert (await client.get("/ready")).status_code == 503
    assert "this process ends" in caplog.text


def test_the_command_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("schema")
    assert capsys.readouterr().out.strip() == SDL.strip()


def test_check_fails_for_what_breaks_and_passes_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("schema", "--check")
    assert "No schema was recorded yet" in capsys.readouterr().out
    ServedSchema.objects.record(SDL)
    call_command("schema", "--check")
    assert capsys.readouterr().out == "No change breaks clients.\n"
    ServedSchema.objects.record(FORMER)
    with pytest.raises(CommandError, match="1 of the changes breaks clients"):
        call_command("schema", "--check")
    assert f"BREAKS  {SENTENCE}\n" in capsys.readouterr().out


def test_accepting_needs_a_reason_and_something_to_accept(capsys: pytest.CaptureFixture[str]) -> None:
    ServedSchema.objects.record(SDL)
    call_command("schema", "--accept", "Why not?")
    assert "nothing to accept" in capsys.readouterr().out
    ServedSchema.objects.record(FORMER)
    for reason in ("", "  "):
        with pytest.raises(CommandError, match="A reason is needed"):
            call_command("schema", "--accept", reason)
    assert not AcceptedSchema.objects.exists()


def test_a_file_can_be_compared_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "schema.graphql"
    file.write_text(FORMER)
    with pytest.raises(CommandError, match="breaks clients"):
        call_command("schema", "--check", "--against", str(file))
    assert SENTENCE in capsys.readouterr().out
    file.write_text("type Query {")
    for arguments, message in (
        (["--check", "--against", str(file)], "is no schema: Syntax Error"),
        (["--check", "--against", str(tmp_path / "none")], "cannot be read"),
        (["--against", str(file)], "give both"),
    ):
        with pytest.raises(CommandError, match=message):
            call_command("schema", *arguments)
