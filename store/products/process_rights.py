"""Rights of web processes and of workers where each kind has a role of its own, derived from models and products."""

from collections.abc import Iterator

from django.apps import apps
from django.db import connection, models

from ..db import team
from ..db.team import OWN_SCHEMA
from ..db.writes import EVERYTHING, NOTHING, Process, Writes
from .product import DataProduct
from .rights import DELETE, INSERT, OWN_SCHEMAS, SELECT, UPDATE, USAGE, Right, list_all, sort_rights

#: The app whose tables workers work on; in another app, a model says so by `worker_writes` of its own.
WORKERS_APP = "store"
#: Tables that only migrations write, and that have no model which could say so.
MIGRATED = {"auth_permission", "django_content_type", "django_migrations"}

#: The tables and views of Exemplar's schema.
RELATIONS = """
SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'v', 'm', 'p') ORDER BY 1
"""
#: Sequences that belong to a column: as its identity, which inserts draw from without a right, or else.
SEQUENCES = """
SELECT t.relname, s.relname, d.deptype = 'i'
FROM pg_class s
    JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.deptype IN ('a', 'i')
        AND d.refclassid = 'pg_class'::regclass
    JOIN pg_class t ON t.oid = d.refobjid
WHERE s.relkind = 'S' AND t.relnamespace = to_regnamespace(%s) ORDER BY 1, 2
"""


def list_own(process: Process) -> list[Right]:
    """List the rights that a kind of process needs in the tables of Exemplar's schema that are there."""
    tables = _list_tables()
    with connection.cursor() as cursor:
        cursor.execute(RELATIONS, [OWN_SCHEMA])
        rights = [
            right for (name,) in cursor.fetchall() for right in _list_table(process, name, tables.get(name))
        ]
        inserted = {right.name for right in rights if right.privilege == INSERT}
        read = {right.name for right in rights}
        cursor.execute(SEQUENCES, [OWN_SCHEMA])
        owned = [
            (table, name, is_identity) for table, name, is_identity in cursor.fetchall() if table in read
        ]
    # The last number that was drawn tells which feedback a build has seen.
    sequences = [Right(OWN_SCHEMA, name, SELECT, kind="SEQUENCE") for _, name, _ in owned]
    sequences += [
        Right(OWN_SCHEMA, name, USAGE, kind="SEQUENCE")
        for table, name, is_identity in owned
        if table in inserted and not is_identity
    ]
    return sort_rights([*rights, *sequences])


def list_of_product(process: Process, product: DataProduct) -> list[Right]:
    """List the rights that a kind of process needs for a product, beside those of `list_own`.

    Workers write a team's tables for imports of files.

    Raises: DatabaseError where a table is missing, or where the role may not see its schema.
    """
    is_web = process is Process.WEB
    rights = list_all(product, writes=True)
    return sort_rights(right for right in rights if not (is_web and _is_covered(right)))


def list_missing_tables() -> list[str]:
    """List the tables of Exemplar's schema that are not there yet."""
    with connection.cursor() as cursor:
        cursor.execute(RELATIONS, [OWN_SCHEMA])
        return sorted(_list_tables().keys() - {name for (name,) in cursor.fetchall()})


def _is_covered(right: Right) -> bool:
    """Return True for a right that `list_own` has for web processes."""
    return right.schema in OWN_SCHEMAS and right.kind == ""


def _list_tables() -> dict[str, type[models.Model]]:
    """List the models whose tables are in Exemplar's schema, by table."""
    every = apps.get_models(include_auto_created=True)
    own = (model for model in every if not (model._meta.proxy or team.is_team_model(model)))
    return {model._meta.db_table: model for model in own if '"' not in model._meta.db_table}


def _list_table(process: Process, name: str, model: type[models.Model] | None) -> Iterator[Right]:
    writes = _find_writes(process, name, model)
    if writes is None:
        return
    yield Right(OWN_SCHEMA, name, SELECT)
    if writes.insert:
        yield Right(OWN_SCHEMA, name, INSERT)
    if writes.update is None or writes.update:
        yield Right(OWN_SCHEMA, name, UPDATE, tuple(sorted(writes.update or ())))
    if writes.delete:
        yield Right(OWN_SCHEMA, name, DELETE)


def _find_writes(process: Process, name: str, model: type[models.Model] | None) -> Writes | None:
    """Find what a kind of process does in a table; None: it does not even read it."""
    if name in MIGRATED:
        return NOTHING if process is Process.WEB else None
    if process is Process.WEB:
        return getattr(model, "web_writes", EVERYTHING)
    is_workers = model is not None and (
        model._meta.app_label == WORKERS_APP or "worker_writes" in vars(model)
    )
    return getattr(model, "worker_writes", EVERYTHING) if is_workers else None
