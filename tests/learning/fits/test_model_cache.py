"""Models of the search's folds are kept as long as there is room, and not fitted twice."""

from pathlib import Path

import pytest

from learning.estimators.families import Candidate
from learning.fits import model_cache
from learning.fits.model_cache import FoldModelCache

LINEAR, FOREST = Candidate("linear", {"C": 1.0}), Candidate("forest", {"n_estimators": 100})


@pytest.fixture
def kept(tmp_path: Path) -> FoldModelCache:
    return FoldModelCache(tmp_path)


def test_what_was_put_on_the_shelf_is_there(kept):
    kept.put(LINEAR, 2, b"fitted")
    assert kept.has(LINEAR, 2)
    assert kept.get(LINEAR, 2) == b"fitted"
    assert not kept.has(LINEAR, 1)
    assert kept.get(FOREST, 2) is None


def test_what_is_too_large_is_not_kept(kept, monkeypatch):
    monkeypatch.setattr(model_cache, "LARGEST", 10)
    kept.put(LINEAR, 0, b"0123456789a")
    assert not kept.has(LINEAR, 0)


def test_a_shelf_that_is_full_takes_nothing_more(kept, monkeypatch):
    monkeypatch.setattr(model_cache, "MOST", 10)
    for fold in range(3):
        kept.put(FOREST, fold, b"12345")
    assert [kept.has(FOREST, fold) for fold in range(3)] == [True, True, False]
