"""The queue: RQ jobs that carry nothing but the id of a job's row."""

import logging
import uuid
from typing import TYPE_CHECKING

from learning.lazy_imports import LazyModule

from ..telemetry import tracing
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
#: The function that runs each kind of job.
JOB_FUNCTIONS = {
    "build": "store.builds.runner.run_job",
    "comparison": "store.comparisons.runner.run_job",
    "import": "store.ingest.imports.run_job",
    "labels": "store.serving.label_ordering.run_job",
    "scoring": "store.serving.batch_scoring.run_job",
}
#: New names of functions that moved, by the names under which an older release queued them.
RENAMED_FUNCTIONS = {
    "store.execution.run_job": "store.builds.runner.run_job",
    "store.rescoring.run_job": "store.serving.batch_scoring.run_job",
}


def get_queue(server: "redis.Redis | None" = None) -> "rq.Queue":
    """Get the one queue of all jobs."""
    return rq.Queue(
        QUEUE_NAME, connection=server or events.connect(), serializer=rq.serializers.JSONSerializer
    )


def current_job_id() -> str:
    """Return RQ's id of the job that this process runs; empty outside of a job."""
    job = rq.get_current_job()
    return job.id if job else ""


def enqueue(kind: str, pk: int) -> bool:
    """Queue the job's row.

    Returns: False where Redis cannot be reached; maintenance queues the job later.
    """
    try:
        get_queue().enqueue(
            JOB_FUNCTIONS[kind],
            pk,
            job_id=f"{kind}-{pk}-{uuid.uuid4().hex[:8]}",
            job_timeout=-1,
            result_ttl=0,
            meta=tracing.describe_origin(),
        )
    except redis.RedisError as error:
        log.warning("Redis cannot be reached; %s %s stays READY: %s", kind, pk, error)
        return False
    return True


def find_queued(kind: str) -> set[int] | None:
    """Find the ids of the queued jobs of this kind; None where Redis cannot be reached."""
    try:
        names = [name.split("-") for name in get_queue().get_job_ids()]
        return {int(pk) for queued_kind, pk, _ in names if queued_kind == kind}
    except redis.RedisError:
        return None


def stop_job(job: str) -> None:
    """Kill the work-horse that runs the RQ job. Without Redis it stops at its next lease renewal."""
    try:
        rq.command.send_stop_job_command(events.connect(), job, serializer=rq.serializers.JSONSerializer)
    except (rq.exceptions.InvalidJobOperation, rq.exceptions.NoSuchJobError, redis.RedisError) as error:
        log.info("Job %s could not be stopped over Redis: %s", job, error)
