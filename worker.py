#!/usr/bin/env python
"""Run a worker: it takes jobs from the queue and runs them, on this host or on another."""

import os

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    # Models exist only after the set-up.
    from store.runtime.worker import work

    work()
