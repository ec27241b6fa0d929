"""What builds promise, beside what comes true on data whose truth is known.

    ./dev bench honesty [--points 1,5] [--seed 0] [--repeats 1] [--small] [--json]

The builds are real: only their processes are left out, forests are small, and where thousands of builds are needed, the
fits are simulated recipes with a known score. The table has, for each promise, the range that was promised, what came
true with its interval, and the number of builds or rows. It takes about 15 minutes on two cores.

The bench fails where an interval lies outside of the promised range. The intervals are so wide that an honest product
fails in at most 1 % of the runs. "Open" is a promise that did not come true here, with too few repeats to tell it from
chance: `--repeats 5` looks closer. Another seed draws everything anew.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks._honesty.cases import Case
from benchmarks._honesty.points import POINTS
from benchmarks._honesty.promises import FAMILY, Promise, level

#: Least number of repeats of a case, however few were asked for: so many failures out of as many break a promise.
FEWEST = 4


#: Verdicts, as they are printed.
VERDICTS = {"yes": "yes", "open": "[yellow]open[/yellow]", "no": "[bold red]no[/bold red]"}


@dataclass(frozen=True)
class Result:
    """The promises of a case."""

    point: int
    case: str
    promises: list[Promise]
    seconds: float
    #: Why the case could not be checked; empty if it was.
    failure: str = ""


def main() -> None:
    """Check the promises, print the table, and fail where one is broken."""
    options = _parse_options()
    cases = _select_cases(options)
    # One thread per process: fits on hundreds of rows do not gain from more.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    results = sorted(
        _run(cases, options),
        key=lambda result: [(p, c.name) for p, c, _ in cases].index((result.point, result.case)),
    )
    error = level(sum(len(result.promises) for result in results))
    broken = sum(not promise.is_kept(error) for result in results for promise in result.promises)
    failed = [result for result in results if result.failure]
    if options.json:
        for line in _to_json(results, error):
            print(json.dumps(line))
    else:
        Console(width=None if sys.stdout.isatty() else 160).print(_build_table(results, error, options.seed))
    for result in failed:
        print(f"{result.point}, {result.case}: {result.failure}", file=sys.stderr)
    if broken or failed:
        sys.exit(f"{broken} promises are broken, and {len(failed)} cases could not be checked.")


def _select_cases(options: argparse.Namespace) -> list[tuple[int, Case, int]]:
    """List the points, their cases, and the number of repeats of each."""
    selected = []
    for point in options.points:
        for case in POINTS[point].cases():
            repeats = case.small if options.small else case.repeats
            if repeats is not None:
                least = min(repeats, FEWEST)
                selected.append((point, case, max(least, round(repeats * options.repeats))))
    return selected


def _run(cases: Sequence[tuple[int, Case, int]], options: argparse.Namespace) -> Iterator[Result]:
    """Check the cases in processes, those of most repeats first."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.workers, mp_context=context) as pool:
        futures: list[Future[Result]] = [
            pool.submit(_check, point, case, options.seed, repeats)
            for point, case, repeats in sorted(cases, key=lambda each: -each[2])
        ]
        console = Console(stderr=True, quiet=options.json)
        for future in track(as_completed(futures), "Checking", total=len(futures), console=console):
            result = future.result()
            console.print(f"{result.point}. {result.case}: {result.seconds:.0f} s")
            yield result


def _check(point: int, case: Case, seed: int, repeats: int) -> Result:
    started = time.perf_counter()
    try:
        promises = case.run(seed, repeats)
    except Exception as error:  # the others are still worth their time
        failure = f"{type(error).__name__}: {error}"
        return Result(point, case.name, [], time.perf_counter() - started, failure)
    return Result(point, case.name, promises, time.perf_counter() - started)


def _build_table(results: Sequence[Result], error: float, seed: int) -> Table:
    table = Table(
        title=f"Promised and true, seed {seed}. Together the intervals are wrong in at most {FAMILY:.0%} of the runs"
    )
    for heading in ("case", "quantity", "promised", "true", "interval", "n", "kept"):
        right = heading in ("promised", "true", "interval", "n")
        table.add_column(heading, justify="right" if right else "left", no_wrap=right)
    point = None
    for result in results:
        if result.point != point:
            point = result.point
            table.add_section()
            table.add_row(f"[bold]{point}. {POINTS[point].TITLE}[/bold]")
        for promise in result.promises:
            table.add_row(result.case, *_render(promise, error))
    return table


def _render(promise: Promise, error: float) -> list[str]:
    low, high = promise.came_true.interval(error)
    kept = VERDICTS[promise.verdict(error)]
    value = f"{promise.came_true.value:.3f}"
    return [
        promise.quantity,
        promise.promised,
        value,
        f"{low:.3f} … {high:.3f}",
        f"{promise.came_true.n:,}",
        kept,
    ]


def _to_json(results: Sequence[Result], error: float) -> Iterator[dict[str, object]]:
    for result in results:
        for promise in result.promises:
            low, high = promise.came_true.interval(error)
            yield {
                "point": result.point,
                "case": result.case,
                "quantity": promise.quantity,
                "promised": promise.promised,
                "true": promise.came_true.value,
                "low": low,
                "high": high,
                "n": promise.came_true.n,
                "kept": promise.is_kept(error),
                "verdict": promise.verdict(error),
            }


def _parse_options() -> argparse.Namespace:
    assert __doc__
    parser = argparse.ArgumentParser(prog="./dev bench honesty", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--points", type=_parse_points, default=list(POINTS), metavar="1,5", help="default: all"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=float, default=1.0, help="factor of the number of repeats")
    parser.add_argument("--small", action="store_true", help="a few cases of each point, for a quick look")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--json", action="store_true", help="one line per promise instead of the table")
    return parser.parse_args()


def _parse_points(text: str) -> list[int]:
    points = [int(each) for each in text.split(",")]
    if unknown := [point for point in points if point not in POINTS]:
        raise argparse.ArgumentTypeError(
            f"There is no point {unknown[0]}, but {', '.join(map(str, POINTS))}."
        )
    return points
