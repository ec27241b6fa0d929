"""What never changes is read once by a process."""

from collections.abc import Collection
from typing import Any

import pytest

from store.db import pagination, row_cache
from store.db.row_cache import RowCache
from store.models import Snapshot
from store.products.product import DataProduct
from store.registry.versions import ModelVersion
from tests.store.conftest import version


@pytest.fixture(autouse=True)
def new_process(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_cache, "_rows", {})


def test_a_version_is_read_once(stay: DataProduct, django_assert_num_queries: Any) -> None:
    first = version(stay)
    with django_assert_num_queries(1):
        found = [row_cache.get_rows(ModelVersion, [first.pk]) for _ in range(3)]
    assert [rows[first.pk].digest for rows in found] == [first.digest] * 3


def test_no_object_is_shared_between_callers(stay: DataProduct) -> None:
    first = version(stay)
    one, another = (row_cache.get_rows(ModelVersion, [first.pk])[first.pk] for _ in range(2))
    pagination.share_lookups([one])
    assert one == another and "page_lookups" not in vars(another)
    assert another.status == "CHALLENGER"


def test_deferred_columns_are_read_on_access(stay: DataProduct) -> None:
    first = version(stay)
    found = row_cache.get_rows(ModelVersion, [first.pk])[first.pk]
    assert "artifact" not in vars(found) and bytes(found.artifact) == bytes(first.artifact)


def test_mutable_rows_are_read_each_time(stay: DataProduct, django_assert_num_queries: Any) -> None:
    snapshot = version(stay).snapshot
    with django_assert_num_queries(2):
        assert [row_cache.get_rows(Snapshot, [snapshot.pk]) for _ in range(2)] == [
            {snapshot.pk: snapshot}
        ] * 2


def test_an_unknown_path_is_not_found(stay: DataProduct) -> None:
    assert row_cache.get_rows(ModelVersion, [0]) == {}
    first = version(stay)
    assert list(row_cache.get_rows(ModelVersion, [0, first.pk])) == [first.pk]


def test_the_newest_stay() -> None:
    looked: list[int] = []

    def look(keys: Collection[int]) -> dict[int, int]:
        looked.extend(keys)
        return {key: -key for key in keys}

    memory: RowCache[int, int] = RowCache(2)
    assert memory.find([1, 2, 3], look) == {1: -1, 2: -2, 3: -3}
    assert memory.find([3, 2], look) == {3: -3, 2: -2}
    assert memory.find([1], look) == {1: -1}
    assert looked == [1, 2, 3, 1]
