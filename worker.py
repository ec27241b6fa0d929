#!/usr/bin/env python
"""Run a worker: it takes jobs from the queue and runs them, on this host or on another."""

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
    from project.commands import check_server
    from store.runtime.worker import work

    gc.freeze()
    gc.enable()
    try:
        check_server()
    except ImproperlyConfigured as error:
        sys.exit(f"exemplar: {error}")
    work()
