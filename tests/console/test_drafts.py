"""Drafts of new products: names and choices that were meant to do harm, or cannot be stored."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from project.console.drafts import LONGEST_NAME, create_draft, name_files
from project.console.views.new import refuse_files
from project.console.wishes import Wishes
from store.management.commands.newproduct import Command


@pytest.mark.parametrize("name", ["--pythonpath=.", "--settings=evil", "-rf"])
def test_a_name_of_a_product_is_never_an_option_of_the_command(name: str) -> None:
    arguments = Wishes(name=name, title="--title").list_arguments(["a.csv"], "--plan")
    parsed = Command().create_parser("manage.py", "newproduct").parse_args(arguments[1:])
    assert (parsed.name, parsed.files, parsed.title, parsed.plan) == (name, [Path("a.csv")], "--title", True)
    assert parsed.pythonpath is None and parsed.settings is None


@pytest.mark.parametrize("title", ["a\0b", "T" * 200_000])
def test_a_command_that_cannot_be_run_ends_with_a_sentence(
    title: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings, "EXEMPLAR_STATE", tmp_path)
    draft = create_draft([SimpleUploadedFile("a.csv", b"a,b\n1,2\n")])
    draft.choose(Wishes(name="a", title=title))
    assert draft._execute("--plan", seconds=60)["problem"].startswith("The command cannot be run")


def test_each_file_has_a_name_that_file_systems_take() -> None:
    sent = ["漢" * 99 + ".csv", *["a.csv"] * 90, "A.CSV", "\ud800", "../../x", "..", "-rf"]
    names = list(name_files(sent))
    assert len({name.casefold() for name in names}) == len(sent)
    assert all(len(name.encode()) <= LONGEST_NAME + 4 for name in names)
    assert all("/" not in name and name[0] not in ".-" for name in names)
    assert names[0].endswith(".csv") and names[1:3] == ["a.csv", "2-a.csv"]


def workbook(size: int) -> bytes:
    """Pack a part of so many bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * size)
    return packed.getvalue()


def test_a_file_that_is_large_once_unpacked_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "EXEMPLAR_UPLOAD", 1_000_000)
    bomb, plain = workbook(1_000_001), workbook(900_000)
    assert len(bomb) < 2_000
    assert "Unpacked" in refuse_files([SimpleUploadedFile("a.xlsx", bomb)])
    assert refuse_files([SimpleUploadedFile("a.xlsx", plain)]) == ""
    assert "Unpacked" in refuse_files([SimpleUploadedFile("a.csv.gz", gzip.compress(b"0" * 1_000_001))])
    for whole in (gzip.compress(b"0" * 900_000), gzip.compress(b"0" * 2_000)[:-9], b"\x1f\x8bnone"):
        assert refuse_files([SimpleUploadedFile("a.csv.gz", whole)]) == ""
    upload = SimpleUploadedFile("a.xlsx", plain)
    assert refuse_files([upload]) == "" and upload.open().read() == plain
    assert refuse_files([SimpleUploadedFile("a.xlsx", plain[:-10])]) == ""
