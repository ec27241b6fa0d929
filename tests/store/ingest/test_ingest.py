"""Loading of files into feature tables: target tables, casts, upserts, formats and labels."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import isolate_apps

from examples.diabetes.models import Patient, Serum
from examples.tumor.models import Biopsy, CellMeans, Nuclei, WorstValues
from store import ingest
from store.access.actors import Actor
from store.ingest import LoadSummary, NoTable, TooManyRejects, files
from store.predictions.feedback import About, Feedback
from store.products import catalogue
from store.products.product import DataProduct
from tests.clinic.models import Anamnesis, Lab, Operation, Visit

from ..conftest import NOON, declared, operate

pytestmark = pytest.mark.django_db

Write = Callable[..., Path]

BIOPSIES = """number,taken_at,diagnosis
B-1,2024-05-17 12:00,benign
B-2,2024-05-17T12:00:00Z,malignant
B-3,2024-05-17,
"""


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


def counts(summary: LoadSummary) -> tuple[int, int, int, int]:
    return summary.inserted, summary.updated, summary.unchanged, summary.rejected


def load(product: DataProduct, *paths: Path, **options: Any) -> tuple[int, int, int, int]:
    """Load the files and return the numbers of inserted, updated, unchanged and rejected rows."""
    return counts(ingest.load(product, paths, **options))


def diagnoses() -> dict[str, str | None]:
    return dict(Biopsy.objects.order_by("number").values_list("number", "diagnosis"))


# -- Tables and rows --


def test_new_rows_are_inserted_and_the_same_file_twice_changes_nothing(
    tumor: DataProduct, write: Write
) -> None:
    path = write(BIOPSIES)
    assert load(tumor, path) == (3, 0, 0, 0)
    assert load(tumor, path) == (0, 0, 3, 0)
    assert diagnoses() == {"B-1": "benign", "B-2": "malignant", "B-3": None}
    assert Biopsy.objects.get(pk="B-2").taken_at == NOON


def test_only_rows_that_differ_are_updated(tumor: DataProduct, write: Write) -> None:
    load(tumor, write(BIOPSIES))
    changed = BIOPSIES.replace("B-3,2024-05-17,", "B-3,2024-05-17,benign") + "B-4,2024-06-01,\n"
    assert load(tumor, write(changed)) == (1, 1, 2, 0)
    assert diagnoses()["B-3"] == "benign"


def test_columns_that_the_file_lacks_are_not_changed(tumor: DataProduct, write: Write) -> None:
    load(tumor, write(BIOPSIES))
    assert load(tumor, write("number,diagnosis\nB-1,malignant\nB-2,malignant\n")) == (0, 1, 1, 0)
    assert Biopsy.objects.get(pk="B-1").taken_at == NOON


def test_a_new_row_without_a_required_column_is_rejected(tumor: DataProduct, write: Write) -> None:
    load(tumor, write(BIOPSIES))
    with pytest.raises(TooManyRejects, match="'B-9' is new, and a new biopsy needs taken_at too"):
        load(tumor, write("number,diagnosis\nB-1,malignant\nB-9,malignant\n"))


def test_equal_rows_with_a_key_are_one_row(tumor: DataProduct, write: Write) -> None:
    summary = ingest.load(tumor, [write(BIOPSIES + "B-3,2024-05-17 00:00,\nB-1,2024-05-17 12:00,benign\n")])
    assert (counts(summary), summary.repeated) == ((3, 0, 0, 0), 2)
    again = ingest.load(tumor, [write(BIOPSIES + "B-1,2024-05-17 12:00,benign\n")])
    assert (counts(again), again.repeated) == ((0, 0, 3, 0), 1)


def test_rows_with_a_key_that_differ_are_rejected_with_both_lines(tumor: DataProduct, write: Write) -> None:
    text = BIOPSIES + "B-1,2024-05-17 12:00,benign\nB-1,2024-05-18 12:00,malignant\n"
    for name in ("rows.csv", "rows.csv.gz"):
        path = write(gzip.compress(text.encode()) if name.endswith("gz") else text, name)
        with pytest.raises(
            TooManyRejects, match=r"line 6, .*'B-1' repeats the key of line 2 with another"
        ) as raised:
            ingest.load(tumor, [path])
        assert "with another taken_at, diagnosis. 1 row does" in str(raised.value)


def test_a_renamed_column_is_guessed(tumor: DataProduct, write: Write) -> None:
    load(tumor, write(BIOPSIES))
    summary = ingest.load(tumor, [write("number,taken_at,Diagnose\nB-1,2024-05-17 12:00,benign\n")])
    assert summary.new_columns == ("Diagnose",)
    assert summary.missing == (
        "rows.csv has no column for Finding of the pathologist: existing rows keep their values, new ones have none.",
        "'Diagnose' may be 'Finding of the pathologist' renamed: call it so in the file, or write "
        "verbose_name='Diagnose' at diagnosis of Biopsy in tumor/models.py.",
    )
    assert ingest.load(tumor, [write("number,diagnosis\nB-1,benign\n")]).missing == ()


def test_values_that_are_no_choices_are_listed(tumor: DataProduct, write: Write) -> None:
    with pytest.raises(TooManyRejects) as raised:
        ingest.load(tumor, [write(BIOPSIES + "B-4,2024-05-17,unclear\nB-5,2024-05-17, unclear \n")])
    assert [str(new) for new in raised.value.new_choices] == ["'unclear' as diagnosis"]


def test_whole_numbers_are_choices_however_they_are_written(diabetes: DataProduct, write: Write) -> None:
    def text(*cells: str) -> str:
        rows = "".join(f"P{n},50,{cell},22,80,\n" for n, cell in enumerate(cells))
        return "number,age,sex,bmi,blood_pressure,progression\n" + rows

    assert load(diabetes, write(text("1", "+1", "01", "2.0", "+02.00"))) == (5, 0, 0, 0)
    assert list(Patient.objects.order_by("number").values_list("sex", flat=True)) == [1, 1, 1, 2, 2]
    with pytest.raises(TooManyRejects, match="5 rows do not fit") as raised:
        load(diabetes, write(text("+9", "009", "--5", "++1", "99999999999")))
    assert [str(new) for new in raised.value.new_choices] == ["'9' as sex"]


def test_a_new_row_is_rejected_with_the_column_that_was_probably_renamed(
    tumor: DataProduct, write: Write
) -> None:
    with pytest.raises(TooManyRejects, match=r"needs taken_at too \('taken' may be taken_at renamed\)"):
        load(tumor, write("number,taken,diagnosis\nB-9,2024-05-17,benign\n"))


def test_columns_that_no_table_has_are_reported(tumor: DataProduct, write: Write) -> None:
    path = write("number,Shoe size,taken_at\nB-1,43,2024-05-17\n")
    assert ingest.load(tumor, [path]).new_columns == ("Shoe size",)


def test_headers_match_help_texts_and_names_of_fields(tumor: DataProduct, write: Write) -> None:
    path = write("Number;When the biopsy was taken;DIAGNOSIS\nB-1;2024-05-17 12:00;benign\n")
    assert load(tumor, path) == (1, 0, 0, 0)
    assert Biopsy.objects.get().taken_at == NOON


def test_several_files_are_loaded_in_the_order_of_references(diabetes: DataProduct, write: Write) -> None:
    patients = "number,age,sex,bmi,blood_pressure,progression\nP1,50,1,22.5,80,\nP2,60,2,30,90,120\n"
    sera = "number,total_cholesterol,ldl,hdl,cholesterol_ratio,log_triglycerides,glucose\nP1,1,2,3,4,5,6\n"
    assert load(diabetes, write(sera, "sera.csv"), write(patients, "patients.csv")) == (3, 0, 0, 0)
    assert Serum.objects.get(patient="P1").glucose == 6
    assert Patient.objects.get(number="P2").progression == 120


def test_rows_that_reference_an_unknown_entity_are_rejected(diabetes: DataProduct, write: Write) -> None:
    sera = "patient,total_cholesterol,ldl,hdl,cholesterol_ratio,log_triglycerides,glucose\nP9,1,2,3,4,5,6\n"
    with pytest.raises(TooManyRejects, match="column patient: 'P9' is no key of a patient"):
        load(diabetes, write(sera))


def test_one_file_fills_the_one_to_one_tables_too(tumor: DataProduct, write: Write) -> None:
    names = [f"{prefix}_{f.name}" for prefix in ("mean", "worst") for f in Nuclei._meta.get_fields()]
    lines = [["number", "taken_at", "diagnosis", *names], ["B-1", "2024-05-17", "benign", *["1.5"] * 20]]
    path = write("".join(",".join(line) + "\n" for line in lines))
    assert load(tumor, path) == (1, 0, 0, 0)
    assert CellMeans.objects.get().radius == WorstValues.objects.get().radius == 1.5
    assert load(tumor, write(path.read_text().replace("benign,1.5", "benign,2.5"))) == (0, 1, 0, 0)
    assert CellMeans.objects.get().radius == 2.5


def test_the_files_name_selects_among_tables_with_the_same_columns(tumor: DataProduct, write: Write) -> None:
    load(tumor, write(BIOPSIES))
    fields = [f.name for f in Nuclei._meta.get_fields()]
    text = ",".join(["number", *fields]) + "\nB-1" + ",1" * 10 + "\n"
    assert load(tumor, write(text, "worst_values.csv")) == (1, 0, 0, 0)
    assert (WorstValues.objects.count(), CellMeans.objects.count()) == (1, 0)
    with pytest.raises(NoTable, match="could be CellMeans, StandardErrors, WorstValues: name the file after"):
        load(tumor, write(text))


def test_rows_without_a_key_are_added_once_per_entity(relapse: DataProduct, write: Write) -> None:
    one, other = operate(pk=1), operate(pk=2)
    text = f"operation,on,minutes\n{one.pk},2024-01-01,5\n{one.pk},2024-01-01,5\n{other.pk},2024-01-02,7\n"
    assert load(relapse, write(text)) == (3, 0, 0, 0)
    assert load(relapse, write(text)) == (0, 0, 3, 0)
    assert load(relapse, write(text + f"{one.pk},2024-01-01,5\n")) == (1, 0, 3, 0)
    assert Visit.objects.filter(operation=one).count() == 3
    assert not Lab.objects.exists()


def test_the_sequence_continues_after_the_largest_key_of_the_file(stay: DataProduct, write: Write) -> None:
    text = (
        "id,done_at,urgency,cost,relapsed,age,smokes,born,note\n9000000,2024-05-17,planned,12.5,yes,61,,,\n"
    )
    assert load(stay, write(text)) == (1, 0, 0, 0)
    assert Operation.objects.create(done_at=NOON, urgency="planned").pk > 9_000_000
    anamnesis = Anamnesis.objects.get(operation=9_000_000)
    assert (anamnesis.age, anamnesis.smokes, anamnesis.note) == (61, None, "")


@isolate_apps("tests.clinic")
def test_keys_are_derived_from_the_rows_values(write: Write) -> None:
    class Passenger(models.Model):
        key = models.CharField(max_length=50, primary_key=True, editable=False)
        age = models.FloatField(null=True)
        survived = models.BooleanField(null=True)

        class Meta:
            app_label = "clinic"

    with connection.schema_editor() as editor:
        editor.create_model(Passenger)
    titanic = declared({"age": "age"}, Passenger.objects.all(), label="survived")
    text = "age,survived\n22,0\n22,0\n38,1\n,1\n"
    assert load(titanic, write(text)) == (4, 0, 0, 0)
    assert load(titanic, write(text)) == (0, 0, 4, 0)
    otherwise = "survived,cabin,age\nno,C1,22.0\nno,C2,22.0\nyes,,38.0\nyes,,NA\n"
    assert load(titanic, write(otherwise)) == (0, 0, 4, 0)
    assert load(titanic, write(text + "22,0\n")) == (1, 0, 4, 0)
    assert Passenger.objects.filter(age=22).count() == 3
    with pytest.raises(NoTable, match=r"without 'age' each would be a new one. 'Ages' may be 'age' renamed"):
        load(titanic, write("Ages,survived\n22,0\n"))


def test_a_file_without_the_key_is_rejected(tumor: DataProduct, write: Write) -> None:
    with pytest.raises(
        NoTable, match=r"no column that says which rows of Tumor it is about: Biopsy is .* number"
    ):
        load(tumor, write("diagnosis\nbenign\n"))


# -- Values --


def load_cells(stay: DataProduct, write: Write, header: str, *rows: str, **options: Any) -> list[Any]:
    """Load operations with these cells in one column, and return the column's stored values."""
    whole = "id,done_at,urgency," + header
    text = "".join(
        f"{line}\n" for line in [whole, *(f"{n},2024-05-17,planned,{r}" for n, r in enumerate(rows, 1))]
    )
    load(stay, write(text), **options)
    return list(Operation.objects.order_by("pk").values_list(header, flat=True))


