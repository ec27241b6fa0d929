"""Maintenance in the face of a step that fails."""

from collections.abc import Callable

import pytest
from django.db import OperationalError, ProgrammingError

from store.runtime import maintenance


def failing(error: Exception) -> Callable[[], None]:
    """A step that raises."""

    def fail() -> None:
        raise error

    return fail


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps that were taken; the second and the fourth of five fail."""
    taken: list[int] = []
    steps = [lambda place=place: taken.append(place) for place in range(5)]
    steps[1], steps[3] = failing(ProgrammingError("one")), failing(ValueError("two"))
    monkeypatch.setattr(maintenance, "STEPS", tuple(steps))
    return taken


def test_a_step_that_fails_keeps_no_other_from_its_turn(taken: list[int]) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        maintenance.tick()
    assert taken == [0, 2, 4]
    assert [str(error) for error in raised.value.exceptions] == ["one", "two"]


def test_one_error_is_raised_as_it_is(taken: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "STEPS", maintenance.STEPS[:3])
    with pytest.raises(ProgrammingError, match="one"):
        maintenance.tick()
    assert taken == [0, 2]


def test_nothing_waits_for_a_database_that_is_gone(taken: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    steps = (maintenance.STEPS[0], failing(OperationalError("gone")), *maintenance.STEPS[2:])
    monkeypatch.setattr(maintenance, "STEPS", steps)
    with pytest.raises(OperationalError, match="gone"):
        maintenance.tick()
    assert taken == [0]


@pytest.mark.django_db
def test_every_step_runs_on_an_empty_database() -> None:
    maintenance.tick()
