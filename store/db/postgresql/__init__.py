"""Django's backend for PostgreSQL, with a version check and a deadline for a frozen server."""
