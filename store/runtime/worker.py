"""The worker: runs jobs from the queue and abandons those whose work-horse died."""

import functools
import gc
import logging
import os
import threading
import time
import uuid
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from rq import Queue, Worker, worker_registration
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

from learning.lazy_imports import LazyModule

from ..access import performers
from ..builds import retention
from ..db import sqlstates
from ..db.repeating import repeat
from ..jobs import jobs, leases, queue, temporary_folders
from ..jobs.queue import JOB_FUNCTIONS, RENAMED_FUNCTIONS
from ..notices import sender, sending
from ..products import catalogue
from ..telemetry import tracing
from . import maintenance, shadow_processes, starts

if TYPE_CHECKING:
    from learning.fits import process_pool
else:
    process_pool = LazyModule("learning.fits.process_pool")

log = logging.getLogger(__name__)

#: Seconds between two attempts to reach a Redis that is away.
PAUSE = 2.0

#: What jobs run, and what the threads of maintenance and of the sender import when they first need it: a process must
#: not be forked while another thread imports.
PRELOAD = [
    *(function.rpartition(".")[0] for function in JOB_FUNCTIONS.values()),
    "croniter",
    *sending.MODULES,
]


class JobWorker(Worker):
    """An RQ worker that keeps the jobs' rows true when a work-horse is killed."""

    #: RQ waits up to a minute between two attempts to take a job while Redis is away.
    max_connection_wait_time = PAUSE
    #: Whether a signal has stopped the worker.
    stopping = False

    def __init__(self, **options: Any):
        server = redis.Redis.from_url(settings.REDIS_URL)
        super().__init__(
            [queue.get_queue(server)],
            connection=server,
            serializer=JSONSerializer,
            worker_ttl=30,
            job_monitoring_interval=5,
            maintenance_interval=60,
            **options,
        )

    def request_stop(self, signum: int, frame: Any) -> None:
        """Stop by a signal, once the job that runs has ended."""
        self.stopping = True
        super().request_stop(signum, frame)

    def run(self) -> bool:
        """Run jobs. Returns: False where an error ended that instead of a signal, as while Redis is away."""
        with suppress(redis.RedisError):  # which RQ raises when it cannot register the worker's end, either
            self.work(logging_level="WARNING")
        if not self.stopping:
            if self.pubsub_thread:
                self.pubsub_thread.stop()
            if self.horse_pid:
                self.kill_horse()
                self.wait_for_horse()
        return self.stopping

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Show a sign of life, also to a Redis that has forgotten who its workers are."""
        super().heartbeat(timeout, pipeline)
        worker_registration.register(self, pipeline)

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Tell that a job runs. While Redis is away it runs on, since its row holds its lease."""
        try:
            super().maintain_heartbeats(job, execution)
        except redis.RedisError as error:
            log.warning("Redis cannot be used; the job that runs goes on: %s", error)

    def dequeue_job_and_maintain_ttl(self, *arguments: Any, **options: Any) -> Any:
        """Wait for the next job; import what jobs run first, so that work-horses share it and start at once."""
        _preload()
        return super().dequeue_job_and_maintain_ttl(*arguments, **options)

    def execute_job(self, job: Any, queue: Any) -> None:
        """Run a job, under its new name where an older release queued it."""
        job.func_name = RENAMED_FUNCTIONS.get(job.func_name, job.func_name)
        connection.close()  # before the fork: whichever process closes a shared connection ends it for both
        super().execute_job(job, queue)

    def main_work_horse(self, job: Any, queue: Any) -> None:
        """Run a job in the process that was forked for it, which has no other thread yet."""
        leases.die_with_parent()
        if job.func_name == JOB_FUNCTIONS["build"]:
            process_pool.fork_server()
        super().main_work_horse(job, queue)

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Run a job in its work-horse, as part of the request that asked for it."""
        with tracing.running_job(job.id.partition("-")[0], job.meta):
            return super().perform_job(job, queue, execution)

    def handle_work_horse_killed(self, job: Any, retpid: int, ret_val: int, rusage: Any) -> None:
        """Abandon the attempt by its row, since RQ calls no failure callback here."""
        try:
            for kind in maintenance.KINDS:
                if row := kind.objects.filter(pk=job.args[0], job=job.id).first():
                    kind.objects.abandon(row.pk, row.attempt)
        except (DatabaseError, InterfaceError) as error:  # maintenance abandons it once its lease has expired
            log.warning("%s", sqlstates.explain(error))
        finally:
            connection.close()
        super().handle_work_horse_killed(job, retpid, ret_val, rusage)


@functools.cache
def _preload() -> None:
    """Import what jobs run. What stays for ever is not looked at for garbage, which would copy it in every fork."""
    gc.disable()
    for module in PRELOAD:
        import_module(module)
    gc.freeze()
    gc.enable()


def work() -> None:
    """Run jobs until a signal stops the worker."""
    catalogue.log_refusals()
    performers.identify_process("worker", "WORKER")
    starts.record_start("worker")
    stopped = threading.Event()
    threading.Thread(target=_maintain_forever, args=[stopped], name="maintenance", daemon=True).start()
    threading.Thread(target=sender.send_forever, args=[stopped], name="sender", daemon=True).start()
    threading.Thread(
        target=shadow_processes.keep_running, args=[stopped], name="shadows", daemon=True
    ).start()
    job_worker = register()
    while not job_worker.run():
        job_worker = register_again()
    stopped.set()


def register() -> JobWorker:
    """Register a worker under a name of its own. Raises redis.RedisError."""
    return JobWorker(name=f"{os.uname().nodename}-{os.getpid()}-{uuid.uuid4().hex[:6]}")


def register_again() -> JobWorker:
    """Register a worker as soon as Redis can be used: it may have forgotten the one of before."""
    while True:
        time.sleep(PAUSE)
        try:
            return register()
        except redis.RedisError as error:
            log.warning("Redis cannot be used; jobs wait until it is back: %s", error)


def _maintain_forever(stopped: threading.Event) -> None:
    failed = f"Maintenance failed; it is tried again in {jobs.MAINTENANCE_INTERVAL:g} s."
    repeat(_maintain, stopped, jobs.MAINTENANCE_INTERVAL, log, failed)


def _maintain() -> None:
    temporary_folders.delete_abandoned()
    maintenance.tick()
    retention.drop_unwanted_snapshots()  # tables are made and owned by workers
