"""Pages: going forward through a list, whatever is equal or changes meanwhile."""

import gc
import weakref
from typing import Any

import pytest

from store.db import pagination
from store.entities import entities
from store.exceptions import BadInput, OutOfRange
from store.products.product import DataProduct
from tests.clinic.models import Operation, Ward

from ..conftest import HOUR, NOON, operate

pytestmark = pytest.mark.django_db

ORDER = ("-done_at", "-pk")


def page(first: int | None = None, after: str | None = None, order: Any = ORDER) -> pagination.Page:
    return pagination.page(Operation.objects.all(), order, first, after)


def through(first: int, order: Any = ORDER) -> list[int]:
    """The keys of all pages, one after the other."""
    keys, after, more = [], None, True
    while more:
        found = page(first, after, order)
        keys += [node.pk for node in found.nodes]
        after, more = found.cursor(found.nodes[-1]), found.has_next
    return keys


@pytest.fixture
def operations() -> list[int]:
    """Seven, of which some happened at the same time."""
    return [operate(at=NOON + (n // 3) * HOUR).pk for n in range(7)]


@pytest.mark.parametrize("first", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("order", [ORDER, ("done_at", "pk"), ("pk",)])
def test_every_row_is_read_once_and_in_order(operations: list[int], first: int, order: Any) -> None:
    assert through(first, order) == list(Operation.objects.order_by(*order).values_list("pk", flat=True))


@pytest.mark.parametrize("order", [ORDER, ("done_at", "pk"), ("pk",)])
def test_parts_come_as_one_list(operations: list[int], order: Any) -> None:
    parts = [Operation.objects.filter(pk__in=operations[rest::3]) for rest in range(3)]
    keys: list[int] = []
    after, more = None, True
    while more:
        found = pagination.page_of(parts, order, 2, after)
        keys += [node.pk for node in found.nodes]
        after, more = found.cursor(found.nodes[-1]), found.has_next
    assert keys == list(Operation.objects.order_by(*order).values_list("pk", flat=True))
    assert found.total() == len(operations)


def test_a_row_that_is_written_meanwhile_moves_no_other(operations: list[int]) -> None:
    before = page(3)
    newest = operate(at=NOON + 9 * HOUR)
    after = page(100, before.cursor(before.nodes[-1]))
    assert [node.pk for node in before.nodes + after.nodes] == list(reversed(operations))
    assert page(1).nodes == [newest]


def test_a_page_reports_whether_others_precede_and_follow(operations: list[int]) -> None:
    first = page(3)
    assert (first.has_previous, first.has_next, first.total()) == (False, True, 7)
    last = page(4, first.cursor(first.nodes[-1]))
    assert (last.has_previous, last.has_next, last.total()) == (True, False, 7)
    empty = page(4, last.cursor(last.nodes[-1]))
    assert (empty.nodes, empty.has_next) == ([], False)


@pytest.mark.parametrize("first", [0, -1, 101])
def test_a_page_of_no_or_too_many_nodes_is_refused(first: int) -> None:
    with pytest.raises(OutOfRange, match=f"A page has 1 to 100 nodes, not {first}") as refused:
        page(first)
    assert (refused.value.minimum, refused.value.maximum) == (1, 100)


BAD = [
    "",
    "!",
    "é",
    "AAAA",
    "\0",
    pagination.encode(None),
    pagination.encode({"a": 1}),
    pagination.encode([list(ORDER)]),
    pagination.encode([list(ORDER), "yesterday", 1]),
    pagination.encode([list(ORDER), None, None]),
    pagination.encode([list(ORDER), {}, []]),
    pagination.encode([list(ORDER), str(NOON), "x"]),
]


@pytest.mark.parametrize("cursor", BAD)
def test_an_invalid_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(BadInput) as refused:
        page(3, cursor)
    assert refused.value.argument == ("after",)


def test_the_cursor_of_another_order_is_refused(operations: list[int]) -> None:
    found = page(3)
    with pytest.raises(BadInput, match="belongs to a list in another order"):
        page(3, found.cursor(found.nodes[0]), order=("done_at", "pk"))


def test_entities_come_in_the_order_of_their_keys(operations: list[int], stay: DataProduct) -> None:
    first = entities.page(stay, 4, None)
    second = entities.page(stay, 4, first.cursor(first.nodes[-1]))
    assert [int(entity.key) for entity in first.nodes + second.nodes] == operations
    assert (first.has_next, second.has_next, second.total()) == (True, False, 7)


@pytest.mark.parametrize("cursor", [*BAD, pagination.encode(["x"]), pagination.encode([None])])
def test_an_invalid_cursor_of_entities_is_refused(cursor: str, stay: DataProduct) -> None:
    with pytest.raises(BadInput):
        entities.page(stay, 4, cursor)


@pytest.fixture
def in_wards() -> list[Operation]:
    """Four operations in two wards, as one page."""
    wards = [Ward.objects.create(beds=beds) for beds in (10, 20)]
    for n in range(4):
        operate(at=NOON + n * HOUR, ward=wards[n % 2])
    return page(4).nodes


def test_related_rows_are_read_once_per_page(
    in_wards: list[Operation], django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        found = [pagination.related([operation], "ward")[0] for operation in in_wards]
    assert [ward.beds for ward in found] == [20, 10, 20, 10]
    beside = [
        pagination.lookup_for_page(w, "beside", lambda rows: {row.pk: len(rows) for row in rows})
        for w in found
    ]
    assert beside == [2, 2, 2, 2]


def test_a_related_row_that_others_share_is_unchanged(in_wards: list[Operation]) -> None:
    everybodys = Ward.objects.get(beds=10)
    one = Operation.objects.filter(ward=everybodys).first()
    assert one is not None
    one.ward = everybodys
    [found] = pagination.related([one], "ward")
    assert found == everybodys and found is not everybodys
    assert "page_lookups" not in vars(everybodys)


def test_a_page_is_freed_with_its_last_row(in_wards: list[Operation]) -> None:
    pagination.related(in_wards, "ward")
    alive = weakref.ref(in_wards[0])
    gc.disable()
    try:
        in_wards.clear()
        assert alive() is None
    finally:
        gc.enable()


def test_nothing_is_found_where_nothing_is_pointed_to(operations: list[int]) -> None:
    assert pagination.related(page(1).nodes, "ward") == [None]
