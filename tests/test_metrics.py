"""Metrics as Prometheus scrapes them: of all web processes, whichever one answers, and of PostgreSQL and Valkey."""

import functools
import os
import threading
import time
from signal import SIGKILL

import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

import project.metrics
from project.metrics import labels_of
from project.settings import read_networks
from store.telemetry import metrics
from tests.freezing import frozen
from tests.system import System
from tests.test_lifecycle import data
from tests.test_under_load import ASK, FEATURES
from tests.waiting import eventually

CLOSE = {"Connection": "close"}
PROCESSES = {"web-1", "web-2"}


@pytest.fixture(scope="module")
def two(deployed: System) -> System:
    """The system that has two web processes, once both are there."""
    assert eventually(lambda: total(deployed, "exemplar_process_up") == 2)
    return deployed


def scrape(system: System) -> dict[str, Metric]:
    """Scrape over a connection of its own, which any process may take."""
    answer = system.client.get("/metrics", headers=CLOSE)
    assert answer.status_code == 200, answer.text
    return {family.name: family for family in parse(answer.text)}


def values(system: System, name: str, **labels: str) -> dict[tuple[str, ...], float]:
    """The values of samples of this name by their other labels."""
    return {
        tuple(value for label, value in sample.labels.items() if label not in labels): sample.value
        for family in scrape(system).values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    }


def total(system: System, name: str, **labels: str) -> float:
    return sum(values(system, name, **labels).values())


def predict(system: System, number: int, name: str = "") -> None:
    """Predict over a connection of its own."""
    query = f"query {name}{ASK.removeprefix('query')}" if name else ASK
    body = {"query": query, "variables": {"features": FEATURES | {"bmi": 20 + number / 1e4}}}
    assert "errors" not in system.client.post("/graphql/", json=body, headers=CLOSE).json()


def operations(system: System) -> set[str]:
    """All operations that any metric tells of."""
    return {
        sample.labels["operation"]
        for family in scrape(system).values()
        for sample in family.samples
        if "operation" in sample.labels
    }


def test_what_is_exposed_is_what_is_declared(two):
    families = scrape(two)
    assert set(families) == set(metrics.Metric.declared)
    for name, metric in metrics.Metric.declared.items():
        assert families[name].type == metric.kind
        assert families[name].documentation == metric.meaning
        for sample in families[name].samples:
            assert set(sample.labels) - {"le"} == set(labels_of(metric)), name


