"""Products over the tables of two shops: keys of several columns, views, partitions, quoted and reserved names."""

import keyword
import re
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import isolate_apps
from hypothesis import example, given
from hypothesis import strategies as st

from store.ingest.files import FileError
from store.products import checks
from store.products.product import DataProduct
from store.scaffold import linking, unmanaged
from store.scaffold.existing import infer_existing
from store.scaffold.inference import ColumnOptions, column_statistics
from store.scaffold.inspection import find_tables, name_columns
from store.scaffold.unmanaged import UnmanagedApp
from store.snapshots.preview import preview
from tests.shops import FILMS, MUSIC

#: More places than a label may have classes, and a town for each of few.
PLACES = """
CREATE SCHEMA places;
CREATE TABLE places.place (id integer PRIMARY KEY, name text, "Kind" text);
CREATE TABLE places.town (id uuid PRIMARY KEY, name text);
CREATE TABLE places.guest (id integer PRIMARY KEY, name text);
CREATE TABLE places.stay (
    guest_id integer REFERENCES places.guest, id integer PRIMARY KEY, place_id integer REFERENCES places.place,
    town uuid REFERENCES places.town, film_id integer REFERENCES films.film, nights integer,
    rare_id integer REFERENCES places.place
);
INSERT INTO places.place
SELECT i, 'Place ' || i, (ARRAY['inn', 'camp'])[1 + (i > 40 AND i % 3 > 0)::int] FROM generate_series(1, 3000) i;
INSERT INTO places.town SELECT md5(i::text)::uuid, 'Town' FROM generate_series(1, 3) i;
INSERT INTO places.stay
SELECT NULL, i, i, md5((1 + i % 3)::text)::uuid, 1 + i % 9, i % 7, CASE WHEN i < 41 THEN 8 WHEN i < 43 THEN 9 ELSE 7 END
FROM generate_series(1, 300) i;
CREATE TABLE places.manager (id integer PRIMARY KEY, place_id integer UNIQUE REFERENCES places.place, age integer);
INSERT INTO places.manager SELECT i, i + 30, 20 + i FROM generate_series(1, 60) i;
CREATE TABLE places.heir (id integer PRIMARY KEY REFERENCES places.guest, share integer);
INSERT INTO places.guest SELECT i, 'Guest ' || i FROM generate_series(1, 20) i;
INSERT INTO places.heir SELECT i, i % 5 FROM generate_series(1, 20) i;
CREATE TABLE places.shift (key integer, day integer, late boolean, hours integer, PRIMARY KEY (key, day));
INSERT INTO places.shift SELECT i / 9, i % 9, i % 4 = 0, i % 13 FROM generate_series(1, 90) i;
CREATE TABLE places.empty (id integer PRIMARY KEY, stay_id integer REFERENCES places.stay);
CREATE TABLE places.repeated AS SELECT i % 5 AS key, i AS value FROM generate_series(1, 20) i;
"""


@pytest.fixture
def shops(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILMS + MUSIC + PLACES)


@pytest.fixture
def isolated() -> Iterator[None]:
    with isolate_apps("tests.clinic"):
        yield


def plan(tables: Sequence[str], entity: Sequence[str] = (), **options: Any) -> UnmanagedApp:
    found = find_tables(tables)
    key, keys = linking.split_keys(found, entity)
    return unmanaged.plan_app("shop", found, ColumnOptions(entity=key, **options), None, keys)


def load(app: UnmanagedApp, monkeypatch: pytest.MonkeyPatch) -> DataProduct:
    """Run the app's files as modules of an installed app. Returns: its product."""
    sources, modules = unmanaged.render_files(app, "./dev newproduct …"), {}
    for name in ("models", "products"):
        modules[name] = ModuleType(f"tests.clinic.shop.{name}")
        modules[name].__package__ = "tests.clinic.shop"
        monkeypatch.setitem(sys.modules, f"tests.clinic.shop.{name}", modules[name])
        exec(compile(sources[f"{name}.py"], f"{name}.py", "exec"), vars(modules[name]))
    assert [
        problem
        for value in vars(modules["models"]).values()
        if isinstance(value, type) and issubclass(value, models.Model)
        for problem in value.check()
    ] == []
    product = modules["products"].shop
    assert list(checks.find_problems(product)) == []
    return product  # type: ignore[no-any-return]


def values(product: DataProduct, key: object, *features: str) -> tuple[Any, ...]:
    names = [f"feature_{name}" for name in features]
    return tuple(product.join.instances().filter(pk=key).values_list(*names).get())


