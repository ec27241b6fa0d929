"""Rejected rows, refused loads and interrupted loads: one sentence with file, line and column, and no rows left."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from examples.tumor.models import Biopsy
from store import ingest
from store.exceptions import StoreError
from store.ingest import CannotLoad, TooManyRejects
from store.ingest.files import FileError
from store.products import catalogue
from store.products.product import DataProduct
from tests import beside
from tests.clinic.models import Operation
from tests.system import ROOT
from tests.waiting import PATIENCE, eventually

from ..conftest import at_once

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file and return its path."""

    def write_file(text: str | bytes, name: str = "rows.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write_file


@pytest.fixture
def tumor() -> DataProduct:
    return catalogue.get("tumor")


def refusal(
    product: DataProduct, path: Path, error: type[StoreError] = TooManyRejects, **options: Any
) -> str:
    """Return the message of the refused load, and check that it has left no rows."""
    with pytest.raises(error) as raised:
        ingest.load(product, [path], **options)
    assert not Biopsy.objects.exists()
    assert not Operation.objects.exists()
    return raised.value.message


def read_rejects(path: str = "tumor.rejects.csv") -> list[str]:
    """Read the lines of the rejects file without the loaded file's name."""
    header, *lines = Path(path).read_text().splitlines()
    assert header == "file,line,column,value,reason"
    return [line.partition(",")[2] for line in lines]


HEADER = "number,taken_at,diagnosis\n"
GOOD = "B-{},2024-05-17 12:00,benign\n"


@pytest.mark.django_db
def test_files_without_rows_are_refused(tumor: DataProduct, write: Write, tmp_path: Path) -> None:
    assert refusal(tumor, write(""), FileError).endswith("rows.csv is empty.")
    assert refusal(tumor, write(HEADER), FileError).endswith("rows.csv has a header and no rows.")
    assert "is a directory" in refusal(tumor, tmp_path, FileError)
    assert "No such file" in refusal(tumor, tmp_path / "none.csv", FileError)


@pytest.mark.django_db
def test_every_rejected_row_is_listed_with_its_reasons(tumor: DataProduct, write: Write) -> None:
    text = (
        HEADER
        + GOOD.format(1)
        + "B-2,yesterday,foo\n"
        + "B-3,2024-05-17\n"
        + ",2024-05-17,benign\n"
        + "B-1,2024-05-17 12:00,malignant\n"
        + "B-5,2024-05-17,benign,more\n"
        + f"{'x' * 21},2024-13-17,\n"
    )
    sentence = refusal(tumor, write(text))
    assert sentence.endswith(
        "rows.csv, line 3, column diagnosis: 'foo' is none of benign, malignant. 6 rows do not fit, "
        "and nothing was loaded; all are in tumor.rejects.csv."
    )
    no_time = "is no time: write it as 2024-12-31 (or say whether the day or the month comes first)"
    assert read_rejects() == [
        '3,diagnosis,foo,"is none of benign, malignant"',
        f"3,taken_at,yesterday,{no_time}",
        "4,,,has 2 cells where the header has 3",
        "5,number,,is missing",
        "6,number,B-1,repeats the key of line 2 with another diagnosis",
        "7,,,has 4 cells where the header has 3",
        f"8,number,{'x' * 21},has more than 20 characters",
        f"8,taken_at,2024-13-17,{no_time}",
    ]


@pytest.mark.django_db
def test_the_other_rows_are_loaded_where_no_more_are_rejected_than_allowed(
    tumor: DataProduct, write: Write
) -> None:
    path = write(HEADER + GOOD.format(1) + "B-2,?,benign\n" + GOOD.format(3))
    assert "1 row does not fit" in refusal(tumor, path)
    summary = ingest.load(tumor, [path], max_rejects=1)
    assert (summary.inserted, summary.rejected, summary.rejects_file) == (2, 1, Path("tumor.rejects.csv"))
    assert read_rejects() == ["3,taken_at,?,is missing"]


@pytest.mark.django_db
def test_lines_of_rejected_rows_count_line_breaks_inside_of_cells(stay: DataProduct, write: Write) -> None:
    header = "id,done_at,urgency,age,note\n"
    row = '{},2024-05-17,planned,50,"two\nlines"\n'
    text = header + row.format(1) + row.format(2) + "3,2024-05-17,planned,old,x\n" + row.format(4)
    assert "rows.csv, line 6, column age: 'old' is no whole number." in refusal(stay, write(text))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("age", "0", "must lie between 1 and 120."),
        ("age", "99999999999999999999", "must lie between 1 and 120."),
        ("age", "1.5", "is no whole number."),
        ("age", "", "is missing."),
        ("cost", "inf", "is no number."),
        ("cost", "1e400", "must lie between -999999.99 and 999999.99."),
        ("cost", "1234567", "must lie between -999999.99 and 999999.99."),
        ("urgency", "at once", "is none of planned, 1st."),
        ("relapsed", "perhaps", "is not yes or no."),
        ("born", "2024-02-30", "is no date: write it as 2024-12-31"),
        ("born", "2024-02-01 12:30", "is no date: write it as 2024-12-31"),
        ("woken", "24:00", "is no time of day: write it as 23:59 or 23:59:59."),
        ("woken", "6:30+02", "is no time of day: write it as 23:59 or 23:59:59."),
        ("note", "x" * 51, "has more than 50 characters."),
        ("id", "9223372036854775808", "must lie between -9223372036854775808 and 9223372036854775807."),
        ("ward", "77", "is no key of a ward."),
    ],
)
def test_values_that_do_not_fit_the_column_are_rejected(
    stay: DataProduct, write: Write, column: str, cell: str, reason: str
) -> None:
    good = {"id": "1", "done_at": "2024-05-17", "urgency": "planned", "age": "50", "cost": "1"} | {
        column: cell
    }
    text = ",".join(good) + "\n" + ",".join(good.values()) + "\n"
    sentence = refusal(stay, write(text))
    assert f"rows.csv, line 2, column {column}: " in sentence
    assert reason in sentence