@pytest.mark.parametrize(
    ("cell", "stored"),
    [
        ("12.5", "12.50"),
        ('"1,234.5"', "1234.50"),
        ("1e3", "1000.00"),
        (" 7 ", "7.00"),
        ("+3", "3.00"),
        ("0.005", "0.01"),
    ],
)
def test_common_notations_of_decimals_are_read(
    stay: DataProduct, write: Write, cell: str, stored: str
) -> None:
    assert load_cells(stay, write, "cost", cell) == [Decimal(stored)]


def test_numbers_with_a_decimal_comma_are_read(
    tumor: DataProduct, diabetes: DataProduct, write: Write
) -> None:
    text = "number;age;sex;bmi;blood_pressure\nP1;50;1;22,5;80,25\nP2;1;2;30,125;100\n"
    assert load(diabetes, write(text)) == (2, 0, 0, 0)
    assert list(Patient.objects.order_by("pk").values_list("bmi", "blood_pressure")) == [
        (22.5, 80.25),
        (30.125, 100.0),
    ]


@pytest.mark.parametrize("cell", ["yes", "TRUE", "t", "1", "1.0", "on"])
def test_common_words_for_true_are_read(stay: DataProduct, write: Write, cell: str) -> None:
    assert load_cells(stay, write, "relapsed", cell, "no", "NA", "") == [True, False, None, None]


