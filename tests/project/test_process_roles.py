"""Web processes, workers and migrations with a role each, which have the printed rights and no others.

Behind pgbouncer in transaction mode, where it is installed: no process may need what a session of its own would have.
"""

import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from django.db import connections

from examples.tumor.products import MEASURES, TABLES
from project import engines as embedded
from project.processes import Child
from tests import poolers, test_lifecycle
from tests.keys import KEYS
from tests.system import System, state_folder
from tests.test_lifecycle import data
from tests.waiting import BUILD_PATIENCE, eventually

pytestmark = pytest.mark.system

DATABASE = "by_role"
ROLES = {"migration": "exemplar_owner", "web": "exemplar_web", "worker": "exemplar_worker"}
PASSWORD = "secret"
SETTINGS = {
    **KEYS,
    "EXEMPLAR_OPEN": "on",
    "EXEMPLAR_PRODUCTS": "examples.tumor",
    "EXEMPLAR_KEEP_BUILDS": "1",
    "EXEMPLAR_KEEP_PREDICTIONS": "1",
}
#: Options of builds that only have to succeed.
QUICK = {"candidates": 1, "families": ["linear"]}
#: What a session would have that another one has not, and what a role may not.
LOST = re.compile(
    r"prepared statement .* (does not exist|already exists)|cursor .* does not exist|relation .* does not exist"
    r"|permission denied|Traceback|must be owner"
)
#: The features of `tumor` in the schema.
FEATURES = " ".join(
    re.sub(r"_(\w)", lambda letter: letter[1].upper(), f"{prefix}_{measure}")
    for prefix in TABLES
    for measure in MEASURES
)


@pytest.fixture(scope="module")
def server(engines: None) -> dict[str, Any]:
    """The connection parameters of the tests' PostgreSQL, as its owner's."""
    names = {"USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    declared = connections.settings["default"]
    return {parameter: declared[name] for name, parameter in names.items() if declared.get(name)}


@pytest.fixture
def administrator(server: dict[str, Any]) -> Iterator[Any]:
    """The owner's cursor in a database in which the roles may do nothing yet."""
    with closing(psycopg2.connect(**server, dbname="postgres")) as outside, outside.cursor() as outer:
        outside.autocommit = True
        outer.execute(f"CREATE DATABASE {DATABASE}")
        outer.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
        for role in ROLES.values():
            outer.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
        with closing(psycopg2.connect(**server, dbname=DATABASE)) as inside, inside.cursor() as cursor:
            inside.autocommit = True
            cursor.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            yield cursor
        outer.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        for role in ROLES.values():
            outer.execute(f"DROP ROLE {role}")


def url(server: dict[str, Any], user: str, password: str) -> str:
    place = f"host={quote(str(server['host']), safe='')}&port={server.get('port', 5432)}"
    return f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@/{DATABASE}?{place}"


class SystemByRole(System):
    """A web process and a worker, each as its own role; `run` runs commands as the role of migrations."""

    def __init__(self, urls: dict[str, str], redis: str):
        super().__init__(state_folder(), **SETTINGS, DATABASE_URL=urls["migration"], REDIS_URL=redis)
        self.supervisor = self.child("web", urls["web"], "manage.py", "web", f"--port={self.port}")
        self.worker = self.child("worker", urls["worker"], "worker.py")

    def child(self, name: str, database: str, *command: str) -> Child:
        return Child(
            name=name,
            command=[sys.executable, self.root / command[0], *command[1:]],
            environment=self.environment | {"DATABASE_URL": database},
            log=self.log,
        )

    def start(self, *arguments: Any) -> "SystemByRole":
        self.worker.start()
        super().start(*arguments)
        return self

    def stop(self) -> None:
        self.worker.stop()
        super().stop()


@contextmanager
def started(system: SystemByRole) -> Iterator[SystemByRole]:
    try:
        yield system.start()
    finally:
        system.stop()
        print(system.output)  # shown where the test fails


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    """The URL of a Valkey of these tests' own: a worker of theirs takes no other's jobs."""
    folder = state_folder()
    engine = embedded.Valkey(folder)
    with embedded.running(folder, [engine], "the tests"):
        yield engine.url


@pytest.fixture
def urls(server: dict[str, Any], administrator: Any) -> Iterator[dict[str, str]]:
    """The database's URL for each kind of process: that of a pooler, where one is installed."""
    if poolers.PGBOUNCER is None:
        yield {process: url(server, role, PASSWORD) for process, role in ROLES.items()}
        return
    with poolers.running(server, dict.fromkeys(ROLES.values(), PASSWORD)) as pooler:
        yield {process: pooler.url(role, PASSWORD, DATABASE) for process, role in ROLES.items()}


def test_each_kind_of_process_lives_with_the_rights_that_are_printed_for_it(
    server: dict[str, Any], administrator: Any, urls: dict[str, str], redis: str
) -> None:
    system = SystemByRole(urls, redis)
    owner = url(server, server["user"], server.get("password", ""))
    grants = ["sql", "grants", "--pooler", *(f"--{process}={role}" for process, role in ROLES.items())]
    first = system.run(*grants, DATABASE_URL=owner)
    assert "of Exemplar's own tables are not there: run ./dev prepare" in first
    administrator.execute(first)
    # Whoever migrates at the same time waits for the other.
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(system.run, ("prepare", "migrate", "migrate")))
    second = system.run(*grants, DATABASE_URL=owner)
    assert "are not there" not in second and "print this again" not in second
    administrator.execute(second)
    with started(system):
        test_lifecycle.await_answer(system)
        test_lifecycle.test_a_product_is_built_serves_and_learns_from_feedback(system)
        check_that_batches_share_connections(system)
        check_other_writes(system)
        check_files(system)
        check_administration(system)
        check_maintenance(system, administrator)
    assert not (lost := LOST.findall(system.output)), (lost, system.output)
    check_what_is_not_granted(server)


