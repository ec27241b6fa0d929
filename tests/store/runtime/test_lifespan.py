"""The operation phase goes on looking, whatever one look meets."""

import logging

import pytest

from learning.model import Model
from store.exceptions import ModelDoesNotFit
from store.products.product import DataProduct
from store.runtime import lifespan
from store.serving import champions

from ..conftest import operate, version

pytestmark = pytest.mark.django_db


async def test_maintenance_goes_on_after_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        raise ValueError("unheard of")

    with caplog.at_level(logging.ERROR):
        await lifespan._log_errors(fails())
    assert "Maintenance failed; it is tried again" in caplog.text and "unheard of" in caplog.text


def test_an_artifact_that_cannot_be_unpickled_is_reported(
    stay: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Model:
        raise EOFError("Ran out of input")

    monkeypatch.setattr("store.registry.versions.loads", broken)
    with pytest.raises(ModelDoesNotFit, match="build again"):
        version(stay).load(stay)


def test_a_model_that_is_asked_in_turns_is_not_asked_on_the_event_loop(stay: DataProduct) -> None:
    operate(age=50)
    loaded = version(stay).load(stay)  # nobody has compiled it, so its pipeline serves
    assert not loaded.serves_alone
    assert champions._warmed(stay, loaded).microseconds(1) == float("inf")
