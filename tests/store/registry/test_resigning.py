"""Rotation of the signing key: older seals verify, and are renewed while others serve."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from store.products.product import DataProduct
from store.registry import resigning
from store.registry.versions import ModelVersion

from ..conftest import version

pytestmark = pytest.mark.django_db

OLD, NEW = ["old key"], ["new key", "old key"]


@pytest.fixture
def versions(stay: DataProduct, settings: Any) -> list[ModelVersion]:
    """Three versions that the old key has signed, and one that the new one has."""
    settings.EXEMPLAR_SIGNING_KEY = OLD
    signed = [version(stay) for _ in range(3)]
    settings.EXEMPLAR_SIGNING_KEY = NEW
    return [*signed, version(stay)]


def resign() -> str:
    printed = StringIO()
    call_command("resign", stdout=printed, stderr=printed)
    return printed.getvalue()


def test_every_key_verifies_and_the_first_signs(stay: DataProduct, versions: list[ModelVersion]) -> None:
    assert [each.find_key() for each in versions] == [1, 1, 1, 0]
    assert all(each.load(stay) for each in versions)


def test_after_resigning_the_old_key_can_go(
    stay: DataProduct, versions: list[ModelVersion], settings: Any
) -> None:
    said = resign()
    assert "4 of 4 versions: 3 were signed again." in said
    assert "The other keys of EXEMPLAR_SIGNING_KEY can go once every web process and worker" in said
    settings.EXEMPLAR_SIGNING_KEY = NEW[:1]
    assert all(each.load(stay) for each in ModelVersion.objects.all())
    assert "The one key of EXEMPLAR_SIGNING_KEY has signed all versions." in resign()


def test_resigning_continues_where_it_was_interrupted(
    versions: list[ModelVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resigning, "BATCH", 2)
    batches = resigning.resign()
    assert next(batches).renewed == 2
    batches.close()  # as Ctrl-C does
    assert [each.find_key() for each in ModelVersion.objects.order_by("pk")] == [0, 0, 1, 0]
    assert "4 of 4 versions: 1 were signed again." in resign()


def test_a_seal_of_no_key_is_named_and_left(
    stay: DataProduct, versions: list[ModelVersion], settings: Any
) -> None:
    settings.EXEMPLAR_SIGNING_KEY = ["new key"]
    before = list(ModelVersion.objects.order_by("pk").values_list("seal", flat=True))
    with pytest.raises(CommandError, match="3 versions cannot be loaded with these keys"):
        resign()
    assert list(ModelVersion.objects.order_by("pk").values_list("seal", flat=True)) == before


def test_a_version_that_was_tampered_with_gets_no_new_seal(versions: list[ModelVersion]) -> None:
    ModelVersion.objects.filter(pk=versions[0].pk).update(digest="0" * 64)
    with pytest.raises(CommandError, match="1 versions cannot be loaded"):
        resign()
    assert ModelVersion.objects.get(pk=versions[0].pk).find_key() is None
