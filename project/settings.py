"""All settings, typed, with defaults and units; no other module reads the environment."""

import ipaddress
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from psycopg2.extensions import parse_dsn

from project import engines, state

BASE_DIR = Path(__file__).resolve().parent.parent


def read_text(name: str, default: str = "") -> str:
    """Read an environment variable without blanks around it; an empty one is the default."""
    return os.environ.get(name, "").strip() or default


def read_number(name: str, default: int, least: int = 0) -> int:
    """Read a whole number. Raises ImproperlyConfigured if it is none, or less than `least`."""
    value = read_text(name, str(default))
    if not value.isdecimal() or int(value) < least:
        raise ImproperlyConfigured(f"{name} must be a whole number of at least {least}, not {value!r}.")
    return int(value)


def read_switch(name: str, default: bool) -> bool:
    """Read a switch. Raises ImproperlyConfigured for other words than those of on and off."""
    on, off = {"1", "true", "on", "yes"}, {"0", "false", "off", "no"}
    value = read_text(name, "on" if default else "off").lower()
    if value not in on | off:
        raise ImproperlyConfigured(f"{name} must be on or off, not {value!r}.")
    return value in on


def read_names(name: str) -> list[str]:
    """Read a list, separated by commas."""
    return [part.strip() for part in read_text(name).split(",") if part.strip()]


# -- Where things are --

#: Embedded engines, logs, generated secrets.
EXEMPLAR_STATE: Path = Path(read_text("EXEMPLAR_STATE") or state.default_folder(BASE_DIR)).absolute()

#: A libpq URL of PostgreSQL {store.db.postgresql.versions.OLDEST} or newer; empty: the embedded one.
DATABASE_URL: str = read_text("DATABASE_URL")
EXEMPLAR_EMBEDDED: bool = not DATABASE_URL

EXEMPLAR_EMBEDDED_REDIS: bool = not read_text("REDIS_URL")
#: A redis-py URL of Redis or Valkey; default: the embedded one's socket.
REDIS_URL: str = read_text("REDIS_URL") or engines.Valkey(EXEMPLAR_STATE).url

#: The address to listen on.
EXEMPLAR_HOST: str = read_text("EXEMPLAR_HOST", "127.0.0.1")
#: The port of HTTP and WebSocket.
EXEMPLAR_PORT: int = read_number("EXEMPLAR_PORT", 8000, least=1)

#: Hosts and networks whose forwarded headers are trusted, as `10.0.0.0/8`; none by default.
EXEMPLAR_TRUSTED_PROXIES: list[str] = read_names("EXEMPLAR_TRUSTED_PROXIES")

# -- How much --

#: Web processes that `up` starts.
EXEMPLAR_WEB: int = read_number("EXEMPLAR_WEB", 1, least=1)
#: RQ workers that `up` starts.
EXEMPLAR_WORKERS: int = read_number("EXEMPLAR_WORKERS", 1)

#: Threads of a web process that do rows work; each keeps one database connection.
EXEMPLAR_THREADS: int = read_number("EXEMPLAR_THREADS", 8, least=1)

#: Fits that a build runs at once; default: one for each processor.
EXEMPLAR_CPUS: int = read_number("EXEMPLAR_CPUS", os.cpu_count() or 1, least=1)

#: The Dask scheduler whose workers run the fits instead, as `tcp://10.0.0.5:8786`; none by default.
SEARCH_SCHEDULER: str = read_text("SEARCH_SCHEDULER")

#: Builds try few candidates and draw no pictures: for tests and trials, whose models need not be good; default: off.
EXEMPLAR_QUICK_BUILDS: bool = read_switch("EXEMPLAR_QUICK_BUILDS", False)

#: Builds whose snapshots and unserved artifacts are kept, for each product.
EXEMPLAR_KEEP_BUILDS: int = read_number("EXEMPLAR_KEEP_BUILDS", 10, least=1)

#: Days after which predictions are deleted that were neither repeated nor given feedback; 0: never.
EXEMPLAR_KEEP_PREDICTIONS: int = read_number("EXEMPLAR_KEEP_PREDICTIONS", 0)

# -- Who may do what --


