"""Batches: who asks together is answered together, who asks alone waits for nobody, and nobody pays for another."""

import asyncio
from collections.abc import Sequence
from typing import Any, TypeAlias

import pytest

from store.exceptions import Cancelled, Overloaded
from store.serving import micro_batching
from store.serving.micro_batching import AT_ONCE, MOST, MOST_WAITING, MicroBatcher

Numbers: TypeAlias = "MicroBatcher[str, int, int]"


class Work:
    """Doubles numbers, when it is let."""

    def __init__(self) -> None:
        self.done: list[tuple[str, list[int]]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, key: str, items: Sequence[int]) -> list[int]:
        self.done.append((key, list(items)))
        await self.open.wait()
        if -13 in items:
            raise ValueError("unlucky")
        if -666 in items:
            raise ConnectionError("nobody there")
        return [2 * item for item in items]

    @property
    def sizes(self) -> list[int]:
        return [len(items) for _, items in self.done]


@pytest.fixture
async def work() -> Work:
    return Work()


@pytest.fixture
async def asked(work: Work) -> Numbers:
    return MicroBatcher(work, ConnectionError)


async def ticks(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_a_lone_request_is_dispatched_at_once(work: Work, asked: Numbers) -> None:
    assert await asked.submit("a", [21]) == [42]
    assert work.done == [("a", [21])]


async def test_requests_of_one_turn_form_one_batch(work: Work, asked: Numbers) -> None:
    answers = await asyncio.gather(*(asked.submit("a", [n]) for n in range(9)))
    assert answers == [[2 * n] for n in range(9)]
    assert work.sizes == [9]


async def test_requests_during_a_batch_form_the_next_one(work: Work, asked: Numbers) -> None:
    work.open.clear()
    tasks = []

    async def come(number: int) -> None:
        tasks.extend(asyncio.create_task(asked.submit("a", [n])) for n in range(number))
        await ticks()

    await come(3)
    await come(1)
    await come(1)
    assert work.sizes == [3]
    await come(1)  # now as many wait as are being answered
    assert work.sizes == [3, 3]
    await come(7)
    assert work.sizes == [3, 3]
    work.open.set()
    await asyncio.gather(*tasks)
    assert work.sizes == [3, 3, 7]


async def test_a_full_batch_does_not_wait_for_the_one_before(work: Work, asked: Numbers) -> None:
    work.open.clear()
    tasks = [asyncio.create_task(asked.submit("a", [n])) for n in range(3 * MOST)]
    await ticks()
    assert work.sizes == [MOST] * AT_ONCE
    work.open.set()
    await asyncio.gather(*tasks)
    assert work.sizes == [MOST] * 3


async def test_one_key_does_not_wait_for_another(work: Work, asked: Numbers) -> None:
    work.open.clear()
    tasks = [asyncio.create_task(asked.submit("a", [n])) for n in range(1_000)]
    await ticks()
    other = asyncio.create_task(asked.submit("b", [1]))
    await ticks()
    assert work.done[-1] == ("b", [1])
    work.open.set()
    await asyncio.gather(other, *tasks)


async def test_a_large_question_is_parted_and_answered_in_order(work: Work, asked: Numbers) -> None:
    items = list(range(1_000, 1_000 + 3 * MOST + 1))
    assert await asked.submit("a", items) == [2 * item for item in items]
    assert max(work.sizes) == MOST


async def test_a_request_beyond_the_queue_is_refused_with_retry_after(work: Work, asked: Numbers) -> None:
    work.open.clear()
    tasks = [asyncio.create_task(asked.submit("a", [0] * MOST)) for _ in range(MOST_WAITING // MOST)]
    await ticks()
    tasks += [asyncio.create_task(asked.submit("a", [0] * MOST)) for _ in range(AT_ONCE)]
    await ticks()
    with pytest.raises(Overloaded) as refusal:
        await asked.submit("a", [1] * MOST)
    assert refusal.value.retry_after
    work.open.set()
    await asyncio.gather(*tasks)
    assert await asked.submit("a", [1]) == [2]


async def test_requests_of_disconnected_clients_are_dropped(
    monkeypatch: pytest.MonkeyPatch, work: Work, asked: Numbers
) -> None:
    monkeypatch.setattr(micro_batching, "LONG_WAIT", -1.0)  # also who has come just now may have hung up
    work.open.clear()
    first = asyncio.create_task(asked.submit("a", [1]))
    await ticks()
    gone = asyncio.create_task(asked.submit("a", [7], lambda: True))
    stays = asyncio.create_task(asked.submit("a", [8], lambda: False))
    await ticks()
    work.open.set()
    assert await stays == [16]
    with pytest.raises(Cancelled):
        await gone
    await first
    assert not any(7 in items for _, items in work.done)


async def test_cancelled_requests_are_left_out(work: Work, asked: Numbers) -> None:
    tasks = [asyncio.create_task(asked.submit("a", [n])) for n in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    assert await tasks[0] == [0] and await tasks[2] == [4]
    assert work.done == [("a", [0, 2])]


async def test_one_failing_request_does_not_fail_its_batch(work: Work, asked: Numbers) -> None:
    answers: list[Any] = await asyncio.gather(
        *(asked.submit("a", [n]) for n in (12, -13, 14)), return_exceptions=True
    )
    assert answers[0] == [24] and answers[2] == [28]
    assert isinstance(answers[1], ValueError)


async def test_all_waiting_requests_fail_with_a_fatal_error(work: Work, asked: Numbers) -> None:
    work.open.clear()
    tasks = [asyncio.create_task(asked.submit("a", [-666]))]
    for n in range(20):
        await ticks()
        tasks.append(asyncio.create_task(asked.submit("a" if n < 10 else "b", [n])))
    await ticks()
    work.open.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[0], ConnectionError)
    assert sum(isinstance(answer, ConnectionError) for answer in answers) > 10
    assert await asked.submit("a", [1]) == [2]


async def test_idle_keys_leave_no_state(work: Work, asked: Numbers) -> None:
    await asyncio.gather(*(asked.submit(f"key {n}", [n]) for n in range(50)))
    await ticks()
    assert not (asked.waiting or asked.sizes or asked.running or asked.tasks)
