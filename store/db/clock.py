"""The one clock of all hosts: that of PostgreSQL."""

from datetime import datetime

from django.db import connection


def now() -> datetime:
    """Read the time; not the transaction's, which stands still during a wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (moment,) = cursor.fetchone()
    assert isinstance(moment, datetime)
    return moment
