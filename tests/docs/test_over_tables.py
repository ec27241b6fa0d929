"""The page "Over tables you have": its querysets select what it says, and its sentences are those that are told."""

import ast
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Exists, OuterRef

from store.entities import entities
from store.management.commands import newproduct
from store.snapshots import checks
from tests.store.scaffold.test_existing_tables import plan, shops
from tests.store.team import Customer, Line, Order, customers, lines, team

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("team")]
__all__ = ["shops", "team"]

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "over-tables-you-have.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def querysets(block: str) -> list[Any]:
    """The querysets of a block, one a line."""
    names: dict[str, Any] = {"Customer": Customer, "Order": Order, "Exists": Exists, "OuterRef": OuterRef}
    return [eval(line, names) for line in block.splitlines()]


@pytest.fixture
def rows(team: None) -> None:
    Customer.objects.bulk_create([Customer(id=1, tenant=1), Customer(id=2, tenant=2)])
    Order.objects.bulk_create([Order(customer_id=1, paid=paid) for paid in (1, 2)])
    Line.objects.bulk_create([Line(purchase=7, number=number, amount=1) for number in range(4)])


def test_the_querysets_of_the_page_select_what_it_says(rows: None) -> None:
    ours, paying = (querysets(block) for block in blocks("python") if block.startswith("Customer.objects"))
    assert set(entities.find(customers(ours[0]), ["1", "2"])) == {"1"}
    repeats, *others = (list(checks.check_product(customers(rows))) for rows in paying)
    assert repeats
    assert others == [[], []]


def shape(sentence: str) -> str:
    """A sentence without its numbers and line breaks."""
    return " ".join(re.sub(r"[\d,]*\d", "N", sentence).split())


@pytest.mark.parametrize(
    ("subject", "declare"),
    [("team_line", lines), ("its queryset", lambda: customers(Customer.objects.filter(orders__paid__gt=0)))],
)
def test_the_sentences_of_the_page_are_those_of_check(
    rows: None, subject: str, declare: Callable[[], Any]
) -> None:
    [shown] = [shape(block) for block in blocks("text") if subject in block]
    [message] = checks.check_product(declare())
    assert shape(message.msg) == f"The product 'team': {shown}"


def commands() -> list[list[str]]:
    """The arguments of the page's `newproduct --table`."""
    lines = [line.removeprefix("$ ./dev ") for block in blocks("console") for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("newproduct")]


@pytest.mark.parametrize("arguments", commands(), ids=lambda arguments: arguments[0])
def test_the_commands_of_the_page_plan_a_product(shops: None, arguments: list[str]) -> None:
    options = vars(newproduct.Command().create_parser("./dev", "newproduct").parse_args(arguments))
    app = plan(options["table"], options["entity"], label=options["label"], time=options["time"])
    assert len(app.plan.features) > 2
    shown = [block for block in blocks("python") if block.startswith(f"{options['name']} = DataProduct")]
    for block in shown if app.plan.classes else ():
        [declaration] = ast.parse(block).body
        assert isinstance(declaration, ast.Assign) and isinstance(declaration.value, ast.Call)
        declared = {keyword.arg: keyword.value for keyword in declaration.value.keywords}
        classes = {str(key): title for key, title in ast.literal_eval(declared["classes"]).items()}
        assert classes == app.plan.classes
