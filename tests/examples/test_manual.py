"""The example `manual`: reading of docstrings, removal of packages' names, and scores of its models."""

import re
import sysconfig
from collections import Counter
from pathlib import Path

import pytest

from examples.manual.loader import find_docstrings, load
from examples.manual.models import Docstring
from tests.system import System
from tests.test_lifecycle import build, champion, nodes

LIBRARY = Path(sysconfig.get_path("stdlib"))
SOURCE = '''"""A module that says enough about itself."""
raise SystemExit("This was run.")

class Pool:
    """Keeps connections that nobody needs now."""

    def take(self):
        """Too few words."""

    async def give(self):
        """Give one of the connections back."""

try:
    import fast
except ImportError:
    def count():
        """Count the letters of a word."""
else:
    def count():
        """Count, in C, letters of words."""

def twice():
    """Give one of the

       connections back.
    """
'''


def library(folder: Path, **sources: str) -> dict[str, str]:
    """Write a library and read its docstrings; `__` in a file's name separates folders. Returns texts by name."""
    for name, source in sources.items():
        file = folder.joinpath(*name.split("__")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    return {docstring.name: docstring.text for docstring in find_docstrings(folder)}


def test_docstrings_of_modules_classes_and_functions_are_read_without_running_them(tmp_path: Path) -> None:
    assert library(tmp_path, http__pool=SOURCE) == {
        "http.pool": "A module that says enough about itself.",
        "http.pool.Pool": "Keeps connections that nobody needs now.",
        "http.pool.Pool.give": "Give one of the connections back.",
        "http.pool.count": "Count the letters of a word.",
    }


def test_docstrings_of_a_package_are_read_without_those_of_its_tests(tmp_path: Path) -> None:
    (tmp_path / "http").mkdir()
    (tmp_path / "http" / "__init__.py").write_text('"""Words of a package, five or more."""')
    assert set(library(tmp_path, http__test__pool='"""Words of a test, five or more."""')) == {"http"}


def test_names_of_packages_are_removed_from_docstrings(tmp_path: Path) -> None:
    source = '"""As xml.sax.handler does, an HTTPServer or _http_ speaks xml to our https://… clients: Email them."""'
    assert library(tmp_path, xml__sax=source) == {
        "xml.sax": "As … does, an … or … speaks … to our …://… clients: … them."
    }


def test_the_standard_library_has_two_thousand_docstrings_and_forty_of_each_package() -> None:
    docstrings = find_docstrings(LIBRARY)
    assert 1_800 <= len(docstrings) <= 2_500
    counts = Counter(docstring.package for docstring in docstrings)
    assert set(counts) == set(Docstring.Package.values) and min(counts.values()) >= 40
    name = re.compile(rf"\b({'|'.join(counts)})\b", re.IGNORECASE)
    assert [docstring.name for docstring in docstrings if name.search(docstring.text)] == []


@pytest.mark.django_db
def test_docstrings_are_loaded_once_with_valid_values() -> None:
    assert load() == Docstring.objects.count() > 1_800
    assert load() == 0
    for docstring in Docstring.objects.all():
        docstring.clean_fields()


@pytest.mark.slow
def test_models_of_words_score_far_better_than_the_baseline(exemplar: System) -> None:
    champion(exemplar, "manual")
    built = build(exemplar, "manual", options={"candidates": 6})
    best: dict[str, float] = {}
    for candidate in nodes(built["candidates"]):
        best[candidate["family"]] = max(candidate["score"] or 0, best.get(candidate["family"], 0))
    assert best["baseline"] < 0.2
    assert min(best["linear"], best["naive_bayes"], best["svm"]) >= 0.75
