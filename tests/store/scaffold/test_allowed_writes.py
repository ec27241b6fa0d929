"""A product over an existing table declares the writes that the database allows."""

import pytest
from django.db import connection

from store.scaffold import unmanaged
from store.scaffold.allowed_writes import find_writes
from store.scaffold.inference import ColumnOptions
from store.scaffold.inspection import find_tables

pytestmark = pytest.mark.django_db

STORED = """
CREATE SCHEMA bank;
CREATE TABLE bank.stored (id integer PRIMARY KEY, age integer, defaulted varchar(3));
INSERT INTO bank.stored
SELECT i, i * 7 % 13, CASE WHEN i % 3 = 0 THEN 'yes' ELSE 'no' END FROM generate_series(1, 60) i;
CREATE ROLE teller;
GRANT USAGE ON SCHEMA bank TO teller;
"""
TABLE = "ALTER TABLE bank.stored RENAME TO loan;"
READ = f"{TABLE} GRANT SELECT ON bank.loan TO teller;"
#: What may be written, by the statements that make `bank.loan`.
ALLOWED = {
    f"{TABLE} GRANT ALL ON bank.loan TO teller": "rows",
    READ: "none",
    f"{READ} GRANT INSERT, DELETE ON bank.loan TO teller": "none",
    f"{READ} GRANT UPDATE (age) ON bank.loan TO teller": "none",
    f"{READ} GRANT UPDATE (defaulted) ON bank.loan TO teller": "label",
    f"{READ} GRANT UPDATE ON bank.loan TO teller": "label",
    "CREATE VIEW bank.loan AS SELECT * FROM bank.stored; GRANT ALL ON bank.loan TO teller": "rows",
    "CREATE VIEW bank.loan AS SELECT DISTINCT * FROM bank.stored; GRANT ALL ON bank.loan TO teller": "none",
    "CREATE VIEW bank.loan AS SELECT id, age, defaulted || '' AS defaulted FROM bank.stored; "
    "GRANT ALL ON bank.loan TO teller": "none",
    "CREATE MATERIALIZED VIEW bank.loan AS SELECT * FROM bank.stored; GRANT ALL ON bank.loan TO teller": "none",
    "ALTER TABLE bank.stored DROP defaulted, ADD defaulted varchar(3) GENERATED ALWAYS AS "
    f"(CASE WHEN id % 3 = 0 THEN 'yes' ELSE 'no' END) STORED; {TABLE} GRANT ALL ON bank.loan TO teller": "none",
}


def execute(statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements)


@pytest.mark.parametrize(("statements", "writes"), ALLOWED.items(), ids=ALLOWED)
def test_the_writes_are_those_that_the_database_allows(statements: str, writes: str) -> None:
    execute(f"{STORED} {statements}; SET LOCAL ROLE teller")
    [table] = find_tables(["bank.loan"])
    assert find_writes(table, "defaulted") == writes
    app = unmanaged.plan_app("loans", [table], ColumnOptions(label="defaulted", entity="id"), None)
    declared = unmanaged.render_files(app, "./dev newproduct loans")["products.py"]
    assert (f'writes="{writes}"' in declared) is (writes != "rows")
    execute("RESET ROLE")


def test_without_a_label_there_are_rows_to_write_or_nothing() -> None:
    execute(f"{STORED} {READ}")
    [table] = find_tables(["bank.loan"])
    assert find_writes(table, None) == "rows"
    execute("SET LOCAL ROLE teller")
    assert find_writes(table, None) == "none"
    execute("RESET ROLE")
