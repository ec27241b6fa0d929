"""Readers of settings, and what they refuse."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from project.settings import read_number


@pytest.mark.parametrize("text", ["3", "9", " 7 "])
def test_a_number_may_be_as_small_and_as_large_as_its_limits(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("EXEMPLAR_LIMITED", text)
    assert read_number("EXEMPLAR_LIMITED", 5, least=3, most=9) == int(text)


@pytest.mark.parametrize("text", ["2", "10", "-3", "4.5", "many"])
def test_a_number_outside_of_its_limits_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("EXEMPLAR_LIMITED", text)
    with pytest.raises(ImproperlyConfigured, match=f"must be a whole number from 3 to 9, not '{text}'"):
        read_number("EXEMPLAR_LIMITED", 5, least=3, most=9)


def test_a_number_without_an_upper_limit_has_the_lower_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXEMPLAR_LIMITED", "2")
    with pytest.raises(ImproperlyConfigured, match="must be a whole number of at least 3, not '2'"):
        read_number("EXEMPLAR_LIMITED", 5, least=3)
    monkeypatch.setenv("EXEMPLAR_LIMITED", "1000000000000")
    assert read_number("EXEMPLAR_LIMITED", 5, least=3) == 10**12
    monkeypatch.delenv("EXEMPLAR_LIMITED")
    assert read_number("EXEMPLAR_LIMITED", 5, least=3) == 5
