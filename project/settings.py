"""All settings, typed, with defaults and units; no other module reads the environment."""

import ipaddress
import os
import re
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from psycopg2.extensions import parse_dsn

from project import engines, keys, manifests, state
from store.access import rates

BASE_DIR = Path(__file__).resolve().parent.parent


def read_text(name: str, default: str = "") -> str:
    """Read an environment variable without blanks around it; an empty one is the default."""
    return os.environ.get(name, "").strip() or default


def read_number(name: str, default: int, least: int = 0, most: int | None = None) -> int:
    """Read a whole number. Raises ImproperlyConfigured if it is none, less than `least`, or more than `most`."""
    value = read_text(name, str(default))
    if not value.isdecimal() or int(value) < least or (most is not None and int(value) > most):
        limits = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ImproperlyConfigured(f"{name} must be a whole number {limits}, not {value!r}.")
    return int(value)


def read_switch(name: str, default: bool) -> bool:
    """Read a switch. Raises ImproperlyConfigured for other words than those of on and off."""
    on, off = {"1", "true", "on", "yes"}, {"0", "false", "off", "no"}
    value = read_text(name, "on" if default else "off").lower()
    if value not in on | off:
        raise ImproperlyConfigured(f"{name} must be on or off, not {value!r}.")
    return value in on


def read_choice(name: str, default: str, choices: Sequence[str]) -> str:
    """Read one of several words. Raises ImproperlyConfigured for any other."""
    value = read_text(name, default).lower()
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    return value