@pytest.mark.django_db
@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e309", "abc", "nan"])
def test_floats_that_are_not_finite_are_rejected(diabetes: DataProduct, write: Write, cell: str) -> None:
    path = write(f"number,age,sex,bmi,blood_pressure\nP1,50,1,{cell},80\n")
    assert "line 2, column bmi: " in refusal(diabetes, path)


@pytest.mark.django_db
def test_a_value_of_another_type_far_from_the_start_is_rejected(tumor: DataProduct, write: Write) -> None:
    rows = "".join(GOOD.format(n) for n in range(100_000))
    path = write(HEADER + rows + "B-x,soon,benign\n")
    assert "line 100002, column taken_at: 'soon' is no time" in refusal(tumor, path)


@pytest.mark.django_db
def test_characters_that_cannot_be_stored_are_rejected(tumor: DataProduct, write: Write) -> None:
    path = write((HEADER + GOOD.format(1) + GOOD.format("\0")).encode())
    assert "line 3: the row holds a character that cannot be stored (NUL" in refusal(tumor, path)


@pytest.mark.django_db
def test_a_file_with_two_encodings_is_refused(tumor: DataProduct, write: Write) -> None:
    much = "".join(GOOD.format(n) for n in range(100_000)).encode()
    path = write((HEADER + GOOD.format("ä")).encode() + much + GOOD.format("ä").encode("latin-1"))
    assert "is not utf-8, unlike the text before it" in refusal(tumor, path, FileError)


@pytest.mark.django_db
def test_a_quote_that_never_closes_is_refused(tumor: DataProduct, write: Write) -> None:
    path = write(HEADER + GOOD.format(1) + 'B-2,"2024-05-17, noon,benign\n' + GOOD.format(3))
    assert "is never closed" in refusal(tumor, path, FileError)


@pytest.mark.django_db
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_a_load_whose_rejects_file_cannot_be_written_is_refused(tumor: DataProduct, write: Write) -> None:
    path = write(HEADER + "B-2,?,benign\n")
    sentence = refusal(tumor, path, CannotLoad, rejects=Path("/dev/full"), max_rejects=1)
    assert sentence.endswith("/dev/full, which would list them, cannot be written: No space left on device.")


