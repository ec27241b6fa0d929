"""The queue: RQ carries jobs that hold nothing but ids."""

import logging
import uuid
from typing import TYPE_CHECKING

from learning.lazy_imports import LazyModule

from . import events

if TYPE_CHECKING:
    import redis
    import rq
    import rq.command
    import rq.exceptions
    import rq.serializers
else:
    redis, rq = LazyModule("redis"), LazyModule("rq")

log = logging.getLogger(__name__)

QUEUE_NAME = "exemplar"
#: What runs a job of each kind.
JOB_FUNCTIONS = {"build": "store.builds.runner.run_job", "scoring": "store.serving.batch_scoring.run_job"}
#: Functions that have moved: their names in jobs that an older release queued.
RENAMED_FUNCTIONS = {
    "store.execution.run_job": "store.builds.runner.run_job",
    "store.rescoring.run_job": "store.serving.batch_scoring.run_job",
}


def get_queue(server: "redis.Redis | None" = None) -> "rq.Queue":
    return rq.Queue(
        QUEUE_NAME, connection=server or events.connect(), serializer=rq.serializers.JSONSerializer
    )


def current_job_id() -> str:
    """Return RQ's id of the job that this process runs; empty outside of a job."""
    job = rq.get_current_job()
    return job.id if job else ""


def enqueue(kind: str, pk: int) -> bool:
    """Queue what runs the job; False where Redis cannot be reached, and it is found and queued later."""
    try:
        get_queue().enqueue(
            JOB_FUNCTIONS[kind],
            pk,
            job_id=f"{kind}-{pk}-{uuid.uuid4().hex[:8]}",
            job_timeout=-1,
            result_ttl=0,
        )
    except redis.RedisError as error:
        log.warning("Redis cannot be reached, %s %s waits: %s", kind, pk, error)
        return False
    return True


def find_queued(kind: str) -> set[int] | None:
    """The jobs of this kind that are in the queue; None where Redis cannot be reached."""
    try:
        named = [job.split("-") for job in get_queue().get_job_ids()]
        return {int(pk) for its_kind, pk, _ in named if its_kind == kind}
    except redis.RedisError:
        return None


def stop_job(job: str) -> None:
    """Kill the work-horse that runs `job`. One that cannot be reached stops when it next renews its lease."""
    try:
        rq.command.send_stop_job_command(events.connect(), job, serializer=rq.serializers.JSONSerializer)
    except (rq.exceptions.InvalidJobOperation, rq.exceptions.NoSuchJobError, redis.RedisError) as error:
        log.info("Job %s was not stopped over Redis: %s", job, error)
