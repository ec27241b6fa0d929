"""A team's own Django project on the same database: its apps, its user model, and the schema of its tables.

Exemplar has users, permissions, sessions and content types of its own. `AUTH_USER_MODEL` names its users, except while
a team's own code is loaded: there it has the value that it has in the team's project.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.apps import AppConfig, apps
from django.apps.registry import Apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

#: The schema in which a team's tables are, where its models name none.
SCHEMA = "public"
#: The schema of Exemplar's tables, which comes first in the search path.
OWN_SCHEMA = "exemplar"
#: The labels of the apps whose tables are Exemplar's own.
EXEMPLARS = frozenset({"admin", "auth", "contenttypes", "exemplar", "sessions", "store"})
#: Django's user model, which a team has that names no other.
STOCK_USER = "auth.User"


def is_team_app(config: AppConfig) -> bool:
    """Return True for an app that `EXEMPLAR_PRODUCTS` names and another project owns."""
    kind = type(config)
    names = {config.name, f"{kind.__module__}.{kind.__qualname__}"}
    return not names.isdisjoint(settings.EXEMPLAR_FOREIGN)


def list_apps() -> list[AppConfig]:
    """List the team's apps."""
    return [config for config in apps.app_configs.values() if is_team_app(config)]


def is_team_model(model: type[models.Model]) -> bool:
    """Return True for a model whose table is the team's: one of its apps', or its user model."""
    # A many-to-many relation's table belongs to the model that declares the relation.
    creator = model._meta.auto_created
    owner = creator if isinstance(creator, type) else model
    config = apps.app_configs.get(owner._meta.app_label)
    return (config is not None and is_team_app(config)) or is_team_user(owner._meta.label)


def is_team_user(label: str) -> bool:
    """Return True for the label of the team's user model, where there is a team."""
    return label.lower() == user_model().lower() and bool(list_apps())


def user_model() -> str:
    """Return the label of the team's user model."""
    return settings.EXEMPLAR_USER_MODEL or STOCK_USER


def is_exemplar_model(model: type[models.Model]) -> bool:
    """Return True for a model whose table is Exemplar's own."""
    return model._meta.app_label in EXEMPLARS and not is_team_model(model)


def list_models() -> list[type[models.Model]]:
    """List all models whose tables are the team's."""
    return [model for model in apps.get_models(include_auto_created=True) if is_team_model(model)]


def list_exemplar_tables() -> set[str]:
    """List the names of Exemplar's own tables."""
    every = apps.get_models(include_auto_created=True)
    return {model._meta.db_table for model in every if is_exemplar_model(model)}


def list_ambiguous_tables(registry: Apps) -> set[str]:
    """List the tables that Exemplar migrates and a registry's unmanaged models name too, without a schema."""
    migrated = {model._meta.db_table for model in apps.get_models() if model._meta.managed}
    return migrated & {model._meta.db_table for model in registry.get_models() if not model._meta.managed}


@contextmanager
def user_model_for(config: AppConfig) -> Iterator[None]:
    """Give `AUTH_USER_MODEL` the value that it has in the project which owns the app."""
    own = settings.AUTH_USER_MODEL
    if is_team_app(config):
        settings.AUTH_USER_MODEL = user_model()
    try:
        yield
    finally:
        settings.AUTH_USER_MODEL = own


def import_models() -> None:
    """Import the models of the team's apps under the team's user model, before any other app's.

    Raises: ImproperlyConfigured where EXEMPLAR_USER_MODEL names no model of the team.
    """
    if team := list_apps():
        _check_user_model(team)
        # The admin's log belongs to Exemplar's users, whichever app imports it.
        apps.app_configs["admin"].import_models()
        with user_model_for(team[0]):
            apps.app_configs["auth"].import_models()
            for config in team:
                config.import_models()
                config.ready = _under_user_model(config, config.ready)  # type: ignore[method-assign]
    _activate_user_model(team)


def _under_user_model(config: AppConfig, ready: Callable[[], None]) -> Callable[[], None]:
    """Wrap the `ready` of a team's app, which may connect signals of its user model."""

    def run() -> None:
        with user_model_for(config):
            ready()

    return run


def _check_user_model(team: list[AppConfig]) -> None:
    """Raise ImproperlyConfigured where EXEMPLAR_USER_MODEL cannot be a model of the team's."""
    label, dot, name = user_model().partition(".")
    if not (dot and name.isidentifier()) or label not in {"auth", *(config.label for config in team)}:
        raise ImproperlyConfigured(
            f"EXEMPLAR_USER_MODEL names {user_model()}, which no app of EXEMPLAR_PRODUCTS has: write what "
            "AUTH_USER_MODEL is in the team's settings, as accounts.User, and name that app in EXEMPLAR_PRODUCTS too."
        )


def _activate_user_model(team: list[AppConfig]) -> None:
    """Make a model of its own of the team's user model, which Exemplar's would replace otherwise."""
    label = user_model()
    if not team:
        if settings.EXEMPLAR_USER_MODEL:
            raise ImproperlyConfigured(
                f"EXEMPLAR_USER_MODEL names {label}, and EXEMPLAR_PRODUCTS names no app of a team's project: name its "
                "app there too."
            )
        return
    _refuse_unnamed_user_model(team)
    model = _find_user_model(label)
    model._meta.swappable = None
    vars(model._meta).pop("swapped", None)


def _find_user_model(label: str) -> type[models.Model]:
    """Find the team's user model. Raises ImproperlyConfigured."""
    try:
        model = apps.get_model(label, require_ready=False)
    except LookupError as error:
        raise ImproperlyConfigured(f"EXEMPLAR_USER_MODEL: {error}") from None
    if not hasattr(model, "USERNAME_FIELD"):
        raise ImproperlyConfigured(f"EXEMPLAR_USER_MODEL names {label}, which is no user model.")
    return model


def _refuse_unnamed_user_model(team: list[AppConfig]) -> None:
    """Raise ImproperlyConfigured where the team has a user model and EXEMPLAR_USER_MODEL is not set."""
    candidates = (model for config in team for model in apps.all_models[config.label].values())
    for model in () if settings.EXEMPLAR_USER_MODEL else candidates:
        if hasattr(model, "USERNAME_FIELD") and not model._meta.proxy:
            label = model._meta.label
            raise ImproperlyConfigured(
                f"{label} is a user model of a team's project, and EXEMPLAR_USER_MODEL is not set: set it to what "
                f"AUTH_USER_MODEL is there, EXEMPLAR_USER_MODEL={label} or {STOCK_USER}."
            )


def _qualify(table: str) -> str:
    """Return a table's name with its schema: that of `"sales"."order"`, `sales"."order` or, for `order`, SCHEMA."""
    name = table.strip('"')
    return f'"{name}"' if '"."' in name else f'"{SCHEMA}"."{name}"'


def separate_tables() -> None:
    """Qualify the team's tables with their schema, and cut what Exemplar's rows would delete in them.

    A table of Exemplar's own may have the same name, and rows of its own the keys of the team's.
    """
    for model in list_models():
        model._meta.db_table = _qualify(model._meta.db_table)
        for field in model._meta.local_fields:
            if field.remote_field and is_exemplar_model(field.remote_field.model):
                field.remote_field.on_delete = models.DO_NOTHING
    # Its owner migrates it: its migrations may need apps that are not installed here.
    modules = {config.label: None for config in list_apps()}
    settings.MIGRATION_MODULES = {**settings.MIGRATION_MODULES, **modules}