def test_words_for_missing_values_are_null(tumor: DataProduct, diabetes: DataProduct, write: Write) -> None:
    words = ["NA", "n/a", "NaN", "null", "None", "?", "-", "", '""', "  "]
    rows = "".join(f"P{n},50,1,22,80,{word}\n" for n, word in enumerate(words))
    load(diabetes, write("number,age,sex,bmi,blood_pressure,progression\n" + rows))
    assert set(Patient.objects.values_list("progression", flat=True)) == {None}


def test_the_order_of_day_and_month_is_inferred_from_the_column(tumor: DataProduct, write: Write) -> None:
    def taken(*cells: str, **options: Any) -> list[date]:
        rows = "".join(f"B-{n},{cell}\n" for n, cell in enumerate(cells))
        load(tumor, write("number,taken_at\n" + rows), **options)
        return [at.date() for at in Biopsy.objects.order_by("pk").values_list("taken_at", flat=True)]

    assert taken("03/04/2024", "17/04/2024") == [date(2024, 4, 3), date(2024, 4, 17)]
    assert taken("03/04/2024", "04/17/2024") == [date(2024, 3, 4), date(2024, 4, 17)]
    assert taken("3.4.2024", "4.5.2024 12:30")[0] == date(2024, 4, 3)
    assert taken("2024/04/03", "2024-4-5")[1] == date(2024, 4, 5)
    assert taken("03/04/2024", "05/06/2024", day_first=False) == [date(2024, 3, 4), date(2024, 5, 6)]
    assert taken("03/04/2024", "05/06/2024", day_first=True) == [date(2024, 4, 3), date(2024, 6, 5)]
    with pytest.raises(TooManyRejects, match="say whether the day or the month comes first"):
        taken("03/04/2024", "05/06/2024")


