"""Every setting, typed, with its default and unit: the only reader of the environment."""

import ipaddress
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg2.extensions import parse_dsn

from project import engines, state

BASE_DIR = Path(__file__).resolve().parent.parent


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def number(name: str, default: int, least: int = 0) -> int:
    given = text(name, str(default))
    if not given.isdecimal() or int(given) < least:
        raise ImproperlyConfigured(f"{name} must be a whole number of at least {least}, not {given!r}.")
    return int(given)


def switch(name: str, default: bool) -> bool:
    on, off = {"1", "true", "on", "yes"}, {"0", "false", "off", "no"}
    given = text(name, "on" if default else "off").lower()
    if given not in on | off:
        raise ImproperlyConfigured(f"{name} must be on or off, not {given!r}.")
    return given in on


def names(name: str) -> list[str]:
    return [part.strip() for part in text(name).split(",") if part.strip()]


# -- Where things are --

#: Embedded engines, logs, generated secrets.
EXEMPLAR_STATE: Path = Path(text("EXEMPLAR_STATE") or state.default(BASE_DIR)).absolute()

#: A libpq URL of PostgreSQL {project.management.commands.up.OLDEST_POSTGRESQL} or newer; empty: the embedded one.
DATABASE_URL: str = text("DATABASE_URL")
EXEMPLAR_EMBEDDED: bool = not DATABASE_URL

EXEMPLAR_EMBEDDED_REDIS: bool = not text("REDIS_URL")
#: A redis-py URL of Redis or Valkey; default: the embedded one's socket.
REDIS_URL: str = text("REDIS_URL") or engines.Valkey(EXEMPLAR_STATE).url

#: The address to listen on.
EXEMPLAR_HOST: str = text("EXEMPLAR_HOST", "127.0.0.1")
#: The port of HTTP and WebSocket.
EXEMPLAR_PORT: int = number("EXEMPLAR_PORT", 8000, least=1)

#: Hosts and networks whose forwarded headers are believed, as `10.0.0.0/8`; none by default.
EXEMPLAR_TRUSTED_PROXIES: list[str] = names("EXEMPLAR_TRUSTED_PROXIES")

# -- How much --

#: Web processes that `up` starts.
EXEMPLAR_WEB: int = number("EXEMPLAR_WEB", 1, least=1)
#: RQ workers that `up` starts.
EXEMPLAR_WORKERS: int = number("EXEMPLAR_WORKERS", 1)

#: Threads of a web process that do rows work; each keeps one database connection.
EXEMPLAR_THREADS: int = number("EXEMPLAR_THREADS", 8, least=1)

#: Fits that a build runs at once; default: one for each processor.
EXEMPLAR_CPUS: int = number("EXEMPLAR_CPUS", os.cpu_count() or 1, least=1)

#: The Dask scheduler whose workers run the fits instead, as `tcp://10.0.0.5:8786`; none by default.
SEARCH_SCHEDULER: str = text("SEARCH_SCHEDULER")

#: Builds whose snapshots and unserved artifacts are kept, for each product.
EXEMPLAR_KEEP_BUILDS: int = number("EXEMPLAR_KEEP_BUILDS", 10, least=1)

#: Days that predictions are kept which nobody asked again or spoke of; 0: for ever.
EXEMPLAR_KEEP_PREDICTIONS: int = number("EXEMPLAR_KEEP_PREDICTIONS", 0)

# -- Who may do what --


def loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


#: Anonymous callers may do everything but administer; default: on in embedded mode.
EXEMPLAR_OPEN: bool = switch("EXEMPLAR_OPEN", EXEMPLAR_EMBEDDED and loopback(EXEMPLAR_HOST))
if EXEMPLAR_OPEN and not loopback(EXEMPLAR_HOST):
    raise ImproperlyConfigured(
        f"EXEMPLAR_OPEN lets anybody in, so it is allowed only while listening on loopback, not on {EXEMPLAR_HOST}."
    )


def secret(name: str, file: str) -> str:
    """Return the setting `name`; in embedded mode the default is generated into the state folder."""
    if given := text(name):
        return given
    if not EXEMPLAR_EMBEDDED:
        raise ImproperlyConfigured(
            f"{name} must be set, as DATABASE_URL is: every process needs the same one."
        )
    return state.secret(EXEMPLAR_STATE, file)