def check_that_batches_share_connections(system: System) -> None:
    """Predict and write at once, by more callers than a pooler has connections."""
    query = "query($key: ID!) { tumor { predictFor(entity: $key) { label } } }"
    patch = "mutation($key: ID!) { tumorPatch(input: {entity: $key, features: {meanRadius: 9}}) { changed } }"
    with ThreadPoolExecutor(12) as threads:
        keys = [{"key": f"B-{number:04}"} for number in range(1, 61)]
        answers = list(threads.map(lambda key: system.ask(query, key), keys))
        answers += threads.map(lambda key: system.ask(patch, key), keys[:24])
    assert not [answer["errors"] for answer in answers if "errors" in answer]


def check_other_writes(system: System) -> None:
    """Go through the mutations that a product's life has not gone through."""
    query = f'{{ tumor {{ entity(key: "B-0003") {{ features {{ {FEATURES} }} }} }} }}'
    features = data(system.ask(query))
    values = ", ".join(f"{name}: {value}" for name, value in features["tumor"]["entity"]["features"].items())
    row = f'features: {{{values}}}, label: BENIGN, at: "2024-01-01T00:00:00Z"'
    for mutation in (
        f'tumorCreate(input: {{key: "N-1", {row}}}) {{ created }}',
        f'tumorUpsertMany(input: {{rows: [{{key: "N-1", {row}}}, {{key: "N-2", {row}}}]}}) {{ updated }}',
        'tumorPatch(input: {entity: "N-2", features: {meanRadius: 9}}) { changed }',
        f'tumorReplace(input: {{key: "N-2", {row}}}) {{ created }}',
        'tumorFeedbackMany(input: {inputs: [{about: {entity: "N-2"}, label: MALIGNANT}]}) { results { created } }',
    ):
        data(system.ask(f"mutation {{ {mutation} }}"))
    scoring = data(system.ask('mutation { scoreTable(input: {product: "tumor"}) { job { id } } }'))[
        "scoreTable"
    ]["job"]
    query = "query($id: ID!) { node(id: $id) { ... on Job { status } } }"
    statuses = lambda: data(system.ask(query, {"id": scoring["id"]}))["node"]["status"]  # noqa: E731
    assert eventually(lambda: statuses() == "SUCCEEDED", BUILD_PATIENCE)
    champion = test_lifecycle.champion(system)["id"]
    back = """mutation($id: ID!) { rollback(input: {product: "tumor", champion: $id, reason: "tried"}) {
        promotion { id } } }"""
    data(system.ask(back, {"id": champion}))
    forth = 'mutation($id: ID!) { promote(input: {model: $id, reason: "tried"}) { promotion { id } } }'
    data(system.ask(forth, {"id": champion}))
    requested = data(system.ask('mutation { requestBuild(input: {product: "tumor"}) { build { id } } }'))[
        "requestBuild"
    ]
    data(system.ask("mutation($id: ID!) { cancelJob(input: {job: $id}) { job { id } } }", requested["build"]))
    data(system.ask('mutation { deletePredictions(input: {filter: {product: "tumor"}}) { count } }'))


def check_files(system: System) -> None:
    """Have the worker load a file, and the web process export all that can be exported."""
    file = "number,taken_at,diagnosis\nN-3,2024-01-01T00:00:00Z,benign\nN-2,2024-01-01T00:00:00Z,benign\n"
    job = system.client.post("/import/tumor", content=file).json()
    read = lambda: system.client.get(f"/import/{job['id']}").json()  # noqa: E731
    assert eventually(lambda: read()["status"] in ("SUCCEEDED", "FAILED"), BUILD_PATIENCE)
    assert read()["problem"] is None
    for rows in ("predictions", "feedback", "entities", "snapshot"):
        assert system.client.get(f"/export/tumor/{rows}.csv").status_code == 200, rows