def ask(statement: str) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return tuple(cursor.fetchone())


def test_order_lines_partitions_and_a_table_without_a_key_are_joined(
    shops: None, isolated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = ["films.customer", "films.rental_line", "films.payment", "films.visit_log", "films.rental"]
    product = load(plan(tables, label="churned"), monkeypatch)
    assert preview(product).rows_out == 150
    names = ("rental_lines_count", "price_sum", "payments_count", "visit_logs_count", "price_latest")
    lines = "films.rental_line l JOIN films.rental r USING (rental_id) WHERE r.customer_id = 8"
    assert values(product, 8, *names) == ask(
        f"""SELECT (SELECT count(*) FROM {lines}), (SELECT sum(price) FROM {lines}),
        (SELECT count(*) FROM films.payment WHERE customer_id = 8),
        (SELECT count(*) FROM films.visit_log WHERE customer_id = 8),
        (SELECT price FROM {lines} ORDER BY rental_date DESC, line DESC LIMIT 1)"""
    )


def test_with_a_time_of_a_day_only_what_came_before_counts(
    shops: None, isolated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = ["films.customer", "films.rental", "films.rental_line"]
    product = load(plan(tables, label="churned", time="create_date"), monkeypatch)
    before = (
        "FROM films.customer c JOIN films.rental r USING (customer_id) {} "
        "WHERE customer_id = 8 AND rental_date < create_date"
    )
    lines = before.format("JOIN films.rental_line l USING (rental_id)")
    assert values(product, 8, "rentals_count", "rental_lines_count") == ask(
        f"SELECT count(*), (SELECT count(*) {lines}) {before.format('')}"
    )


def test_views_are_joined_by_the_column_that_is_named_or_called_like_the_key(
    shops: None, isolated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = plan(["films.customer", "films.spending"], label="churned")
    assert "spendings_count" in {feature.name for feature in app.plan.features}
    app = plan(
        ["films.customer_list", "films.spending", "films.customer"],
        ["id", "spending.customer_id", "films.customer.customer_id"],
        label="churned",
        time="joined",
    )
    product = load(app, monkeypatch)
    # A day counts once it is over.
    assert values(product, 8, "spendings_count") == ask(
        "SELECT count(*) FROM films.spending WHERE customer_id = 8 AND day < "
        "(SELECT create_date FROM films.customer WHERE customer_id = 8)"
    )
    assert product.join.required_rows == ("customer2",)


def test_a_table_with_reserved_names_is_read_whole(
    shops: None, isolated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = load(plan(["films.odd_name"], label="save"), monkeypatch)
    assert values(product, 8, "pk_field", "objects_field", "check_field", "class_field", "with_field") == ask(
        'SELECT pk, objects, "check", class, "with" FROM films.odd_name WHERE number = 8'
    )
    assert values(product, 8, "trailing", "double_under", "mixed_case", "zip_code", "column_2nd") == ask(
        'SELECT trailing_, double__under, "Mixed Case", "zip code", "2nd" FROM films.odd_name WHERE number = 8'
    )


def test_a_foreign_key_is_a_label_called_by_the_texts_of_its_rows(
    shops: None, isolated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = ["music.Track", "music.PlaylistTrack", "music.InvoiceLine"]
    product = load(plan(tables, label="GenreId"), monkeypatch)
    assert product.classes == {1: "Rock", 2: "Jazz", 3: "R&B/Soul", 4: "Hip Hop", 5: "Opera"}
    assert product.description == "Which genre?"
    assert not {"genre_name", "name_2"} & set(product.feature_names)
    shown = preview(product)
    assert (shown.rows_out, shown.unlabelled, shown.undeclared) == (300, 25, ())
    names = ("media_type_code", "playlist_tracks_count", "quantity_sum")
    assert values(product, 8, *names) == ask(
        """SELECT "MediaTypeCode", (SELECT count(*) FROM music."PlaylistTrack" WHERE "TrackId" = 8),
        (SELECT sum("Quantity") FROM music."InvoiceLine" WHERE "TrackId" = 8)
        FROM music."Track" WHERE "TrackId" = 8"""
    )


def test_a_foreign_key_to_a_unique_text_is_a_label(
    shops: None, isolated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = load(plan(["music.Track"], label="MediaTypeCode"), monkeypatch)
    assert product.label_by_text == {"aac": "aac", "flac": "flac", "mp3": "mp3"}
    assert preview(product).undeclared == ()


def test_rows_of_other_schemas_and_keys_of_other_types_are_classes(
    shops: None, isolated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = plan(["places.stay"], label="town", leave_out=("rating", "special_features", "words"))
    assert set(app.plan.classes) == set(app.plan.classes.values())  # three towns of one name
    product = load(app, monkeypatch)
    assert {"films.film", "guest"} < set(app.tables)  # nobody is a guest
    assert preview(product).undeclared == ()
    assert {feature.name for feature in app.plan.features} >= {"nights", "release_year", "rental_rate"}


def test_a_row_with_too_few_examples_is_a_class_that_waits_for_more(shops: None) -> None:
    app = plan(["places.stay"], label="rare_id")
    assert set(app.plan.classes) == {"7", "8", "9"}
    assert "too few examples of 9" in " ".join(app.tables["stay"][1].remarks)


def create_shown_view(error: FileError) -> dict[str, Any]:
    """Create the view that an error shows, as places.shown. Returns: the options that go with it."""
    shown = re.search(r"CREATE VIEW … (AS .+), with ((--\w+ \w+ ?)+)\.$", str(error))
    assert shown, error
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE VIEW places.shown {shown[1]}")
    named = dict(re.findall(r"--(\w+) (\w+)", shown[2]))
    return {"entity": [named.pop("entity")], **named}


@pytest.mark.parametrize(
    ("table", "label", "reason"),
    [
        ("places.stay", "place_id", "it refers to 300 rows of place, and at most 100 can be classes"),
        (
            "places.manager",
            "place_id",
            "60 rows of place, and none of them has the 3 examples that a class needs",
        ),
    ],
)
def test_a_label_of_too_many_or_too_rare_rows_is_refused_with_a_view_that_serves(
    shops: None, isolated: None, monkeypatch: pytest.MonkeyPatch, table: str, label: str, reason: str
) -> None:
    with pytest.raises(FileError) as refused:
        plan([table], label=label)
    assert f"{reason}: name a view in which" in str(refused.value)
    product = load(plan(["places.shown"], **create_shown_view(refused.value)), monkeypatch)
    assert (product.join.label, set(product.label_by_text)) == ("kind", {"inn", "camp"})
    assert label not in product.feature_names
    shown = preview(product)
    assert (shown.rows_out, shown.unlabelled) == (ask(f"SELECT count(*) FROM {table}")[0], 0)


def test_a_table_of_shared_keys_is_refused_with_a_view_that_serves_and_is_written(
    shops: None, isolated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        FileError, match=r"shift has a key of 2 columns \(key, day\), and an entity has one"
    ) as refused:
        plan(["places.shift"], label="late")
    options = create_shown_view(refused.value)
    assert options == {"entity": ["row_key"]}
    product = load(plan(["places.shown"], label="late", **options), monkeypatch)
    assert preview(product).rows_out == 90
    product.join.model._base_manager.filter(pk="3-1").update(late=True)
    assert ask("SELECT late FROM places.shift WHERE key = 3 AND day = 1") == (True,)


REFUSED = {
    "more rows than classes": (
        {"tables": ["places.stay"], "label": "place_id"},
        "it refers to 300 rows of place, and at most 100 can be classes: name a view",
    ),
    "a key of several columns": (
        {"tables": ["films.rental_line"], "label": "price"},
        'a view with one: CREATE VIEW … AS SELECT "rental_id" || \'-\' || "line" AS key, * FROM "films"."rental_line", '
        "with --entity key.",
    ),
    "a label that is the key, and a key of another table": (
        {"tables": ["places.heir"], "label": "id"},
        "it refers to 20 rows of guest, and none of them has the 3 examples that a class needs: name a view in which a "
        "column with fewer values stands in its place.",
    ),
    "a key whose values repeat": (
        {"tables": ["places.repeated"], "entity": ["key"]},
        "repeated, column key: its values repeat, so that they name no row: 20 rows have 5 different ones",
    ),
    "no key": ({"tables": ["films.visit_log"]}, "visit_log has no key of one column"),
    "a table beside the others": (
        {"tables": ["films.actor", "films.payment"]},
        "payment does not refer to actor: name the column that holds the key of actor, as --entity payment.COLUMN",
    ),
    "a column that does not exist": (
        {"tables": ["films.customer", "films.spending"], "entity": ["spending.customer"]},
        "spending has no column 'customer'; it has customer_id, day, amount",
    ),
    "two columns of one table": (
        {"tables": ["films.customer"], "entity": ["email", "customer.active"]},
        "--entity names two columns of customer, email and active",
    ),
    "a table without rows": ({"tables": ["places.stay", "places.empty"]}, "empty has no rows"),
}


@pytest.mark.parametrize("more", ["VALUES (7)", "VALUES (NULL::integer)"])
def test_one_row_without_a_key_of_its_own_is_found_beyond_the_sample(
    shops: None, monkeypatch: pytest.MonkeyPatch, more: str
) -> None:
    monkeypatch.setattr(column_statistics, "MAX_HASHES", 4)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE sparse AS SELECT generate_series(1, 200) AS key UNION ALL {more}")
    with pytest.raises(FileError, match=r"the key is missing|201 rows have 200 different ones"):
        plan(["sparse"], ["key"])


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_a_product_is_refused_with_what_to_write_instead(shops: None, what: str) -> None:
    arguments, sentence = REFUSED[what]
    with pytest.raises(FileError) as refused:
        plan(**arguments)  # type: ignore[arg-type]
    assert sentence in str(refused.value)


def test_texts_of_a_table_are_values_and_its_nulls_are_missing(
    db: None, isolated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE TABLE answers AS SELECT i AS id, (ARRAY['inf', '-1e999'])[1 + i % 2] AS far, '?' || i AS code,
            (ARRAY['NaN', 'None', 'n/a', '-', ' padded', NULL])[1 + i % 6] AS said,
            (ARRAY['NA', 'DE', 'inf', '1e999'])[1 + i % 4]::varchar(5) AS country,
            CASE i % 6 WHEN 0 THEN double precision 'NaN' ELSE i % 5 END AS size FROM generate_series(1, 120) i;
            ALTER TABLE answers ADD PRIMARY KEY (id)
            """
        )
    [existing] = find_tables(["answers"])
    _, table = infer_existing(existing, ColumnOptions(entity="id"))
    columns = {column.name: column for column in table.columns}
    assert columns["said"].values == (" padded", "-", "NaN", "None", "n/a")
    assert columns["country"].values == ("1e999", "DE", "NA", "inf")
    assert {name: column.missing for name, column in columns.items()} == {
        "id": 0, "said": 20, "country": 0, "far": 0, "size": 20, "code": 0,
    }  # fmt: skip
    joined = preview(load(plan(["answers"], label="said"), monkeypatch))
    assert (joined.rows_out, joined.unlabelled, joined.undeclared) == (120, 20, ())


def test_a_text_that_a_file_would_lack_is_a_label_and_a_key(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """CREATE TABLE lands AS SELECT CASE i WHEN 7 THEN 'NA' ELSE 'L' || i END AS key,
            (ARRAY['none', 'some', '-'])[1 + i % 3] AS rain, i % 7 AS n FROM generate_series(1, 90) i"""
        )
    [existing] = find_tables(["lands"])
    _, table = infer_existing(existing, ColumnOptions(entity="key", label="rain"))
    assert table.labels == {"none": 30, "some": 30, "-": 30}
    assert [column.missing for column in table.columns] == [0, 0, 0]


RESERVED = [
    *dir(models.Model),
    *keyword.kwlist,
    "id",
    "pk",
    "objects",
    "ID",
    "Id",
    "id_",
    "_id",
    "customer_id",
]
COLUMNS = st.lists(st.text(max_size=12) | st.sampled_from(RESERVED), min_size=1, max_size=6, unique=True)


@given(COLUMNS, st.sets(st.integers(0, 5)))
@example(["customer", "customer_id", "CustomerId"], {1, 2})
@example(["pk", "check", "save", "objects", "a__b", "a_"], {0, 1})
def test_any_columns_become_fields_that_django_takes(columns: list[str], places: set[int]) -> None:
    references = [column for place, column in enumerate(columns) if place in places]
    names = name_columns(columns, references)
    fields: dict[str, Any] = {}
    with isolate_apps("tests.clinic"):
        for column, name in zip(columns, names, strict=True):
            key = {"primary_key": True} if name == "id" else {}
            kind = models.OneToOneField if key else models.ForeignKey
            relation = kind("self", models.DO_NOTHING, related_name="+", db_column="c", **key)
            fields[name] = relation if column in references else models.IntegerField(db_column="c", **key)
        body = {**fields, "__module__": "tests.clinic.models", "Meta": type("Meta", (), {"managed": False})}
        made = type("Made", (models.Model,), body)
        problems = [problem for problem in made.check() if problem.id != "models.E007"]  # one column for all
    assert len(fields) == len(columns)
    assert problems == []