def read_rate(name: str, default: str) -> str:
    """Read a rate, as `100/second`, or `unlimited`. Raises ImproperlyConfigured for others, and for one of 0."""
    value = read_text(name, default)
    try:
        rates.parse(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from None
    return value


def read_names(name: str) -> list[str]:
    """Read a list, separated by commas."""
    return [part.strip() for part in read_text(name).split(",") if part.strip()]


# -- Where things are --

#: Embedded engines, logs, generated secrets.
EXEMPLAR_STATE: Path = Path(read_text("EXEMPLAR_STATE") or state.default_folder(BASE_DIR)).absolute()

#: A libpq URL of PostgreSQL {store.db.postgresql.versions.OLDEST} or newer, with all that libpq knows: TLS and
#: certificates, several hosts, sockets, a service, the password in ~/.pgpass; empty: the embedded one.
DATABASE_URL: str = read_text("DATABASE_URL")
EXEMPLAR_EMBEDDED: bool = not DATABASE_URL

EXEMPLAR_EMBEDDED_REDIS: bool = not read_text("REDIS_URL")
#: A redis-py URL of Redis or Valkey; default: the embedded one's socket.
REDIS_URL: str = read_text("REDIS_URL") or engines.Valkey(EXEMPLAR_STATE).url

#: The address to listen on.
EXEMPLAR_HOST: str = read_text("EXEMPLAR_HOST", "127.0.0.1")
#: The port of HTTP and WebSocket.
EXEMPLAR_PORT: int = read_number("EXEMPLAR_PORT", 8000, least=1, most=65_535)

#: Hosts and networks whose forwarded headers are trusted, as `10.0.0.0/8`; none by default.
EXEMPLAR_TRUSTED_PROXIES: list[str] = read_names("EXEMPLAR_TRUSTED_PROXIES")

#: A PEM file with a certificate and its chain: with it, the web processes speak HTTPS; default: HTTP.
EXEMPLAR_TLS_CERT: str = read_text("EXEMPLAR_TLS_CERT")
#: A PEM file with the private key of the certificate.
EXEMPLAR_TLS_KEY: str = read_text("EXEMPLAR_TLS_KEY")

#: The folder of the sockets by which web processes tell each other their metrics.
EXEMPLAR_SIBLINGS: Path = state.socket_folder(EXEMPLAR_STATE, "web")

# -- How much --

#: Connections of a web process, at most; one address has half of them, unless it is a trusted proxy.
EXEMPLAR_CONNECTIONS: int = read_number("EXEMPLAR_CONNECTIONS", 4_096, least=16)
#: MB that a web process keeps of requests which have not come in full, at most; one address has half of it.
EXEMPLAR_UNFINISHED_MB: int = read_number("EXEMPLAR_UNFINISHED_MB", 256, least=1)

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

#: Days after which entries of the audit log are deleted; 0: never. What is younger than 30 days cannot be deleted.
EXEMPLAR_KEEP_AUDIT: int = read_number("EXEMPLAR_KEEP_AUDIT", 365)
if 0 < EXEMPLAR_KEEP_AUDIT < 30:
    raise ImproperlyConfigured("EXEMPLAR_KEEP_AUDIT must be 0, to keep all, or at least 30 days.")

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


def read_stranger_permissions(name: str) -> dict[str | None, list[str]]:
    """Read permissions by product, and under None those on all products. Raises ImproperlyConfigured.

    `VIEW,PREDICT` is granted on all products, `tumor:PREDICT wine:VIEW,PREDICT` on these.
    """
    permissions: dict[str | None, list[str]] = {}
    text = read_text(name)
    for part in text.split():
        product, colon, listed = part.rpartition(":")
        # A blank behind the colon or a comma would grant on all products what is meant for one.
        is_torn = ":" in text and part != part.strip(",")
        if is_torn or (colon and not (listed and re.fullmatch(r"[\w-]+", product))):
            raise ImproperlyConfigured(
                f"{name} has {part!r}: write `tumor:PREDICT wine:VIEW,PREDICT`, with blanks between products alone."
            )
        for permission in filter(None, listed.upper().split(",")):
            if permission not in STRANGER_PERMISSIONS:
                raise ImproperlyConfigured(
                    f"{name} grants {permission}: what strangers may be granted is {', '.join(STRANGER_PERMISSIONS)}, "
                    "as in `VIEW,PREDICT` for all products or `tumor:PREDICT` for one."
                )
            permissions.setdefault(product or None, []).append(permission)
    return permissions


#: What strangers may be granted; nobody administers unnamed.
STRANGER_PERMISSIONS = ("VIEW", "PREDICT", "FEEDBACK", "BUILD", "PROMOTE", "DELETE", "ERASE")
#: What callers without a credential may do, as `VIEW,PREDICT` on all products or `tumor:PREDICT` on one, besides what
#: is granted to `anonymous`; default: nothing.
EXEMPLAR_ANONYMOUS: dict[str | None, list[str]] = read_stranger_permissions("EXEMPLAR_ANONYMOUS")
# -- How much a caller may ask for --

#: Operations that a person or program may send, in windows of the clock, as `100/second`, where its row has no rate;
#: default: unlimited with EXEMPLAR_OPEN, else 1000/second.
EXEMPLAR_RATE: str = read_rate("EXEMPLAR_RATE", "unlimited" if EXEMPLAR_OPEN else "1000/second")
#: The same for a long time, as `1000000/day`, where its row has no quota.
EXEMPLAR_QUOTA: str = read_rate("EXEMPLAR_QUOTA", "unlimited")
#: Operations that one address without a credential may send; default: unlimited with EXEMPLAR_OPEN, else 20/second.
EXEMPLAR_STRANGER_RATE: str = read_rate(
    "EXEMPLAR_STRANGER_RATE", "unlimited" if EXEMPLAR_OPEN else "20/second"
)
#: The same for a long time; default: unlimited with EXEMPLAR_OPEN, else 20000/day.
EXEMPLAR_STRANGER_QUOTA: str = read_rate(
    "EXEMPLAR_STRANGER_QUOTA", "unlimited" if EXEMPLAR_OPEN else "20000/day"
)

#: The cost of an operation, at most: the values that its answer may have.
EXEMPLAR_COST: int = read_number("EXEMPLAR_COST", 1_000_000, least=1)
#: The same for callers without a credential; default: EXEMPLAR_COST with EXEMPLAR_OPEN, else 100000.
EXEMPLAR_STRANGER_COST: int = read_number(
    "EXEMPLAR_STRANGER_COST", EXEMPLAR_COST if EXEMPLAR_OPEN else 100_000, least=1
)

#: Bytes of a request's body, at most: 10,000 rows of thirty features are 10 MB, with long names and spaces 20.
EXEMPLAR_BODY: int = read_number("EXEMPLAR_BODY", 67_108_864, least=1)
#: The same for callers without a credential; default: EXEMPLAR_BODY with EXEMPLAR_OPEN, else 1048576.
EXEMPLAR_STRANGER_BODY: int = read_number(
    "EXEMPLAR_STRANGER_BODY", EXEMPLAR_BODY if EXEMPLAR_OPEN else 1_048_576, least=1
)

#: WebSockets that a caller may hold open in one web process; callers without a credential a tenth of it, unless
#: EXEMPLAR_OPEN is on.
EXEMPLAR_SOCKETS: int = read_number("EXEMPLAR_SOCKETS", 200, least=1)
#: Streams that a caller may hold open in one web process, likewise.
EXEMPLAR_SUBSCRIPTIONS: int = read_number("EXEMPLAR_SUBSCRIPTIONS", 2_000, least=1)

#: Seconds that an operation may take, from its arrival; then its statements are ended, and it is TIMED_OUT.
EXEMPLAR_TIME_LIMIT: int = read_number("EXEMPLAR_TIME_LIMIT", 30, least=1)

#: Exports that one web process writes at once; each has a connection of its own to PostgreSQL.
EXEMPLAR_EXPORTS: int = read_number("EXEMPLAR_EXPORTS", 2, least=1)

#: Seconds that an export may take, with what its client needs to read it; then it is broken off.
EXEMPLAR_EXPORT_TIME_LIMIT: int = read_number("EXEMPLAR_EXPORT_TIME_LIMIT", 3_600, least=1)

#: Bytes of a file that is sent to be imported, at most. It is stored in PostgreSQL until it is loaded. The files of a
#: new product may have as many together; they are in the state folder until it is written.
EXEMPLAR_UPLOAD: int = read_number("EXEMPLAR_UPLOAD", 268_435_456, least=1)

#: The manifest of trusted documents, as graphql-codegen's persisted-documents.json or Relay's persisted queries:
#: callers without a credential may then send no others; default: none.
EXEMPLAR_DOCUMENTS: dict[str, str] = manifests.read_manifest(
    "EXEMPLAR_DOCUMENTS", read_text("EXEMPLAR_DOCUMENTS")
)

EVERYBODY, GRANTEES, NOBODY = AUDIENCES = ("everybody", "grantees", "nobody")
#: Who may read the schema by introspection, and is told which names are like a wrong one: everybody, grantees (whoever
#: brings a credential) or nobody; default: everybody with EXEMPLAR_OPEN, else grantees.
EXEMPLAR_INTROSPECTION: str = read_choice(
    "EXEMPLAR_INTROSPECTION", EVERYBODY if EXEMPLAR_OPEN else GRANTEES, AUDIENCES
)
#: Who is shown the page of GraphiQL; default: everybody with EXEMPLAR_OPEN, else grantees.
EXEMPLAR_GRAPHIQL: str = read_choice("EXEMPLAR_GRAPHIQL", EVERYBODY if EXEMPLAR_OPEN else GRANTEES, AUDIENCES)

# -- Secrets and hosts --


def read_networks(name: str, default: str) -> list[str] | None:
    """Read hosts and networks; `on` for all of them, `off` for None. Raises ImproperlyConfigured."""
    value = read_text(name, default)
    if value in ("on", "off"):
        return ["0.0.0.0/0", "::/0"] if value == "on" else None
    try:
        return [str(ipaddress.ip_network(part.strip())) for part in value.split(",") if part.strip()]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} must be on, off, or hosts and networks as 10.0.0.0/8: {error}."
        ) from None


