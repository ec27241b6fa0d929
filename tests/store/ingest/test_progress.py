"""Progress of loads: it reaches the end of the file, and goes on while a statement runs."""

import time
from pathlib import Path

import pytest

from store.ingest import progress
from store.ingest.files import sniff
from store.ingest.progress import CHECKING, READING, Progress, read_with_progress, show_progress
from tests.waiting import PATIENCE


def test_rows_are_read_with_progress(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a,b\n" + "1,\xf6\n".encode("latin-1") * 50_000)
    reports: list[Progress] = []
    assert sum(1 for _ in read_with_progress(sniff(path), reports.append)) == 50_000
    assert [report.rows for report in reports] == list(range(0, 50_000, 5000))
    shares = [report.bytes / (report.total or 1) for report in reports]
    assert shares == sorted(shares)
    assert 0.85 < shares[-1] <= 1


def test_lines_go_on_while_nothing_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_INTERVAL", 0.01)
    lines: list[str] = []
    with show_progress(terminal=False) as show:
        show(Progress("rows.csv", READING, 50, 100, 7))
        show(Progress("rows.csv", CHECKING, 0, 100, 7))
        deadline = time.monotonic() + PATIENCE
        while len(lines) < 4 and time.monotonic() < deadline:
            lines += capsys.readouterr().out.splitlines()
            time.sleep(0.01)
    assert lines[:2] == ["reading rows.csv: 7 rows", "checking rows.csv: 7 rows"]
    assert lines[3] == "checking rows.csv: 7 rows, 0 s"
