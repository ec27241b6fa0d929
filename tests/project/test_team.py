"""Exemplar beside a team's own project on one database: their tables, users and sessions never meet."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import psycopg2
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError
from django.db import connection, models
from django.db.migrations.recorder import MigrationRecorder
from django.test.utils import isolate_apps
from psycopg2.extensions import make_dsn

from learning.problem import Clustering
from project.engines import PostgreSQL
from project.management.commands import migrate
from project.preflight import check_deploy
from store.db import team
from store.products import DataProduct, Join
from store.products.checks import find_problems
from store.registry.deploy_checks import MIGRATIONS
from store.scaffold import app
from tests import commands
from tests.beside import TEAM
from tests.commands import outer_environment
from tests.keys import KEYS
from tests.system import ROOT


@dataclass(frozen=True)
class Database:
    """A database of the team's, in the PostgreSQL of the tests, and the team's user model; empty: Django's."""

    dsn: dict[str, str]
    user_model: str

    def team(self, *arguments: str) -> str:
        """Run a command of the team's project."""
        return run(
            "manage.py", *arguments, TEAM_DATABASE=make_dsn(**self.dsn), TEAM_USER_MODEL=self.user_model
        )

    def exemplar(self, *arguments: str) -> str:
        """Run a command of Exemplar."""
        return self.run(str(ROOT / "manage.py"), *arguments)

    def run(self, *command: str, **variables: str) -> str:
        """Run Python with Exemplar's settings."""
        query = "&".join(f"{key}={value}" for key, value in self.dsn.items() if key != "dbname")
        accounts = self.user_model.partition(".")[0]
        own = {
            "DATABASE_URL": f"postgresql:///{self.dsn['dbname']}?{query}",
            "EXEMPLAR_PRODUCTS": ",".join(filter(None, ["orders.apps.OrdersConfig", accounts])),
            "EXEMPLAR_USER_MODEL": self.user_model,
            "EXEMPLAR_STATE": str(settings.EXEMPLAR_STATE),
            **KEYS,
            "REDIS_URL": settings.REDIS_URL,
            "PYTHONPATH": str(TEAM),
        }
        return run(*command, **own | variables)

    def dump(self) -> str:
        """Dump the team's schema with its rows, without the key that pg_dump draws for each dump."""
        command = [PostgreSQL(settings.EXEMPLAR_STATE).binaries / "pg_dump", "--schema=public"]
        dumped = subprocess.run([*command, make_dsn(**self.dsn)], capture_output=True, text=True, check=True)
        return re.sub(r"^\\(un)?restrict .*$", "", dumped.stdout, flags=re.MULTILINE)