#: Who may read `/metrics` without a credential: `on` for all, or hosts and networks as `10.0.0.0/8`; whoever may VIEW
#: all products may in any case. `off`: nobody may. Default: on where EXEMPLAR_OPEN is on, else no address.
EXEMPLAR_METRICS: list[str] | None = read_networks("EXEMPLAR_METRICS", "on" if EXEMPLAR_OPEN else "")


def read_keys(name: str, file: str) -> list[str]:
    """Read keys, separated by commas or blanks; in embedded mode the default is generated into the state folder.

    Raises ImproperlyConfigured if there is none while DATABASE_URL is set, or one that could be guessed.
    """
    for number, key in enumerate(values := keys.split(read_text(name)), 1):
        if weakness := keys.describe_weakness(key):
            which = f"key {number} of {name}" if len(values) > 1 else name
            raise ImproperlyConfigured(f"{which[0].upper()}{which[1:]} {weakness}. {keys.ADVICE}")
    if not values and not EXEMPLAR_EMBEDDED:
        raise ImproperlyConfigured(
            f"{name} must be set, as DATABASE_URL is: every process needs the same one. {keys.ADVICE}"
        )
    return values or [state.get_secret(EXEMPLAR_STATE, file, size=48)]


#: Django's secrets: sessions, CSRF tokens. The first signs, all verify.
SECRET_KEY: str = read_keys("SECRET_KEY", "secret-key")[0]
SECRET_KEY_FALLBACKS = read_keys("SECRET_KEY", "secret-key")[1:]

