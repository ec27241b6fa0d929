"""Load of requests with a thousand rows each: rows that are predicted and stored per second."""

import http.client
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median, quantiles

from benchmarks import _requests
from benchmarks._load import LoadResult
from store.predictions.predictions import Prediction
from store.products.product import DataProduct

ROWS, AT_ONCE = 1_000, 4


def measure_rows(port: int, product: DataProduct, requests: int, first: int) -> LoadResult:
    """Measure rows per second, and milliseconds per request. Raises SystemExit where not every row was stored."""
    bodies = [
        _requests.render_batch_request(product, ROWS, first + number * ROWS) for number in range(requests)
    ]
    before, started = Prediction.objects.count(), time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        times_by_client = pool.map(_post, [port] * AT_ONCE, _distribute(bodies))
        times = [seconds for times in times_by_client for seconds in times]
    seconds = time.perf_counter() - started
    if Prediction.objects.count() - before != requests * ROWS:
        raise SystemExit("Not every row of predictMany was stored.")
    p99 = quantiles(times, n=100)[98] if len(times) > 1 else times[0]
    return LoadResult(rate=requests * ROWS / seconds, p50=median(times) * 1e3, p99=p99 * 1e3)


def _distribute(bodies: Sequence[bytes]) -> list[Sequence[bytes]]:
    return [bodies[start::AT_ONCE] for start in range(AT_ONCE)]


def _post(port: int, bodies: Sequence[bytes]) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    times = []
    for body in bodies:
        started = time.perf_counter()
        connection.request("POST", "/graphql/", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200 or b'"errors"' in content:
            raise SystemExit(content[:2_000].decode())
        times.append(time.perf_counter() - started)
    connection.close()
    return times
