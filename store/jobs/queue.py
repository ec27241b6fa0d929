"""The queue: RQ carries jobs that hold nothing but ids."""

import logging
import uuid

import redis
from rq import Queue
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.serializers import JSONSerializer

from . import events

log = logging.getLogger(__name__)

QUEUE_NAME = "exemplar"
#: What runs a job of each kind.
JOB_FUNCTIONS = {"build": "store.builds.runner.run_job", "scoring": "store.serving.batch_scoring.run_job"}
#: Functions that have moved: their names in jobs that an older release queued.
RENAMED_FUNCTIONS = {
    "store.execution.run_job": "store.builds.runner.run_job",
    "store.rescoring.run_job": "store.serving.batch_scoring.run_job",
}


def get_queue(server: "redis.Redis | None" = None) -> Queue:
    return Queue(QUEUE_NAME, connection=server or events.connect(), serializer=JSONSerializer)


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
        send_stop_job_command(events.connect(), job, serializer=JSONSerializer)
    except (InvalidJobOperation, NoSuchJobError, redis.RedisError) as error:
        log.info("Job %s was not stopped over Redis: %s", job, error)
