"""The pages of the console on a million predictions and fifty products: milliseconds at the server, and kilobytes.

    ./dev bench console [--rows 1000000] [--repeats 9]

A page is measured as a browser loads it: itself, and each part that it loads afterwards.
"""

import argparse
import os
import re
import statistics
import tempfile
import time
from html import unescape
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks import _servers, truth
from schema.core import ids
from store.predictions.predictions import Prediction

#: Milliseconds and kilobytes of a page, at most.
MOST_MS, MOST_KB = 100, 100
SECTIONS = ("try", "predictions", "correct", "builds", "models", "quality", "data", "settings")
QUEUES = ("disputed", "unsure", "newest")
#: An element that loads itself from an address.
PART = re.compile(r"<[^>]*hx-get=\"([^\"]+)\"[^>]*>")
LOADS = re.compile(r"hx-trigger=\"[^\"]*(load|revealed)")


def list_pages() -> dict[str, str]:
    """List the pages by their names, with their addresses."""
    newest = Prediction.objects.filter(product="mixed").latest("created_at")
    pages = {"home": "/", "new": "/new/", "account": "/account/"}
    pages |= {section: f"/products/mixed/{section}/" for section in SECTIONS}
    pages |= {
        "predictions, by confidence": "/products/mixed/predictions/?sort=unsure",
        "wrong predictions": "/products/mixed/predictions/?wrong=yes",
        "a prediction": f"/products/mixed/predictions/{ids.encode('MixedPrediction', newest.pk)}/",
        "a version": "/products/mixed/models/1/",
        "two versions": "/products/mixed/models/compare/?a=1&b=2",
        **{f"correct, {queue}": f"/products/mixed/correct/?queue={queue}" for queue in QUEUES},
        "rows, by a feature": "/products/mixed/data/?feature=age&is=from&value=60&order=-key",
        "a row": "/products/mixed/data/row/?key=1",
        "snapshots": "/products/mixed/data/snapshots/",
    }
    return pages


def find_parts(html: str, address: str) -> list[str]:
    """Find the addresses of the parts that a page loads by itself."""
    elements = (element for element in PART.finditer(html) if LOADS.search(element[0]))
    return [str(httpx.URL(address).join(unescape(element[1]))) for element in elements]


def measure(client: httpx.Client, address: str, repeats: int) -> tuple[float, float]:
    """Measure the median milliseconds and the kilobytes of an address. Raises SystemExit for what is no page."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        response = client.get(address)
        times.append(1_000 * (time.perf_counter() - start))
        if response.status_code != 200:
            raise SystemExit(f"{address} answers {response.status_code}: {response.text[:2_000]}")
    return statistics.median(times[1:]), len(response.content) / 1_000


def print_pages(client: httpx.Client, repeats: int) -> None:
    """Print a line for each page, with the slowest of its parts."""
    table = Table("page", title=f"Medians; at most {MOST_MS} ms and {MOST_KB} kB")
    for heading in ("ms", "kB", "parts", "slowest, ms", "which"):
        table.add_column(heading, justify="right")
    for name, address in list_pages().items():
        milliseconds, kilobytes = measure(client, address, repeats)
        parts = find_parts(client.get(address).text, address)
        slowest = max(((*measure(client, part, 3)[:1], part) for part in parts), default=(0.0, ""))
        over = "[red]" if milliseconds > MOST_MS or kilobytes > MOST_KB else ""
        shown = f"{slowest[0]:.1f}", slowest[1][-40:]
        table.add_row(name, f"{over}{milliseconds:.1f}", f"{over}{kilobytes:.0f}", str(len(parts)), *shown)
    Console(width=130).print(table)


def main() -> None:
    """Fill the tables, start a web process, and print its pages."""
    parser = argparse.ArgumentParser(prog="./dev bench console", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    truth.fill_tables(options.rows)
    port = _servers.find_free_port()
    url = f"http://127.0.0.1:{port}"
    products = f"{os.environ['EXEMPLAR_PRODUCTS']},benchmarks.many"
    with (
        tempfile.TemporaryDirectory() as folder,
        _servers.serve(
            "web",
            _servers.web_command(port),
            f"{url}/ready",
            Path(folder) / "web.log",
            {"EXEMPLAR_PRODUCTS": products},
        ),
        httpx.Client(base_url=url, timeout=60, trust_env=False) as client,
    ):
        print_pages(client, options.repeats)
