"""What one web process takes when it serves the four examples: seconds until it is ready, and memory."""

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
    seconds: float
    #: MB, resident.
    memory: float


def measure(folder: Path) -> Footprint:
    call_command("load_examples", verbosity=0)
    for name, family in FAMILIES.items():
        _champions.enthrone(catalogue.get(name), family)
    port, products = _servers.free_port(), os.environ["EXEMPLAR_PRODUCTS"].split(",")
    examples = ",".join(name for name in products if name.startswith("examples."))
    command, url = _servers.web(port), f"http://127.0.0.1:{port}/ready"
    started = time.perf_counter()
    with _servers.served("web", command, url, folder / "web.log", {"EXEMPLAR_PRODUCTS": examples}) as child:
        seconds = time.perf_counter() - started
        return Footprint(seconds, _servers.resident(child.pid or 0))
