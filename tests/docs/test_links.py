"""What `./dev docs` says of links that lead nowhere, and of what pages load from elsewhere."""

from pathlib import Path

import pytest

from docs import links
from docs.generate import ROOT


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        ('<a href="gone.html">x</a>', "index.html links to gone.html, which does not exist."),
        ('<a href="#gone">x</a>', "index.html links to #gone, which does not exist."),
        ('<a href="other.html#gone">x</a>', "index.html links to other.html#gone, which does not exist."),
        ('<img src="gone.png">', "index.html links to gone.png, which does not exist."),
        ('<script src="https://a.example/x.js"></script>', "index.html loads https://a.example/x.js from elsewhere."),
        ('<link rel="stylesheet" href="//a.example/x.css">', "index.html loads //a.example/x.css from elsewhere."),
        ('<p style="background: url(http://a.example/b)">', "index.html loads http://a.example/b from elsewhere."),
        ("<style>@import 'http://a.example/b.css';</style>", "index.html loads http://a.example/b.css from elsewhere."),
    ],
)  # fmt: skip
def test_a_fault_of_a_page_is_named(tmp_path: Path, page: str, problem: str) -> None:
    (tmp_path / "index.html").write_text(page)
    (tmp_path / "other.html").write_text('<p id="here">')
    assert list(links.problems_of_site(tmp_path)) == [problem]


def test_links_that_lead_somewhere_are_no_fault(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<a href="other.html#here">x</a><a href="https://a.example/">x</a><a href="#me" id="me">x</a>'
        '<img src="data:image/png;base64,AA"><img src="a%20b.svg"><a href="mailto:a@b.example">x</a>'
    )
    (tmp_path / "other.html").write_text('<p id="here">')
    (tmp_path / "a b.svg").write_text("<svg/>")
    assert list(links.problems_of_site(tmp_path)) == []


def test_a_style_sheet_that_loads_a_font_from_elsewhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("@font-face { src: url('https://fonts.example/a.woff2') }")
    assert list(links.problems_of_site(tmp_path)) == [
        "a.css loads https://fonts.example/a.woff2 from elsewhere."
    ]


def test_links_between_markdown_files_lead_somewhere() -> None:
    """As a forge shows them: without the reference, which is generated."""
    found = [problem for problem in links.problems_of_files(ROOT) if "reference/" not in problem]
    assert found == []


def test_a_dead_link_of_a_markdown_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(
        "[a](docs/a.md) [b](docs/gone.md#x) [c](https://a.example/) [d](#here)"
    )
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A")
    assert list(links.problems_of_files(tmp_path)) == [
        "README.md links to docs/gone.md#x, which does not exist."
    ]
