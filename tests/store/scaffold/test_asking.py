"""The command asks on a terminal for what a file does not show."""

import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

ROWS = "day,price,bought\n" + "01/02/2024,1.5,yes\n03/04/2024,2.5,no\n" * 5


class Terminal:
    """Standard input of a person."""

    def isatty(self) -> bool:
        return True


@pytest.mark.django_db
def test_an_unclear_order_of_day_and_month_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "shop.csv"
    path.write_text(ROWS)
    questions, answers = [], iter(["", "April", "Month", "n"])

    def answer(question: str) -> str:
        questions.append(question)
        return next(answers)

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(CommandError, match="Nothing was written"):
        call_command("newproduct", "shop_of_a_test", str(path), label="bought")
    assert questions[:3] == ["Dates as 01/02/2024: is the day first, or the month? [d/m] "] * 3
    assert "the day is taken to be first" not in capsys.readouterr().out
