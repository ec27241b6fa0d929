"""Pages: going through a list both ways, whatever is equal or changes meanwhile."""

import gc
import re
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, cast

import pytest

from store.db import pagination
from store.db.pagination import PageRequest
from store.entities import entities
from store.exceptions import BadInput, OutOfRange
from store.products.product import DataProduct
from tests.clinic.models import Operation, Ward

from ..conftest import HOUR, NOON, operate

pytestmark = pytest.mark.django_db

ORDER = ("-done_at", "-pk")


Keys: TypeAlias = list[int]


def page(
    first: int | None = None, after: str | None = None, order: Any = ORDER, **wanted: Any
) -> pagination.Page:
    return pagination.page(Operation.objects.all(), order, PageRequest(first, after, **wanted))


def keys_of(found: pagination.Page) -> Keys:
    return [node.pk for node in found.nodes]


def forwards(read: Callable[[PageRequest], pagination.Page], size: int) -> Keys:
    """The keys of all pages, one after the other."""
    keys, after, more = [], None, True
    while more:
        found = read(PageRequest(size, after))
        keys += keys_of(found)
        after, more = found.cursor(found.nodes[-1]), found.has_next
    return keys


def backwards(read: Callable[[PageRequest], pagination.Page], size: int) -> Keys:
    """The keys of all pages, one before the other."""
    keys: Keys = []
    before, more = None, True
    while more:
        found = read(PageRequest(last=size, before=before))
        keys = keys_of(found) + keys
        before, more = found.cursor(found.nodes[0]), found.has_previous
    return keys


WAYS = pytest.mark.parametrize("through", [forwards, backwards])


