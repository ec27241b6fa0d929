"""Exports: predictions, feedback, entities and snapshots as files, which PostgreSQL renders row by row."""
