"""Rows: the only package that knows PostgreSQL and Redis."""
