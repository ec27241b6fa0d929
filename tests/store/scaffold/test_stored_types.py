"""Columns of every type of PostgreSQL: each is learned from, or left out with what to write instead, which works."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.postgres import fields as postgres_fields
from django.contrib.postgres import search
from django.db import connection, models
from django.db.models import *  # noqa: F403  (the advice is code over these names)
from django.db.models.functions import Cast
from django.test.utils import isolate_apps
from starlette.requests import HTTPConnection

from learning import kinds
from learning.problem import Clustering
from schema.composition import compose
from schema.core import names
from schema.core.context import Context
from store.access import resolver
from store.db.pagination import PageRequest
from store.entities import base_rows, entities
from store.ingest.files import FileError
from store.products import Category, Json, catalogue, checks
from store.products.features import Join
from store.products.product import DataProduct
from store.scaffold import inspection, unmanaged
from store.scaffold.inference import ColumnOptions, Role
from store.snapshots.preview import preview

#: citext as its extension makes it, which embedded servers lack.
CITEXT = """
CREATE TYPE citext;
CREATE FUNCTION citextin(cstring) RETURNS citext AS 'textin' LANGUAGE internal IMMUTABLE STRICT;
CREATE FUNCTION citextout(citext) RETURNS cstring AS 'textout' LANGUAGE internal IMMUTABLE STRICT;
CREATE TYPE citext (INPUT = citextin, OUTPUT = citextout, INTERNALLENGTH = VARIABLE, CATEGORY = 'S',
    COLLATABLE = true);
