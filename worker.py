#!/usr/bin/env python
"""Run a worker: it takes jobs from the queue and runs them, on this host or on another.

With `shadow` and the number of a trial, run that shadow, as a worker does for each one.
"""

import gc
import os
import sys

import django
from django.core.exceptions import ImproperlyConfigured

if __name__ == "__main__":
    gc.disable()  # importing allocates much, and nearly all of it stays
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    # Models exist only after the set-up.
    import redis
    from django.conf import settings
    from django.db import DatabaseError, InterfaceError

    from project import logs
    from project.commands import check_server, explain
    from store.runtime import shadow_processes
    from store.runtime.worker import work

    if settings.EXEMPLAR_LOG == "json":
        logs.log_uncaught()
    gc.freeze()
    gc.enable()
    try:
        check_server()
        if sys.argv[1:2] == ["shadow"]:
            sys.exit(shadow_processes.run(int(sys.argv[2])))
        work()
    except ImproperlyConfigured as error:
        sys.exit(f"exemplar: {error}")
    except (DatabaseError, InterfaceError) as error:
        sys.exit(f"exemplar: {explain(error)}")
    except redis.RedisError as error:
        sys.exit(f"exemplar: Redis cannot be reached: {error}")
