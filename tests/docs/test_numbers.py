"""Numbers in the pages are those of the code's constants."""

import sys
from pathlib import Path

import pytest

from docs import numbers, source
from docs.generate import DECLARATIONS, ROOT

LIMIT, SHARE = 12_000, 0.25
HERE = __name__
#: Pages that say what holds now. The tutorial is executed; decisions and the changelog speak of their day.
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted([*ROOT.glob("docs/how-to/*.md"), *ROOT.glob("docs/explanation/*.md")]),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_number_of_a_page_is_a_constant(page: Path) -> None:
    assert list(numbers.faults(page.read_text())) == []


@pytest.mark.parametrize(
    "text",
    [
        f"at most 12,000<!-- = {HERE}.LIMIT --> rows",
        f"**25**<!-- = {HERE}.SHARE * 100 --> %",
        f"12<!-- = {HERE}.LIMIT / 1000 --> thousand, twelve<!-- = {HERE}.LIMIT / 1000 --> thousand",
        "in Python 3.11<!-- no constant --> and later",
        "`12 rows` in code, [a link](page-12.md), HTTP/2, UTF-8, two of them",
        "```sh\nrun --port 8001\n```\n\n1. First",
    ],
)
def test_a_number_that_is_right_is_no_fault(text: str) -> None:
    assert list(numbers.faults(text)) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"at most 10,000<!-- = {HERE}.LIMIT --> rows", f"'10,000' is said of {HERE}.LIMIT, which is 12000."),
        (f"every two<!-- = {HERE}.LIMIT --> seconds", f"'two' is said of {HERE}.LIMIT, which is 12000."),
        (f"some<!-- = {HERE}.LIMIT --> rows", f"'some' is said of {HERE}.LIMIT, which is 12000."),
        (f"5<!-- = {HERE}.GONE --> rows", f"'5' names {HERE}.GONE, which is not there"),
        ("5<!-- = gone.LIMIT --> rows", "'5' names gone.LIMIT, which is not there"),
        ("at most 10,000 rows", "'10,000' names no constant: … at most 10,000 rows …"),
        ("within two seconds", "'two' names no constant: … within two seconds …"),
        ("a share of 0.9.", "'0.9' names no constant: … a share of 0.9. …"),
    ],
)
def test_a_number_that_is_wrong_or_of_no_constant_is_named(text: str, fault: str) -> None:
    (found,) = numbers.faults(text)
    assert found.startswith(fault)


def test_a_comment_takes_constants_from_its_module_or_by_their_path() -> None:
    comment = f"At most {{LIMIT:,}}, or {{{HERE}.SHARE:.0%}} of {{LIMIT / 2:g}}."
    assert numbers.filled(comment, sys.modules[HERE]) == "At most 12,000, or 25% of 6000."


@pytest.mark.parametrize("declared", DECLARATIONS, ids=lambda declared: declared.__name__)
def test_no_comment_of_an_option_repeats_a_constant(declared: type) -> None:
    for option in source.fields(declared):
        assert list(numbers.faults(numbers.without_placeholders(option.comment))) == [], option.name
