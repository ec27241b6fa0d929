"""The team's settings. TEAM_DATABASE: libpq's connection string; TEAM_USER_MODEL: AUTH_USER_MODEL, if not Django's."""

import os

from psycopg2.extensions import parse_dsn

_dsn = parse_dsn(os.environ["TEAM_DATABASE"])

SECRET_KEY = "the team's secret"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    # Not installed in Exemplar; a migration of the orders needs it.
    "django.contrib.sites",
    "orders",
]
if AUTH_USER_MODEL := os.environ.get("TEAM_USER_MODEL", ""):
    INSTALLED_APPS.append(AUTH_USER_MODEL.partition(".")[0])
else:
    del AUTH_USER_MODEL
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
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
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _dsn["dbname"],
        "USER": _dsn["user"],
        "PASSWORD": _dsn["password"],
        "HOST": _dsn["host"],
        "PORT": _dsn["port"],
    }
}
