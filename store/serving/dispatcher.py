"""Answering: questions that arrive on the event loop, predicted and stored in batches."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from django.db import DatabaseError, InterfaceError

from learning.exceptions import ExemplarError

from ..db import threads
from ..entities import entities
from ..predictions import upsert
from ..predictions.upsert import PredictionRow, Question, Stamps
from ..products.product import DataProduct
from . import champions
from .champions import Champion
from .connection_pool import ConnectionLost, ConnectionPool
from .micro_batching import MicroBatcher

#: Connections that store predictions: one product's need not wait for another's.
LANES = 2
#: Microseconds that a batch may take on the event loop; beyond, a thread is worth its price.
ON_LOOP = 2_000
#: Microseconds that a row takes beside its prediction.
PER_ROW = 10


class Answered(NamedTuple):
    """A prediction that is stored."""

    champion: Champion
    instance: Sequence[Any]
    row: PredictionRow
    stamps: Stamps


class PredictionDispatcher:
    """Where what is asked on one event loop is answered."""

    def __init__(self) -> None:
        self.lanes = ConnectionPool(LANES, upsert.PREPARE)
        self.predictions: MicroBatcher[Champion, Question, Answered] = MicroBatcher(
            self.answer, fatal=ConnectionLost
        )
        self.entities: MicroBatcher[DataProduct, str, Question | ExemplarError] = MicroBatcher(
            find, UNREACHABLE
        )
        self.existing: MicroBatcher[DataProduct, str, bool] = MicroBatcher(exist, UNREACHABLE)
        # Not the rows' pool: its threads may all be waiting for PostgreSQL.
        self.thinkers = ThreadPoolExecutor(LANES, thread_name_prefix="models")

    async def start(self) -> None:
        await self.lanes.start()

    async def stop(self) -> None:
        """Let what has begun end; what is asked from now on is refused."""
        await asyncio.gather(*self.predictions.tasks, return_exceptions=True)
        self.lanes.stop()
        self.thinkers.shutdown(wait=False)

    async def answer(self, champion: Champion, questions: Sequence[Question]) -> list[Answered]:
        """The answers, once they are committed: one model, one statement."""
        size = len(questions)
        if champion.pace.microseconds(size) + size * PER_ROW <= ON_LOOP:
            made, parameters = computed(champion, questions)
        else:
            loop = asyncio.get_running_loop()
            made, parameters = await loop.run_in_executor(self.thinkers, computed, champion, questions)
        kept = upsert.kept(champion.version, made, await self.lanes.run(upsert.EXECUTE, parameters))
        return [
            Answered(champion, question.instance, row, stamps)
            for question, (row, stamps) in zip(questions, kept, strict=True)
        ]


def computed(champion: Champion, questions: Sequence[Question]) -> tuple[list[PredictionRow], dict[str, Any]]:
    """The rows, and what the statement takes that stores them."""
    answers = champion.model.predict([question.instance for question in questions])
    made = upsert.rows_of(champion.product, champion.version, questions, answers)
    return made, upsert.parameters(champion.product, champion.version, made)


#: PostgreSQL is not there for one, so not for another.
UNREACHABLE = (DatabaseError, InterfaceError)


async def find(product: DataProduct, keys: Sequence[str]) -> list[Question | ExemplarError]:
    """What is asked about the entities with these keys, as their tables stand, in one query."""
    found: list[Question | ExemplarError] = await threads.run(champions.questions_about, product, keys)
    return found


async def exist(product: DataProduct, keys: Sequence[str]) -> list[bool]:
    """Whether each of the keys has a base row, in one query."""
    found = await threads.run(entities.existing, product, keys)
    return [key in found for key in keys]


#: The running event loop's, while the operation phase runs.
desk: PredictionDispatcher | None = None


async def start() -> None:
    global desk
    desk = PredictionDispatcher()
    await desk.start()


async def stop() -> None:
    global desk
    if desk:
        await desk.stop()
    desk = None