CREATE CAST (citext AS text) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (text AS citext) WITHOUT FUNCTION AS ASSIGNMENT;
"""
TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'ok', '{happy}', '<unk>', '');
CREATE DOMAIN years AS integer CHECK (VALUE >= 0);
CREATE DOMAIN grown AS years CHECK (VALUE >= 18);
CREATE DOMAIN mail AS citext;
CREATE DOMAIN feeling AS mood;
CREATE DOMAIN price AS numeric(12, 2);
CREATE DOMAIN tags AS text[];
CREATE TYPE pair AS (a integer, b text);
"""
#: By column: its type, and SQL of its value in row `i`.
LEARNED = {
    "b": ("boolean", "i % 2 = 0"),
    "i2": ("smallint", "i % 50"),
    "i4": ("integer", "i % 50"),
    "i8": ("bigint", "i % 50"),
    "f4": ("real", "(i % 50) / 3.0"),
    "f8": ("double precision", "(i % 50) / 3.0"),
    "fixed": ("numeric(8, 3)", "(i % 50) / 3.0"),
    "bare": ("numeric", "(i % 50) / 7.0 + 100000000000000000000"),
    "not_finite": ("numeric", "CASE i % 3 WHEN 0 THEN numeric 'NaN' ELSE i % 50 END"),
    "t": ("text", "(ARRAY['red', 'green'])[1 + i % 2]"),
    "v": ("varchar", "(ARRAY['red', 'green'])[1 + i % 2]"),
    "v9": ("varchar(9)", "(ARRAY['red', 'green'])[1 + i % 2]"),
    "c9": ("char(9)", "(ARRAY['red', 'green'])[1 + i % 2]"),
    "one": ('"char"', "(ARRAY['r', 'g'])[1 + i % 2]"),
    "nm": ("name", "(ARRAY['red', 'green'])[1 + i % 2]"),
    "ci": ("citext", "(ARRAY['Red', 'green'])[1 + i % 2]"),
    "mail": ("mail", "'A' || i % 4 || '@x.org'"),
    "m": ("mood", "(ARRAY['sad', 'ok', '{happy}'])[1 + i % 3]::mood"),
    "feels": ("feeling", "(ARRAY['sad', 'ok', '{happy}'])[1 + i % 3]::mood"),
    "y": ("years", "i % 50"),
    "g": ("grown", "18 + i % 50"),
    "cost": ("price", "(i % 50) * 1.25"),
    "d": ("date", "date '2020-01-01' + i % 50"),
    "ts": ("timestamp", "timestamp '2020-01-01' + i % 50 * interval '1 h'"),
    "tz": ("timestamptz", "timestamptz '2020-01-01' + i % 50 * interval '1 h'"),
    "dur": ("interval", "make_interval(mins => i % 50)"),
    "at_time": ("time", "make_time(i % 24, 0, 0)"),
    "Größe (cm)": ("real", "i % 50"),
    "select": ("real", "i % 50"),
    "__x__": ("real", "i % 50"),
    "id_": ("real", "i % 50"),
    "1st": ("real", "i % 50"),
    "objects": ("real", "i % 50"),
    "check": ("real", "i % 50"),
    "save": ("real", "i % 50"),
    "pk": ("real", "i % 50"),
    "Meta": ("real", "i % 50"),
    "self": ("real", "i % 50"),
    "x" * 63: ("real", "i % 50"),
    "😀": ("real", "i % 50"),
}
COMPUTED = {
    "doubled": "numeric GENERATED ALWAYS AS (fixed * 2) STORED",
    "marked": "text GENERATED ALWAYS AS (t || ' 50 %') STORED",
}
LEFT_OUT = {
    "numbers": ("integer[]", "ARRAY[i % 5, 2]"),
    "words": ("text[]", "ARRAY['a', 'b']"),
    "tags": ("tags", "ARRAY['a']"),
    "moods": ("mood[]", "ARRAY['sad']::mood[]"),
    "r4": ("int4range", "int4range(i % 9, i % 9 + 5)"),
    "r8": ("int8range", "int8range(i % 9, i % 9 + 5)"),
    "rn": ("numrange", "numrange(i % 9, i % 9 + 5)"),
    "rd": ("daterange", "daterange('2020-01-01', date '2020-01-02' + i % 9)"),
    "rts": ("tsrange", "tsrange('2020-01-01', timestamp '2020-01-02')"),
    "rtz": ("tstzrange", "tstzrange('2020-01-01', timestamptz '2020-01-02')"),
    "mr": ("int4multirange", "int4multirange(int4range(i % 9, 20))"),
    "md": ("datemultirange", "NULL"),
    "ip": ("inet", "('10.0.0.' || i % 9)::inet"),
    "net": ("cidr", "'10.0.0.0/8'"),
    "mac": ("macaddr", "'08:00:2b:01:02:03'"),
    "mac8": ("macaddr8", "NULL"),
    "j": ("json", """'{"key": 1}'"""),
    "jb": ("jsonb", """'{"key": 1}'"""),
    "m9": ("money", "(i % 9)::numeric::money"),
    "raw": ("bytea", "'ab'::bytea"),
    "tsv": ("tsvector", "'a b'::tsvector"),
    "tsq": ("tsquery", "'a & b'::tsquery"),
    "ttz": ("timetz", "'10:00+01'"),
    "bits": ("bit(4)", "(i % 16)::bit(4)"),
    "vbits": ("varbit", "B'101'"),
    "comp": ("pair", "ROW(i % 9, 'x')::pair"),
    "pt": ("point", "point(i % 9, 2)"),
    "cir": ("circle", "circle(point(1, 2), 3)"),
    "bx": ("box", "box(point(1, 2), point(3, 4))"),
    "seg": ("lseg", "lseg(point(1, 2), point(3, 4))"),
    "way": ("path", "'((0,0),(1,1))'::path"),
    "poly": ("polygon", "'((0,0),(1,1),(1,0))'::polygon"),
    "ln": ("line", "NULL"),
    "x": ("xml", "NULL"),
    "lsn": ("pg_lsn", "'0/1'"),
    "o": ("oid", "i % 9"),
    "u": ("uuid", "md5((i % 9)::text)::uuid"),
}
COLUMNS = LEARNED | LEFT_OUT


def quoted(name: str) -> str:
    return connection.ops.quote_name(name)


@pytest.fixture
def odd(db: None) -> None:
    """A table with a column of each type."""
    typed = [f"{quoted(name)} {type_}" for name, (type_, _) in COLUMNS.items()]
    computed = [f"{quoted(name)} {definition}" for name, definition in COMPUTED.items()]
    names, values = ", ".join(map(quoted, COLUMNS)), ", ".join(value for _, value in COLUMNS.values())
    with connection.cursor() as cursor:
        cursor.execute(CITEXT + TYPES)
        cursor.execute(
            "CREATE TABLE odd (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
            f'nr integer GENERATED BY DEFAULT AS IDENTITY, "100%" real, "a""b" real, {", ".join(typed + computed)})'
        )
        cursor.execute(f"INSERT INTO odd ({names}) SELECT {values} FROM generate_series(1, 150) i")


