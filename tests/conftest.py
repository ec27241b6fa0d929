"""Fixtures of all tests: engines, running systems, a browser; and the speed of each test, told by its fixtures."""

import asyncio
import fcntl
import functools
import gc
import inspect
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management.commands import flush
from django.db.backends.postgresql.operations import DatabaseOperations
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from learning.fits.process_pool import FitProcesses
from project import engines as embedded
from store.access import performers
from store.registry import served_choices
from tests import identity_provider, trace_collector
from tests.drawing import draws
from tests.identity_provider import IdentityProvider
from tests.system import ROOT, System, copied, state_folder
from tests.trace_collector import Collector
from tests.waiting import BUILD_PATIENCE, PATIENCE, eventually

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
HAS_BROWSER = bool(CHROMIUM and DRIVER)

# A machine's pace fails no test; what fixtures of a function hold, the tests that draw examples leave as it was.
hypothesis_settings.register_profile(
    "exemplar",
    max_examples=draws(25),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
hypothesis_settings.load_profile("exemplar")


@pytest.fixture(scope="session")
def engines() -> Iterator[None]:
    """PostgreSQL and Valkey of this session, where no URL names others; what they hold need not survive."""
    chosen = embedded.embedded(settings, durable=False)
    with embedded.running(settings.EXEMPLAR_STATE, chosen, "the tests"):
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(engines: None) -> None:
    """Have the engines run before pytest-django makes its database."""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Empty tables after a test by DELETE: TRUNCATE makes the files of some 300 tables and indexes anew.

    Content types and permissions stay, so that no signal has to make them again.
    """
    with (
        mock.patch.object(DatabaseOperations, "sql_flush", statements_that_delete),
        mock.patch.object(flush, "emit_post_migrate_signal"),
    ):
        yield


#: The table whose triggers let nothing go.
AUDIT = "exemplar_auditentry"


def statements_that_delete(
    operations: DatabaseOperations, style: Any, tables: Iterable[str], **_: Any
) -> list[str]:
    kept = {"auth_permission", "django_content_type"}
    # Foreign keys are checked when the transaction ends. Predictions go first: their trigger marks counted hours.
    ordered = sorted(tables, key=lambda table: table != "store_prediction")
    statements = [f"DELETE FROM {operations.quote_name(table)}" for table in ordered if table not in kept]
    if AUDIT not in ordered:
        return statements
    return [
        f"ALTER TABLE {AUDIT} DISABLE TRIGGER USER",
        *statements,
        f"ALTER TABLE {AUDIT} ENABLE TRIGGER USER",
    ]


@pytest.fixture(autouse=True)
def leaves_the_process_as_it_was() -> Iterator[None]:
    """Restore what this process acts as and what it serves, although a test ran a command in it or recorded choices.

    A test fails that leaves a model of its own in an app, where migrations would miss it. This is one fixture because
    each takes time in every test.
    """
    models, performer = registered_models(), performers._process
    record, served = served_choices._record, sys.modules.get("schema.schema")
    schema = getattr(served, "schema", None)
    yield
    performers._process = performer
    if served_choices._record is not record:
        served_choices.use(record)
    if served and schema:
        served.schema = schema  # type: ignore[attr-defined]
    assert registered_models() == models, "Use isolate_apps."


def registered_models() -> dict[str, set[str]]:
    return {label: set(models) for label, models in apps.all_models.items() if models}


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Run asynchronous tests on the event loop that serves."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def grown(pytestconfig: pytest.Config) -> Path:
    """The state folder of a system that built the examples' first champions and was stopped: to be copied."""
    folder = shared_folder(pytestconfig)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            grow(folder / "exemplar")
            (folder / "complete").touch()
    return folder / "exemplar"


def grow(folder: Path) -> None:
    system = System(folder)
    try:
        system.start()
        assert eventually(lambda: all(map(has_built, products(system))), BUILD_PATIENCE), system.output
        # Else each test would wait for a champion that only a person promotes.
        assert all(product["champion"] for product in products(system)), products(system)
    finally:
        system.stop()


GROWN = """{ products { name champion { id } newest: builds(last: 1) { nodes { status decision } }
  unfinished: builds(filter: { status: { in: [READY, RUNNING] } }) { totalCount } } }"""


def products(system: System) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = system.ask(GROWN)["data"]["products"]
    return listed


def has_built(product: dict[str, Any]) -> bool:
    return bool(product["newest"]["nodes"]) and product["unfinished"]["totalCount"] == 0


def shared_folder(config: pytest.Config) -> Path:
    """Return the folder that the processes of this run of the tests share."""
    inputs = getattr(config, "workerinput", None)
    return Path(inputs["shared"]) if inputs else config.stash[SHARED]


SHARED = pytest.StashKey[Path]()


@pytest.fixture(scope="session")
def exemplar(grown: Path) -> Iterator[System]:
    """A running Exemplar with the example products, shared by all tests: leave it as you found it."""
    with System(copied(grown)).running() as system:
        yield system


@pytest.fixture(scope="session")
def trusted_provider() -> Iterator[IdentityProvider]:
    """The identity provider that the closed system trusts."""
    with identity_provider.running() as provider:
        yield provider


@pytest.fixture(scope="session")
def closed_exemplar(grown: Path, trusted_provider: IdentityProvider) -> Iterator[System]:
    """A running Exemplar in which strangers may do nothing, shared by all tests of who may do what.

    It runs no jobs: who may request one is the web's decision.
    """
    system = System(
        copied(grown),
        "--workers=0",
        EXEMPLAR_OPEN="off",
        EXEMPLAR_OIDC_ADMINISTRATORS="admins",
        **trusted_provider.environment,
    )
    with system.running():
        yield system


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """The collector that the deployed system sends its traces to."""
    with trace_collector.running() as collector:
        yield collector


@pytest.fixture(scope="session")
def deployed(grown: Path, collector: Collector) -> Iterator[System]:
    """A running Exemplar as operators have it: two web processes behind a proxy with HTTPS, logs as JSON, traces.

    Its client sends what the proxy adds.
    """
    system = System(
        copied(grown),
        "--web=2",
        EXEMPLAR_HTTPS="on",
        EXEMPLAR_TRUSTED_PROXIES="127.0.0.1",
        EXEMPLAR_ORIGINS="https://shop.example, http://localhost:5173",
        EXEMPLAR_LOG="json",
        EXEMPLAR_ACCESS_LOG="on",
        EXEMPLAR_TRACES=collector.url,
    )
    system.client.headers["X-Forwarded-Proto"] = "https"
    with system.running():
        yield system


@pytest.fixture(scope="session")
def fragile(grown: Path) -> Iterator[System]:
    """A running Exemplar whose processes are killed, shared by all tests that do."""
    with System(copied(grown)).running() as system:
        yield system


@pytest.fixture
def system() -> Iterator[System]:
    """An Exemplar of the test's own, not started yet."""
    system = System(state_folder())
    try:
        yield system
    finally:
        system.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    """Chromium without a window; the test is skipped where there is none, except in CI."""
    if not HAS_BROWSER:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "Chromium or chromedriver is missing: install chromium and chromedriver"
        )
    os.environ["SE_OFFLINE"] = "true"  # or selenium calls home for a driver
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (
        "--headless=new",
        "--window-size=1400,900",
        "--disable-dev-shm-usage",
        "--no-proxy-server",
    ):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(autouse=True)
