"""Every script of a page is run by a test in a browser."""

import re
from pathlib import Path

from tests.system import ROOT

PACKAGES = ("project", "schema", "store")
#: A script inside of a page, which its content security policy would refuse, and no test could name.
INLINE = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>|\son[a-z]+=[\"']")


def test_every_script_is_run_in_a_browser() -> None:
    marked = {name for test in Path(__file__).parent.rglob("*.py") for name in marks(test.read_text())}
    scripts = {
        str(file).rpartition("/static/")[2]
        for package in PACKAGES
        for file in (ROOT / package).rglob("static/**/*.js")
    }
    assert scripts and scripts == marked


def marks(test: str) -> list[str]:
    return re.findall(r"^@pytest\.mark\.script\(\"(.+?)\"\)$", test, re.MULTILINE)


def test_no_page_has_a_script_of_its_own() -> None:
    pages = [file for package in PACKAGES for file in (ROOT / package).rglob("*.html")]
    assert len(pages) > 5
    assert [str(page) for page in pages if INLINE.search(page.read_text())] == []