def test_texts_are_stored_in_normal_form_c(tumor: DataProduct, write: Write) -> None:
    load(tumor, write("number,taken_at\ncafe\u0301,2024-05-17\n"))
    assert diagnoses() == {"caf\u00e9": None}


# -- Formats --


def test_every_format_is_loaded(tumor: DataProduct, write: Write) -> None:
    rows = [line.split(",") for line in BIOPSIES.splitlines()]
    lines = "".join(json.dumps(dict(zip(rows[0], row, strict=True))) + "\n" for row in rows[1:])
    quoted = "\n".join(",".join(f'"{cell}"' for cell in row) for row in rows)
    assert load(tumor, write(BIOPSIES)) == (3, 0, 0, 0)
    for same in (
        write(BIOPSIES.replace(",", "\t"), "rows.tsv"),
        write(BIOPSIES.replace(",", ";").replace("\n", "\r\n")),
        write(b"\xef\xbb\xbf" + BIOPSIES.encode()),
        write(BIOPSIES.encode("utf-16")),
        write(gzip.compress(BIOPSIES.encode()), "rows.csv.gz"),
        write(quoted),
        write(BIOPSIES.replace("\n", "\n\n")),
        write(lines, "rows.jsonl"),
    ):
        assert load(tumor, same) == (0, 0, 3, 0), same.read_bytes()


def test_numbered_columns_match_no_field(tumor: DataProduct, write: Write) -> None:
    path = write(BIOPSIES.partition("\n")[2])
    layout = files.sniff(path, no_header=True)
    with pytest.raises(NoTable):
        load(tumor, path, layouts=[layout])