def leaves_the_browser_as_it_was(request: pytest.FixtureRequest) -> Iterator[None]:
    """Undo what a test has emulated, and end its session: all tests of a process share one browser.

    A test with the mark `script` fails where its page has not loaded that script.
    """
    yield
    if "browser" not in request.fixturenames:
        return
    driver = request.getfixturevalue("browser")
    try:
        if marker := request.node.get_closest_marker("script"):
            assert f"/static/{marker.args[0]}" in driver.execute_script(LOADED)
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        driver.execute_cdp_cmd("Network.clearBrowserCookies", {})


#: Lists the paths of all that a page has loaded.
LOADED = "return performance.getEntriesByType('resource').map((entry) => new URL(entry.name).pathname)"

#: What takes longest begins first, so that no process is left with it at the end.
ORDER = ("slow", "system", "engine", "unit")
#: Winners, whose diagnostics take seconds each to draw.
WINNERS = {"tumor_winner", "wine_winner", "patient_winner", "cluster_winner", "twelve_classes"}
#: Fixtures by which a test is known to need a whole system or its commands, or else an engine, processes that fit, or
#: a winner.
SYSTEM = {"grown", "system", "browser", "copy", "node"}
ENGINE = {"engines", "db", "transactional_db", "engine_folder", "tumor_steps"} | WINNERS


def speed(item: pytest.Item) -> str:
    """Return the marker of a test: the one that it has itself, else what its fixtures need."""
    for marker in ORDER:
        if item.get_closest_marker(marker):
            return marker
    fixtures = set(getattr(item, "fixturenames", ()))
    if fixtures & SYSTEM:
        return "system"
    return "engine" if fixtures & ENGINE or item.get_closest_marker("django_db") else "unit"


#: The systems that modules share.
SYSTEMS = ("exemplar", "closed_exemplar", "deployed", "fragile")


