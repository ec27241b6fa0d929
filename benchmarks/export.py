"""Export of stored predictions over HTTP: rows a second and memory of the web process, beside a bare COPY TO.

    ./dev bench export [--rows 1000000] [--repeats 3]

Each repeat exports all rows in each format, and has psql copy the table's columns as they are in between. Told are the
medians, the ratio to the COPY of the same repeat, and how far the process's memory rose above what it had before.
"""

import argparse
import http.client
import statistics
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from django.db import connection
from rich.console import Console
from rich.table import Table

from benchmarks import _pages, _servers
from benchmarks._measurements import measure_seconds, run_psql
from store.predictions.predictions import Prediction

ROWS = 1_000_000
#: Rows of CSV a second, at least.
TARGET = 100_000
#: Bytes that the client reads at once.
PART = 1 << 20
COPY = "COPY store_prediction TO STDOUT (FORMAT csv, HEADER)"
#: Stores the same predictions once more, under other keys and later.
MULTIPLY = """
INSERT INTO store_prediction (id, product, model_id, subject, entity, reference, features, answer, value, confidence,
    output, created_at, updated_at, times_asked)
SELECT gen_random_uuid(), product, model_id, subject, entity, reference, features, answer, value, confidence, output,
    moment, moment, times_asked
FROM generate_series(1, %s) AS turn, store_prediction p,
    LATERAL (SELECT created_at + turn * interval '1 min') AS t (moment)
ORDER BY turn
"""


def fill_table(rows: int) -> int:
    """Store as many predictions, or a few less; return how many."""
    _pages.fill_tables()
    stored = Prediction.objects.count()
    with connection.cursor() as cursor:
        cursor.execute(MULTIPLY, [max(rows // stored - 1, 0)])
        cursor.execute("VACUUM ANALYZE store_prediction")
    return Prediction.objects.count()


class Download:
    """One file, read to its end."""

    def __init__(self, port: int, pid: int, format: str):
        before = self.memory = _servers.get_resident_memory(pid)
        started = time.perf_counter()
        client = http.client.HTTPConnection("127.0.0.1", port)
        client.request("GET", f"/export/mixed/predictions.{format}")
        answer = client.getresponse()
        if answer.status != 200:
            raise SystemExit(answer.read().decode())
        self.bytes = 0
        while part := answer.read(PART):
            self.bytes += len(part)
            if self.bytes // PART % 16 == 0:
                self.memory = max(self.memory, _servers.get_resident_memory(pid))
        self.seconds = time.perf_counter() - started
        self.rise = self.memory - before


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="./dev bench export", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    formats = ["csv", "jsonl", *(["parquet"] if find_spec("pyarrow") else [])]
    rows = fill_table(options.rows)
    downloads: dict[str, list[Download]] = {format: [] for format in formats}
    copies: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        port = _servers.find_free_port()
        command, url = _servers.web_command(port), f"http://127.0.0.1:{port}/ready"
        with _servers.serve("web", command, url, Path(folder) / "web.log") as child:
            for _ in range(options.repeats):
                copies.append(measure_seconds(lambda: run_psql(COPY)))
                for format in formats:
                    downloads[format].append(Download(port, child.pid or 0, format))
    print_table(rows, downloads, copies)


def print_table(rows: int, downloads: dict[str, list[Download]], copies: list[float]) -> None:
    """Print a line for each format."""
    table = Table("format", "rows/s", "MB", "MB more", "time / COPY", title=f"Export of {rows:,} predictions")
    table.add_row("bare COPY", f"{rows / statistics.median(copies):,.0f}", "", "", "1")
    for format, files in downloads.items():
        rate = rows / statistics.median(file.seconds for file in files)
        ratio = statistics.median(file.seconds / copy for file, copy in zip(files, copies, strict=True))
        missed = " (!)" if format == "csv" and rate < TARGET else ""
        more = max(file.rise for file in files)
        table.add_row(
            format, f"{rate:,.0f}{missed}", f"{files[0].bytes / 1e6:,.0f}", f"{more:.1f}", f"{ratio:.2f}"
        )
    Console(width=90).print(table)


if __name__ == "__main__":
    main()
