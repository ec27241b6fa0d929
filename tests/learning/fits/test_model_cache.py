"""Fold model cache: artifacts are stored up to its bounds."""

from pathlib import Path

import pytest

from learning.estimators.families import Candidate
from learning.fits import model_cache
from learning.fits.model_cache import FoldModelCache

LINEAR, FOREST = Candidate("linear", {"C": 1.0}), Candidate("forest", {"n_estimators": 100})


@pytest.fixture
def cache(tmp_path: Path) -> FoldModelCache:
    return FoldModelCache(tmp_path)


def test_a_stored_model_is_loaded(cache):
    cache.store(LINEAR, 2, b"fitted")
    assert cache.has(LINEAR, 2)
    assert cache.load(LINEAR, 2) == b"fitted"
    assert not cache.has(LINEAR, 1)
    assert cache.load(FOREST, 2) is None


def test_a_model_above_the_bound_is_not_stored(cache, monkeypatch):
    monkeypatch.setattr(model_cache, "LARGEST", 10)
    cache.store(LINEAR, 0, b"0123456789a")
    assert not cache.has(LINEAR, 0)


def test_a_full_cache_stores_nothing_more(cache, monkeypatch):
    monkeypatch.setattr(model_cache, "MOST", 10)
    for fold in range(3):
        cache.store(FOREST, fold, b"12345")
    assert [cache.has(FOREST, fold) for fold in range(3)] == [True, True, False]
