"""Plans and code of products' apps, from files and from existing tables."""

import csv
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from learning.problem import Clustering
from store.ingest import files
from store.ingest.files import FileError
from store.scaffold import PlannedApp, inspection, joining, plan_app, render_files, unmanaged
from store.scaffold import app as apps
from store.scaffold.app import InvalidName, NameTaken, check_name
from store.scaffold.inference import ColumnOptions, Role

PEOPLE = [
    [f"P-{i}", ["red", "green", "blue"][i % 3], 20 + i, i % 2, f"2024-01-{i + 1:02}"] for i in range(30)
]
HEADER = ["Person No", "colour", "Age (years)", "survived", "came"]


@pytest.fixture
def planned(tmp_path: Path) -> Any:
    """Write tables to files and plan an app over them."""

    def planned(
        *tables: tuple[str, list[str], Sequence[Sequence[Any]]], task: str | None = None, **options: Any
    ) -> PlannedApp:
        layouts = []
        for name, header, rows in tables:
            with (tmp_path / name).open("w", newline="") as file:
                csv.writer(file).writerows([header, *rows])
            layouts.append(files.sniff(tmp_path / name))
        return plan_app("survival", joining.infer_tables(layouts, ColumnOptions(**options)), task)

    return planned


def render(app: PlannedApp) -> dict[str, str]:
    return render_files(app, "./dev newproduct …", "./dev ingest …")


MODELS = '''"""The table of people.csv."""

from django.db import models


class Person(models.Model):
    """A row of people.csv."""

    class Colour(models.TextChoices):
        BLUE = "blue"
        GREEN = "green"
        RED = "red"

    person_no = models.CharField(max_length=20, primary_key=True, verbose_name="Person No")
    colour = models.CharField(max_length=5, choices=Colour.choices)
    age = models.IntegerField(verbose_name="Age (years)")
    survived = models.BooleanField(null=True, blank=True)
    came = models.DateField()

    def __str__(self) -> str:
        return self.person_no
'''
PRODUCTS = '''"""The data product: survived, yes or no?"""

from learning.problem import Classification
from store.products import DataProduct, Join

from .models import Person

survival = DataProduct(
    name="survival",
    title="Survival",
    description="Survived, yes or no?",
    join=Join(
        Person.objects.all(),
        features={
            "colour": "colour",
            "age": "age",
        },
        label="survived",
        at="came",
    ),
    problem=Classification(ordered=True),
)
'''


def test_one_file_becomes_a_model_and_a_product(planned: Any) -> None:
    app = planned(("people.csv", HEADER, PEOPLE), label="survived", entity="Person No", time="came")
    texts = render(app)
    assert texts["models.py"] == MODELS
    assert texts["products.py"] == PRODUCTS


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        (["<=50K", ">50K"], ['LE_50K = "<=50K", "<=50K"', 'GT_50K = ">50K", ">50K"']),
        (["C", "C#", "C++", "10th"], ['C_SHARP = "C#", "C#"', 'VALUE_10TH = "10th", "10th"']),
        (["yes", "Yes", "ja"], ['JA = "ja"', ' = "yes", "yes"', ' = "Yes", "Yes"']),
        ([-1, 1], ['MINUS_1 = -1, "-1"', 'VALUE_1 = 1, "1"']),
    ],
)
def test_members_are_named_by_their_values(planned: Any, values: Any, lines: list[str]) -> None:
    rows = [[values[i % len(values)], i % 7] for i in range(60)]
    text = render(planned(("a.csv", ["c", "x"], rows), label="c"))["models.py"]
    assert [line for line in lines if line not in text] == []


def test_without_entity_the_key_is_derived_from_the_row(planned: Any) -> None:
    texts = render(planned(("people.csv", HEADER, PEOPLE), label="survived"))
    assert "key = models.CharField(max_length=50, primary_key=True, editable=False)" in texts["models.py"]
    assert "# not person_no: an identifier: different in each row" in texts["products.py"]


