"""The app's folder beside manage.py: write and install it, and remove it where something fails."""

import importlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from ..db import sqlstates
from ..db.team import OWN_SCHEMA
from ..exceptions import StoreError
from ..ingest.files.names import field_name
from ..products import catalogue
from ..snapshots.preview import Preview, preview


class NameTaken(StoreError):
    """An app, product, package or table of this name exists already."""

    code = "CONFLICT"


class InvalidName(StoreError):
    """The name is not a valid name of a product."""

    code = "BAD_INPUT"


class InvalidApp(StoreError):
    """The written app does not pass `manage.py check`."""

    code = "BAD_INPUT"


def get_folder(name: str) -> Path:
    """Return the path of the app's folder, whether it exists or not."""
    return Path(settings.BASE_DIR) / name


def check_name(name: str) -> None:
    """Raise InvalidName where the name cannot be an app's and a product's, NameTaken where something has it."""
    if not name or field_name(name) != name:
        raise InvalidName(
            f"{name!r} cannot be the name of a product: lower case ASCII letters, digits and single underscores, "
            "at most 36, a letter first, and no word of Python's, as 'heart_attack'."
        )
    if get_folder(name).exists():
        raise NameTaken(
            f"{name}/ exists already, and nothing was changed. Load its files again with ./dev ingest {name} FILE…, "
            f"or undo it with ./dev rmproduct {name}."
        )
    labels = settings.OURS | {config.label for config in apps.get_app_configs()}
    if name in labels or name in {product.name for product in catalogue.declared()}:
        raise NameTaken(f"A product or an app called {name!r} exists already: choose another name.")
    if find_spec(name):
        raise NameTaken(f"{name!r} is the name of a Python package that is installed: choose another name.")
    if tables := find_tables(name):
        raise NameTaken(
            f"The database still has {', '.join(tables)} of an earlier {name!r}: choose another name, or drop them "
            f"with ./dev rmproduct {name} --drop-data."
        )


def find_tables(name: str) -> list[str]:
    """Find the tables that the app's migrations have created, also of an app that was removed; no other app's."""
    recorder = MigrationRecorder(connection)
    if _is_elsewhere(name) or not recorder.has_table() or not recorder.migration_qs.filter(app=name).exists():
        return []
    others = apps.get_models(include_auto_created=True)
    tables_of_others = {model._meta.db_table for model in others if model._meta.app_label != name}
    return [
        table
        for table in _list_own_tables()
        if table.startswith(f"{name}_") and table not in tables_of_others
    ]


def _list_own_tables() -> list[str]:
    """List the tables in Exemplar's schema; others, also of these names, are not the app's."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", [OWN_SCHEMA])
        return [name for (name,) in cursor.fetchall()]


def _is_elsewhere(name: str) -> bool:
    """Return True where the name is that of the project's own app, or of one installed from elsewhere."""
    config = apps.app_configs.get(name)
    return name in settings.OURS or (config is not None and Path(config.path) != get_folder(name))


def write_files(name: str, sources: Mapping[str, str]) -> None:
    """Write the files into the app's folder, all or none."""
    draft = get_folder(f".{name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        for path, text in sources.items():
            (draft / path).parent.mkdir(parents=True, exist_ok=True)
            (draft / path).write_text(text, encoding="utf-8")
        draft.rename(get_folder(name))
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def install(name: str) -> None:
    """Load the app in this process, write its migration and create its tables. Raises InvalidApp."""
    importlib.invalidate_caches()
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, name]
    apps.set_installed_apps(settings.INSTALLED_APPS)
    for message in checks.run_checks():
        if message.level >= checks.ERROR:
            raise InvalidApp(f"{message.msg} {message.hint or ''}".strip())
    for refusal in catalogue.refusals():
        if refusal.name in (name, f"{name}.products"):
            raise InvalidApp(str(refusal))
    call_command("makemigrations", name, verbosity=0)
    call_command("migrate", verbosity=0)


def check_snapshot(name: str) -> Preview:
    """Build the SQL of the product's snapshot, and join its rows as a build would. Raises InvalidApp."""
    try:
        joined = preview(catalogue.get(name))
    except DatabaseError as error:
        raise InvalidApp(f"{name}: its rows cannot be joined. {sqlstates.explain(error)}") from error
    if not joined.rows_out:
        raise InvalidApp(
            f"{name}: its join has no rows: {joined.rows_in} base rows, {joined.incomplete} incomplete."
        )
    return joined


@contextmanager
def undo_on_failure(name: str) -> Iterator[None]:
    """Remove the app's folder and tables where the block raises."""
    try:
        yield
    except BaseException:
        try:
            drop_tables(name)
        finally:  # as the folder would be in the way of a second try
            remove_folder(name)
        raise


def find_files(name: str) -> list[Path]:
    """Find the files of a product's app beside manage.py; empty where there is no such app."""
    if _is_elsewhere(name) or not name.isidentifier() or not (get_folder(name) / "products.py").exists():
        return []
    return [path for path in get_folder(name).rglob("*") if path.is_file() and path.suffix != ".pyc"]


def drop_tables(name: str) -> None:
    """Drop the app's tables and delete the records of its migrations."""
    quote_name = connection.ops.quote_name
    with transaction.atomic(), connection.cursor() as cursor:
        if tables := find_tables(name):
            names = (f"{OWN_SCHEMA}.{quote_name(table)}" for table in tables)
            cursor.execute(f"DROP TABLE {', '.join(names)}")
        recorder = MigrationRecorder(connection)
        if recorder.has_table():  # it is missing where nothing was ever migrated
            recorder.migration_qs.filter(app=name).delete()


def remove_folder(name: str) -> None:
    """Remove the app's folder."""
    if (get_folder(name) / "products.py").exists():
        shutil.rmtree(get_folder(name))
