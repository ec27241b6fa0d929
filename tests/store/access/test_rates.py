"""Rates are written as people say them, and one that allows nothing is refused."""

import pytest
from django.core.exceptions import ImproperlyConfigured, ValidationError

from project.settings import read_rate
from store.access import rates
from store.access.rates import Rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/second", Rate(100, 1)),
        ("5000 per 5 minutes", Rate(5_000, 300)),
        ("1000000/day", Rate(1_000_000, 86_400)),
        ("unlimited", None),
        ("Unlimited", None),
    ],
)
def test_a_rate_is_an_amount_in_a_span_of_time(text, rate):
    assert rates.parse(text) == rate


@pytest.mark.parametrize("text", ["", "100", "fast", "100/fortnight", "-1/second", "1/second; 5/minute"])
def test_what_is_no_rate_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="write 100/second"):
        rates.parse(text)


@pytest.mark.parametrize("text", ["0/second", "0 per day"])
def test_a_rate_that_allows_nothing_is_refused(text):
    with pytest.raises(ValueError, match="allows nothing"):
        rates.parse(text)


def test_a_rate_of_zero_refuses_the_start(monkeypatch):
    monkeypatch.setenv("EXEMPLAR_RATE", "0/second")
    with pytest.raises(ImproperlyConfigured, match="EXEMPLAR_RATE: '0/second' allows nothing"):
        read_rate("EXEMPLAR_RATE", "unlimited")


def test_a_form_says_what_is_wrong():
    with pytest.raises(ValidationError, match="allows nothing"):
        rates.validate("0/day")


@pytest.mark.parametrize(
    ("rate", "sentence"),
    [
        (Rate(1_000, 1), "1,000 operations in 1 second"),
        (Rate(5, 300), "5 operations in 5 minutes"),
        (Rate(9, 86_400), "9 operations in 1 day"),
    ],
)
def test_a_rate_is_told_in_words(rate, sentence):
    assert str(rate) == sentence