def test_related_files_become_related_tables(planned: Any) -> None:
    incomes = [[f"P-{i}", i * 1.5] for i in range(30)]
    visits = [[i, f"P-{i % 9}", f"2023-01-{i % 28 + 1:02} 10:00", i % 25] for i in range(60)]
    app = planned(
        ("visits.csv", ["id", "Person No", "at", "minutes"], visits),
        ("people.csv", HEADER, PEOPLE),
        ("incomes.csv", ["Person No", "income"], incomes),
        label="survived",
        time="came",
    )
    declared = {feature.name: feature.declared for feature in app.features}
    assert declared == {
        "colour": '"colour"',
        "age": '"age"',
        "visits_count": 'Before(Count("visits"), at="visits__at")',
        "visits_recency": 'Recency("visits__at")',
        "minutes_average": 'Before(Avg("visits__minutes"), at="visits__at")',
        "minutes_sum": 'Before(Sum("visits__minutes"), at="visits__at")',
        "minutes_trend": 'Trend("visits__minutes", at="visits__at")',
        "minutes_latest": 'Latest("visits__minutes", at="visits__at")',
        "income": '"income__income"',
    }
    text = render(app)["models.py"]
    assert 'person = models.ForeignKey(Person, models.CASCADE, related_name="visits")' in text
    assert "person = models.OneToOneField(Person, models.CASCADE, primary_key=True," in text
    assert 'identifier = models.IntegerField(null=True, blank=True, verbose_name="id")' in text


@pytest.mark.parametrize(
    ("labels", "task", "expected"),
    [
        (["a", "b"] * 15, None, "Classification"),
        ([1, 2] * 15, None, "Classification"),
        ([1, 2] * 15, "regression", "Regression"),
        (range(30), None, "Regression"),
        ([i / 7 for i in range(30)], None, "Regression"),
    ],
)
def test_the_task_follows_from_the_label(planned: Any, labels: Any, task: str | None, expected: str) -> None:
    rows = [[label, i % 5] for i, label in enumerate(labels)]
    assert planned(("a.csv", ["label", "x"], rows), label="label", task=task).problem.__name__ == expected


def test_a_product_without_label_is_a_clustering(planned: Any) -> None:
    app = planned(("people.csv", HEADER, PEOPLE))
    assert app.problem is Clustering
    assert "label=" not in render(app)["products.py"]


def test_a_class_with_few_examples_gets_fewer_folds(planned: Any) -> None:
    rows = [["b" if i < 4 else "a", i % 5] for i in range(30)]
    assert "Classification(folds=4)" in render(planned(("a.csv", ["c", "x"], rows), label="c"))["products.py"]


