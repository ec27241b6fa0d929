"""The app's folder beside manage.py: written, installed, and taken back where something fails."""

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
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from ..exceptions import StoreError
from ..ingest.files.names import field_name
from ..products import catalogue


class Exists(StoreError):
    """There is something of this name already."""

    code = "CONFLICT"


class NoName(StoreError):
    """The name cannot be a product's."""

    code = "BAD_INPUT"


class Refused(StoreError):
    """What was written does not pass `manage.py check`."""

    code = "BAD_INPUT"


def folder(name: str) -> Path:
    return Path(settings.BASE_DIR) / name


def check_name(name: str) -> None:
    """Raises NoName where it cannot name an app and a product, and Exists where something else is called so."""
    if not name or field_name(name) != name:
        raise NoName(
            f"{name!r} cannot be the name of a product: lower case ASCII letters, digits and single underscores, "
            "at most 36, a letter first, and no word of Python's, as 'heart_attack'."
        )
    if folder(name).exists():
        raise Exists(
            f"{name}/ exists already, and nothing was changed. Load its files again with ./dev ingest {name} FILE…, "
            f"or undo it with ./dev rmproduct {name}."
        )
    taken = settings.OURS | {config.label for config in apps.get_app_configs()}
    if catalogue.find(name) or name in taken:
        raise Exists(f"A product or an app called {name!r} exists already: take another name.")
    if find_spec(name):
        raise Exists(f"{name!r} is the name of a Python package that is installed: take another name.")
    if left := tables(name):
        raise Exists(
            f"The database still has {', '.join(left)} of an earlier {name!r}: take another name, or drop them "
            f"with ./dev rmproduct {name} --drop-data."
        )


def tables(name: str) -> list[str]:
    """Tables that the app's own migrations made here, also where the app is gone since; never another's."""
    recorder = MigrationRecorder(connection)
    if _is_elsewhere(name) or not recorder.has_table() or not recorder.migration_qs.filter(app=name).exists():
        return []
    others = apps.get_models(include_auto_created=True)
    known = {model._meta.db_table for model in others if model._meta.app_label != name}
    found = connection.introspection.table_names()
    return [table for table in found if table.startswith(f"{name}_") and table not in known]


def _is_elsewhere(name: str) -> bool:
    """Whether an app of this name is installed that does not lie beside manage.py, or is part of the project."""
    config = apps.app_configs.get(name)
    return name in settings.OURS or (config is not None and Path(config.path) != folder(name))


def write(name: str, sources: Mapping[str, str]) -> None:
    """Write the files into the app's folder, all or none."""
    draft = folder(f".{name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        for path, text in sources.items():
            (draft / path).parent.mkdir(parents=True, exist_ok=True)
            (draft / path).write_text(text, encoding="utf-8")
        draft.rename(folder(name))
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def install(name: str) -> None:
    """Take the app into this process, write its migration and make its tables. Raises Refused."""
    importlib.invalidate_caches()
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, name]
    apps.set_installed_apps(settings.INSTALLED_APPS)
    for message in checks.run_checks():
        if message.level >= checks.ERROR:
            raise Refused(f"{message.msg} {message.hint or ''}".strip())
    call_command("makemigrations", name, verbosity=0)
    call_command("migrate", verbosity=0)


@contextmanager
def undone_on_failure(name: str) -> Iterator[None]:
    """Whatever goes wrong, the app's folder and its tables do not stay."""
    try:
        yield
    except BaseException:
        drop(name)
        remove(name)
        raise


def files(name: str) -> list[Path]:
    """What the folder of a product's app holds; nothing where there is none beside manage.py."""
    if _is_elsewhere(name) or not name.isidentifier() or not (folder(name) / "products.py").exists():
        return []
    return [path for path in folder(name).rglob("*") if path.is_file() and path.suffix != ".pyc"]


def drop(name: str) -> None:
    """Drop the app's tables and forget its migrations."""
    quote = connection.ops.quote_name
    with transaction.atomic(), connection.cursor() as cursor:
        if found := tables(name):
            cursor.execute(f"DROP TABLE {', '.join(map(quote, found))}")
        MigrationRecorder(connection).migration_qs.filter(app=name).delete()


def remove(name: str) -> None:
    """Remove the app's folder."""
    if (folder(name) / "products.py").exists():
        shutil.rmtree(folder(name))
