"""The errors of a PostgreSQL that is gone or does not answer."""

import psycopg2
from django.db import InterfaceError, OperationalError

#: Django's, and psycopg2's own where Django does not translate them, as in COPY.
UNREACHABLE = (OperationalError, InterfaceError, psycopg2.OperationalError, psycopg2.InterfaceError)
