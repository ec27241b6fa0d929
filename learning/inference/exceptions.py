"""Why a fitted pipeline stays as it is."""


class NotPlanned(Exception):
    """A part of the pipeline has no counterpart here."""