def plan(label: str | None = None) -> unmanaged.UnmanagedApp:
    return unmanaged.plan_app("oddity", inspection.find_tables(["odd"]), ColumnOptions(label=label), None)


def load(app: unmanaged.UnmanagedApp) -> DataProduct:
    """Execute what the scaffold wrote."""
    files = unmanaged.render_files(app, "./dev newproduct …")
    scope: dict[str, Any] = {"__name__": "tests.clinic.models"}
    exec(compile(files["models.py"], "models.py", "exec"), scope)
    exec(compile(files["products.py"].replace("from .models import", "#"), "products.py", "exec"), scope)
    product = scope["oddity"]
    assert isinstance(product, DataProduct)
    return product


@pytest.fixture
def isolated() -> Iterator[None]:
    with isolate_apps("tests.clinic"):
        yield


def test_every_type_is_learned_from_or_left_out_with_advice(odd: None, isolated: None) -> None:
    app = plan()
    table = app.tables["odd"][1]
    by_column = {column.header: column for column in table.columns}
    for name in LEFT_OUT:
        column = by_column[name]
        assert column.role is Role.LEFT_OUT and "no model learns from a" in column.remarks[-1], name
        assert re.search("declare|name a view|foreign key", column.remarks[-1]), name
    assert not by_column.keys() & {"100%", 'a"b'}
    product = load(app)
    assert list(checks.find_problems(product)) == []
    named = {column.name for column in table.columns if column.header in LEARNED | COMPUTED}
    assert len(product.columns) >= len(named) - 2  # a column that is a copy of another is left out
    shown = preview(product)
    assert shown.rows_out == 150
    assert [choice.text for choice in product.join.column("m").choices] == ["sad", "ok", "{happy}", "<unk>"]
    assert not shown.undeclared


def test_what_to_write_instead_works(odd: None, isolated: None) -> None:
    model = load(plan()).join.model
    features = {}
    for name in LEFT_OUT:
        field = model._meta.get_field(next(f.name for f in model._meta.concrete_fields if f.column == name))
        stored = inspection.find_tables(["odd"])[0].find_field(name)
        assert stored and stored.stored.substitute
        if expression := stored.stored.substitute.expression.format(path=field.name):
            features[f"{name}_instead"] = eval(expression, globals())
    assert len(features) > len(LEFT_OUT) - 6
    rows = model._default_manager.all()
    product = DataProduct(name="instead", join=Join(rows, features=features), problem=Clustering())
    assert list(checks.find_problems(product)) == []
    shown = {column.name: column for column in preview(product).columns}
    empty = {f"{name}_instead" for name, (_, value) in LEFT_OUT.items() if value == "NULL"} & features.keys()
    assert {name for name, column in shown.items() if column.missing == 150} == empty
    assert shown["jb_instead"].first[0] == 1


@pytest.mark.parametrize("label", ["m", "ci", "c9", "bare"])
def test_a_label_of_any_type_that_models_learn_works(odd: None, isolated: None, label: str) -> None:
    product = load(plan(label))
    assert list(checks.find_problems(product)) == []
    assert preview(product).unlabelled == 0


