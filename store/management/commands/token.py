"""Command that makes, lists, rotates and revokes tokens."""

from argparse import ArgumentParser
from datetime import datetime
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Column, Table

from learning.exceptions import ExemplarError
from store.access import programs, reading, tokens
from store.access.models import Token
from store.access.tokens import MadeToken
from store.products import catalogue


class Command(BaseCommand):
    help = "Make, list, rotate and revoke the tokens of programs. A token's secret is shown once, when it is made."
    # Who may do what depends on no declaration, and the checks compose the whole schema.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", choices=("create", "list", "rotate", "revoke"), help="what to do")
        parser.add_argument(
            "name",
            nargs="?",
            default="",
            help="create: the program's name, which is made if there is none, or a user's; rotate, revoke: the token's "
            "prefix, as `list` shows it",
        )
        parser.add_argument("--may", metavar="PERMISSIONS", default="", help="create: as PREDICT,FEEDBACK")
        parser.add_argument(
            "--product", action="append", help="create: on this product alone; may be repeated; default: all"
        )
        parser.add_argument("--expires", metavar="DURATION", help="create: as 12h or 90d; default: never")
        parser.add_argument("--note", default="", help="create: what it is for")
        parser.add_argument("--overlap", default="1d", help="rotate: time for which the old one holds, too")
        parser.add_argument("--all", action="store_true", help="list: also those that are expired or revoked")

    def handle(self, *, act: str, name: str, **options: Any) -> None:
        if not name and act != "list":
            raise CommandError(
                "Name the program or user." if act == "create" else "Name the token by its prefix."
            )
        try:
            if act == "list":
                self.list_all(options["all"])
            elif act == "create":
                self.create(name, options)
            elif act == "rotate":
                self.rotate(name, options["overlap"])
            else:
                token = tokens.revoke(name)
                self.stdout.write(f"{token} of {token.user.username} is revoked.")
        except ExemplarError as error:
            raise CommandError(str(error)) from error

    def create(self, name: str, options: dict[str, Any]) -> None:
        products, expires = options["product"], options["expires"]
        token = programs.make_token(
            name,
            created_by="command",
            permissions=reading.read_permissions(options["may"]),
            products=None if products is None else [catalogue.get(product).name for product in products],
            expires_in=None if expires is None else reading.read_duration(expires),
            note=options["note"],
        )
        self.show(token)

    def rotate(self, prefix: str, overlap: str) -> None:
        period = reading.read_duration(overlap)
        self.show(tokens.rotate(tokens.find(prefix), created_by="command", overlap=period))
        self.stdout.write(f"{prefix} holds for {overlap} more.")

    def list_all(self, all: bool) -> None:
        table = Table(Column("token", no_wrap=True), "of", "may", "on", "expires", "last used", "note")
        rows = Token.objects.select_related("user").order_by("user__username", "pk")
        for token in rows if all else rows.filter(tokens.HOLDS):
            table.add_row(
                token.prefix,
                token.user.username,
                ", ".join(token.permissions or ["all that its user may"]),
                ", ".join(token.products or ["all products"]),
                "revoked" if token.revoked_at else show_time(token.expires_at, "never"),
                show_time(token.last_used_at, "–"),
                token.note,
            )
        Console(file=cast(IO[str], self.stdout)).print(table)

    def show(self, token: MadeToken) -> None:
        """Show a new token's secret, this once."""
        self.stdout.write("This is the token. It is not stored and cannot be shown again:")
        self.stdout.write(token.secret)


def show_time(moment: datetime | None, default: str) -> str:
    """Show a moment to the minute."""
    return f"{moment:%Y-%m-%d %H:%M}" if moment else default
