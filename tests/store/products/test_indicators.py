"""Several values of a to-many relation as features of yes and no."""

from typing import Any

import pytest

from learning.columns import Kind
from learning.kinds import MOST_MEMBERS, members_of
from learning.model import Signature
from store.exceptions import BadInput, InvalidJoin
from store.products import checks
from store.products.features import Join
from store.products.indicators import Choices
from store.snapshots import dataset_loader, snapshots
from tests.market.models import Customer, Tag
from tests.market.rows import customer, product_of, served_values, snapshot_values

pytestmark = pytest.mark.django_db


def test_each_value_is_a_feature_of_yes_and_no() -> None:
    both, other = customer(tags=["new", "50% off"]), customer(tags=["other"])
    product = product_of({"tags": Choices("tags__label", ["new", "50% off"])})
    assert not list(checks.find_problems(product))
    assert {column.kind for column in product.columns} == {Kind.BOOLEAN}
    new, off = sorted(product.feature_names, key=lambda name: name != "tags_new")
    values = snapshot_values(product)
    assert values == {str(both.pk): {new: True, off: True}, str(other.pk): {new: False, off: False}}
    assert served_values(product, both.pk, other.pk) == values


def test_before_an_event_only_earlier_rows_count() -> None:
    row = customer(orders=[(-1, 5.0), (1, 7.0)])
    product = product_of(
        {"had": Choices("orders__amount", [5.0, 7.0], at="orders__placed_at")}, at="joined_at"
    )
    [values] = snapshot_values(product).values()
    assert sorted(values.values()) == [False, True]
    assert served_values(product, row.pk) == {str(row.pk): values}


@pytest.mark.parametrize(
    "declared, at, sentence",
    [
        (Choices("age", [30]), None, "name the path alone"),
        (Choices("tags__label", ["new"]), "joined_at", "write Choices"),
        (Choices("tags__label", ["new"], at="orders__placed_at"), "joined_at", "is not a column of 'tags'"),
        (Choices("orders__placed_at", ["x"]), None, "is no value of"),
        (Choices("tags__label", "new"), None, "takes a list of values"),
        (Choices("tags__label", []), None, "takes a list of values"),
        (Choices("tags__label", [None]), None, "None is no value"),
        (
            Choices("age"),
            None,
            "name the path alone, as 'age', or Category\\('age'\\) where its values are names",
        ),
        (Choices("joined_at", most=50), None, "several rows: name the path alone, as 'joined_at'.$"),
        (Choices("tags", most=50), None, "'tags' is a relation: name a column of it, as tags__label"),
        (Choices("tags__label"), "joined_at", "write Choices"),
        (Choices("orders__amount"), None, "takes texts, whole numbers"),
        (Choices("tags__label", most=0), None, "most=0 is no whole number from 1 to 1,000"),
        (Choices("tags__label", most=1_001), None, "most=1001 is no whole number"),
        (Choices("tags__label", most=True), None, "most=True is no whole number"),
        (Choices("tags__label", most=1.5), None, "most=1.5 is no whole number"),  # type: ignore[arg-type]
        (Choices("tags__label", ["new"], most=5), None, "most= is for the set"),
    ],
)
def test_what_cannot_be_an_indicator_is_refused(declared: Any, at: str | None, sentence: str) -> None:
    join = Join(Customer.objects.all(), features={"feature": declared}, at=at)
    with pytest.raises(InvalidJoin, match=sentence):
        _ = join.columns


def test_an_indicator_takes_the_name_of_no_other_feature() -> None:
    product = product_of({"tags": Choices("tags__label", ["new"]), "tags_new": "age"})
    [problem] = checks.find_problems(product)
    assert "tags: Choices makes the features tags_new, and another feature has" in problem


def test_a_set_has_the_values_of_an_entity_s_rows_on_every_path() -> None:
    rows = [
        customer(tags=["new", "Ärger", "50% off", "a\u0301", '"quoted"\\', "new "]),
        customer(tags=[" ", ""]),
        customer(),
    ]
    product = product_of({"tags": Choices("tags__label", most=2)})
    assert not list(checks.find_problems(product))
    [column] = product.columns
    assert (column.kind, column.nullable, column.learning_column().most) == (Kind.TEXT_SET, False, 2)
    values = snapshot_values(product)
    members = [sorted(["new", "Ärger", "50% off", "á", '"quoted"\\', "new "]), [], []]
    assert [members_of(values[str(row.pk)]["tags"]) for row in rows] == members
    assert served_values(product, *(row.pk for row in rows)) == values
    for row, given in zip(rows, members, strict=True):
        assert product.clean({"tags": [*reversed(given), *given, " "]}) == [values[str(row.pk)]["tags"]]


def test_before_an_event_a_set_has_the_values_of_earlier_rows() -> None:
    row = customer(orders=[(-1, 5.0), (-2, 5.0), (1, 7.0)])
    product = product_of({"paid": Choices("orders__customer__age", at="orders__placed_at")}, at="joined_at")
    assert snapshot_values(product) == {str(row.pk): {"paid": '["30"]'}}
    assert served_values(product, row.pk) == {str(row.pk): {"paid": '["30"]'}}


def test_a_set_has_as_many_values_as_a_client_may_send() -> None:
    row = customer()
    row.tags.set(Tag.objects.bulk_create(Tag(label=f"{n:04}") for n in range(MOST_MEMBERS + 1)))
    product = product_of({"tags": Choices("tags__label")})
    values = snapshot_values(product)
    assert len(members_of(values[str(row.pk)]["tags"])) == MOST_MEMBERS
    assert served_values(product, row.pk) == values
    with pytest.raises(BadInput, match=r"may have 1,000 different texts, not 1,001"):
        product.clean({"tags": [str(n) for n in range(MOST_MEMBERS + 1)]})


def test_a_snapshot_is_loaded_with_the_sets_that_are_served() -> None:
    some: list[list[str]] = [["new", "Ärger"], [], ['"quoted"\\', "new"]]
    rows = [customer(tags=some[n % 3], churned=n % 2 == 0) for n in range(12)]
    product = product_of({"tags": Choices("tags__label", most=2)})
    snapshots._create_table(product, "sets_snapshot")
    data = dataset_loader.load(product, "sets_snapshot", 1_000, "", has_predictions=False)
    assert data.columns == product.signature.columns
    served = served_values(product, *(row.pk for row in rows))
    assert sorted(data.X["tags"]) == sorted(values["tags"] for values in served.values())
    signature = Signature.from_json(product.signature.as_json())
    assert signature == product.signature != product_of({"tags": Choices("tags__label")}).signature


@pytest.mark.parametrize("given", [None, ["\0"], ["\ud800"], "new", '["b","a"]'])
def test_what_is_no_member_of_a_set_is_refused(given: Any) -> None:
    with pytest.raises(BadInput, match="Tags"):
        product_of({"tags": Choices("tags__label")}).clean({"tags": given})