def test_quotes_and_line_breaks_inside_of_cells_are_stored(stay: DataProduct, write: Write) -> None:
    operate(pk=1, age=None), operate(pk=2, age=None), operate(pk=3, age=None)
    text = 'operation,age,note\n1,40,"two\nlines"\n2,50,"says ""hi"", twice"\n3,60,6" x 4" board\n'
    assert load(stay, write(text)) == (3, 0, 0, 0)
    notes = list(Anamnesis.objects.order_by("operation").values_list("note", flat=True))
    assert notes == ["two\nlines", 'says "hi", twice', '6" x 4" board']


@pytest.mark.parametrize("start", ['operation,age,"the\rnote"\n', "\roperation,age,note\r\n"])
def test_carriage_returns_before_the_first_row_hide_no_row(
    stay: DataProduct, write: Write, start: str
) -> None:
    operate(pk=1, age=None), operate(pk=2, age=None)
    assert load(stay, write(f"{start}1,40,a\n2,50,b\n")) == (2, 0, 0, 0)


def test_latin_1_and_windows_1252_are_read(stay: DataProduct, write: Write) -> None:
    for number, (word, encoding) in enumerate([("Käse", "latin-1"), ("8 €", "cp1252")], 1):
        operate(pk=number, age=None)
        load(stay, write(f"operation,age,note\n{number},40,{word}\n".encode(encoding)))
        assert Anamnesis.objects.get(operation=number).note == word


# -- Labels --


def test_a_loaded_label_counts_as_feedback_where_people_gave_feedback(
    tumor: DataProduct, write: Write
) -> None:
    path = write(BIOPSIES)
    load(tumor, path)
    feedback = Feedback.objects.give(tumor, About(entity="B-1"), "malignant", "ann").feedback
    assert load(tumor, path) == (0, 0, 3, 0)
    assert diagnoses()["B-1"] == "malignant"
    assert Feedback.objects.filter(author="TABLE").count() == 1
    load(tumor, write(BIOPSIES.replace("12:00,benign", "12:00,")))
    assert diagnoses()["B-1"] == "malignant"
    Feedback.objects.retract(tumor, feedback.pk, Actor(author="ann", superuser=True))
    assert diagnoses()["B-1"] is None


def test_a_loaded_label_decides_where_people_disagree(tumor: DataProduct, write: Write) -> None:
    load(tumor, write(BIOPSIES))
    Feedback.objects.give(tumor, About(entity="B-1"), "malignant", "ann")
    Feedback.objects.give(tumor, About(entity="B-1"), "benign", "bob")
    assert load(tumor, write(BIOPSIES.replace("12:00,benign", "12:00,malignant"))) == (0, 1, 2, 0)
    assert diagnoses()["B-1"] == "malignant"


@isolate_apps("tests.clinic")
def test_labels_are_recorded_for_rows_identified_by_another_unique_column(write: Write) -> None:
    class Case(models.Model):
        code = models.CharField(max_length=10, unique=True)
        age = models.FloatField()
        ill = models.BooleanField(null=True)

        class Meta:
            app_label = "clinic"

    with connection.schema_editor() as editor:
        editor.create_model(Case)
    cases = declared({"age": "age"}, Case.objects.all(), label="ill")
    assert load(cases, write("code,age,ill\nA,1,no\nB,2,no\n")) == (2, 0, 0, 0)
    key = str(Case.objects.get(code="A").pk)
    Feedback.objects.give(cases, About(entity=key), "True", "ann")
    assert load(cases, write("code,age,ill\nA,1,no\nB,2,yes\n")) == (0, 1, 1, 0)
    assert dict(Case.objects.values_list("code", "ill")) == {"A": True, "B": True}
    Feedback.objects.give(cases, About(entity=key), "False", "bob")
    assert load(cases, write("code,age,ill\nA,5,yes\nB,2,yes\n")) == (0, 1, 1, 0)
    assert Case.objects.get(code="A").ill is True


def test_temporary_tables_do_not_outlive_the_load(tumor: DataProduct, write: Write) -> None:
    load(tumor, write(BIOPSIES))
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('pg_temp.ingest_staging'), to_regclass('pg_temp.ingest_typed')")
        assert cursor.fetchone() == (None, None)


def test_times_without_a_zone_are_utc(tumor: DataProduct, write: Write) -> None:
    load(tumor, write("number,taken_at\nA,2024-05-17 14:00+02\nB,2024-05-17 12:00\n"))
    assert set(Biopsy.objects.values_list("taken_at", flat=True)) == {datetime(2024, 5, 17, 12, tzinfo=UTC)}
