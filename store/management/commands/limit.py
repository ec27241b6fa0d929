"""Command that limits how many operations a user, a program or each stranger may send."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from learning.exceptions import ExemplarError
from store.access import grants

#: The word for what the settings say.
DEFAULT = "default"


class Command(BaseCommand):
    help = (
        "Limit the operations of a user or program: ./dev limit shop --rate 100/second --quota 1000000/day. All of its "
        "tokens share the limits. `unlimited` is no limit, `default` what the settings say."
    )
    # Who may do what depends on no declaration, and the checks compose the whole schema.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "grantee", help="a user, a program, or anonymous for each stranger by its address"
        )
        parser.add_argument("--rate", help="operations in a short time, as 100/second; default: unchanged")
        parser.add_argument("--quota", help="operations in a long time, as 1000000/day; default: unchanged")

    def handle(self, *, grantee: str, rate: str | None, quota: str | None, **options: object) -> None:
        if rate is None and quota is None:
            raise CommandError("Name a --rate, a --quota or both, as 100/second, unlimited or default.")
        try:
            user = grants.limit(grants.find_grantee(grantee), rate=_read(rate), quota=_read(quota))
        except ExemplarError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{user.username}: {grants.describe_limits(user) or 'what the settings say'}.")


def _read(text: str | None) -> str | None:
    return "" if text == DEFAULT else text