def is_loopback(host: str) -> bool:
    """Return True for addresses and names that only this machine reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


#: Anonymous callers may do everything but administer; default: on in embedded mode.
EXEMPLAR_OPEN: bool = read_switch("EXEMPLAR_OPEN", EXEMPLAR_EMBEDDED and is_loopback(EXEMPLAR_HOST))
if EXEMPLAR_OPEN and not is_loopback(EXEMPLAR_HOST):
    raise ImproperlyConfigured(
        f"EXEMPLAR_OPEN lets anybody in, so it is allowed only while listening on loopback, not on {EXEMPLAR_HOST}."
    )


def read_secret(name: str, file: str) -> str:
    """Read a secret; in embedded mode the default is generated into a file of the state folder.

    Raises ImproperlyConfigured if it is missing while DATABASE_URL is set.
    """
    if value := read_text(name):
        return value
    if not EXEMPLAR_EMBEDDED:
        raise ImproperlyConfigured(
            f"{name} must be set, as DATABASE_URL is: every process needs the same one."
        )
    return state.get_secret(EXEMPLAR_STATE, file)


#: Django's secret: sessions, CSRF tokens.
SECRET_KEY: str = read_secret("SECRET_KEY", "secret-key")

#: HMAC key of artifacts.
EXEMPLAR_SIGNING_KEY: str = read_secret("EXEMPLAR_SIGNING_KEY", "signing-key")

#: Host names that requests may name; default: the loopback names.
EXEMPLAR_ALLOWED_HOSTS: list[str] = read_names("EXEMPLAR_ALLOWED_HOSTS")
ALLOWED_HOSTS = EXEMPLAR_ALLOWED_HOSTS or ["127.0.0.1", "localhost", "[::1]"]

# -- The declared products --

#: Packages beside manage.py that are no products.
OURS = {"learning", "store", "schema", "project", "tests", "examples", "benchmarks", "docs"}


def find_app(name: str) -> str:
    """Return the module of an app; if `name` is a folder, make it and the modules beside it importable.

    Raises ImproperlyConfigured if there is no such module, or the folder is no app: it has neither products nor models.
    """
    if os.sep not in name:
        if find_spec(name.partition(".")[0]) is None:
            raise ImproperlyConfigured(
                f"EXEMPLAR_PRODUCTS names {name}, which Python does not find: put the folder that has it on "
                f"PYTHONPATH, or name the app's own folder, as /srv/shop/{name.replace('.', '/')}."
            )
        return name
    folder = Path(name).expanduser().resolve()
    if not is_app(folder):
        inside = sorted(path.name for path in folder.glob("*/") if is_app(path))
        instead = f"Name the apps in it: {', '.join(inside)}." if inside else "Name the folder of an app."
        raise ImproperlyConfigured(
            f"EXEMPLAR_PRODUCTS names {name}, where there is neither a products.py nor a models.py. {instead}"
        )
    parts, root = [folder.name], folder.parent
    while (root / "__init__.py").exists():  # the app is in a package
        parts, root = [root.name, *parts], root.parent
    if str(root) not in sys.path:
        sys.path.append(str(root))
    return ".".join(parts)


def is_app(folder: Path) -> bool:
    """Return True for the folder of an app with products, with models, or with both."""
    return any((folder / file).exists() for file in ("products.py", "models.py", "models/__init__.py"))


#: Apps that declare products, or the models of products elsewhere, as modules or folders, added to those beside
#: manage.py; default: the examples, in embedded mode.
EXEMPLAR_PRODUCTS: list[str] = [find_app(name) for name in read_names("EXEMPLAR_PRODUCTS")]


def list_examples() -> list[str]:
    """List the example products, which are installed in embedded mode only."""
    folders = sorted((BASE_DIR / "examples").glob("*/products.py"))
    return [f"examples.{file.parent.name}" for file in folders] if EXEMPLAR_EMBEDDED else []


def list_beside() -> list[str]:
    """List the products beside manage.py."""
    folders = sorted(file.parent.name for file in BASE_DIR.glob("*/products.py"))
    return [name for name in folders if name not in OURS and name.isidentifier()]


#: Apps whose tables another project owns and migrates.
EXEMPLAR_FOREIGN: list[str] = [
    name for name in EXEMPLAR_PRODUCTS if name not in list_beside() and not name.startswith("examples.")
]

#: The user model of those apps, as `accounts.User`: what AUTH_USER_MODEL is in the settings of the project that owns
#: them; default: Django's `auth.User`.
EXEMPLAR_USER_MODEL: str = read_text("EXEMPLAR_USER_MODEL")

# -- Django --

INSTALLED_APPS = list(
    dict.fromkeys(
        [
            "project",  # first: it loads a team's apps, and its `migrate` makes the schema
            "project.administration.AdministrationConfig",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.staticfiles",
            "django.contrib.humanize",
            "store.access",
            "store",
            "schema",
            *(EXEMPLAR_PRODUCTS or list_examples()),
            *list_beside(),
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

TEMPLATES: list[dict[str, object]] = [
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

#: Exemplar's own users, also beside a team's project.
AUTH_USER_MODEL = "exemplar.User"
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


def build_database(dsn: dict[str, str]) -> dict[str, object]:
    """Build Django's settings of a database from libpq's connection parameters."""
    django_names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    # Exemplar creates tables in its own schema, and finds a team's tables in `public`.
    search_path = "-c search_path=exemplar,public"
    defaults = {
        "connect_timeout": "5",
        # Over a network that is gone, TCP by itself would send the same bytes for a quarter of an hour.
        "tcp_user_timeout": "5000",
        "keepalives_idle": "5",
        "application_name": "exemplar",
    }
    return {
        "ENGINE": "store.db.postgresql",
        **{name: dsn[key] for key, name in django_names.items() if key in dsn},
        "OPTIONS": defaults
        | {key: value for key, value in dsn.items() if key not in django_names}
        | {"options": f"{dsn.get('options', '')} {search_path}".strip()},
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }


def parse_url(url: str) -> dict[str, str]:
    """Parse a URL to libpq's connection parameters. Raises ImproperlyConfigured."""
    try:
        return parse_dsn(url)
    except Exception as error:  # psycopg2.ProgrammingError; the URL holds a password, so it is not shown
        raise ImproperlyConfigured("DATABASE_URL is not a URL that PostgreSQL understands.") from error


DATABASES = {
    "default": build_database(
        parse_url(DATABASE_URL) if DATABASE_URL else engines.PostgreSQL(EXEMPLAR_STATE).dsn
    )
}
DATABASE_ROUTERS = ["project.routers.Foreign"]

LOGGING: dict[str, object] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "project.logs.ThrottledHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django": {"level": "WARNING", "handlers": [], "propagate": True},
        "django.server": {"level": "WARNING", "handlers": [], "propagate": True},
        "store.runtime.lifespan": {"level": "INFO"},
    },
}