@pytest.mark.django_db
def test_a_violated_constraint_of_the_table_is_reported_in_one_sentence(
    stay: DataProduct, write: Write
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE clinic_operation ADD CONSTRAINT cheap CHECK (cost < 10)")
    path = write("id,done_at,urgency,cost\n1,2024-05-17,planned,20\n")
    sentence = refusal(stay, path, CannotLoad)
    assert 'Nothing was loaded: new row for relation "clinic_operation" violates check constraint' in sentence


@pytest.mark.django_db
def test_the_command_reports_an_unknown_product_in_one_sentence(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match="No product is called 'tumour'"):
        call_command("ingest", "tumour", str(write(HEADER)))


# -- Concurrent and interrupted loads --


def test_concurrent_loads_of_a_product_run_one_after_the_other(
    tables: None, tumor: DataProduct, write: Write
) -> None:
    path = write(HEADER + "".join(GOOD.format(n) for n in range(2000)))
    summaries = at_once(*[lambda: ingest.load(tumor, [path])] * 2)
    assert sorted((summary.inserted, summary.unchanged) for summary in summaries) == [(0, 2000), (2000, 0)]


def test_the_command_loads_and_prints_the_counts_of_rows(
    tables: None, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(HEADER + GOOD.format(1) + GOOD.format(2))
    call_command("ingest", "tumor", str(path))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "reading rows.csv: 2 rows",
        "checking rows.csv: 2 rows",
        "writing rows.csv: 2 rows",
        "2 inserted, 0 updated, 0 unchanged, 0 rejected.",
    ]


MANY = 20_000


@contextmanager
def biopsies_locked() -> Iterator[None]:
    """Lock the table of biopsies, so that a load which writes to it does not end before it is interrupted."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE tumor_biopsy IN SHARE MODE")
        yield
    finally:
        other.close()


def start_load(write: Write) -> "subprocess.Popen[str]":
    """Start a process that loads many rows into the tests' database, and wait until it writes them."""
    path = write(HEADER + "".join(GOOD.format(n) for n in range(MANY)))
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "ingest", "tumor", str(path)],
        env=os.environ | environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while (line := process.stdout.readline()) and not line.startswith("writing"):
        pass
    assert line, process.stderr and process.stderr.read()
    return process


def environment() -> dict[str, str]:
    """Return the environment variables of a process that works on the tests' database."""
    tests = connection.settings_dict
    dsn = {key: tests[key.upper()] for key in ("user", "password", "host", "port") if tests[key.upper()]}
    query = "&".join(f"{key}={value}" for key, value in dsn.items())
    return {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DATABASE_URL": f"postgresql:///{tests['NAME']}?{query}",
        "REDIS_URL": settings.REDIS_URL,
        "EXEMPLAR_PRODUCTS": "examples.tumor",
        **beside.ENVIRONMENT,
    }


def wait_for_rollback() -> None:
    """Wait until the server has noticed that its client is gone."""
    assert eventually(lambda: not others_load()), "The load goes on."


def others_load() -> bool:
    others = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%ingest_%' AND pid <> pg_backend_pid()"
    with connection.cursor() as cursor:
        cursor.execute(others)
        return bool(cursor.fetchone()[0])


def test_a_load_that_is_killed_leaves_nothing_and_can_be_repeated(
    tables: None, write: Write, tumor: DataProduct, tmp_path: Path
) -> None:
    with biopsies_locked():
        loading = start_load(write)
        loading.kill()
        loading.communicate()
        assert loading.returncode == -signal.SIGKILL
        wait_for_rollback()
    assert not Biopsy.objects.exists()
    assert ingest.load(tumor, [tmp_path / "rows.csv"]).inserted == MANY


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Make subprocesses react to SIGINT, also where the tests run in the background and ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_rolls_the_load_back(tables: None, write: Write, interruptible: None) -> None:
    with biopsies_locked():
        loading = start_load(write)
        loading.send_signal(signal.SIGINT)
        _, errors = loading.communicate(timeout=PATIENCE)
    assert (loading.returncode, errors.strip()) == (1, "CommandError: Interrupted: nothing was loaded.")
    assert not Biopsy.objects.exists()
