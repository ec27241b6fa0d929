"""The docstrings of `manual`: which there are, what they do not give away, and how well they are told apart."""

import re
import sysconfig
from collections import Counter
from pathlib import Path

import pytest

from examples.manual.loader import docstrings, load
from examples.manual.models import Docstring
from tests.system import System
from tests.test_lifecycle import champion, data, nodes

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
    """The docstrings of a library of these files, `__` in their names parting folders: texts by name."""
    for name, source in sources.items():
        file = folder.joinpath(*name.split("__")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    return {docstring.name: docstring.text for docstring in docstrings(folder)}


def test_modules_classes_and_functions_are_read_and_not_run(tmp_path: Path) -> None:
    assert library(tmp_path, http__pool=SOURCE) == {
        "http.pool": "A module that says enough about itself.",
        "http.pool.Pool": "Keeps connections that nobody needs now.",
        "http.pool.Pool.give": "Give one of the connections back.",
        "http.pool.count": "Count the letters of a word.",
    }


def test_a_package_is_its_own_module_and_its_tests_are_none_of_it(tmp_path: Path) -> None:
    said = '"""Words of a package, five or more."""'
    (tmp_path / "http").mkdir()
    (tmp_path / "http" / "__init__.py").write_text(said)
    assert set(library(tmp_path, http__test__pool='"""Words of a test, five or more."""')) == {"http"}


def test_no_packages_name_gives_an_answer_away(tmp_path: Path) -> None:
    said = '"""As xml.sax.handler does, an HTTPServer or _http_ speaks xml to our https://… clients: Email them."""'
    assert library(tmp_path, xml__sax=said) == {
        "xml.sax": "As … does, an … or … speaks … to our …://… clients: … them."
    }


def test_the_running_python_has_some_two_thousand_docstrings_of_each_package_enough() -> None:
    found = docstrings(LIBRARY)
    assert 1_800 <= len(found) <= 2_500
    counts = Counter(docstring.package for docstring in found)
    assert set(counts) == set(Docstring.Package.values) and min(counts.values()) >= 40
    name = re.compile(rf"\b({'|'.join(counts)})\b", re.IGNORECASE)
    assert [docstring.name for docstring in found if name.search(docstring.text)] == []


@pytest.mark.django_db
def test_docstrings_are_loaded_once_with_values_that_the_fields_take() -> None:
    assert load() == Docstring.objects.count() > 1_800
    assert load() == 0
    for docstring in Docstring.objects.all():
        docstring.clean_fields()


def test_words_tell_packages_apart_far_better_than_their_frequencies_do(exemplar: System) -> None:
    champion(exemplar, "manual")
    query = """{ manual { models(status: [CHAMPION]) { edges { node { build {
      candidates(first: 50) { edges { node { family score } } } } } } } } }"""
    built = nodes(data(exemplar.ask(query))["manual"]["models"])[0]["build"]
    best: dict[str, float] = {}
    for candidate in nodes(built["candidates"]):
        best[candidate["family"]] = max(candidate["score"] or 0, best.get(candidate["family"], 0))
    assert best["baseline"] < 0.2
    assert min(best["linear"], best["naive_bayes"], best["svm"]) >= 0.75
