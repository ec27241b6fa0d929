"""Predictions for callers who say who they are, beside strangers', of one web process; in turns, medians of ratios."""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.middleware.csrf import get_token
from rich.console import Console
from rich.table import Table

from benchmarks import _champions, _requests, _servers
from benchmarks._load import Load, LoadResult, load, measure
from benchmarks._peer_servers import FLOOR
from schema.core import names
from store.access import programs
from store.access.models import User
from store.access.permissions import Permission
from store.products import catalogue
from store.products.product import DataProduct
from tests import identity_provider
from tests.identity_provider import IdentityProvider

#: The smallest ratio of a caller's rate to strangers'.
LEAST = 0.95
STRANGERS = "strangers"
#: In seconds.
HOUR = 3_600


def run(options: argparse.Namespace) -> None:
    """Measure every kind of caller in turns, and print a table."""
    table = Table("at once", "caller", "answers/s", "of strangers'", "of hello world", "p50 [ms]", "p99 [ms]")
    with _serve(catalogue.get(options.products[0]), options.families[0]) as loads:
        first = 1
        for connections in options.connections:
            results: dict[str, list[LoadResult]] = {name: [] for name in loads}
            for _ in range(options.repeats):
                for name, each in loads.items():
                    results[name].append(measure(each, connections, options.seconds, first))
                    first += 1_000_000
            _add_rows(table, connections, results)
    Console(width=100).print(table)


def _add_rows(table: Table, connections: int, results: Mapping[str, list[LoadResult]]) -> None:
    """Add a row for each caller, with the medians of the ratios within one turn."""
    for name, own in results.items():
        if name == FLOOR.name:
            continue
        ratio = _median_ratio(own, results[STRANGERS])
        table.add_row(
            str(connections),
            name,
            f"{statistics.median(each.rate for each in own):,.0f}",
            f"{ratio:.3f}{' (!)' if ratio < LEAST else ''}",
            f"{_median_ratio(own, results[FLOOR.name]):.3f}",
            f"{statistics.median(each.p50 for each in own):.2f}",
            f"{statistics.median(each.p99 for each in own):.2f}",
            end_section=name == list(results)[-1],
        )


def _median_ratio(own: list[LoadResult], others: list[LoadResult]) -> float:
    return statistics.median(one.rate / other.rate for one, other in zip(own, others, strict=True))


@contextmanager
def _serve(product: DataProduct, family: str) -> Iterator[dict[str, Load]]:
    """Start one web process and hello world; yield the loads by caller."""
    with tempfile.TemporaryDirectory(prefix="callers-") as name, ExitStack() as stack:
        folder, port, floor = Path(name), _servers.find_free_port(), _servers.find_free_port()
        _champions.serve_family(product, family)
        command, ready = _servers.web_command(port), f"http://127.0.0.1:{port}/ready"
        provider = stack.enter_context(identity_provider.running())
        stack.enter_context(_servers.serve("ours", command, ready, folder / "ours.log", provider.environment))
        url = f"http://127.0.0.1:{floor}{FLOOR.ready}"
        environment = FLOOR.environment_variables(folder / "none", folder)
        stack.enter_context(
            _servers.serve("hello", FLOOR.arguments(floor, folder), url, folder / "hello.log", environment)
        )
        varied = _requests.VARIED[product.name]
        body = load(port, "/graphql/", _requests.render_request(product), names.field(varied))
        yield {
            STRANGERS: body,
            "a token": replace(body, headers=_token_headers(product)),
            "a JWT": replace(body, headers=_jwt_headers(provider)),
            "a session": replace(body, headers=_session_headers()),
            FLOOR.name: load(floor, FLOOR.path, FLOOR.text(_requests.get_features(product)), varied),
        }


def _token_headers(product: DataProduct) -> dict[str, str]:
    token = programs.make_token(
        "benchmark", created_by="benchmark", permissions=[Permission.PREDICT], products=[product.name]
    )
    return {"Authorization": f"Bearer {token.secret}"}


def _jwt_headers(provider: IdentityProvider) -> dict[str, str]:
    """Have an identity provider issue a token that outlives the measurements."""
    token = provider.token(exp=int(time.time()) + HOUR, groups=["labellers"])
    return {"Authorization": f"Bearer {token}"}


def _session_headers() -> dict[str, str]:
    """Log an administrator in."""
    user = User.objects.create_superuser("benchmark-admin")
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    request = HttpRequest()
    token = get_token(request)
    cookie = f"sessionid={session.session_key}; csrftoken={request.META['CSRF_COOKIE']}"
    return {"Cookie": cookie, "X-CSRFToken": token}
