"""A build's temporary files go with it, also where it was killed."""

import multiprocessing
import os
import signal
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from store.jobs import temporary_folders


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def use(told: Connection) -> None:
    with temporary_folders.build_folder() as folder:
        (folder / "bench.joblib").write_text("rows")
        told.send(folder)
        signal.pause()


def test_a_folder_is_gone_with_its_build(temporary: Path) -> None:
    with pytest.raises(ZeroDivisionError), temporary_folders.build_folder() as folder:
        (folder / "bench.joblib").write_text("rows")
        assert folder.parent == temporary
        1 / 0  # noqa: B018
    assert list(temporary.iterdir()) == []


def test_a_killed_builds_leftovers_are_deleted_and_nothing_else(temporary: Path) -> None:
    (temporary / "exemplar-build-notours").mkdir()
    ours, its = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=use, args=[its])
    child.start()
    folder = ours.recv()
    temporary_folders.delete_abandoned()
    assert (folder / "bench.joblib").exists()
    assert child.pid
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    temporary_folders.delete_abandoned()
    assert [path.name for path in temporary.iterdir()] == ["exemplar-build-notours"]
