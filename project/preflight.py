"""Preflight: all checks of a deploy, and those of migrations."""

from collections.abc import Iterator

from django.apps import apps
from django.db import connection
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.questioner import MigrationQuestioner
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState

from project.management.commands.migrate import has_earlier_users
from schema.schema_changes import check_schema
from store.db import team
from store.registry.deploy_checks import (
    MIGRATIONS,
    DeployFinding,
    check_champions,
    check_tables,
)


def check_deploy() -> Iterator[DeployFinding]:
    """Yield what to know before this code serves the running database."""
    yield from check_champions()
    pending = list_pending()
    yield from check_tables(bool(pending))
    yield from _check_migrations(pending)
    yield from check_schema()


def list_pending() -> list[str]:
    """List the migrations of the apps that are migrated here and that the database lacks, as app.name."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{each.app_label}.{each.name}" for each, _ in plan if _is_migrated_here(each.app_label)]


def _check_migrations(pending: list[str]) -> Iterator[DeployFinding]:
    loader = MigrationLoader(connection)
    for app, names in loader.detect_conflicts().items():
        several = ", ".join(sorted(names))
        text = f"{app} has several last migrations ({several}): ./dev makemigrations --merge joins them."
        yield DeployFinding(MIGRATIONS, text, breaks=True)
    try:
        loader.check_consistent_history(connection)
    except InconsistentMigrationHistory as error:
        if not has_earlier_users(connection):  # of which `migrate` makes a history that is consistent
            yield DeployFinding(
                MIGRATIONS, f"{error} Restore the migrations that the database has.", breaks=True
            )
    for app in list_changed(loader):
        text = f"The models of {app} changed and no migration says so: ./dev makemigrations {app} writes it."
        yield DeployFinding(MIGRATIONS, text, breaks=True)
    for name in list_unknown(loader):
        text = f"The database has the migration {name}, which this code lacks: the code is older than the database."
        yield DeployFinding(MIGRATIONS, text, breaks=False)
    if pending:
        text = f"To apply before a web process or worker of this code starts, by ./dev migrate: {', '.join(pending)}."
        yield DeployFinding(MIGRATIONS, text, breaks=False)


def list_changed(loader: MigrationLoader) -> list[str]:
    """List the apps whose models differ from what their migrations make, of those that are migrated here."""
    if loader.detect_conflicts():
        return []  # there is no one state to compare with
    detector = MigrationAutodetector(
        loader.project_state(),
        ProjectState.from_apps(apps),
        MigrationQuestioner(defaults={"ask_initial": True}),
    )
    changes = detector.changes(graph=loader.graph)
    return sorted(app for app in changes if _is_migrated_here(app))


def list_unknown(loader: MigrationLoader) -> list[str]:
    """List the applied migrations that this code lacks, of the apps that it has."""
    applied = MigrationRecorder(connection).applied_migrations()
    unknown = [key for key in applied if key not in loader.disk_migrations]
    local_apps = {config.label for config in apps.get_app_configs()} - set(loader.unmigrated_apps)
    replaced = {old for each in loader.disk_migrations.values() for old in each.replaces}
    return sorted(
        f"{app}.{name}" for app, name in unknown if app in local_apps and (app, name) not in replaced
    )


def _is_migrated_here(label: str) -> bool:
    """Return whether Exemplar migrates the app, rather than a team's own project."""
    return not team.is_team_app(apps.get_app_config(label))
