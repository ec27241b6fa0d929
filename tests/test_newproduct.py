"""From files to a champion by the commands alone, in a copy of the project."""

import csv
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

from project import engines
from project.engines import PostgreSQL
from tests import commands
from tests.commands import outer_environment
from tests.keys import KEYS
from tests.shops import FILMS, MUSIC
from tests.store.ingest.workbook import write_workbook
from tests.system import ROOT, UNFINISHED, state_folder
from tests.waiting import PATIENCE

PARTS = ("learning", "store", "schema", "project", "manage.py", "worker.py")


#: Of a product's life over a shop's tables.
ROLE = "clerk"


@dataclass(frozen=True)
class Copy:
    """The project, with engines of its own and no product."""

    folder: Path
    state: Path

    def run(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        manage = self.folder / "manage.py"
        return commands.run(
            manage, *command, cwd=self.folder, environment=self.environment, stdin=stdin, timeout=5 * PATIENCE
        )

    @property
    def environment(self) -> dict[str, str]:
        return outer_environment(self.folder) | {
            "EXEMPLAR_STATE": str(self.state),
            "EXEMPLAR_QUICK_BUILDS": "on",
        }

    def done(self, *command: str, stdin: str = "") -> str:
        ended = self.run(*command, stdin=stdin)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def refused(self, *command: str) -> str:
        """The one line that it says."""
        ended = self.run(*command)
        assert ended.returncode == 1, ended.stdout + ended.stderr
        return ended.stderr.strip().splitlines()[-1].removeprefix("CommandError: ")

    @property
    def apps(self) -> set[str]:
        return {path.parent.name for path in self.folder.glob("*/products.py")} - {"schema", "store"}


def copied_project(folder: Path) -> Path:
    """Copy the project without its products."""
    folder.mkdir(exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=UNFINISHED)
        else:
            shutil.copy(source, folder)
    return folder


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    folder, state = copied_project(tmp_path_factory.mktemp("copy")), state_folder()
    chosen = [engines.PostgreSQL(state, durable=False), engines.Valkey(state)]
    with engines.running(state, chosen, "the tests"):
        yield Copy(folder, state)


@pytest.fixture
def passengers(tmp_path: Path) -> Path:
    draw, path = random.Random(1), tmp_path / "passengers.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Name", "Class", "Age (years)", "Fare", "survived", "alive"])
        for number in range(120):
            age, survived = draw.randint(1, 80), draw.random() < 0.5
            fare = draw.randint(10, 40) + 30 * survived
            told = "" if number > 115 else int(survived)
            rows.writerow([f"P{number}", draw.choice("ABC"), age or "", fare, told, ["no", "yes"][survived]])
    return path


@pytest.fixture
def no_apps(copy: Copy) -> Iterator[None]:
    yield
    for app in copy.apps:
        execute(PostgreSQL(copy.state), DROP.format(app=app))
        shutil.rmtree(copy.folder / app)


#: Drops the tables of an app and the record of its migrations, without the second that the command takes.
DROP = """
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'exemplar' AND starts_with(tablename, '{app}_') LOOP
        EXECUTE format('DROP TABLE exemplar.%I CASCADE', name);
    END LOOP;
END $$;
DELETE FROM exemplar.django_migrations WHERE app = '{app}'"""


def test_a_file_becomes_a_product_with_a_champion(copy: Copy, passengers: Path, no_apps: None) -> None:
    said = copy.done("newproduct", "survival", str(passengers), "--label", "survived", "--yes")
    assert "copy of survived" in said
    assert "120 inserted" in said
    assert {file.name for file in (copy.folder / "survival").iterdir()} - {"__pycache__"} == {
        *("__init__.py", "models.py", "products.py", "README.md", "migrations")
    }
    assert (copy.folder / "survival" / "migrations" / "0001_initial.py").exists()
    unchanged = copy.run("makemigrations", "--check", "--dry-run", "survival")
    assert "No changes" in unchanged.stdout
    # It runs all checks first, and prints what they remark.
    assert (unchanged.returncode, unchanged.stderr) == (0, "")
    built = copy.done("build", "survival", "--candidates", "1")
    assert "roc_auc" in built.splitlines()[-1]

    again = f"./dev ingest survival {passengers}"
    assert again in (copy.folder / "survival" / "README.md").read_text()
    assert "0 inserted, 0 updated, 120 unchanged" in copy.done(*again.split()[1:])

    said = copy.refused("newproduct", "survival", str(passengers), "--label", "survived", "--yes")
    assert "exists already, and nothing was changed" in said
    assert "./dev ingest survival" in said
    copy.done("rmproduct", "survival", "--yes", "--drop-data")


