"""Start-up seconds and memory of one web process that serves the four examples."""

import os
import time
from pathlib import Path
from typing import NamedTuple

from django.core.management import call_command

from benchmarks import _champions, _servers
from store.products import catalogue

#: A family of each example.
FAMILIES = {"diabetes": "boosting", "manual": "linear", "tumor": "linear", "wine": "kmeans"}


class Footprint(NamedTuple):
    """Seconds until a process is ready, and its memory."""

    seconds: float
    #: MB, resident.
    memory: float


def measure_footprint(folder: Path) -> Footprint:
    """Start a web process with a champion of each example, and measure it. Logs are written to `folder`."""
    call_command("load_examples", verbosity=0)
    for name, family in FAMILIES.items():
        _champions.serve_family(catalogue.get(name), family)
    port, products = _servers.find_free_port(), os.environ["EXEMPLAR_PRODUCTS"].split(",")
    examples = ",".join(name for name in products if name.startswith("examples."))
    command, url = _servers.web_command(port), f"http://127.0.0.1:{port}/ready"
    started = time.perf_counter()
    with _servers.serve("web", command, url, folder / "web.log", {"EXEMPLAR_PRODUCTS": examples}) as child:
        seconds = time.perf_counter() - started
        return Footprint(seconds, _servers.get_resident_memory(child.pid or 0))
