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

NAME = "exemplar"


def queue(server: "redis.Redis | None" = None) -> Queue:
    return Queue(NAME, connection=server or events.connection(), serializer=JSONSerializer)


def enqueue(build: int) -> bool:
    """Queue a job for the build; False where Redis cannot be reached, and it is found and queued later."""
    try:
        queue().enqueue(
            "store.execution.run_job",
            build,
            job_id=f"build-{build}-{uuid.uuid4().hex[:8]}",
            job_timeout=-1,
            result_ttl=0,
        )
    except redis.RedisError as error:
        log.warning("Redis cannot be reached, build %s waits: %s", build, error)
        return False
    return True


def waiting() -> set[int] | None:
    """The builds that have a job in the queue; None where Redis cannot be reached."""
    try:
        return {int(job.split("-")[1]) for job in queue().get_job_ids()}
    except redis.RedisError:
        return None


def stop(job: str) -> None:
    """Kill the work-horse that runs `job`. One that cannot be reached stops when it next renews its lease."""
    try:
        send_stop_job_command(events.connection(), job, serializer=JSONSerializer)
    except (InvalidJobOperation, NoSuchJobError, redis.RedisError) as error:
        log.info("Job %s was not stopped over Redis: %s", job, error)