def test_rows_without_header_come_from_the_standard_input(copy: Copy, no_apps: None) -> None:
    rows = "".join(f"{i % 13},{i * i % 7},{(i % 13) * 2 + i % 7}\n" for i in range(60))
    copy.done("newproduct", "sums", "-", "--no-header", "--label", "2", "--yes", stdin=rows)
    assert "Regression(" in (copy.folder / "sums" / "products.py").read_text()
    assert "./dev ingest sums - --no-header" in (copy.folder / "sums" / "README.md").read_text()


def test_related_files_are_joined_by_their_key_and_their_rows_outlive_the_product_until_they_are_dropped(
    copy: Copy, tmp_path: Path, no_apps: None
) -> None:
    customers = "".join(f"C{i},{i % 7},{'yes' if i % 7 > 3 else 'no'}\n" for i in range(60))
    visits = "".join(f"C{i % 50},2024-{i % 12 + 1:02}-05,{i % 31}\n" for i in range(200))
    (tmp_path / "customers.csv").write_text(f"customer,age,churned\n{customers}")
    (tmp_path / "visits.csv").write_text(f"customer,on,minutes\n{visits}")
    paths = [str(tmp_path / name) for name in ("customers.csv", "visits.csv")]
    assert "260 inserted" in copy.done("newproduct", "churn", *paths, "--label", "churned", "--yes")
    assert "no issues" in copy.done("check")
    assert "0 inserted, 0 updated, 260 unchanged" in copy.done("ingest", "churn", *paths)

    assert "--yes" in copy.refused("rmproduct", "churn")
    removed = copy.done("rmproduct", "churn", "--yes")
    assert "churn_customer" in removed and "churn_visit" in removed
    assert not (copy.folder / "churn").exists()
    assert "--drop-data" in copy.refused("newproduct", "churn", *paths, "--yes")
    copy.done("rmproduct", "churn", "--yes", "--drop-data")
    assert "No product's app" in copy.refused("rmproduct", "churn")