def test_every_column_is_read_through_the_api(
    odd: None, isolated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = load(plan("m"))
    monkeypatch.setitem(catalogue._products, product.name, product)
    columns = {names.field(column.name): column for column in product.columns}
    node = f"label features {{ {' '.join(columns)} }}"
    query = f"{{ oddity {{ entities(first: 4) {{ edges {{ node {{ {node} }} }} }} }} }}"
    context = Context(resolver.find_session_actor(None), HTTPConnection({"type": "http", "headers": []}))
    result = compose([product]).execute_sync(query, context_value=context)
    assert not result.errors, result.errors
    first, *_, last = [
        edge["node"] for edge in json.loads(json.dumps(result.data))["oddity"]["entities"]["edges"]
    ]
    assert [first["label"], last["label"]] == ["OK", "OK"]
    bare = next(name for name, column in columns.items() if column.field.column == "bare")
    assert isinstance(first["features"][bare], float)
    assert all(value is not None for value in last["features"].values())
    for entity in entities.page(product, PageRequest(first=4)).nodes:
        assert len(product.clean_stored(entity.inputs)) == len(columns)


@pytest.mark.parametrize(("label", "value"), [("m", "<unk>"), ("ci", "Red"), ("c9", "red"), ("bare", 2.5)])
def test_a_label_of_any_type_is_written(odd: None, isolated: None, label: str, value: object) -> None:
    product = load(plan(label))
    row = base_rows.lock(product, "1")
    before = product.stored_answer(entities.read_label(product, row))
    assert before == product.stored_answer(entities.get(product, "1").label)
    assert entities.write_label(product, row, value) == 1
    read = entities.read_label(product, base_rows.lock(product, "1"))
    assert product.stored_answer(read) == str(value)
    assert entities.get(product, "1").label in (value, read)


def test_a_generated_column_is_a_feature_that_nobody_writes(odd: None, isolated: None) -> None:
    product = load(plan("m"))
    doubled = next(column for column in product.columns if column.field.column == "doubled")
    assert doubled.path is None and not product.writable
    assert 'RawSQL("(fixed *' in unmanaged.render_models(plan("m"))


def test_a_label_of_any_other_type_is_refused_with_what_to_write(odd: None) -> None:
    [table], [column, *_] = inspection.find_tables(["odd"]), plan().tables["odd"][1].columns
    for name in LEFT_OUT:
        field = table.find_field(name)
        assert field
        said = rf"odd, column {name}: an? .* cannot be the label\. Name a column of a view"
        with pytest.raises(FileError, match=said):
            field.stored.apply(replace(column, header=name, role=Role.LABEL), "odd")


def test_what_a_generated_label_is_computed_from_is_no_feature(odd: None, isolated: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE odd ADD tripled numeric GENERATED ALWAYS AS (fixed * 3 + i2) STORED")
    app = plan("doubled")
    roles = {column.header: column.role for column in app.tables["odd"][1].columns}
    assert roles["fixed"] is roles["tripled"] is Role.LEFT_OUT and roles["i2"] is roles["f4"] is Role.FEATURE
    product = load(app)
    assert product.writes == "none" and not list(checks.find_problems(product))
    assert preview(product).rows_out


def test_no_type_of_postgresql_falls_through(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(CITEXT + TYPES)
        cursor.execute(
            "SELECT typname, typcategory, format_type(oid, NULL) FROM pg_type "
            "WHERE typtype IN ('b', 'c', 'd', 'e', 'r', 'm') AND typcategory <> 'P' "
            "AND (typtype <> 'c' OR typname = 'pair') AND typname <> 'gtsvector' AND NOT EXISTS (SELECT FROM pg_type e "
            "WHERE e.oid = pg_type.typelem AND e.typtype IN ('c', 'p') AND pg_type.typcategory = 'A')"
        )
        types = cursor.fetchall()
        assert len(types) > 100
        columns = ", ".join(f"c{place} {type_}" for place, (_, _, type_) in enumerate(types))
        cursor.execute(f"CREATE TABLE odd (id bigint PRIMARY KEY, flag boolean, {columns})")
        cursor.execute("INSERT INTO odd (id, flag) SELECT i, i % 2 = 0 FROM generate_series(1, 20) i")
    [table] = inspection.find_tables(["odd"])
    for field in table.fields:
        learned = kinds.kind_of_field(getattr(models, field.type)) is not kinds.UNLEARNED
        substitute = field.stored.substitute
        assert learned or substitute, field
        if substitute:
            advice = substitute.advise(field.name)
            assert "leave it out" in advice and "{" not in advice.replace("{path}", ""), field


DJANGO = [
    field
    for module in (models, postgres_fields, search)
    for field in vars(module).values()
    if isinstance(field, type)
    and issubclass(field, models.Field)
    and not issubclass(field, models.ForeignObject)
]


@pytest.mark.parametrize("field", DJANGO, ids=lambda field: field.__name__)
def test_check_says_what_to_write_instead_of_each_of_djangos_fields(field: type) -> None:
    if kinds.kind_of_field(field) is kinds.UNLEARNED:
        advice = kinds.substitute_for_field(field).advise("x")
        assert advice.startswith(("declare ", "leave it out, or "))


assert all((Cast, Category, Json))