def test_many_rows_get_limits_and_an_early_version(planned: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.scaffold.limits.MANY_ROWS", 20)
    rows = [[str(n % 2), str(n * n)] for n in range(20)]
    products = render(planned(("a.csv", ["c", "x"], rows), label="c"))["products.py"]
    assert "problem=Classification(seconds=600, megabytes=1536, early=True)," in products


@pytest.mark.parametrize(
    ("rows", "options", "sentence"),
    [
        ([["a", 1]] * 9 + [["b", 2]], {"label": "c"}, r"line 11, column c: 'b' has 1 example, "),
        (
            [[f"c{i % 120}", i] for i in range(400)],
            {"label": "c"},
            "120 different values as 'c0' are no classes",
        ),
        ([["a", 1], ["b", 2]] * 5, {"label": "c", "task": "regression"}, "'a' is no number"),
        ([["a", 1], ["b", 2]] * 5, {"task": "regression"}, "a regression needs --label"),
        (
            [["a", 1], ["b", 2], ["a", 3]],
            {"entity": "c"},
            r"line 4, column c: 'a' is the key of line 2 too, but the rows differ \(x 1 there and 3 here\)",
        ),
        ([["a", 1], ["b", 1]] * 5, {"label": "c"}, "no column is left"),
    ],
)
def test_data_that_do_not_fit_the_task_are_rejected(
    planned: Any, rows: Any, options: Any, sentence: str
) -> None:
    with pytest.raises(FileError, match=sentence):
        planned(("a.csv", ["c", "x"], rows), **options)


def test_rows_that_equal_another_are_one_row(planned: Any) -> None:
    people = [*PEOPLE, PEOPLE[3], PEOPLE[3], PEOPLE[7]]
    incomes = [[f"P-{i % 30}", i % 30 * 1.5] for i in range(35)]
    app = planned(
        ("people.csv", HEADER, people),
        ("incomes.csv", ["Person No", "income"], incomes),
        label="survived",
        entity="Person No",
    )
    assert app.base.table.rows == 30
    assert app.base.table.labels == {"0": 15, "1": 15}
    assert app.base.table.remarks[-1] == (
        "people.csv: 3 rows equal another in every column; equal rows are one row."
    )
    assert "income = models.OneToOneField(Person" not in render(app)["models.py"]
    assert (
        "person = models.OneToOneField(Person, models.CASCADE, primary_key=True" in render(app)["models.py"]
    )


@pytest.mark.parametrize(
    ("file", "key", "class_name", "title"),
    [
        ("customers.csv", "id", "Customer", ""),
        ("customers_2024_final.csv", "id", "Customer", ""),
        ("telco_dedup.csv", "customerID", "Customer", ""),
        ("telco_dedup.csv", "code", "Telco", "row of telco_dedup.csv"),
        ("titanic.csv", None, "Titanic", "row of titanic.csv"),
        ("people.csv", None, "Person", ""),
        ("boxes.csv", None, "Box", ""),
        ("countries.csv", None, "Country", ""),
        ("diabetes.csv", None, "Diabetes", "row of diabetes.csv"),
        ("train.csv", None, "Survival", "row of train.csv"),
    ],
)
def test_classes_are_called_by_what_a_row_is(
    planned: Any, file: str, key: str | None, class_name: str, title: str
) -> None:
    rows = [[f"K{i}", i % 7, i % 2] for i in range(30)]
    app = planned((file, [key or "code", "x", "label"], rows), label="label", entity=key)
    assert (app.base.rows.class_name, app.base.rows.title) == (class_name, title)
    text = render(app)["models.py"]
    assert (f'verbose_name = "{title}"' in text) is bool(title)


def test_titles_stay_as_they_were_typed(planned: Any) -> None:
    header = ["Größe (cm)", "DSL", "Länderkürzel", "age", "Pay per hour", "Käufer"]
    rows = [
        [150 + i % 40, "yn"[i % 2], "AB"[i % 2], i % 50, i % 9, ["ja", "nein"][i % 3 // 2]] for i in range(60)
    ]
    app = planned(("a.csv", header, rows), label="Käufer")
    text = render(app)["models.py"]
    for title in ("Größe (cm)", "DSL", "Länderkürzel", "Käufer"):
        assert f'verbose_name="{title}"' in text
    assert "age = models.IntegerField()" in text
    assert "pay_per_hour = models.IntegerField()" in text
    assert 'description="Which Käufer?"' in render(app)["products.py"]


def test_titles_of_choices_are_their_values(planned: Any) -> None:
    values = {
        "currency": ["EUR", "USD"],
        "system": ["iOS", "Android"],
        "plan": ["basic", "two phones"],
    }
    rows = [[*(each[i % 2] for each in values.values()), i % 50, i % 2] for i in range(60)]
    app = planned(("a.csv", [*values, "x", "bought"], rows), label="bought")
    text = render(app)["models.py"]
    for line in ('EUR = "EUR", "EUR"', '= "iOS", "iOS"', 'ANDROID = "Android"\n', 'BASIC = "basic"\n'):
        assert line in text


@pytest.mark.parametrize(
    ("classes", "positive"),
    [
        (("-1", "1"), "1"),
        (("1", "2"), "2"),
        (("ja", "nein"), "ja"),
        (("+", "-"), "+"),
        (("abnormal", "normal"), "abnormal"),
        (("Dead", "Not dead"), "Dead"),
        (("left", "non-left"), "left"),
        (("<=50K", ">50K"), ">50K"),
        (("≥ 8", "< 8"), "≥ 8"),
        (("bad", "good"), "good"),
        (("ham", "spam"), "spam"),
        (("mild", "no"), "mild"),
    ],
)
def test_the_positive_class_is_the_one_that_is_asked_about(
    planned: Any, classes: tuple[str, str], positive: str
) -> None:
    app = planned(("a.csv", ["c", "x"], [[classes[i % 2], i % 7] for i in range(30)]), label="c")
    assert app.positive == positive
    label = app.base.table.label
    assert label
    assert ("positive=" in render(app)["products.py"]) is (positive != label.values[-1])


STRANGE = [
    *(
        "class",
        "Class",
        "id",
        "",
        "pk",
        "objects",
        "key",
        "label",
        "meta",
        "年齢",
        "a__b",
        "2nd",
        'say "x"',
        "it's",
    ),
    *("Blood pressure (mmHg)", "x" * 70, "prediction"),
]
VALUES = [
    "None of",
    "1",
    "-1",
    "",
    "true",
    "mro",
    "I",
    "ö ß",
    "a" * 60,
    'quo"te',
    "it's",
    "back\\slash",
    "A",
    "a",
]


def test_unusual_names_and_values_become_valid_and_formatted_code(planned: Any, tmp_path: Path) -> None:
    draw = random.Random(1)
    rows = [[VALUES[i % len(VALUES)], *draw.choices(VALUES, k=len(STRANGE))] for i in range(140)]
    texts = render(planned(("class.csv", ["label", *STRANGE], rows), label="label"))
    for path in ("models.py", "products.py"):
        compile(texts[path], path, "exec")
        (tmp_path / path).write_text(texts[path])
    assert set(VALUES[:3]) <= {v for v in VALUES if f'"{v}"' in texts["models.py"]}
    ruff = [sys.executable, "-m", "ruff", "--config", str(settings.BASE_DIR / "pyproject.toml")]
    for command in (["format", "--check", "--diff"], ["check", "--no-cache"]):
        process = subprocess.run(
            [ruff[0], "-m", "ruff", *command, *ruff[3:], str(tmp_path)], capture_output=True, text=True
        )
        assert process.returncode == 0, process.stdout + process.stderr


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "error"),
    [
        *(
            (name, InvalidName)
            for name in ("Churn", "2nd", "a__b", "class", "", "../x", "ä", "a-b", "x" * 50)
        ),
        *((name, NameTaken) for name in ("store", "tests", "tumor", "django", "json", "benchmarks")),
    ],
)
def test_invalid_and_taken_names_are_rejected(name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_name(name)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["store", "auth", "tumor", "project", "../main", ""])
def test_files_and_tables_of_other_apps_are_not_found(name: str) -> None:
    assert apps.find_files(name) == apps.find_tables(name) == []


TABLES = """
CREATE SCHEMA sales;
CREATE TABLE sales.regions (code text PRIMARY KEY, "Population" integer);
CREATE TABLE sales.customers (
    id bigserial PRIMARY KEY, region_code text REFERENCES sales.regions, plan text, flag integer, tags jsonb,
    joined timestamptz NOT NULL, churned text);
CREATE TABLE sales.visits (
    id serial PRIMARY KEY, customer_id bigint NOT NULL REFERENCES sales.customers, at timestamptz NOT NULL,
    minutes integer);
INSERT INTO sales.regions SELECT 'R' || i, i * 10 FROM generate_series(1, 4) i;
INSERT INTO sales.customers (region_code, plan, flag, joined, churned)
SELECT 'R' || 1 + i % 4, (ARRAY['basic', 'gold'])[1 + i % 2], i % 2, now() - i * interval '1 hour',
       CASE WHEN i < 50 THEN (ARRAY['yes', 'no'])[1 + i % 3 / 2] END FROM generate_series(1, 60) i;
INSERT INTO sales.visits (customer_id, at, minutes)
SELECT 1 + i % 50, now() - interval '1 day' * i, i % 31 FROM generate_series(1, 90) i;
CREATE VIEW sales.people AS SELECT id, plan, churned FROM sales.customers;
"""
CUSTOMER = """class Customer(models.Model):
    class Plan(models.TextChoices):
        BASIC = "basic"
        GOLD = "gold"

    class Churned(models.TextChoices):
        NO = "no"
        YES = "yes"

    id = models.BigIntegerField(primary_key=True)
    region_code = models.ForeignKey(
        "Region", models.DO_NOTHING, related_name="+", db_column="region_code", null=True, blank=True
    )
    plan = models.TextField(choices=Plan.choices, null=True, blank=True)
    flag = models.IntegerField(null=True, blank=True)
    tags = models.JSONField(null=True, blank=True)
    joined = models.DateTimeField()
    churned = models.TextField(choices=Churned.choices, null=True, blank=True)

    class Meta:
        managed = False
        db_table = '"sales"."customers"'
"""


@pytest.fixture
def sales(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(TABLES)


def test_referenced_tables_become_unmanaged_models(sales: None) -> None:
    tables = inspection.find_tables(["sales.customers", "sales.visits"])
    planned = unmanaged.plan_app("loyal", tables, ColumnOptions(label="churned", time="joined"), None)
    assert {feature.name: feature.declared for feature in planned.plan.features} == {
        "plan": '"plan"',
        "flag": '"flag"',
        "region_code": '"region_code"',
        "population": '"region_code__population"',
        "visits_count": 'Before(Count("visits"), at="visits__at")',
        "visits_recency": 'Recency("visits__at")',
        "minutes_average": 'Before(Avg("visits__minutes"), at="visits__at")',
        "minutes_sum": 'Before(Sum("visits__minutes"), at="visits__at")',
        "minutes_trend": 'Trend("visits__minutes", at="visits__at")',
        "minutes_latest": 'Latest("visits__minutes", at="visits__at")',
    }
    text = unmanaged.render_files(planned, "./dev newproduct …")["models.py"]
    assert CUSTOMER in text
    assert 'customer = models.ForeignKey("Customer", models.DO_NOTHING, related_name="visits")' in text
    assert 'population = models.IntegerField(db_column="Population", null=True, blank=True)' in text


LOOKUPS = """
CREATE SCHEMA stock;
CREATE TABLE stock.shops (
    id integer PRIMARY KEY, name text NOT NULL, kind text, city text, size integer, boss text, open boolean
);
CREATE TABLE stock.sales (
    id integer PRIMARY KEY, shop_id integer REFERENCES stock.shops, article text, sold boolean
);
INSERT INTO stock.shops SELECT i, 'Shop ' || i, 'K' || i % 3, 'C' || i % 7, i * 10, 'B' || i % 4, i % 2 = 0
FROM generate_series(1, 30) i;
INSERT INTO stock.sales SELECT i, 1 + i % 30, 'A-' || i % 70, i % 3 = 0 FROM generate_series(1, 300) i;
"""


def test_few_rows_behind_a_foreign_key_are_one_category(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(LOOKUPS)
    tables = inspection.find_tables(["stock.sales"])
    planned = unmanaged.plan_app("sold", tables, ColumnOptions(label="sold"), None)
    assert {feature.name: feature.declared for feature in planned.plan.features} == {
        "article": 'Category("article")',
        "shop": 'Category("shop__name")',
        "size": '"shop__size"',
    }
    files = unmanaged.render_files(planned, "./dev newproduct …")
    assert "from store.products import Category, DataProduct, Join" in files["products.py"]
    assert "# not shop__boss: shop__name tells it" in files["products.py"]
    assert "article = models.TextField(null=True, blank=True)" in files["models.py"]


@pytest.mark.parametrize(("name", "left_out"), [("password", ()), ("named", ("named",))])
def test_secrets_and_columns_left_out_name_no_rows(db: None, name: str, left_out: tuple[str, ...]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"{LOOKUPS} ALTER TABLE stock.shops RENAME name TO {name}")
    options = ColumnOptions(label="sold", leave_out=left_out)
    planned = unmanaged.plan_app("sold", inspection.find_tables(["stock.sales"]), options, None)
    assert {feature.name: feature.declared for feature in planned.plan.features} == {
        "article": 'Category("article")',
        "shop": '"shop"',
        "size": '"shop__size"',
    }


def test_a_view_needs_a_named_key(sales: None) -> None:
    tables = inspection.find_tables(["sales.people"])
    with pytest.raises(FileError, match="people has no key of one column: name one with --entity"):
        unmanaged.plan_app("loyal", tables, ColumnOptions(label="churned"), None)
    planned = unmanaged.plan_app("loyal", tables, ColumnOptions(label="churned", entity="id"), None)
    assert "id = models.BigIntegerField(primary_key=True)" in unmanaged.render_models(planned)


@pytest.mark.parametrize("names", [["nothing"], ["sales.nothing"], ["sales.people", "sales.nothing"]])
def test_unknown_tables_are_rejected(sales: None, names: list[str]) -> None:
    with pytest.raises(FileError, match=r"sales.nothing|nothing: the database has no table or view"):
        inspection.find_tables(names)


def test_a_table_may_be_named_as_sql_writes_it(sales: None) -> None:
    [quoted, *_], [plain, *_] = (
        inspection.find_tables([name]) for name in ('"sales"."people"', "sales.people")
    )
    assert quoted == plain


def test_a_table_of_the_teams_comes_before_exemplars_of_the_same_name(db: None) -> None:
    names = ["auth_group", "django_content_type", "django_migrations", "django_session", "store_build"]
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"CREATE TABLE public.{name} (key integer PRIMARY KEY)")
    assert {table.db_table for table in inspection.find_tables(names)} == {
        f'"public"."{name}"' for name in names
    }


def test_passwords_of_users_are_no_features(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE public.member (id serial PRIMARY KEY, name text, password text, plan text)"
        )
        cursor.execute(
            "INSERT INTO public.member (name, password, plan) SELECT 'n' || i % 9, 'hash ' || i % 9, "
            "(ARRAY['gold', 'basic'])[1 + i % 2] FROM generate_series(1, 90) i"
        )
    planned = unmanaged.plan_app(
        "loyal", inspection.find_tables(["member"]), ColumnOptions(label="plan"), None
    )
    (table,) = (table for _, table in planned.tables.values())
    (password,) = (column for column in table.columns if column.name == "password")
    assert (password.role, password.example, password.values) == (Role.LEFT_OUT, "", ())
    assert [feature.name for feature in planned.plan.features] == ["name"]


@pytest.mark.parametrize("name", ["auth_permission", "exemplar.auth_group", "exemplar_user", "store_build"])
def test_exemplars_own_tables_are_no_feature_tables(db: None, name: str) -> None:
    with pytest.raises(FileError, match="this table is Exemplar's own"):
        inspection.find_tables([name])


def test_tables_of_other_schemas_are_not_dropped_with_a_product(db: None) -> None:
    MigrationRecorder(connection).record_applied("shop", "0001_initial")
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE shop_visit (); CREATE TABLE public.shop_visit (); CREATE TABLE public.shop_order ()"
        )
        assert apps.find_tables("shop") == ["shop_visit"]
        apps.drop_tables("shop")
        cursor.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE tablename LIKE 'shop\\_%' ORDER BY 2"
        )
        assert cursor.fetchall() == [("public", "shop_order"), ("public", "shop_visit")]