def test_openmetrics_is_spoken_to_those_who_ask_for_it(two):
    answer = two.client.get(
        "/metrics", headers=CLOSE | {"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert {family.name for family in parse_openmetrics(answer.text)} == set(metrics.Metric.declared)


def test_each_scrape_has_what_all_processes_have_counted(two):
    counted = {"product": "diabetes"}, {"path": "fast", "operation": "diabetes.predict"}
    before = (
        total(two, "exemplar_predictions_total", **counted[0]),
        total(two, "exemplar_request_seconds_count", **counted[1]),
    )
    for number in range(40):
        predict(two, number)
    for _ in range(10):  # whichever process is asked
        assert total(two, "exemplar_predictions_total", **counted[0]) == before[0] + 40
        assert total(two, "exemplar_request_seconds_count", **counted[1]) == before[1] + 40
        assert set(values(two, "exemplar_process_up")) == {(name,) for name in PROCESSES}


def test_the_buckets_of_a_histogram_add_up(two):
    predict(two, 1)
    for name in PROCESSES:
        labels = {"process": name, "path": "fast", "operation": "diabetes.predict"}
        counts = list(values(two, "exemplar_request_seconds_bucket", **labels).values())
        assert counts == sorted(counts)
        assert counts[-1:] == list(values(two, "exemplar_request_seconds_count", **labels).values())
    stages = values(two, "exemplar_stage_seconds_count", path="fast", operation="diabetes.predict")
    assert {stage for _, stage in stages} == {"document", "read", "predict", "serialize"}
    batches = values(two, "exemplar_batch_seconds_count", product="diabetes")
    assert {stage for _, stage in batches} == {"wait", "predict", "store"}


def test_no_name_of_a_client_becomes_a_label(two):
    predict(two, 1)
    before = operations(two)
    for number in range(30):
        predict(two, number, f"Invented{number}")
        two.ask(f"query Mine{number} {{ a{number}: products {{ name }} }}")
        two.ask(f"query Wrong{number} {{ invented{number} }}")
    assert operations(two) - before <= {"products", "invalid"}


def test_a_refusal_is_counted_by_its_code(two):
    before = total(two, "exemplar_refusals_total", code="UNKNOWN_PRODUCT")
    refused = two.ask('mutation { requestBuild(input: {product: "nothing"}) { started } }')
    assert refused["errors"][0]["extensions"]["code"] == "UNKNOWN_PRODUCT"
    assert total(two, "exemplar_refusals_total", code="UNKNOWN_PRODUCT") == before + 1


def test_feedback_is_counted_once_it_is_stored(two):
    give = """mutation($input: TumorFeedbackInput!) { tumorFeedback(input: $input) { created feedback { id } } }"""
    about = {"about": {"entity": "B-0002"}, "label": "MALIGNANT", "author": "somebody who counts"}
    before = total(two, "exemplar_feedback_total", product="tumor", change="given")
    given = data(two.ask(give, {"input": about}))["tumorFeedback"]
    assert given["created"]
    data(two.ask(give, {"input": about}))  # said before
    assert total(two, "exemplar_feedback_total", product="tumor", change="given") == before + 1
    data(
        two.ask(
            "mutation($id: ID!) { tumorFeedbackRetract(input: {feedback: $id}) { feedback { id } } }",
            {"id": given["feedback"]["id"]},
        )
    )
    assert total(two, "exemplar_feedback_total", product="tumor", change="retracted") == 1


def test_the_facts_are_those_of_the_rows(two):
    # What the processes themselves tell follows an end or a pause of theirs that another test has made.
    for server in ("postgresql", "valkey"):
        assert eventually(lambda server=server: total(two, f"exemplar_{server}_up") == 1)
    assert eventually(lambda: total(two, "exemplar_workers") == 1)
    products = data(two.ask("{ products { name champion { number score metric builtAt } } }"))["products"]
    for product in products:
        labels, champion = {"product": product["name"]}, product["champion"]
        assert values(two, "exemplar_champion_version", **labels) == {(): champion["number"]}
        assert values(two, "exemplar_champion_score", **labels) == {(champion["metric"],): champion["score"]}
        loaded = functools.partial(values, two, "exemplar_champion_loaded", **labels)
        number = champion["number"]
        assert eventually(lambda loaded=loaded, number=number: set(loaded().values()) == {number})
        assert 0 < time.time() - total(two, "exemplar_champion_built_seconds", **labels) < 86_400
        assert total(two, "exemplar_builds_total", outcome="SUCCEEDED", **labels) >= 1
        steps = values(two, "exemplar_build_step_seconds", **labels)
        if ("BuildFailed",) not in steps or product["name"] != "tumor":  # another test has that build fail
            assert {("SnapshotTaken",), ("BuildSucceeded",)} <= set(steps)


def test_a_process_that_ends_begins_again_under_its_name(two):
    predict(two, 1)
    starts = values(two, "exemplar_process_start_seconds")
    os.kill(two.process("web-2"), SIGKILL)
    assert eventually(lambda: values(two, "exemplar_process_start_seconds") != starts)
    assert eventually(lambda: set(values(two, "exemplar_process_up").values()) == {1.0})
    assert eventually(lambda: set(values(two, "exemplar_process_up")) == {(name,) for name in PROCESSES})


def test_a_process_that_hangs_is_told_as_down(two):
    with frozen(two.process("web-2")):
        assert sorted(values(two, "exemplar_process_up").values()) == [0, 1]
    assert eventually(lambda: total(two, "exemplar_process_up") == 2)


@pytest.mark.parametrize("server", ["postgres", "valkey"])
def test_a_server_that_hangs_is_told_as_down(two, server):
    metric = {"postgres": "exemplar_postgresql_up", "valkey": "exemplar_valkey_up"}[server]
    with frozen(two.process(server)):
        assert eventually(lambda: total(two, metric) == 0)
        assert eventually(lambda: total(two, "exemplar_process_up") == 2)
    assert eventually(lambda: total(two, metric) == 1)


@pytest.mark.parametrize(
    ("setting", "address", "is_near"),
    [
        ("on", "203.0.113.7", True),
        ("10.0.0.0/8, 192.168.1.5", "10.2.3.4", True),
        ("10.0.0.0/8, 192.168.1.5", "192.168.1.5", True),
        ("10.0.0.0/8, 192.168.1.5", "::ffff:10.2.3.4", True),
        ("10.0.0.0/8, 192.168.1.5", "192.168.1.6", False),
        ("2001:db8::/32", "2001:db8::1", True),
        ("", "127.0.0.1", False),
        ("on", "", False),
    ],
)
def test_an_address_that_is_named_needs_no_credential(monkeypatch, settings, setting, address, is_near):
    monkeypatch.setenv("EXEMPLAR_METRICS", setting)
    settings.EXEMPLAR_METRICS = read_networks("EXEMPLAR_METRICS", "")
    scope = {"type": "http", "headers": [], "client": (address, 1)}
    assert project.metrics.is_near(Request(scope)) is is_near


@pytest.mark.parametrize("setting", ["yes please", "10.0.0.0/33", "10.0.0.1/8"])
def test_what_is_no_network_is_refused(monkeypatch, setting):
    monkeypatch.setenv("EXEMPLAR_METRICS", setting)
    with pytest.raises(ImproperlyConfigured, match="EXEMPLAR_METRICS must be on, off, or hosts and networks"):
        read_networks("EXEMPLAR_METRICS", "")


async def test_metrics_can_be_switched_off(settings):
    settings.EXEMPLAR_METRICS = None
    application = Starlette(routes=[Route("/metrics", project.metrics.Metrics().respond)])
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 404
    assert "EXEMPLAR_METRICS" in answer.text


def test_labels_beyond_the_limit_are_counted_together():
    counter = metrics.Counter("of_a_test", "Counts.", ("name",))
    try:
        for number in range(2 * metrics.MOST_SERIES):
            counter.add(1, str(number))
        values = dict(counter.read())
    finally:
        del metrics.Metric.declared[counter.name]
    assert len(values) == metrics.MOST_SERIES + 1
    assert values[(metrics.OTHER,)] == metrics.MOST_SERIES


def test_no_value_is_lost_between_threads():
    series = metrics.Distribution((1.0, 2.0))

    def observe() -> None:
        for _ in range(20_000):
            series.observe(1.5)

    threads = [threading.Thread(target=observe) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        series.read()
    assert series.read() == ([0, 80_000, 0], 120_000.0)
    series.observe(1.0)
    series.observe(9.0)
    assert series.read()[0] == [1, 80_000, 1]