#: Django's secret: sessions, CSRF tokens.
SECRET_KEY: str = secret("SECRET_KEY", "secret-key")

#: The HMAC key of artifacts.
EXEMPLAR_SIGNING_KEY: str = secret("EXEMPLAR_SIGNING_KEY", "signing-key")

#: Host names to accept; default: the loopback names.
EXEMPLAR_ALLOWED_HOSTS: list[str] = names("EXEMPLAR_ALLOWED_HOSTS")
ALLOWED_HOSTS = EXEMPLAR_ALLOWED_HOSTS or ["127.0.0.1", "localhost", "[::1]"]

# -- The declared products --

OURS = {"learning", "store", "schema", "project", "tests", "examples", "benchmarks", "docs"}


def app(named: str) -> str:
    """The module of an app that is named so, or by its folder: then what lies beside it can be imported, too."""
    if os.sep not in named:
        return named
    folder = Path(named).expanduser().resolve()
    if not (folder / "products.py").exists():
        raise ImproperlyConfigured(f"EXEMPLAR_PRODUCTS names {named}, where there is no products.py.")
    if str(folder.parent) not in sys.path:
        sys.path.append(str(folder.parent))
    return folder.name


#: Apps that declare products, as modules or folders, added to those beside manage.py; default: the examples, in
#: embedded mode.
EXEMPLAR_PRODUCTS: list[str] = [app(named) for named in names("EXEMPLAR_PRODUCTS")]


def examples() -> list[str]:
    folders = sorted((BASE_DIR / "examples").glob("*/products.py"))
    return [f"examples.{file.parent.name}" for file in folders] if EXEMPLAR_EMBEDDED else []


def beside() -> list[str]:
    found = sorted(file.parent.name for file in BASE_DIR.glob("*/products.py"))
    return [name for name in found if name not in OURS and name.isidentifier()]


#: Apps whose tables belong to somebody else, who migrates them.
EXEMPLAR_FOREIGN: list[str] = [
    name for name in EXEMPLAR_PRODUCTS if name not in beside() and not name.startswith("examples.")
]

# -- Django --

INSTALLED_APPS = list(
    dict.fromkeys(
        [
            "project",  # first: its `migrate` makes the schema, then does what Django's does
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.staticfiles",
            "django.contrib.humanize",
            "store",
            "schema",
            *(EXEMPLAR_PRODUCTS or examples()),
            *beside(),
        ]
    )
)

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

STATIC_URL = "/static/"
_graphiql = find_spec("graphene_django_graphiql_static")
#: GraphiQL's files under their package's own name; the package itself is not imported, it wants graphene.
STATICFILES_DIRS = [
    Path(folder) / "static" for folder in (_graphiql.submodule_search_locations or () if _graphiql else ())
]


def database(dsn: dict[str, str]) -> dict[str, Any]:
    """Django's description of the database that libpq knows as `dsn`."""
    known = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    # What Exemplar creates is its own; a team's tables are found behind it.
    search_path = "-c search_path=exemplar,public"
    defaults = {"connect_timeout": "5", "application_name": "exemplar"}
    return {
        "ENGINE": "django.db.backends.postgresql",
        **{name: dsn[key] for key, name in known.items() if key in dsn},
        "OPTIONS": defaults
        | {key: value for key, value in dsn.items() if key not in known}
        | {"options": f"{dsn.get('options', '')} {search_path}".strip()},
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }


def described(url: str) -> dict[str, str]:
    try:
        return parse_dsn(url)
    except Exception as error:  # psycopg2.ProgrammingError; the URL holds a password, so it is not shown
        raise ImproperlyConfigured("DATABASE_URL is not a URL that PostgreSQL understands.") from error


DATABASES = {
    "default": database(described(DATABASE_URL) if DATABASE_URL else engines.PostgreSQL(EXEMPLAR_STATE).dsn)
}
DATABASE_ROUTERS = ["project.routers.Foreign"]

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django": {"level": "WARNING", "handlers": [], "propagate": True},
        "django.server": {"level": "WARNING", "handlers": [], "propagate": True},
        "store.runtime.lifespan": {"level": "INFO"},
    },
}
