"""Command that revokes permissions."""

from . import grant


class Command(grant.Command):
    help = "Revoke what ./dev grant has granted: ./dev revoke ann PREDICT tumor. What groups grant stays."
    revokes = True