#: HMAC keys of artifacts, separated by commas or blanks: the first signs, all verify. See `./dev resign`.
EXEMPLAR_SIGNING_KEY: list[str] = read_keys("EXEMPLAR_SIGNING_KEY", "signing-key")

#: Host names that requests may name; default: the loopback names.
EXEMPLAR_ALLOWED_HOSTS: list[str] = read_names("EXEMPLAR_ALLOWED_HOSTS")
ALLOWED_HOSTS = EXEMPLAR_ALLOWED_HOSTS or ["127.0.0.1", "localhost", "[::1]"]

# -- The identity provider --


def read_issuer(name: str) -> str:
    """Read the URL of an issuer. Raises ImproperlyConfigured if it is none, or tokens would travel unencrypted."""
    value = read_text(name)
    parts = urlsplit(value)
    is_encrypted = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    if value and not (parts.hostname and is_encrypted):
        raise ImproperlyConfigured(
            f"{name} must be the https:// URL that the provider's discovery document has as `issuer`, not {value!r}."
        )
    return value


#: The identity provider, as the `issuer` of its discovery document; none by default.
EXEMPLAR_OIDC_ISSUER: str = read_issuer("EXEMPLAR_OIDC_ISSUER")
#: What the provider's access tokens for this server have as `aud`, one or several; none: tokens are not accepted.
EXEMPLAR_OIDC_AUDIENCE: list[str] = read_names("EXEMPLAR_OIDC_AUDIENCE")
#: Clients whose tokens are accepted, as the tokens' `azp` or `client_id`; default: all that the provider gives tokens.
EXEMPLAR_OIDC_CLIENTS: list[str] = read_names("EXEMPLAR_OIDC_CLIENTS")
#: The claim that names the caller's groups, or the path to it, as `realm_access.roles`.
EXEMPLAR_OIDC_GROUPS_CLAIM: str = read_text("EXEMPLAR_OIDC_GROUPS_CLAIM", "groups")
#: The group of that claim whose members are superusers; nobody by default.
EXEMPLAR_OIDC_ADMINISTRATORS: str = read_text("EXEMPLAR_OIDC_ADMINISTRATORS")
#: The client as which people sign in to pages through the provider; none: only by passwords.
EXEMPLAR_OIDC_CLIENT_ID: str = read_text("EXEMPLAR_OIDC_CLIENT_ID")
#: That client's secret; none for a public client, which proves itself by PKCE alone.
EXEMPLAR_OIDC_CLIENT_SECRET: str = read_text("EXEMPLAR_OIDC_CLIENT_SECRET")
#: Scopes that a sign-in to pages requests, separated by blanks; some providers tell groups for a scope of their own.
EXEMPLAR_OIDC_SCOPES: str = read_text("EXEMPLAR_OIDC_SCOPES", "openid profile email")
#: What people call the provider, on the button of the sign-in page; default: its host.
EXEMPLAR_OIDC_LABEL: str = read_text("EXEMPLAR_OIDC_LABEL", urlsplit(EXEMPLAR_OIDC_ISSUER).hostname or "")
#: Hours after which people who signed in through the provider sign in again.
EXEMPLAR_OIDC_SESSION_HOURS: int = read_number("EXEMPLAR_OIDC_SESSION_HOURS", 8, least=1)
if EXEMPLAR_OIDC_ISSUER and not (EXEMPLAR_OIDC_AUDIENCE or EXEMPLAR_OIDC_CLIENT_ID):
    raise ImproperlyConfigured(
        "EXEMPLAR_OIDC_ISSUER needs EXEMPLAR_OIDC_AUDIENCE, to accept the provider's tokens, or "
        "EXEMPLAR_OIDC_CLIENT_ID, for people to sign in to pages, or both."
    )