@pytest.fixture
def operations() -> Keys:
    """Seven, of which some happened at the same time."""
    return [operate(at=NOON + (n // 3) * HOUR).pk for n in range(7)]


@WAYS
@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("order", [ORDER, ("done_at", "pk"), ("pk",), ("-pk",)])
def test_every_row_is_read_once_and_in_order(operations: Keys, through: Any, size: int, order: Any) -> None:
    found = through(partial(pagination.page, Operation.objects.all(), order), size)
    assert found == list(Operation.objects.order_by(*order).values_list("pk", flat=True))


@WAYS
@pytest.mark.parametrize("order", [ORDER, ("done_at", "pk"), ("pk",)])
def test_parts_come_as_one_list(operations: Keys, through: Any, order: Any) -> None:
    parts = [Operation.objects.filter(pk__in=operations[rest::3]) for rest in range(3)]
    found = through(partial(pagination.page_of, parts, order), 2)
    assert found == list(Operation.objects.order_by(*order).values_list("pk", flat=True))
    assert pagination.page_of(parts, order).total() == len(operations)


def test_a_page_ends_at_both_cursors(operations: Keys) -> None:
    found = page(7)
    after, before = found.cursor(found.nodes[1]), found.cursor(found.nodes[5])
    between = page(100, after, before=before)
    assert keys_of(between) == keys_of(found)[2:5]
    assert (between.has_previous, between.has_next) == (True, True)
    assert keys_of(page(None, after, before=before, last=2)) == keys_of(found)[3:5]
    assert keys_of(page(2, after, before=before)) == keys_of(found)[2:4]


def test_a_cursor_to_stop_at_alone_gives_the_page_before_it(operations: Keys) -> None:
    found = page(100)
    assert keys_of(page(before=found.cursor(found.nodes[3]))) == keys_of(found)[:3]


@pytest.mark.parametrize("wanted", [{"after": 1}, {"before": 1, "last": 3}, {"before": 1}])
def test_a_deep_page_begins_at_its_place_of_the_index(operations: Keys, wanted: dict[str, Any]) -> None:
    """An index condition is a comparison of rows: PostgreSQL does not read what precedes."""
    cursor = page(7).cursor(page(7).nodes[3])
    request = PageRequest(**{name: cursor if value == 1 else value for name, value in wanted.items()})
    rows = pagination.Cursors(ORDER).select(Operation.objects.all(), request)
    assert re.search(r'\("[^)]*"done_at", "[^)]*"id"\) [<>] \(', str(rows.query))


def test_a_row_that_is_written_meanwhile_moves_no_other(operations: Keys) -> None:
    before = page(3)
    newest = operate(at=NOON + 9 * HOUR)
    after = page(100, before.cursor(before.nodes[-1]))
    assert [node.pk for node in before.nodes + after.nodes] == list(reversed(operations))
    assert page(1).nodes == [newest]


def test_a_page_reports_whether_others_precede_and_follow(operations: Keys) -> None:
    first = page(3)
    assert (first.has_previous, first.has_next, first.total()) == (False, True, 7)
    last = page(4, first.cursor(first.nodes[-1]))
    assert (last.has_previous, last.has_next, last.total()) == (True, False, 7)
    empty = page(4, last.cursor(last.nodes[-1]))
    assert (empty.nodes, empty.has_next) == ([], False)
    end = page(last=3)
    assert (end.has_previous, end.has_next, end.total()) == (True, False, 7)
    start = page(last=4, before=end.cursor(end.nodes[0]))
    assert (start.has_previous, start.has_next, start.total()) == (False, True, 7)


@pytest.mark.parametrize("size", [0, -1, 1_001])
@pytest.mark.parametrize("argument", ["first", "last"])
def test_a_page_of_no_or_too_many_nodes_is_refused(size: int, argument: str) -> None:
    with pytest.raises(OutOfRange, match=f"A page has 1 to 1,000 nodes, not {size:,}") as refused:
        page(**cast(Any, {argument: size}))
    assert (refused.value.minimum, refused.value.maximum) == (1, 1_000)
    assert refused.value.argument == (argument,)


def test_a_page_is_counted_from_one_end() -> None:
    with pytest.raises(BadInput, match="`first` or `last`, not both"):
        page(1, last=1)


def bad_cursors(order: Any) -> list[str]:
    tag = pagination.Cursors(tuple(order)).tag
    return [
        "!",
        "é",
        "AAAA",
        "\0",
        pagination.encode(None),
        pagination.encode({"a": 1}),
        pagination.encode([tag]),
        pagination.encode(["x", str(NOON), 1]),
        pagination.encode([tag, "yesterday", 1]),
        pagination.encode([tag, None, None]),
        pagination.encode([tag, {}, []]),
        pagination.encode([tag, str(NOON), "x"]),
        pagination.encode([tag, "0001-01-01T00:00:00+23:59", 1]),
    ]


@pytest.mark.parametrize("argument", ["after", "before"])
@pytest.mark.parametrize("cursor", bad_cursors(ORDER))
def test_an_invalid_cursor_is_refused(cursor: str, argument: str) -> None:
    with pytest.raises(BadInput) as refused:
        page(**cast(Any, {argument: cursor}))
    assert refused.value.argument == (argument,)


@pytest.mark.parametrize("other", [{"order": ("done_at", "pk")}, {"name": "Ward.operations 7"}])
def test_the_cursor_of_another_list_or_order_is_refused(operations: Keys, other: dict[str, Any]) -> None:
    found = page(3)
    with pytest.raises(BadInput, match="belongs to another list, or to this one in another order"):
        page(3, found.cursor(found.nodes[0]), **other)


def test_entities_come_in_the_order_of_their_keys(operations: Keys, stay: DataProduct) -> None:
    first = entities.page(stay, PageRequest(4))
    second = entities.page(stay, PageRequest(4, first.cursor(first.nodes[-1])))
    assert [int(entity.key) for entity in first.nodes + second.nodes] == operations
    assert (first.has_next, second.has_next, second.total()) == (True, False, 7)
    before = entities.page(stay, PageRequest(last=4, before=second.cursor(second.nodes[0])))
    assert keys_of(before) == keys_of(first)


@pytest.mark.parametrize("cursor", [*bad_cursors(ORDER), pagination.encode(["x"]), pagination.encode([None])])
def test_an_invalid_cursor_of_entities_is_refused(cursor: str, stay: DataProduct) -> None:
    with pytest.raises(BadInput):
        entities.page(stay, PageRequest(4, cursor))


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


def test_nothing_is_found_where_nothing_is_pointed_to(operations: Keys) -> None:
    assert pagination.related(page(1).nodes, "ward") == [None]