def run(*command: str, **variables: str) -> str:
    environment = outer_environment() | variables
    done = commands.run(TEAM / command[0], *command[1:], cwd=TEAM, environment=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


#: With Django's own user model it is slow: its tables are other names alone.
USER_MODELS = [
    pytest.param("accounts.User", id="custom"),
    pytest.param("", id="stock", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def administrator(engines: None) -> Iterator[Any]:
    """The owner's cursor in the PostgreSQL of the tests."""
    server = {**PostgreSQL(settings.EXEMPLAR_STATE).dsn, "dbname": "postgres"}
    with closing(psycopg2.connect(**server)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        yield cursor


@pytest.fixture(params=USER_MODELS, scope="module")
def template(administrator: Any, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database with the team's tables and rows, to be copied."""
    name = "team_template"
    administrator.execute(f"CREATE DATABASE {name}")
    try:
        database = Database({**PostgreSQL(settings.EXEMPLAR_STATE).dsn, "dbname": name}, request.param)
        database.team("shell", "-c", ROWS)
        yield database
    finally:
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(administrator: Any, template: Database) -> Iterator[Database]:
    administrator.execute(f"CREATE DATABASE team TEMPLATE {template.dsn['dbname']}")
    try:
        yield replace(template, dsn=template.dsn | {"dbname": "team"})
    finally:
        administrator.execute("DROP DATABASE team WITH (FORCE)")


ROWS = """
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from orders.models import Order
call_command("migrate")
users = get_user_model().objects
ann, bob = (users.create_user(name) for name in ("ann", "bob"))
users.create_user("gone", is_active=False)
subject, group = ContentType.objects.get_for_model(Order), Group.objects.create(name="buyers")
ann.groups.add(group)
for owner in users.order_by("pk"):
    Order.objects.create(owner=owner, group=group, subject=subject, amount=owner.pk).watchers.add(ann, bob)
for number in range(80):
    owner = (ann, bob)[number % 2]
    Order.objects.create(
        owner=owner, group=group, subject=subject, amount=number % 20, returned="yes" if number % 20 > 11 else "no"
    )
"""

WHAT_EXEMPLAR_SEES = """
import json
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.core import checks
from django.core.management import call_command
from django.test import Client
from learning.problem import Clustering
from orders.models import Order
from store.db import team
from store.products import DataProduct, Join, catalogue
from store.products.checks import find_problems
from store.snapshots import snapshots

call_command("prepare")
call_command("preflight")
returns, users = catalogue.get("returns"), get_user_model().objects
features = ["feature_owner", "feature_city", "feature_watched_by", "feature_buyers"]
rows = list(returns.join.instances().order_by("pk").values_list(*features))
client = Client(headers={"host": "localhost"})
client.force_login(users.get(is_superuser=True))
pages = [client.get(path).status_code for path in ("/admin/", "/admin/exemplar/user/", "/admin/auth/group/")]


def refusals(features, queryset=Order.objects.all()):
    return list(find_problems(DataProduct(name="other", join=Join(queryset, features), problem=Clustering())))


def delete_all():
    for model in (Group, ContentType):
        while model.objects.count() < 20:
            pk = model.objects.count() + 1
            model.objects.create(**({"name": pk} if model is Group else {"app_label": pk, "model": pk}))
        model.objects.all().delete()
    users.all().delete()


admitted = [model._meta.label for model in admin.site._registry if team.is_team_model(model)]
told = {
    "checks": [str(message) for message in checks.run_checks() if message.level >= checks.ERROR],
    "rows": rows,
    "snapshot": snapshots.join_sql(returns),
    "users": list(users.exclude(username="anonymous").values_list("username", flat=True)),
    "pages": pages,
    "team's pages": admitted,
    "refused": [
        refusals({"group": "group__name"}),
        refusals({"group": "owner__groups__name"}),
        refusals({"subject": "subject__model"}),
        refusals({"amount": "amount"}, Order.objects.filter(group__name="buyers")),
        refusals({"amount": "amount"}, Order.objects.filter(owner__in=users.values("pk"))),
    ],
}
delete_all()
print(json.dumps(told))
"""


def test_each_reads_and_changes_its_own_tables_only(database: Database) -> None:
    before = database.dump()
    told: dict[str, Any] = json.loads(database.exemplar("shell", "-c", WHAT_EXEMPLAR_SEES).splitlines()[-1])
    assert told["checks"] == []
    assert told["rows"][:2] == [["ann", "Bern", 2, "buyers"], ["bob", "Bern", 2, "buyers"]]
    assert len(told["rows"]) == 82
    assert '"public"."orders_order"' in told["snapshot"]
    assert told["users"] == ["admin"]
    assert told["pages"] == [200, 200, 200] and told["team's pages"] == []
    tables = ["auth.Group", "auth.Group", "contenttypes.ContentType", "auth_group", "exemplar_user"]
    for (refusal,), table in zip(told["refused"], tables, strict=True):
        assert table in refusal and "an unmanaged model over" in refusal
    assert "COPY public.orders_order_watchers" in before
    assert database.dump() == before


#: The life of the product, as in `tests.shops.life`.
LIFE = [str(ROOT / "tests" / "shops" / "life.py"), "returns", "7", "YES"]
CLERK = {"user": "team_clerk", "password": "secret"}


def test_a_role_with_the_printed_rights_changes_the_label_alone(database: Database) -> None:
    with closing(psycopg2.connect(**database.dsn)) as owner, owner.cursor() as cursor:
        owner.autocommit = True
        cursor.execute(f"CREATE ROLE {CLERK['user']} LOGIN PASSWORD '{CLERK['password']}'")
        try:
            cursor.execute("REVOKE ALL ON DATABASE team FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC")
            cursor.execute(database.exemplar("sql", "grants", "--role", CLERK["user"]))
            clerks = replace(database, dsn=database.dsn | CLERK)
            clerks.exemplar("prepare")
            before = database.dump().splitlines()
            clerks.run(*LIFE, EXEMPLAR_QUICK_BUILDS="on", PYTHONPATH=f"{TEAM}:{ROOT}")
            after = database.dump().splitlines()
        finally:
            cursor.execute(f"DROP OWNED BY {CLERK['user']} CASCADE; DROP ROLE {CLERK['user']}")
    [old], [new] = set(before) - set(after), set(after) - set(before)
    assert old.startswith("7\t") and new == re.sub(r"\bno\b", "yes", old)


EARLIER = """
ALTER TABLE exemplar_user RENAME TO auth_user;
ALTER TABLE exemplar_user_groups RENAME TO auth_user_groups;
ALTER TABLE exemplar_user_user_permissions RENAME TO auth_user_user_permissions;
UPDATE django_content_type SET app_label = 'auth' WHERE app_label = 'exemplar' AND model = 'user';
DELETE FROM django_migrations WHERE app = 'exemplar';
"""


def test_the_users_of_an_earlier_release_stay(db: None) -> None:
    users = get_user_model().objects
    users.create_superuser("ann", password="x")
    with connection.cursor() as cursor:
        cursor.execute(EARLIER)
    assert not [finding for finding in check_deploy() if finding.breaks and finding.part == MIGRATIONS]
    for _ in range(2):  # the second time there is nothing to do
        migrate.rename_users(connection)
        assert users.get(is_superuser=True).username == "ann"
        assert migrate.USERS in MigrationRecorder(connection).applied_migrations()


def test_the_record_of_migrations_in_the_teams_schema_is_not_exemplars(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER SCHEMA exemplar RENAME TO gone; CREATE SCHEMA exemplar")
        cursor.execute("CREATE TABLE public.django_migrations (LIKE gone.django_migrations INCLUDING ALL)")
        cursor.execute("INSERT INTO public.django_migrations VALUES (1, 'shop', '0001_initial', now())")
        assert MigrationRecorder(connection).applied_migrations() == {}
        app.drop_tables("shop")
        cursor.execute("SELECT app FROM public.django_migrations")
        assert cursor.fetchall() == [("shop",)]


def test_tables_are_not_created_by_a_connection_without_the_search_path(db: None) -> None:
    other = connection.copy()
    other.settings_dict["OPTIONS"] = {**other.settings_dict["OPTIONS"], "options": "-c search_path=public"}
    with closing(other), pytest.raises(CommandError, match="this connection has another search_path"):
        migrate.create_schema(other)


@pytest.mark.parametrize(
    ("app", "user_model", "sentence"),
    [
        ("tests.clinic", "accounts.User", "names accounts.User, which no app of EXEMPLAR_PRODUCTS has"),
        ("tests.clinic", "clinic.Person", "'clinic' doesn't have a 'Person' model"),
        ("tests.clinic", "clinic", "names clinic, which no app of EXEMPLAR_PRODUCTS has"),
        ("tests.clinic", "exemplar.User", "names exemplar.User, which no app of EXEMPLAR_PRODUCTS has"),
        ("tests.clinic", "auth.Group", "names auth.Group, which is no user model"),
        ("store.access", "", "set it to what AUTH_USER_MODEL is there, EXEMPLAR_USER_MODEL=exemplar.User or"),
        (None, "accounts.User", "EXEMPLAR_PRODUCTS names no app of a team's project"),
    ],
)
def test_a_user_model_that_cannot_be_the_teams_is_refused(
    settings: Any, monkeypatch: pytest.MonkeyPatch, app: str | None, user_model: str, sentence: str
) -> None:
    settings.EXEMPLAR_FOREIGN = [app] if app else []
    settings.EXEMPLAR_USER_MODEL = user_model
    for config in team.list_apps():
        monkeypatch.setattr(config, "ready", config.ready)  # which is wrapped
    with pytest.raises(ImproperlyConfigured, match=re.escape(sentence)):
        team.import_models()


@pytest.mark.parametrize(
    ("written", "table"),
    [
        ("order", '"public"."order"'),
        ("sales.order", '"public"."sales.order"'),
        ('"Order Head"', '"public"."Order Head"'),
        ('"sales"."order"', '"sales"."order"'),
        ('sales"."order', '"sales"."order"'),
    ],
)
@isolate_apps("tests.clinic")
def test_each_table_of_the_teams_gets_its_schema(
    monkeypatch: pytest.MonkeyPatch, settings: Any, written: str, table: str
) -> None:
    class Purchase(models.Model):
        class Meta:
            app_label = "clinic"
            db_table = written

    settings.MIGRATION_MODULES = {}
    monkeypatch.setattr(team, "list_models", lambda: [Purchase])
    team.separate_tables()
    assert Purchase._meta.db_table == table


@isolate_apps("tests.clinic")
def test_a_table_that_only_the_search_path_would_tell_apart_is_refused() -> None:
    class Biopsy(models.Model):
        size = models.FloatField()

        class Meta:
            app_label = "clinic"
            managed = False
            db_table = "tumor_biopsy"

    def refusals() -> list[str]:
        join = Join(Biopsy._default_manager.all(), {"size": "size"})
        return list(find_problems(DataProduct(name="sizes", join=join, problem=Clustering())))

    (refusal,) = refusals()
    assert "its Join reads tumor_biopsy, which Exemplar has in a schema of its own" in refusal
    Biopsy._meta.db_table = '"public"."tumor_biopsy"'
    assert refusals() == []


PAGE = (ROOT / "docs" / "how-to" / "over-tables-you-have.md").read_text()
SECTION = PAGE.partition("## Users, groups and other tables of Django's\n")[2].partition("\n## ")[0]


def test_the_page_shows_the_project_of_these_tests() -> None:
    (declared,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    assert declared in (TEAM / "orders" / "products.py").read_text()
    (shell,) = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)
    assert dict(re.findall(r"^export (\w+)=(\S+)", shell, re.MULTILINE)) == {
        "PYTHONPATH": "/srv/shop",
        "EXEMPLAR_PRODUCTS": "orders,accounts",
        "EXEMPLAR_USER_MODEL": "accounts.User",
    }
