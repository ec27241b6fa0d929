"""Decisions are numbered, have five lines each, and stand in the index."""

import re

from docs.generate import ROOT

FOLDER = ROOT / "docs" / "adr"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
LINES = "".join(rf"\n\* \*\*{name}:\*\* (.+)" for name in ("Status", "Context", "Decision", "Consequence"))
RECORD = re.compile(rf"# (\d+)\. (.+)\n{LINES}\n")


def test_every_record_has_its_five_lines_and_stands_in_the_index() -> None:
    rows = []
    for number, file in enumerate(RECORDS, 1):
        record = RECORD.fullmatch(file.read_text())
        assert record, file.name
        assert int(record[1]) == int(file.name[:4]) == number
        rows.append(f"| {number} | [{record[2]}]({file.name}) | {record[3].rstrip('.').lower()} |")
    index = (FOLDER / "index.md").read_text()
    assert re.findall(r"^\| \d.*$", index, re.MULTILINE) == rows
