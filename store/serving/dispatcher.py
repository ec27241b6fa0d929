"""Dispatcher: predicts the requests of one event loop in batches, and stores each batch in one statement."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from django.db import DatabaseError, InterfaceError

from learning.exceptions import ExemplarError

from ..db import threads
from ..predictions import upsert
from ..predictions.predictions import Prediction
from ..predictions.upsert import ValidRequest
from ..products.product import DataProduct
from ..telemetry import tracing
from . import predict
from .champions import Champion
from .connection_pool import ConnectionLost, ConnectionPool
from .micro_batching import MicroBatcher
from .predict import PredictionRequest

#: Connections that store predictions, so that one product need not wait for another.
CONNECTIONS = 2
#: Microseconds that a batch may take on the event loop; a longer one runs on a thread.
LONGEST_ON_LOOP = 2_000
#: Microseconds that a row takes beside its prediction.
PER_ROW = 10
#: Requests that are validated on the event loop within a few milliseconds; more go to a thread.
MOST_ON_LOOP = 100

#: PostgreSQL is unreachable for every request, so none is tried alone.
DATABASE_ERRORS = (DatabaseError, InterfaceError)


class PredictionDispatcher:
    """Dispatches the prediction requests of one event loop: validate, batch, predict, store."""

    def __init__(self) -> None:
        self.connections = ConnectionPool(CONNECTIONS, upsert.PREPARE)
        self.predictions: MicroBatcher[Champion, ValidRequest, Prediction] = MicroBatcher(
            self._predict_batch, fatal=ConnectionLost, observe_wait=_observe_wait
        )
        self.validations: MicroBatcher[DataProduct, PredictionRequest, ValidRequest | ExemplarError] = (
            MicroBatcher(_validate_on_thread, DATABASE_ERRORS)
        )
        # Not the pool of `threads`: all of its threads may be waiting for PostgreSQL.
        self.model_threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="models")

    async def start(self) -> None:
        await self.connections.start()

    async def stop(self) -> None:
        """Wait for the batches that run, then close the connections; later requests are refused."""
        await asyncio.gather(*self.predictions.tasks, return_exceptions=True)
        self.connections.stop()
        self.model_threads.shutdown(wait=False)

    async def validate(
        self, product: DataProduct, requests: Sequence[PredictionRequest]
    ) -> Sequence[ValidRequest | ExemplarError]:
        """Validate as `predict.validate` does; requests that need a query share it with others of their product.

        Raises Overloaded, DatabaseError and InterfaceError.
        """
        if predict.needs_query(product, requests):
            return await self.validations.submit(product, requests)
        if len(requests) > MOST_ON_LOOP:
            return await _validate_on_thread(product, requests)
        return predict.validate_alone(product, requests)

    async def predict(
        self,
        champion: Champion,
        validated: Sequence[ValidRequest | ExemplarError],
        gone: Callable[[], bool],
    ) -> list[Prediction | ExemplarError]:
        """Predict and store the valid ones of the requests; an error stays in its place.

        `gone` returns True once the client has hung up. Raises Overloaded, Cancelled, ConnectionLost, and the model's
        errors.
        """
        requests = predict.accepted(validated)
        predictions = await self.predictions.submit(champion, requests, gone) if requests else ()
        if len(requests) == len(validated):
            return list(predictions)
        return predict.merge(validated, predictions)

    async def _predict_batch(self, champion: Champion, requests: Sequence[ValidRequest]) -> list[Prediction]:
        """Predict with one model and store in one statement; returns once that is committed."""
        size, stages, started = len(requests), champion.stages, time.perf_counter()
        if predict.estimate_microseconds(champion, size) + size * PER_ROW <= LONGEST_ON_LOOP:
            batch = predict.compute(champion, requests)
        else:
            loop = asyncio.get_running_loop()
            batch = await loop.run_in_executor(self.model_threads, predict.compute, champion, requests)
        statement, unprepared = (
            (upsert.EXECUTE_ASKED, upsert.UPSERT_ASKED)
            if batch.has_askers
            else (upsert.EXECUTE, upsert.UPSERT)
        )
        parameters, predicted = batch.parameters, time.perf_counter()
        returned = await self.connections.run(statement, parameters, unprepared)
        stored = time.perf_counter()
        stages.observe(size, predicted - started, stored - predicted)
        tracing.add_batch(champion.product.name, size, started, predicted, stored)
        return batch.stored(returned)


def _observe_wait(champion: Champion, seconds: float) -> None:
    champion.stages.wait.observe(seconds)


async def _validate_on_thread(
    product: DataProduct, requests: Sequence[PredictionRequest]
) -> list[ValidRequest | ExemplarError]:
    validated: list[ValidRequest | ExemplarError] = await threads.run(predict.validate, product, requests)
    return validated


#: The web process's, from its start-up to its shutdown.
current: PredictionDispatcher | None = None


async def start() -> None:
    """Start the dispatcher of this event loop."""
    global current
    current = PredictionDispatcher()
    await current.start()


async def stop() -> None:
    """Stop the dispatcher; requests that come later go to the standard path."""
    global current
    if current:
        await current.stop()
    current = None


def is_connected() -> bool:
    """Return False while the web process has no connection to store predictions on."""
    return current is None or current.connections.is_connected
