"""What PostgreSQL refuses is told by its SQLSTATE: each error here is one that the server has raised."""

from collections.abc import Iterator

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.migrations.exceptions import InconsistentMigrationHistory

from project import commands
from project.management.commands import migrate
from schema.core.errors import InternalError, refusal_of
from store.db import full_disks, sqlstates
from store.exceptions import Overloaded, Unavailable
from store.products import system_checks

pytestmark = pytest.mark.django_db

#: A statement that is refused, by what an operator is advised to do.
REFUSED = {
    "CREATE TABLE closed.stock (id int)": "./dev sql grants",
    "SELECT * FROM closed.stock": "./dev sql grants",
    "SELECT * FROM stock": "./dev prepare",
    "SELECT stock FROM store_build": "./dev prepare",
    "SELECT stock(1)": "./dev prepare",
    "CREATE TABLE nowhere.stock (id int)": "./dev prepare",
    "SET TRANSACTION READ ONLY; CREATE TEMPORARY TABLE a (); CREATE TABLE b ()": "takes writes",
}


@pytest.fixture
def visitor() -> Iterator[None]:
    """The statements of the test are those of a role that may read Exemplar's tables and do nothing else."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE ROLE visitor; CREATE SCHEMA closed; CREATE TABLE closed.stock (id int); "
            "GRANT USAGE ON SCHEMA exemplar TO visitor; GRANT SELECT ON ALL TABLES IN SCHEMA exemplar TO visitor; "
            "SET LOCAL ROLE visitor"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")


def refused(statement: str) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    return caught.value


@pytest.mark.parametrize(("statement", "advice"), REFUSED.items(), ids=REFUSED)
def test_a_refusal_says_what_happened_and_what_to_do(visitor: None, statement: str, advice: str) -> None:
    error = refused(statement)
    sentence = sqlstates.explain(error)
    assert (
        advice in sentence and sqlstates.get_reason(error) in sentence and "cannot be reached" not in sentence
    )


def test_words_are_not_read_since_a_server_speaks_its_own_language() -> None:
    statement = "DO $$ BEGIN RAISE insufficient_privilege USING MESSAGE = 'keine Berechtigung'; END $$"
    error = refused(statement)
    assert sqlstates.is_forbidden(error)
    assert sqlstates.explain(error) == (
        "PostgreSQL refuses (keine Berechtigung). ./dev sql grants prints the rights that the role needs."
    )


@pytest.mark.parametrize("code", ["42501", "3F000", "42P01", "42703", "42883", "25006", "3D000"])
def test_a_command_ends_in_a_sentence_for_each_refusal_that_tells_what_to_do(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = refused(f"DO $$ BEGIN RAISE SQLSTATE '{code}' USING MESSAGE = 'no'; END $$")

    def execute(arguments: list[str]) -> None:
        raise error

    monkeypatch.setattr(system_checks, "level", system_checks.level)  # which commands other than check lower
    monkeypatch.setattr(commands, "execute_from_command_line", execute)
    monkeypatch.setattr(commands, "check_server", lambda: None)
    monkeypatch.setattr(commands, "list_unapplied", list)
    with pytest.raises(ImproperlyConfigured, match=r"\(no\)"):
        commands.execute([])


def test_a_command_over_an_earlier_database_names_the_one_that_brings_it_up_to_date(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def execute(arguments: list[str]) -> None:
        raise InconsistentMigrationHistory("exemplar.0001_initial is missing.")

    monkeypatch.setattr(system_checks, "level", system_checks.level)  # which commands other than check lower
    monkeypatch.setattr(commands, "execute_from_command_line", execute)
    monkeypatch.setattr(commands, "check_server", lambda: None)
    with pytest.raises(ImproperlyConfigured, match=r"initial is missing\. ./dev migrate brings"):
        commands.execute([])


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("40001", Overloaded),
        ("55P03", Overloaded),
        ("57014", Overloaded),
        ("57P01", Unavailable),
        ("53200", Unavailable),
        ("53100", Unavailable),
        ("25006", Unavailable),
        ("42501", Unavailable),
        # The server answers, and to ask again would change nothing.
        ("55000", InternalError),
        ("54000", InternalError),
    ],
)
def test_a_client_is_asked_to_retry_only_what_may_pass(code: str, answer: type[Exception]) -> None:
    error = refused(f"DO $$ BEGIN RAISE SQLSTATE '{code}'; END $$")
    assert type(refusal_of(error)) is answer
    assert bool(full_disks.describe(error)) is (code == "53100")


def test_a_client_hears_that_a_standby_takes_no_writes() -> None:
    error = refused("DO $$ BEGIN RAISE SQLSTATE '25006'; END $$")
    assert refusal_of(error).message == "The database takes no writes at present; try again later."


def test_a_connection_that_was_refused_has_no_sqlstate_and_the_servers_own_sentence() -> None:
    error = OperationalError('FATAL:  database "nope" does not exist\n')
    assert sqlstates.explain(error) == 'PostgreSQL cannot be reached: FATAL: database "nope" does not exist.'
    assert sqlstates.is_unreachable(error)


def test_schemas_that_were_made_beforehand_serve_a_role_that_may_not_create_any(visitor: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE; DROP SCHEMA snapshots CASCADE; SET LOCAL ROLE visitor")
        with pytest.raises(DatabaseError) as caught, transaction.atomic():
            migrate.create_schema(connection)
        assert sqlstates.is_forbidden(caught.value)
        cursor.execute("RESET ROLE; CREATE SCHEMA snapshots; SET LOCAL ROLE visitor")
    migrate.create_schema(connection)
