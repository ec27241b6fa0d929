"""./dev sql grants: a role that has the printed rights can do everything, and has no others."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from django.conf import settings
from django.db import connections

from project import engines as embedded
from tests import commands
from tests.commands import outer_environment
from tests.keys import KEYS
from tests.system import ROOT, state_folder

pytestmark = pytest.mark.engine

DATABASE, ROLE = "shop", "exemplar_app"
TABLES = """
CREATE SCHEMA sales;
CREATE TABLE sales.city (id integer PRIMARY KEY, name text NOT NULL, mayor text);
CREATE TABLE sales.customer (
    id integer PRIMARY KEY, city_id integer REFERENCES sales.city, age integer NOT NULL, secret text NOT NULL,
    churned varchar(3) NOT NULL, renewed varchar(3), gone boolean NOT NULL DEFAULT false
);
CREATE TABLE sales.bill (id integer PRIMARY KEY, customer_id integer NOT NULL, amount float NOT NULL, note text);
INSERT INTO sales.city SELECT i, 'C' FROM generate_series(1, 3) i;
INSERT INTO sales.customer SELECT i, 1 + i % 3, 20 + i % 4 * 8 + i % 10, 'secret',
    CASE WHEN i % 4 = 0 THEN 'yes' ELSE 'no' END
FROM generate_series(1, 80) i;
INSERT INTO sales.bill SELECT i, 1 + i % 80, i FROM generate_series(1, 100) i;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
"""
APP = {
    "__init__.py": "",
    "models.py": """
from django.db import models

YES_NO = [("yes", "yes"), ("no", "no")]


class City(models.Model):
    name = models.CharField(max_length=20, choices=[("C", "C")])
    mayor = models.TextField()

    class Meta:
        managed, db_table = False, '"sales"."city"'


class Customer(models.Model):
    city = models.ForeignKey(City, models.CASCADE, null=True)
    age = models.IntegerField()
    secret = models.TextField()
    churned = models.CharField(max_length=3, choices=YES_NO)
    renewed = models.CharField(max_length=3, choices=YES_NO, null=True)
    gone = models.BooleanField()

    class Meta:
        managed, db_table = False, '"sales"."customer"'


class Bill(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="bills")
    amount = models.FloatField()
    note = models.TextField()

    class Meta:
        managed, db_table = False, '"sales"."bill"'
""",
}
#: A small budget in place of the page's whole one.
PROBLEM = 'Classification(families=("linear",), candidates=1, folds=3, repeats=1, keep=1, pictures=0.0)'


def find_block(language: str, start: str) -> str:
    """Find a block of the page by its language and the text that it has."""
    page = (ROOT / "docs" / "how-to" / "over-tables-you-have.md").read_text()
    blocks = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return next(block for block in blocks if start in block)


def products() -> str:
    return find_block("python", "writes=").replace("Classification()", PROBLEM)


@pytest.fixture
def server(engines: None) -> dict[str, Any]:
    """The connection parameters of the tests' PostgreSQL, as its owner's."""
    names = {"USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    declared = connections.settings["default"]
    return {parameter: declared[name] for name, parameter in names.items() if declared.get(name)}


@pytest.fixture
def administrator(server: dict[str, Any]) -> Iterator[Any]:
    """The owner's connection to a database with the team's tables, in which the role may do nothing."""
    outside = psycopg2.connect(**server, dbname="postgres")
    outside.autocommit = True
    with outside.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {DATABASE}")
        cursor.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
        cursor.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'secret'")
    inside = psycopg2.connect(**server, dbname=DATABASE)
    inside.autocommit = True
    with inside.cursor() as cursor:
        cursor.execute(TABLES)
        yield cursor
    inside.close()
    with outside.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        cursor.execute(f"DROP ROLE {ROLE}")
    outside.close()


def run(server: dict[str, Any], app: Path, user: str, password: str, *arguments: str) -> Any:
    """Run Python in the project with this app, as a role."""
    credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
    place = f"host={quote(str(server['host']), safe='')}&port={server.get('port', 5432)}"
    environment = outer_environment() | {
        "DATABASE_URL": f"postgresql://{credentials}@/{quote(DATABASE)}?{place}",
        "REDIS_URL": embedded.Valkey(settings.EXEMPLAR_STATE).url,
        "EXEMPLAR_PRODUCTS": str(app),
        "EXEMPLAR_STATE": str(state_folder()),
        **KEYS,
    }
    return commands.run(*arguments, cwd=ROOT, environment=environment)


def table_contents(cursor: Any) -> dict[str, list[Any]]:
    contents = {}
    for name in ("city", "customer", "bill"):
        cursor.execute(f"SELECT * FROM sales.{name} ORDER BY id")
        contents[name] = cursor.fetchall()
    return contents


def test_a_role_with_the_printed_rights_lives_through_a_products_whole_life(
    server: dict[str, Any], administrator: Any, tmp_path: Path
) -> None:
    app = tmp_path / "shop"
    app.mkdir()
    for name, text in {**APP, "products.py": products()}.items():
        (app / name).write_text(text)
    owner = server["user"], server["password"]
    printed = run(server, app, *owner, "manage.py", "sql", "grants", "--role", ROLE)
    assert f"$ ./dev sql grants --role {ROLE}\n{printed.stdout}" == find_block("console", "sql grants"), (
        printed.stderr
    )
    administrator.execute(printed.stdout)
    before = table_contents(administrator)
    lived = run(server, app, ROLE, "secret", "-m", "tests.project.team_life")
    assert lived.returncode == 0, lived.stderr
    after = table_contents(administrator)
    assert after["customer"][1][5] == "yes"
    after["customer"][1] = before["customer"][1]
    assert after == before
