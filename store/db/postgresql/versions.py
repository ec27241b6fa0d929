"""The versions of PostgreSQL that can be used."""

from django.core.exceptions import ImproperlyConfigured

#: The oldest version. What versions before 16 lack stands in the schema `exemplar`.
OLDEST = 14


def check(number: int) -> None:
    """Check the version of a server, in libpq's form. Raises ImproperlyConfigured if it is too old."""
    if number < OLDEST * 10_000:
        raise ImproperlyConfigured(
            f"DATABASE_URL names a PostgreSQL {name(number)}, and the oldest that can be used is {OLDEST}: "
            "upgrade that server, or name a newer one."
        )


def name(number: int) -> str:
    """Return the name of a version in libpq's form: 15.4 for 150004, 9.6.24 for 90624."""
    major, minor = divmod(number, 10_000)
    return f"{major}.{minor}" if major >= 10 else f"{major}.{minor // 100}.{minor % 100}"