def check_administration(system: System) -> None:
    """Log in as the administrator, look at each page, and make a group."""
    client = system.client
    client.get("/admin/login/")
    sent = {"csrfmiddlewaretoken": client.cookies["csrftoken"], "username": "admin", "next": "/admin/"}
    password = (system.folder / "admin-password").read_text()
    login = client.post("/admin/login/", data=sent | {"password": password})
    assert login.status_code == 302, login.text
    index = client.get("/admin/").text
    pages = set(re.findall(r'href="(/admin/\w+/\w+/(?:add/)?)"', index))
    assert "/admin/store/build/" in pages
    for page in sorted(pages):
        assert client.get(page).status_code == 200, page
    group = {"csrfmiddlewaretoken": client.cookies["csrftoken"], "name": "testers"}
    assert client.post("/admin/auth/group/add/", data=group).status_code == 302
    client.cookies.clear()


def check_maintenance(system: SystemByRole, administrator: Any) -> None:
    """Have old builds and old predictions deleted, and a lost build found by the web process alone."""
    test_lifecycle.predict_for(system, "B-0004")
    administrator.execute(
        "UPDATE exemplar.store_prediction SET created_at = '2020-01-01', updated_at = '2020-01-01'"
    )
    assert test_lifecycle.build(system, options=QUICK)["status"] == "SUCCEEDED"
    left = "SELECT count(*) FROM exemplar.store_prediction WHERE created_at < '2021-01-01'"
    assert eventually(lambda: count(administrator, left) == 0)
    dropped = "SELECT count(*) FROM exemplar.store_snapshot WHERE dropped_at IS NOT NULL"
    assert eventually(lambda: count(administrator, dropped) > 0)
    system.worker.stop()
    request = "mutation($input: RequestBuildInput!) { requestBuild(input: $input) { build { id } } }"
    wanted = {"product": "tumor", "options": QUICK}
    lost = data(system.ask(request, {"input": wanted}))["requestBuild"]
    administrator.execute(
        "UPDATE exemplar.store_build SET status = 'RUNNING', attempt = 1, lease = now() - interval '1 hour' "
        "WHERE status = 'READY'"
    )
    ready = "SELECT count(*) FROM exemplar.store_build WHERE status = 'READY'"
    assert eventually(lambda: count(administrator, ready) == 1)
    system.worker.start()
    assert test_lifecycle.ended(system, lost["build"]["id"])["status"] == "SUCCEEDED"
    check_erasure(system, administrator)


def check_erasure(system: System, administrator: Any) -> None:
    """Have the web process erase an entity, and the worker drop the tables of snapshots that have it."""
    test_lifecycle.predict_for(system, "B-0004")
    erase = """mutation { erase(input: {product: "tumor", entity: "B-0004"}) {
        predictionCount snapshotCount hasUnfinishedBuild } }"""
    erased = data(system.ask(erase))["erase"]
    assert erased["predictionCount"] > 0 and erased["snapshotCount"] > 0
    left = "SELECT count(*) FROM exemplar.store_snapshot WHERE unwanted_at IS NOT NULL AND dropped_at IS NULL"
    assert eventually(lambda: count(administrator, left) == 0, BUILD_PATIENCE)
    assert data(system.ask(erase))["erase"] == {
        "predictionCount": 0,
        "snapshotCount": 0,
        "hasUnfinishedBuild": False,
    }


def count(cursor: Any, statement: str) -> int:
    cursor.execute(statement)
    return int(cursor.fetchone()[0])


#: What no process may do with the rights that it has.
NOT_GRANTED = {
    "web": (
        "UPDATE exemplar.store_modelversion SET artifact = ''",
        "INSERT INTO exemplar.store_snapshot (product) VALUES ('tumor')",
        "UPDATE exemplar.store_prediction SET answer = ''",
        "DELETE FROM exemplar.store_promotion",
        "INSERT INTO exemplar.auth_permission (name) VALUES ('all')",
        "CREATE TABLE exemplar.more (id integer)",
        "CREATE TABLE snapshots.more (id integer)",
    ),
    "worker": (
        "SELECT password FROM exemplar.exemplar_user",
        "SELECT session_key FROM exemplar.django_session",
        "UPDATE exemplar.store_feedback SET answer = ''",
        "CREATE TABLE exemplar.more (id integer)",
    ),
    "migration": ("CREATE TABLE snapshots.more (id integer)",),
}


def check_what_is_not_granted(server: dict[str, Any]) -> None:
    for process, statements in NOT_GRANTED.items():
        credentials = {**server, "user": ROLES[process], "password": PASSWORD}
        with closing(psycopg2.connect(**credentials, dbname=DATABASE)) as connection:
            connection.autocommit = True
            for statement in statements:
                with connection.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(statement)
