"""The ways of predicting beside each other: typed query, typed mutation, and the mutation with features as JSON.

One server, in turns; the rates of the mutations are shown as shares of the query's.
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from itertools import count

from rich.console import Console
from rich.table import Table

from benchmarks import _requests
from benchmarks._load import Load, load, measure
from benchmarks.serving import CONNECTIONS, OURS, start_servers
from schema.core import names
from store.products.product import DataProduct

QUERY, MUTATION, GENERIC = "query", "mutation", "generic mutation"
#: The smallest shares of the query's rate.
TARGETS = {MUTATION: 0.95, GENERIC: 0.6}
#: What the generic mutation selects where the others select the label with its probabilities.
GENERIC_ANSWER = "id answer answerText confidence timesAsked model { number family }"


def list_ways(product: DataProduct, port: int) -> Mapping[str, Load]:
    """List the loads of the three ways by their names."""
    prefix, field = names.prefix(product.name), names.field(product.name)
    typed = f"mutation Ask($input: {prefix}PredictInput!) {{ {field}Predict(input: $input) {{ prediction {{ %s }} }} }}"
    generic = "mutation Ask($input: PredictInput!) { predict(input: $input) { prediction { %s } } }"
    features = _requests.encode_features(product, _requests.get_features(product))
    bodies = {
        QUERY: _requests.render_request(product),
        MUTATION: _render(typed % _requests.ANSWER, {"features": features}),
        GENERIC: _render(generic % GENERIC_ANSWER, {"product": product.name, "features": features}),
    }
    varied = names.field(_requests.VARIED[product.name])
    return {way: load(port, "/graphql/", body, varied) for way, body in bodies.items()}


def _render(query: str, input: Mapping[str, object]) -> str:
    return json.dumps({"query": query, "variables": {"input": input}})


def measure_rates(
    ways: Mapping[str, Load], connections: Sequence[int], repeats: int, seconds: float
) -> dict[tuple[str, int], list[float]]:
    """Measure the answers per second of each way, in turns."""
    firsts = count(1_000_000, 1_000_000)
    for each in ways.values():
        measure(each, 16, 1, next(firsts))  # first requests take longer
    rates: dict[tuple[str, int], list[float]] = {}
    for _ in range(repeats):
        for number in connections:
            for way, each in ways.items():
                rates.setdefault((way, number), []).append(measure(each, number, seconds, next(firsts)).rate)
    return rates


def print_table(rates: Mapping[tuple[str, int], Sequence[float]], connections: Sequence[int]) -> None:
    """Print a line for each number of connections."""
    table = Table("connections", *(QUERY, *TARGETS), title="Answers a second, and shares of the query's")
    for number in connections:
        medians = {way: statistics.median(rates[way, number]) for way in (QUERY, *TARGETS)}
        cells = [f"{medians[QUERY]:,.0f}"]
        for way, least in TARGETS.items():
            # The ratios of the same turn: what else the machine does changes from turn to turn.
            pairs = zip(rates[way, number], rates[QUERY, number], strict=True)
            share = statistics.median(one / other for one, other in pairs)
            cells.append(f"{medians[way]:,.0f} ({share:.2f}{'' if share >= least else ' (!)'})")
        table.add_row(str(number), *cells)
    Console(width=90).print(table)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="./dev bench predicting", description=__doc__)
    parser.add_argument("--product", default="tumor")
    parser.add_argument("--connections", nargs="+", type=int, default=list(CONNECTIONS))
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with start_servers(options.product, "boosting", []) as comparison:
        ways = list_ways(comparison.product, comparison.servers[OURS].port)
        rates = measure_rates(ways, options.connections, options.repeats, options.seconds)
    print_table(rates, options.connections)
