"""Errors of the compiled form."""


class NotCompilable(Exception):
    """A part of the fitted pipeline has no compiled counterpart; the pipeline itself serves."""