def test_a_failed_load_leaves_nothing(copy: Copy, tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("customer,age\n" + "".join(f"C{i},{i % 7}\n" for i in range(30)))
    (tmp_path / "visits.csv").write_text("customer,minutes\nC1,7\nnobody,8\nC1,9\n")
    paths = [str(tmp_path / name) for name in ("customers.csv", "visits.csv")]
    said = copy.refused("newproduct", "churn", *paths, "--yes")
    assert "visits.csv, line 3, column customer: 'nobody'" in said
    assert not copy.apps
    assert "No product's app" in copy.refused("rmproduct", "churn", "--drop-data", "--yes")


def test_a_new_category_is_accepted_on_request(copy: Copy, tmp_path: Path, no_apps: None) -> None:
    header, path = "customer,plan,churned\n", tmp_path / "customers.csv"
    rows = "".join(f"C{i},{['basic', 'gold'][i % 2]},{'yes' if i % 7 > 3 else 'no'}\n" for i in range(60))
    path.write_text(header + rows)
    command = ("ingest", "churn", str(path))
    copy.done("newproduct", *command[1:], "--label", "churned", "--entity", "customer", "--yes")
    path.write_text(header + rows + "C60,platinum+,no\nC60,platinum+,no\n")
    said = copy.refused(*command)
    assert "'platinum+' is none of" in said
    assert said.endswith("Add --accept-new-choices to allow 'platinum+' as plan.")

    (more := tmp_path / "more.csv").write_text(header + "C60,platinum+,no\nC70,iron,no\n")
    said = copy.done(*command, str(more), "--accept-new-choices")
    assert "Accepted 'platinum+' as plan of Customer, with a migration." in said
    assert "Accepted 'iron' as plan of Customer, with a migration." in said
    assert "2 inserted, 0 updated, 61 unchanged, 0 rejected." in said
    assert "1 row equals another with the same key" in said
    models = (copy.folder / "churn" / "models.py").read_text()
    assert 'PLATINUM_PLUS = "platinum+", "platinum+"' in models
    assert "max_length=9, choices=Plan.choices" in models
    assert "0 inserted, 0 updated, 61 unchanged" in copy.done(*command, "--accept-new-choices")
    # It would have written a migration that is missing.
    assert len(list((copy.folder / "churn" / "migrations").glob("0*.py"))) == 3

    # As after an interruption between the edit and its migration.
    longer = models.replace("max_length=9", "max_length=14").replace(
        'PLATINUM_PLUS = "platinum+", "platinum+"',
        'PLATINUM_PLUS = "platinum+", "platinum+"\n        DIAMOND = "diamond for al"',
    )
    (copy.folder / "churn" / "models.py").write_text(longer)
    path.write_text(header + rows + "C61,diamond for al,no\n")
    assert "1 inserted" in copy.done(*command, "--accept-new-choices")
    path.write_text(header + rows + "C62,tin,no\nC63,tin,perhaps not\n")
    said = copy.done(*command, "--accept-new-choices", "--max-rejects", "1")
    assert "1 inserted, 0 updated, 60 unchanged, 1 rejected" in said
    assert len(list((copy.folder / "churn" / "migrations").glob("0*.py"))) == 5


def test_sheets_of_a_workbook_become_related_tables(copy: Copy, tmp_path: Path, no_apps: None) -> None:
    customers = [
        ["Customer No", "Größe (cm)", "churned"],
        *([f"C{i}", 150 + i % 40, i % 7 > 3] for i in range(60)),
    ]
    visits = [
        ["Customer No", "on", "minutes"],
        *([f"C{i % 50}", date(2024, 1, 1 + i % 28), i % 31] for i in range(200)),
    ]
    path = str(write_workbook(tmp_path / "shop.xlsx", {"customers": customers, "visits": visits}))
    command = [path, "--sheet", "customers", "visits"]
    assert "260 inserted" in copy.done("newproduct", "churn", *command, "--yes")
    # Without a label.
    assert "Clustering(" in (copy.folder / "churn" / "products.py").read_text()
    text = (copy.folder / "churn" / "models.py").read_text()
    assert "class Visit(models.Model)" in text
    assert 'verbose_name="Größe (cm)"' in text
    again = (copy.folder / "churn" / "README.md").read_text()
    assert f"./dev ingest churn {path} --sheet customers visits" in again
    assert "0 inserted, 0 updated, 260 unchanged" in copy.done("ingest", "churn", *command)


def test_newproduct_without_a_terminal_needs_yes(copy: Copy, passengers: Path) -> None:
    assert "--yes" in copy.refused("newproduct", "survival", str(passengers))
    assert not copy.apps


@pytest.fixture(scope="module")
def shops(copy: Copy) -> PostgreSQL:
    """The tables of two shops in the engine of the copy, and a role that may do nothing yet."""
    postgresql = PostgreSQL(copy.state)
    execute(postgresql, FILMS + MUSIC)
    execute(
        postgresql, f"CREATE ROLE {ROLE} LOGIN PASSWORD 'secret'; REVOKE ALL ON DATABASE exemplar FROM PUBLIC"
    )
    return postgresql


def execute(postgresql: PostgreSQL, statements: str) -> None:
    with closing(psycopg2.connect(**postgresql.dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statements)


def dump(postgresql: PostgreSQL, schema: str) -> list[str]:
    """Dump a schema with its rows, without the key that pg_dump draws for each dump."""
    command = [postgresql.binaries / "pg_dump", "--no-acl", f"--schema={schema}", make_dsn(**postgresql.dsn)]
    dumped = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line for line in dumped.stdout.splitlines() if not re.match(r"\\(un)?restrict ", line)]


SHOPS = {
    "genre": (
        "music",
        [*("music.Track", "music.PlaylistTrack", "music.InvoiceLine"), "--label", "GenreId"],
        ("8", "OPERA"),
        ("8\tTrack 8\t9\tflac\t1", "8\tTrack 8\t9\tflac\t5"),
    ),
    "churn": (
        "films",
        [
            *("films.customer", "films.rental", "films.rental_line", "films.payment", "films.visit_log"),
            *("--label", "churned", "--time", "create_date"),
        ],
        ("8", "YES"),
        ("8\tc8@example.org\t2021-06-09\tt\tf", "8\tc8@example.org\t2021-06-09\tt\tt"),
    ),
}


@pytest.mark.parametrize("name", ["churn", pytest.param("genre", marks=pytest.mark.slow)])
def test_a_role_with_the_printed_rights_learns_from_a_shops_tables_and_changes_the_label_alone(
    copy: Copy, shops: PostgreSQL, no_apps: None, name: str
) -> None:
    schema, tables, (key, label), (row, changed) = SHOPS[name]
    before = dump(shops, schema)
    copy.done("newproduct", name, "--table", *tables, "--yes")
    copy.done("prepare")
    execute(shops, copy.done("sql", "grants", "--role", ROLE))
    variables = {
        "DATABASE_URL": f"postgresql://{ROLE}:secret@/exemplar?host={shops.socket}",
        "REDIS_URL": engines.Valkey(copy.state).url,
        **KEYS,
        "PYTHONPATH": str(copy.folder),
    }
    life = ROOT / "tests" / "shops" / "life.py"
    ended = commands.run(life, name, key, label, cwd=copy.folder, environment=copy.environment | variables)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    after = dump(shops, schema)
    [old], [new] = set(before) - set(after), set(after) - set(before)
    assert (old.partition(row)[1:], new.partition(changed)[1:]) == (
        (row, rest := old[len(row) :]),
        (changed, rest),
    )
