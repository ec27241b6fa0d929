"""The rights that a product needs are those of what PostgreSQL finds in its join, and of what it writes."""

from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count, Exists, Max, OuterRef, Q

from learning.problem import Classification, Clustering
from store.access.actors import Actor
from store.products import Before, DataProduct, Join, Latest
from store.products.rights import OWN_SCHEMAS, list_rights
from tests.clinic.models import Operation, Visit, Ward

from ..team import Customer, Order, customers, team

pytestmark = pytest.mark.django_db
__all__ = ["team"]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' tables are a team's: they lie where Exemplar's own do."""
    monkeypatch.setattr("store.products.rights.OWN_SCHEMAS", ())


def printed(product: DataProduct) -> set[str]:
    """The statements without the names that all of them have."""
    with connection.cursor() as cursor:
        statements = [right.grant("clerk").as_string(cursor.cursor) for right in list_rights(product)]
    texts = (text.replace('"', "").removesuffix(" TO clerk;").removeprefix("GRANT ") for text in statements)
    return {text.replace("exemplar.", "") for text in texts}


def relapse(rows: Any = None, **features: Any) -> DataProduct:
    join = Join(
        Operation.objects.all() if rows is None else rows, features=features, label="relapsed", at="done_at"
    )
    return DataProduct(name="declared", problem=Classification(folds=3), join=join, writes="none")


def test_what_conditions_aggregates_and_subqueries_read_is_granted() -> None:
    product = relapse(
        Operation.objects.filter(Exists(Visit.objects.filter(operation=OuterRef("pk"), minutes__gt=3))),
        age="anamnesis__age",
        beds="ward__beds",
        labs=Before(Count("labs"), at="labs__taken_at"),
        marker=Latest("labs__marker", at="labs__taken_at"),
    )
    assert printed(product) == {
        "USAGE ON SCHEMA exemplar",
        "SELECT (done_at, id, relapsed, ward_id) ON clinic_operation",
        "SELECT (age, id, operation_id) ON clinic_anamnesis",
        "SELECT (beds, id) ON clinic_ward",
        "SELECT (id, marker, operation_id, taken_at) ON clinic_lab",
        "SELECT (minutes, operation_id) ON clinic_visit",
    }


def test_what_says_who_sees_which_rows_is_read() -> None:
    def visible_to(actor: Actor) -> Q:
        return Q(anamnesis__age=len(actor.name)) if actor.name else Q(pk__in=[])

    join = Join(Operation.objects.all(), features={"beds": "ward__beds"}, visible_to=visible_to)
    product = DataProduct(name="declared", join=join, problem=Clustering(), writes="none")
    assert "SELECT (age, operation_id) ON clinic_anamnesis" in printed(product)


def test_groups_are_read_and_not_written() -> None:
    rows = Visit.objects.values("operation").annotate(longest=Max("minutes"))
    join = Join(rows, features={"longest": "longest", "beds": "operation__ward__beds"})
    assert printed(DataProduct(name="declared", join=join, problem=Clustering())) == {
        "USAGE ON SCHEMA exemplar",
        "SELECT (minutes, operation_id) ON clinic_visit",
        "SELECT (id, ward_id) ON clinic_operation",
        "SELECT (beds, id) ON clinic_ward",
    }


@pytest.mark.usefixtures("team")
@pytest.mark.parametrize(
    ("writes", "written"),
    [
        ("none", set()),
        ("label", {"UPDATE (churned) ON team_customer"}),
        (
            "rows",
            {
                "UPDATE (age, churned, tenant) ON team_customer",
                "INSERT (age, churned, deleted_at, id, tenant) ON team_customer",
                "DELETE ON team_customer",
            },
        ),
    ],
)
def test_what_a_product_writes_is_granted_and_no_more(writes: Any, written: set[str]) -> None:
    product = replace(customers(), writes=writes)
    selected = "age, churned, deleted_at, id, tenant" + (", xmax" if writes == "rows" else "")
    read = {"USAGE ON SCHEMA exemplar", f"SELECT ({selected}) ON team_customer"}
    assert printed(product) == read | written


def test_keys_are_drawn_from_their_sequence() -> None:
    join = Join(Ward.objects.all(), features={"beds": "beds"}, label="beds")
    product = DataProduct(name="declared", join=join, problem=Classification())
    assert "SELECT, UPDATE ON SEQUENCE clinic_ward_id_seq" in printed(product)


@pytest.mark.usefixtures("team")
@pytest.mark.parametrize(
    ("statements", "also"),
    [
        ("CREATE VIEW v AS SELECT * FROM stored", set()),
        (
            "CREATE VIEW v WITH (security_invoker = true) AS SELECT * FROM stored",
            {"SELECT (age, churned, deleted_at, id, tenant) ON stored"},
        ),
        (
            "CREATE FUNCTION old(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1'; "
            "REVOKE ALL ON FUNCTION old(integer) FROM PUBLIC; "
            "CREATE VIEW v WITH (security_invoker = true) AS "
            "SELECT id, tenant, deleted_at, old(age) AS age, churned FROM stored",
            {"SELECT (age, churned, deleted_at, id, tenant) ON stored", "EXECUTE ON FUNCTION old(integer)"},
        ),
    ],
    ids=["its owner's rights", "the reader's rights", "a function"],
)
def test_a_view_that_reads_with_the_readers_rights_needs_those_of_its_tables(
    statements: str, also: set[str]
) -> None:
    with connection.cursor() as cursor:
        if cursor.connection.server_version < 150_000 and also:
            pytest.skip("PostgreSQL has such views from 15 on")
        cursor.execute("ALTER TABLE team_customer RENAME TO stored")
        cursor.execute(statements)
        cursor.execute("ALTER VIEW v RENAME TO team_customer")
    read = {"USAGE ON SCHEMA exemplar", "SELECT (age, churned, deleted_at, id, tenant) ON team_customer"}
    assert printed(replace(customers(), writes="none")) == read | also


@pytest.mark.usefixtures("team")
def test_a_table_of_which_rows_are_counted_is_read_by_one_column() -> None:
    rows = Customer.objects.filter(Exists(Order.objects.all()))
    product = replace(customers(rows), writes="none")
    assert "SELECT (id) ON team_order" in printed(product)


def test_exemplars_own_tables_need_no_grants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.products.rights.OWN_SCHEMAS", OWN_SCHEMAS)
    assert printed(relapse(age="anamnesis__age")) == set()