if not EXEMPLAR_OIDC_ISSUER and (
    EXEMPLAR_OIDC_AUDIENCE or EXEMPLAR_OIDC_CLIENT_ID or EXEMPLAR_OIDC_CLIENT_SECRET
):
    raise ImproperlyConfigured(
        "EXEMPLAR_OIDC_ISSUER must say whose tokens are meant: set it to the provider's URL."
    )

# -- HTTPS, and pages of other hosts --

#: Callers come by HTTPS alone, to this process or to a trusted proxy before it: cookies are Secure, browsers remember
#: it, pages are redirected, and other requests without it are refused; default: on with a certificate.
EXEMPLAR_HTTPS: bool = read_switch("EXEMPLAR_HTTPS", bool(EXEMPLAR_TLS_CERT))

#: Seconds for which browsers remember that this host has HTTPS; 0: they do not.
EXEMPLAR_HSTS: int = read_number("EXEMPLAR_HSTS", 31_536_000)


def read_origins(name: str) -> list[str]:
    """Read origins in the form that browsers send. Raises ImproperlyConfigured for what is none."""
    origins = []
    for origin in read_names(name):
        try:
            parts = urlsplit(origin.lower())
            default = {"http": 80, "https": 443}[parts.scheme]
            port = "" if parts.port in (None, default) else f":{parts.port}"
            if not parts.hostname or parts.path or parts.query or parts.fragment or parts.username:
                raise ValueError
        except (KeyError, ValueError):
            if origin != "*":
                raise ImproperlyConfigured(
                    f"{name} must name origins, as https://shop.example, or be *; {origin!r} is none."
                ) from None
            origins.append(origin)
        else:
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            origins.append(f"{parts.scheme}://{host}{port}")
    return origins


#: Origins whose pages may use the API, as `https://shop.example`; `*`: all, by a token; default: those served here.
EXEMPLAR_ORIGINS: list[str] = read_origins("EXEMPLAR_ORIGINS")
#: Origins whose pages may also use a session, if browsers send its cookie from there.
CSRF_TRUSTED_ORIGINS = [origin for origin in EXEMPLAR_ORIGINS if origin != "*"]

# -- Where events are sent --


#: Schemes of mail servers, with their usual ports.
MAIL_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


def read_mail(name: str) -> str:
    """Read the URL of a mail server. Raises ImproperlyConfigured for what is none."""
    value, is_valid = read_text(name), False
    try:
        parts = urlsplit(value)
        rest = parts.path.strip("/") or parts.query or parts.fragment
        is_valid = parts.scheme in MAIL_PORTS and bool(parts.hostname) and parts.port != 0 and not rest
    except ValueError:
        pass
    if value and not is_valid:  # the URL holds a password, so it is not shown
        raise ImproperlyConfigured(
            f"{name} must be the URL of a mail server, as smtp+starttls://user:password@mail.example:587; smtps:// "
            "encrypts from the start, smtp:// not at all."
        )
    return value


#: The mail server that sends e-mail of events, as `smtp+starttls://user:password@mail.example:587`; none by default.
EXEMPLAR_MAIL: str = read_mail("EXEMPLAR_MAIL")
_mail = urlsplit(EXEMPLAR_MAIL)
EMAIL_HOST, EMAIL_PORT = _mail.hostname or "", _mail.port or MAIL_PORTS.get(_mail.scheme, 0)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_mail.username or ""), unquote(_mail.password or "")
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.scheme == "smtp+starttls", _mail.scheme == "smtps"
EMAIL_TIMEOUT = 10
#: The sender of e-mail.
EXEMPLAR_MAIL_FROM: str = read_text("EXEMPLAR_MAIL_FROM", "exemplar@localhost")
DEFAULT_FROM_EMAIL = EXEMPLAR_MAIL_FROM