@functools.cache
def words(module: str) -> set[str]:
    """Return the words of a module, and those of the fixtures that it has of its folder."""
    own = set(re.findall(r"\w+", (ROOT / module).read_text()))
    fixtures = (ROOT / module).with_name("conftest.py")
    if fixtures == Path(__file__) or not fixtures.exists():
        return own
    heads = re.findall(
        r"^@pytest\.fixture[^\n]*\ndef (\w+)\((.*?)\) ->", fixtures.read_text(), re.MULTILINE | re.DOTALL
    )
    text = (ROOT / module).read_text()
    needed = [parameters for name, parameters in heads if re.search(rf"\b{name}: ", text)]
    return own.union(*(re.findall(r"\w+", parameters) for parameters in needed))


def group(module: str) -> str:
    """Return what runs in one process: the modules that share a system, parsed sources or winners, or one module."""
    for shared in (*SYSTEMS, "source_trees"):
        if shared in words(module):
            return shared
    return "winners" if Path(module).parent.name == "diagnostics" else module


def place(item: pytest.Item) -> tuple[int, int]:
    """Return what sorts tests: by their speed, and so that nobody waits for the grown system while one grows it.

    The modules of the shared system come first, beside them those that need no grown one.
    """
    module = item.nodeid.partition("::")[0]
    waits = bool(words(module) & {"grown", *SYSTEMS})
    return ORDER.index(speed(item)), 0 if group(module) == "exemplar" else 1 + waits


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Stop the shared systems and the browser behind the last test of this process that needs them.

    An idle system takes some 5 % of a processor. Only where a process gets whole groups is it known which is the last.
    """
    yield
    if nextitem is None or not hasattr(item.config, "workerinput"):
        return
    module, following = (each.nodeid.partition("::")[0] for each in (item, nextitem))
    if group(module) != group(following):
        for name in {*SYSTEMS, "browser"} - words(following):
            for fixture in item.session._fixturemanager.getfixturedefs(name, item) or ():
                fixture.finish(item._request)  # type: ignore[attr-defined]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out groups of modules, in the order of collection."""
    # Not by xdist_group: its marks change node ids, which pytest 9.2 no longer lets them.
    from xdist.scheduler import LoadScopeScheduling

    class GroupScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid.partition("::")[0])

    return GroupScheduling(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[None]:
    """Collect no garbage while tests are collected: nearly all that is allocated stays, and is not looked at again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Mark tests before any are selected by their marks; sort them once their order is drawn."""
    for item in items:
        mark(item)
    if "slow" not in config.option.markexpr:
        files = named_files(config)
        left_out = {item for item in items if speed(item) == "slow" and item.path not in files}
        config.hook.pytest_deselected(items=[*left_out])
        items[:] = [item for item in items if item not in left_out]
    yield
    items.sort(key=place)


def mark(item: pytest.Item) -> None:
    item.add_marker(speed(item))
    for needed in NEEDED:
        if needed in getattr(item, "fixturenames", ()):
            item.add_marker(needed)
    if inspect.iscoroutinefunction(test := getattr(item, "obj", None)):
        item.obj = bounded(test)  # type: ignore[attr-defined]


def named_files(config: pytest.Config) -> set[Path]:
    """Return the files among the arguments, whose slow tests run, too; those of a folder's files do not."""
    paths = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    return {path.resolve() for path in paths if path.suffix == ".py"}


def bounded(test: Callable[..., Any]) -> Callable[..., Any]:
    """Have an asynchronous test fail instead of waiting for ever."""

    @functools.wraps(test)
    async def within_patience(**arguments: Any) -> None:
        async with asyncio.timeout(PATIENCE):
            await test(**arguments)

    return within_patience


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Fail a unit test that starts an engine or a system past the fixtures by which its speed is told."""
    if speed(item) != "unit":
        return (yield)
    # Not by mocks, which take a millisecond to make.
    with (
        mock.patch.object(embedded, "start", refuse),
        mock.patch.object(FitProcesses, "__init__", refuse),
        mock.patch.object(System, "__init__", refuse),
    ):
        return (yield)


def refuse(*_: Any, **__: Any) -> NoReturn:
    raise AssertionError(
        "This starts other processes: mark it, or take a fixture that tests/conftest.py counts."
    )


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[SHARED] = state_folder().parent


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker process of pytest-xdist where the shared folder is."""
    node.workerinput["shared"] = str(node.config.stash[SHARED])


#: Fixtures and marks whose tests are skipped where something is missing on this machine.
NEEDED = ("browser", "node", "installed", "pooler")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if set(NEEDED) & set(report.keywords)
    )
    if reasons:
        terminalreporter.section("NOT TESTED", red=True, bold=True)
    for reason, count in reasons.items():
        terminalreporter.write_line(
            f"{count} tests were skipped. {reason}, then run ./dev test again.", red=True, bold=True
        )
