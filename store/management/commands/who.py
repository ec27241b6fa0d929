"""Command that shows who may do what."""

from argparse import ArgumentParser
from typing import IO, cast

from django.conf import settings
from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table

from store.access import grants, resolver
from store.access.permissions import OPEN, Permission


class Command(BaseCommand):
    help = "Show who may do what, and how often: grants and limits of users, programs, groups and strangers."
    # Who may do what depends on no declaration, and the checks compose the whole schema.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("product", nargs="?", help="only what holds on this product")

    def handle(self, *, product: str | None, **options: object) -> None:
        table = Table("grantee", "kind", "product", "may", "limits")
        for row in [*grants.list_grants(), *declared()]:
            if product is None or row.product in (None, product):
                may = ", ".join(row.permissions) or "–"
                table.add_row(row.grantee, row.kind, row.product or "all", may, row.limits or "–")
        Console(file=cast(IO[str], self.stdout)).print(table)
        if settings.EXEMPLAR_OPEN:
            allowed = ", ".join(permission for permission in Permission if permission in OPEN)
            self.stdout.write(f"EXEMPLAR_OPEN is on: strangers may {allowed} on every product.")


def declared() -> list[grants.GrantRow]:
    """List what EXEMPLAR_ANONYMOUS grants to strangers."""
    return list(grants.rows_of("anonymous", "EXEMPLAR_ANONYMOUS", resolver.declared_stranger_grants()))
