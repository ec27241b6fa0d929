"""Files and folders that pages and drawings name are there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generate import PACKAGES, ROOT

PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(file for file in ROOT.glob("docs/**/*.md") if file.parent.name not in ("reference", "adr")),
]
DRAWINGS = sorted(ROOT.glob("docs/**/*.svg"))
#: Pages of a time that has passed.
PAST = {"CHANGELOG.md"}
#: Paths that begin with one of the project's folders, alone in code.
IN_PAGES = re.compile(rf"`((?:{'|'.join(PACKAGES)}|docs|tests|benchmarks|examples)/[\w./-]*)`")
IN_DRAWINGS = re.compile(r'class="code"[^>]*>([^<]+)<')


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_a_page_names_exist(page: Path) -> None:
    if page.name not in PAST:
        assert [path for path in IN_PAGES.findall(page.read_text()) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: drawing.stem)
def test_modules_that_a_drawing_names_exist(drawing: Path) -> None:
    named = [path for text in IN_DRAWINGS.findall(drawing.read_text()) for path in text.split(", ")]
    assert [path for path in named if not any(candidates(path))] == []


def candidates(path: str) -> Iterator[bool]:
    """Whether it is a module or a folder, also where a drawing leaves its package out."""
    for start in (ROOT, *(ROOT / package for package in PACKAGES)):
        yield (start / path).is_dir() or (start / f"{path}.py").is_file()