#: Networks whose hosts webhooks may name although they are not public, as `10.0.0.0/8`; none by default, and no
#: webhook reaches an inner host.
EXEMPLAR_WEBHOOK_NETWORKS: list[str] = read_networks("EXEMPLAR_WEBHOOK_NETWORKS", "off") or []

# -- What is told of the work --

#: The form of the logs: `text`, or `json` for one JSON object a line.
EXEMPLAR_LOG: str = read_choice("EXEMPLAR_LOG", "text", ("text", "json"))

#: Log a line for each request: method, path, status, seconds, operation and actor.
EXEMPLAR_ACCESS_LOG: bool = read_switch("EXEMPLAR_ACCESS_LOG", False)

#: An OpenTelemetry collector that takes spans over HTTP, as `http://127.0.0.1:4318`; empty: none are sent. It needs
#: the extra `otel`. How many are sent is OpenTelemetry's own `OTEL_TRACES_SAMPLER`.
EXEMPLAR_TRACES: str = read_text("EXEMPLAR_TRACES")
if EXEMPLAR_TRACES and find_spec("opentelemetry") is None:
    raise ImproperlyConfigured("EXEMPLAR_TRACES needs OpenTelemetry: pip install '.[otel]'.")

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
            "project.console",
            "project.administration.AdministrationConfig",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.staticfiles",
            "django.contrib.humanize",
            "django_htmx",
            "guardian",
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
    "store.access.middleware.ActingMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
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
CSRF_FAILURE_VIEW = "project.console.errors.stale_form"
ASGI_APPLICATION = "project.asgi.application"
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

#: Exemplar's own users, also beside a team's project.
AUTH_USER_MODEL = "exemplar.User"
LOGIN_URL = "login"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
    "store.access.backends.IdentityProviderBackend",
]
# django-guardian keeps the grants on one product. Strangers are a row of our own, and its methods stay off our models.
ANONYMOUS_USER_NAME = None
GUARDIAN_MONKEY_PATCH_USER = False
GUARDIAN_MONKEY_PATCH_GROUP = False
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = EXEMPLAR_HTTPS
SECURE_HSTS_SECONDS = EXEMPLAR_HSTS if EXEMPLAR_HTTPS else 0
#: Other hosts below this one, and the browsers' own list of hosts, are up to who owns the domain.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

STATIC_URL = "/static/"
_graphiql = find_spec("graphene_django_graphiql_static")
#: GraphiQL's files under their package's own name; the package itself is not imported, it wants graphene.
STATICFILES_DIRS = [
    Path(folder) / "static" for folder in (_graphiql.submodule_search_locations or () if _graphiql else ())
]


def build_database(dsn: dict[str, str]) -> dict[str, object]:
    """Build Django's settings of a database from libpq's connection parameters. Raises ImproperlyConfigured."""
    django_names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    # Django wants one of the two, which libpq finds in its own variables.
    names = {"dbname": read_text("PGDATABASE"), "service": read_text("PGSERVICE")}
    if not dsn.keys() & names.keys():
        dsn = dsn | {name: value for name, value in names.items() if value}
    if not dsn.keys() & names.keys():
        raise ImproperlyConfigured(
            "DATABASE_URL names no database: end its path with the name, as postgresql://db.example/shop, or name a "
            "service of libpq's service file, as postgresql:///?service=shop."
        )
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
        # A pooler may give each statement another session.
        "DISABLE_SERVER_SIDE_CURSORS": not EXEMPLAR_EMBEDDED,
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
    "formatters": {
        "text": {
            "()": "project.logs.LineFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        },
        "json": {"()": "project.logs.JSONFormatter"},
    },
    "handlers": {"console": {"class": "project.logs.ThrottledHandler", "formatter": EXEMPLAR_LOG}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django": {"level": "WARNING", "handlers": [], "propagate": True},
        "django.server": {"level": "WARNING", "handlers": [], "propagate": True},
        "store.runtime.lifespan": {"level": "INFO"},
        "exemplar.access": {"level": "INFO" if EXEMPLAR_ACCESS_LOG else "WARNING"},
    },
}
