"""Feedback about rows that cannot be written: it is stored, counts, and is learned from."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal
from unittest import mock

import pytest
from django.db import connection, transaction

from learning.problem import Regression
from store.access.actors import TABLE, Actor
from store.entities.entities import KEEP
from store.exceptions import Conflict, NotWritable
from store.ingest import editing
from store.predictions import truth
from store.predictions.feedback import About, Feedback, FeedbackResult
from store.products.features import Join
from store.products.product import DataProduct
from store.snapshots import checks, snapshots

from ..team import Customer, Profile, contents, customers, team
from .test_feedback import predicted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clerk")]
__all__ = ["team"]

ANN = Actor(author="ann", name="ann")
READ = "GRANT SELECT ON team_customer TO clerk;"
COLUMNS = "(id, tenant, deleted_at, age, churned)"
WRITE = "GRANT SELECT, UPDATE ON team_customer TO clerk;"

#: What a team's database may have, so that the label is not written; the role of the statements is the `clerk`.
REFUSALS = {
    "a right to read alone": READ,
    "a right to read its columns alone": f"GRANT SELECT {COLUMNS} ON team_customer TO clerk",
    "a right to write another column": f"{READ} GRANT UPDATE (age) ON team_customer TO clerk",
    "a policy that leaves rows out of writing": f"{WRITE} ALTER TABLE team_customer ENABLE ROW LEVEL SECURITY; "
    "CREATE POLICY r ON team_customer FOR SELECT USING (true); "
    "CREATE POLICY w ON team_customer FOR UPDATE USING (false)",
    "a policy that refuses what is written": f"{WRITE} ALTER TABLE team_customer ENABLE ROW LEVEL SECURITY; "
    "CREATE POLICY r ON team_customer FOR SELECT USING (true); "
    "CREATE POLICY w ON team_customer FOR UPDATE USING (true) WITH CHECK (churned IS NOT TRUE)",
    "a trigger that refuses": f"{WRITE} CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE 'closed'; END $$; "
    "CREATE TRIGGER no BEFORE UPDATE ON team_customer FOR EACH ROW EXECUTE FUNCTION no()",
    "a trigger that does nothing": f"{WRITE} CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RETURN NULL; END $$; "
    "CREATE TRIGGER no BEFORE UPDATE ON team_customer FOR EACH ROW EXECUTE FUNCTION no()",
    "a computed column": "ALTER TABLE team_customer DROP COLUMN churned; "
    f"ALTER TABLE team_customer ADD COLUMN churned boolean GENERATED ALWAYS AS (age > 100) STORED; {WRITE}",
    "a view": "ALTER TABLE team_customer RENAME TO stored; "
    f"CREATE VIEW team_customer AS SELECT DISTINCT * FROM stored; {WRITE}",
    "a view with a computed column": "ALTER TABLE team_customer RENAME TO stored; CREATE VIEW team_customer AS "
    f"SELECT id, tenant, deleted_at, age, churned AND true AS churned FROM stored; {WRITE}",
    "a materialized view": "ALTER TABLE team_customer RENAME TO stored; "
    f"CREATE MATERIALIZED VIEW team_customer AS SELECT * FROM stored; {WRITE}",
}


def execute(statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements)


@pytest.fixture
def clerk(team: None) -> Iterator[None]:
    """A role that may do everything in Exemplar's own tables, and nothing in the team's."""
    Customer.objects.create(id=1, tenant=1, churned=False)
    execute(
        "CREATE ROLE clerk; GRANT USAGE ON SCHEMA exemplar TO clerk; "
        "GRANT ALL ON ALL TABLES IN SCHEMA exemplar TO clerk; "
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA exemplar TO clerk; "
        "REVOKE ALL ON team_customer, team_profile, team_line, team_order FROM clerk"
    )
    yield
    execute("RESET ROLE")


def become_clerk(statements: str) -> None:
    execute(f"{statements}; SET LOCAL ROLE clerk")


def declared(writes: Literal["rows", "label", "none"] = "rows") -> DataProduct:
    return replace(customers(), writes=writes)


def give(product: DataProduct, answer: str = "True", author: str = "ann") -> FeedbackResult:
    return Feedback.objects.give(product, About(entity="1"), answer, author)


def joined_label(product: DataProduct) -> Any:
    """The label of the row in the next snapshot."""
    with connection.cursor() as cursor:
        cursor.execute(snapshots.join_sql(product).replace("%", "%%"), [])
        return cursor.fetchone()[2]


def words_of_the_table() -> int:
    return Feedback.objects.filter(author=TABLE).count()


@pytest.mark.parametrize("statements", REFUSALS.values(), ids=REFUSALS)
def test_feedback_that_may_not_be_written_is_stored_and_counts(statements: str) -> None:
    become_clerk(statements)
    product, before = declared(), contents(Customer)
    first = give(product)
    assert first.created and first.feature_rows_changed == 0
    assert first.not_written and "stored all the same" in first.not_written.message
    assert not give(product).created and words_of_the_table() == 1
    assert [row.answer for row in truth.Truth.objects.all()] == ["True"]
    assert joined_label(product) == "True"
    give(product, "False", "bob")
    assert joined_label(product) == "False", "a tie gives the table's label"
    Feedback.objects.retract(product, first.feedback.pk, ANN)
    assert joined_label(product) == "False" and words_of_the_table() == 1
    assert contents(Customer) == before


@pytest.mark.parametrize("statements", REFUSALS.values(), ids=REFUSALS)
def test_a_product_that_writes_nothing_asks_for_no_right_to_write(statements: str) -> None:
    become_clerk(statements)
    result = give(declared("none"))
    assert result.created and result.not_written is None
    assert joined_label(declared("none")) == "True"


def test_the_label_is_written_by_a_role_that_may_write_it_alone() -> None:
    become_clerk(f"GRANT SELECT {COLUMNS}, UPDATE (churned) ON team_customer TO clerk")
    result = give(declared("label"))
    assert (result.feature_rows_changed, result.not_written) == (1, None)
    assert Customer.objects.values_list("churned", flat=True).get() is True
    Feedback.objects.retract(declared("label"), result.feedback.pk, ANN)
    assert Customer.objects.values_list("churned", flat=True).get() is False


@pytest.mark.parametrize(
    "rule",
    ["ADD CHECK (churned IS NOT TRUE)", "ALTER churned TYPE varchar(3) USING NULL"],
    ids=["a constraint", "a type"],
)
def test_a_label_that_contradicts_the_table_is_a_conflict(rule: str) -> None:
    become_clerk(f"{WRITE} ALTER TABLE team_customer {rule}")
    with pytest.raises(Conflict, match="The label contradicts the table"), transaction.atomic():
        give(declared())
    assert not Feedback.objects.exists()


def test_feedback_whose_row_may_not_be_inserted_is_stored_and_counts_once_there_is_a_row() -> None:
    product = declared()
    prediction = predicted(product, {"age": 50, "tenant": 1}, entity="99")
    become_clerk(READ)
    result = Feedback.objects.give(product, About(prediction=prediction.pk), "True", "ann")
    assert result.created and result.not_written and not Customer.objects.filter(pk=99).exists()
    execute("RESET ROLE")
    Customer.objects.all().delete()
    Customer.objects.create(id=99, tenant=1)
    assert joined_label(product) == "True"


def test_a_label_of_a_one_to_one_row_asks_for_rights_on_that_row_alone() -> None:
    Profile.objects.create(customer_id=1, visits=0)
    become_clerk(
        "GRANT SELECT (id) ON team_customer TO clerk;"
        "GRANT SELECT (id, customer_id, visits), UPDATE (visits) ON team_profile TO clerk"
    )
    for writes, visits in (("none", 0), ("label", 3)):
        product = DataProduct(
            name="visits",
            join=Join(Customer.objects.all(), features={"key": "id"}, label="profile__visits"),
            problem=Regression(),
            writes=writes,  # type: ignore[arg-type]
        )
        assert give(product, "3.0", author=writes).not_written is None
        assert Profile.objects.get().visits == visits
        execute("RESET ROLE; DELETE FROM store_feedback; SET LOCAL ROLE clerk")
    execute("RESET ROLE; DELETE FROM team_profile; SET LOCAL ROLE clerk")
    result = give(product, "3.0")
    assert result.not_written and "has no row with its label" in result.not_written.message


def test_a_label_is_written_once_the_role_may() -> None:
    become_clerk(READ)
    product = declared()
    assert give(product).not_written
    execute("RESET ROLE; GRANT UPDATE ON team_customer TO clerk; SET LOCAL ROLE clerk")
    again = give(product)
    assert (again.created, again.feature_rows_changed, again.not_written) == (False, 1, None)
    assert Customer.objects.get().churned is True
    Customer.objects.update(churned=None)  # others' newer word
    give(product, "False", "bob")
    assert Customer.objects.get().churned is None and words_of_the_table() == 2


EDITS = {
    "create": lambda product: editing.create(product, "7", {"age": 1, "tenant": 1}, None, None),
    "replace": lambda product: editing.replace(product, "1", {"age": 1, "tenant": 1}, None, None, None),
    "patch": lambda product: editing.patch(product, "1", {"age": 1}, KEEP, KEEP, None),
    "label": lambda product: editing.patch(product, "1", {}, True, KEEP, None),
    "upsert": lambda product: editing.upsert_many(
        product, [editing.EditedRow("1", {"age": 1, "tenant": 1}, KEEP, None)]
    ),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("writes", ["rows", "none"])
def test_an_edit_that_may_not_be_written_is_refused(edit: Any, writes: Any) -> None:
    become_clerk(READ)
    before = contents(Customer)
    with pytest.raises(NotWritable), transaction.atomic():
        edit(declared(writes))
    assert contents(Customer) == before and not Feedback.objects.exists()


def test_a_check_names_the_rights_to_write_that_the_role_lacks() -> None:
    def warnings(product: DataProduct) -> list[str]:
        return [
            str(message.msg) for message in checks.check_product(product) if message.id == "exemplar.W010"
        ]

    become_clerk(f"{READ} GRANT UPDATE (age) ON team_customer TO clerk")
    # The tests' tables are a team's: they lie where Exemplar's own do.
    with mock.patch("store.products.rights.OWN_SCHEMAS", ()):
        assert warnings(declared("none")) == []
        [missing] = warnings(declared("label"))
        assert "may not UPDATE churned of exemplar.team_customer, which writes='label' declares" in missing
        insert, update = warnings(declared("rows"))
        assert "INSERT age, churned, deleted_at, id, tenant of" in insert
        assert "UPDATE churned, tenant of" in update
        execute("RESET ROLE; REVOKE SELECT ON team_customer FROM clerk")
        become_clerk("GRANT SELECT (id, churned) ON team_customer TO clerk")
        [unread] = warnings(declared("none"))
        assert "may not SELECT age, deleted_at, tenant of exemplar.team_customer, which it reads" in unread


def test_labels_alone_are_written_where_that_is_declared() -> None:
    become_clerk(WRITE)
    product = declared("label")
    assert editing.patch(product, "1", {}, True, KEEP, None).changed == ["label"]
    for name in set(EDITS) - {"label"}:
        with pytest.raises(NotWritable, match='declared with writes="label"'), transaction.atomic():
            EDITS[name](product)
    assert contents(Customer) == [(1, 1, None, 30, True)]
